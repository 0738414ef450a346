"""Every job of a release with its digests, told without Snakemake; and what Snakemake says of them.

A job is named by its log: ``score controlled.clinical``.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.pipeline.demo.home import Home

from sluice.code import adapters_of, closure, code_digest, lock_digest, resources_of
from sluice.config import Config, Layout, Stage


class Piece(NamedTuple):
    """One job: the script that it runs, the settings that it may see, and for what."""

    script: str
    stage: Stage
    tier: str | None = None
    modality: str | None = None


def jobs(config: Config) -> dict[str, Piece]:
    """Return every job of a release by name."""
    return dict(_jobs(config))


def _jobs(config: Config) -> Iterator[tuple[str, Piece]]:
    yield "intake consent", Piece("intake", "consent")
    yield "dp_measure all", Piece("dp_measure", "dp_measure", "public")
    for m in config.modalities:
        yield f"intake {m}", Piece("intake", "intake", None, m)
        for part in config.parts(m):
            yield f"curate {m}.{part}", Piece("curate", "curate", None, m)
    for tier in config.tiers:
        yield f"deidentify_plan {tier}", Piece("deidentify_plan", "plan", tier)
        yield f"validate {tier}", Piece("validate", "validate", tier)
        yield f"bundle {tier}", Piece("bundle", "bundle", tier)
        yield f"score {tier}.joint", Piece("score", "score", tier, "joint")
        for m in config.modalities:
            yield f"deidentify_facts {tier}.{m}", Piece("deidentify_facts", "facts", tier, m)
            if tier != "public":
                yield f"score {tier}.{m}", Piece("score", "score", tier, m)
            for part in config.parts(m):
                yield f"minimize {tier}.{m}.{part}", Piece("minimize", "minimize", tier, m)
                if tier != "public":
                    name = f"deidentify_apply {tier}.{m}.{part}"
                    yield name, Piece("deidentify_apply", "apply", tier, m)


def settings_digest(config: Config, piece: Piece) -> str:
    """Return the digest of the configuration that a job may see."""
    return config.settings(piece.stage, piece.tier, piece.modality).digest


def digests(config: Config, piece: Piece) -> set[str]:
    """Return the three digests that a job's rule has as parameters."""
    adapters = adapters_of(piece.script, piece.modality, config.modalities)
    return {
        code_digest(piece.script, *adapters),
        settings_digest(config, piece),
        lock_digest(),
    }


def reads(config: Config, piece: Piece) -> set[Path]:
    """Return the modules and shipped files that a job's code digest covers."""
    adapters = adapters_of(piece.script, piece.modality, config.modalities)
    modules = {p for m in adapters or (None,) for p in closure(piece.script, m)}
    return modules | {Path(name) for name in resources_of(piece.script, *adapters)}


def seen_differently(before: Config, after: Config) -> set[str]:
    """Return the jobs that would run again because their settings differ."""
    return {
        name
        for name, piece in jobs(before).items()
        if settings_digest(before, piece) != settings_digest(after, piece)
    }


def named(known: Iterable[str], *patterns: str) -> set[str]:
    """Return the jobs that match patterns such as ``score controlled.*``; each must match one."""
    found = {pattern: set(fnmatch.filter(known, pattern)) for pattern in patterns}
    assert all(found.values()), [pattern for pattern, names in found.items() if not names]
    return set().union(*found.values())


def recorded(home: Home) -> dict[str, set[str]]:
    """Return by job the parameters that Snakemake recorded."""
    found = {}
    for path in (home.path / ".snakemake" / "metadata").rglob("*"):
        if path.is_file():
            record = json.loads(path.read_text())
            if record["log"]:
                name = _name(home.layout, record["log"][0])
                found[name] = {parameter.strip("'") for parameter in record["params"]}
    return found


_BLOCK = re.compile(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", re.MULTILINE)
_LINE = re.compile(r"^    (log|reason): (.*)$", re.MULTILINE)


def planned(home: Home, said: str) -> dict[str, str]:
    """Return by job the reason for which a dry run would run it."""
    found = {}
    for _, block in _BLOCK.findall(said + "\n"):
        lines = dict(_LINE.findall(block))
        if "log" in lines:  # the target itself has none
            found[_name(home.layout, lines["log"])] = lines["reason"]
    return found


def _name(layout: Layout, log: str) -> str:
    stage, piece = Path(log).relative_to(layout.base / "logs").parts
    return f"{stage} {piece.removesuffix('.log')}"
