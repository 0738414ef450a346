"""
Shared by all rule files. Every path comes from Layout, every digest from the library.

Parameters hold digests, never values; paths hold cohort, version, tier, stage, modality, part.
"""

import sys
from pathlib import Path

from sluice.code import adapters_of, code_digest, lock_digest, resources_of, script_path
from sluice.config import Config, Layout
from sluice.identity.lineage import lineage_digest
from sluice.resources import shipped

CONFIG = Config.load(
    Path(config.get("site", "config/config.yaml")).absolute(), config.get("release", "demo/2026q1")
)
LAYOUT = CONFIG.layout
LOCK = lock_digest()
INDIVIDUAL = [tier for tier in CONFIG.tiers if tier != "public"]
REFERENCE = [str(path) for path in CONFIG.site.reference_files]
PIECES = [(m, part) for m in CONFIG.modalities for part in CONFIG.parts(m)]


wildcard_constraints:
    tier="|".join(CONFIG.tiers),
    modality="|".join([*CONFIG.modalities, "joint"]),
    part="all|p[0-9]+of[0-9]+",


def index(folder):
    """The file that stands for a folder's content."""
    return str(Layout.index(folder))


def record(path):
    """The internal record beside an output."""
    return str(Layout.record(path))


def code(script, modality=None):
    """Digest of the code that a job runs."""
    return code_digest(script, *adapters_of(script, modality, CONFIG.modalities))


def resources(script, modality=None):
    """Shipped files that a job reads; their content is in the code digest, their times don't count."""
    return list(resources_of(script, *adapters_of(script, modality, CONFIG.modalities)))


def settings(stage, tier=None, modality=None):
    """Digest of the configuration that a job may see."""
    return CONFIG.settings(stage, tier, modality).digest


def log(stage, *piece):
    """Log of a job."""
    return str(LAYOUT.log(stage, *piece))


def call(script, arguments=""):
    """Shell command of a script; quoted, logged."""
    from shlex import quote

    words = [sys.executable, str(script_path(script)), "--config", str(CONFIG.file)]
    address = f"{CONFIG.release.cohort}/{CONFIG.release.version}"
    start = " ".join(quote(w).replace("{", "{{").replace("}", "}}") for w in words)
    return f"{start} --release {address} {arguments} 2>&1 | tee {{log:q}}"


def parts_of(folder, modality, *before):
    """Indexes of all parts of a modality in one stage."""
    return [index(folder(*before, modality, part)) for part in CONFIG.parts(modality)]


def upstream(tier, modality, part):
    """What a tier starts from: curated tables, or another tier's released data."""
    source = CONFIG.policy.tiers[tier].source
    if source == "curated":
        return index(LAYOUT.curate(modality, part))
    return index(LAYOUT.data(source, modality, part))


def released(tier):
    """Indexes of everything that a tier releases."""
    if tier == "public":
        return [index(LAYOUT.data("public", "products", "all"))]
    return [index(LAYOUT.data(tier, m, part)) for m, part in PIECES]


def scored(tier):
    """What is scored in a tier: each modality, and all of them jointly."""
    return ["joint"] if tier == "public" else [*CONFIG.modalities, "joint"]
