"""Real people of several modalities: who is hidden in one and alone over all of them is caught."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import pandas as pd
import pytest
from ruamel.yaml import YAML
from tests.pipeline.demo.search import files
from tests.pipeline.real.build import ADDRESS, Real

from sluice.attacks.joint import joint_scenarios, released_wide
from sluice.config import Config
from sluice.files import read_json
from sluice.files.tables import read_table, write_table
from sluice.jobs import Job
from sluice.knowledge import MISSING, joint_table
from sluice.modalities import load
from sluice.planning import plan
from sluice.scores import Score
from sluice.tables.classes import class_sizes

TIER, K = "controlled", 5
CLINICAL = ["age", "sex", "zip3", "country", "diagnosis"]
#: The classes hold for the clinical table alone, and what there is of a person leaves whole.
WEAK: dict[str, Any] = {
    "tiers/controlled/people/quasi": CLINICAL,
    "tiers/controlled/modalities/imaging/settings/max_studies": None,
    "tiers/controlled/modalities/imaging/settings/regions": "any",
    "tiers/controlled/modalities/imaging/settings/sop_classes": ["CR", "CT", "DX", "MR"],
    "tiers/controlled/modalities/imaging/settings/burned_in": ["NO", "UNKNOWN"],
}


class Weak(NamedTuple):
    """A release of the same people whose classes know one modality, and how it was attacked."""

    job: Job
    scores: dict[str, Score]


@pytest.fixture(scope="module")
def weak(real: Real) -> Weak:
    """The controlled tier again, from the same curated tables, in folders of its own."""
    home = real.home / "weak"
    shutil.copytree(real.config.parent, home / "config")
    shutil.copytree(real.home / "vault", home / "vault")
    base = home / "work" / "real" / "2026q1"
    for folder in ("intake", "curate"):
        shutil.copytree(real.base / folder, base / folder)
    policy = home / "config/policies/real.yaml"
    content = YAML(typ="safe").load(policy)
    for place, value in WEAK.items():
        *parents, last = place.split("/")
        section = content
        for key in parents:
            section = section[key]
        section[last] = value
    policy.write_text(json.dumps(content))  # JSON is YAML whose every word is quoted
    site = (home / "config/config.yaml").read_text().replace("raw: ../raw", "raw: ../../raw")
    (home / "config/config.yaml").write_text(site)
    config = Config.load(home / "config/config.yaml", ADDRESS)
    _build(config)
    job = Job(config, "score", TIER, "joint")
    return Weak(job, {score.name: score for score in joint_scenarios(job)})


def _build(config: Config) -> None:
    """Run the stages of the tier up to the released data, in this process."""
    pieces = [(m, part) for m in config.modalities for part in config.parts(m)]
    for modality, part in pieces:
        job = Job(config, "minimize", TIER, modality, part)
        with job.writing(job.layout.minimize(TIER, modality, part)) as out:
            load(modality, "minimize")(job, out)
    for modality in config.modalities:
        facts = load(modality, "facts")(Job(config, "facts", TIER, modality))
        write_table(config.layout.facts(TIER, modality), facts)
    plan(Job(config, "plan", TIER))
    for modality, part in pieces:
        job = Job(config, "apply", TIER, modality, part)
        with job.writing(job.layout.data(TIER, modality, part)) as out:
            load(modality, "apply")(job, out)


def mended(real: Real) -> Job:
    """The release as its own policy makes it."""
    return Job(Config.load(real.config, ADDRESS), "score", TIER, "joint")


def quasi(job: Job) -> list[str]:
    found: list[str] = read_json(job.layout.plan(TIER))["recoding"]["quasi"]
    return found


def test_people_who_pass_k_clinically_and_are_alone_jointly_are_caught(
    real: Real, weak: Weak
) -> None:
    joint = quasi(mended(real))
    shown = released_wide(weak.job, sorted({*joint, *CLINICAL}))
    clinical, together = class_sizes(shown, CLINICAL), class_sizes(shown, joint)
    alone = shown.index[(clinical >= K) & (together == 1)]
    assert clinical.min() >= K, "the clinical table by itself keeps its promise"
    print(f"{len(shown)} people in classes of {clinical.min()} or more; {len(alone)} alone jointly")
    assert len(alone) >= 1
    differs = shown.loc[alone].drop(columns=CLINICAL).ne(MISSING).any()
    assert differs["studies"] or differs["bulk_samples"]
    limits = weak.job.config.policy.tiers[TIER].limits
    caught = weak.scores["attacker_colleague"]
    assert caught.upper == 1 > (limits["attacker_colleague"].max or 0)
    assert weak.scores["prosecutor"].upper <= (limits["prosecutor"].max or 0), "k alone is blind"
    assert weak.scores["attacker_register"].upper <= (limits["attacker_register"].max or 0)


def test_the_mend_hides_them_and_what_is_left_is_of_use(real: Real, weak: Weak) -> None:
    job = mended(real)
    shown = released_wide(job, quasi(job))
    assert class_sizes(shown, quasi(job)).min() >= K
    gates = {g["gate"]: g for g in read_json(job.layout.gates(TIER))["gates"] if g["n"]}
    for name in ("prosecutor", "joint_uniqueness", "attacker_colleague", "header_classes"):
        print(f"{name}: {gates[name]['bound']:.3f} of {gates[name]['limit']:g}")
        assert gates[name]["verdict"] == "pass"
    for name in ("table_utility", "gene_utility", "cell_utility", "image_utility"):
        print(f"{name}: {gates[name]['bound']:.3f}, at least {gates[name]['limit']:g}")
        assert gates[name]["bound"] >= gates[name]["limit"]
    before = released_wide(weak.job).shape[0]
    assert len(shown) >= 0.9 * before


def test_a_person_suppressed_for_one_modality_is_absent_from_all(real: Real) -> None:
    job = mended(real)
    people = read_table(job.layout.plan_people(TIER)).set_index("subject")["kept"]
    gone = set(people.index[~people])
    facts = {m: read_table(job.layout.facts(TIER, m)) for m in job.config.modalities}
    table = joint_table(facts).loc[sorted(gone)]
    several = (table[[f"has_{m}" for m in facts]] == "yes").sum(axis=1) > 1
    assert several.any(), "some of them have data of more than one modality"
    links = [
        read_table(job.layout.crosswalk(TIER, m, part))
        for m in facts
        for part in job.config.parts(m)
    ]
    assert not gone & set(pd.concat(links)["subject"])
    released = set(
        read_table(job.layout.data(TIER, "clinical", "all") / "people.parquet")["person"]
    )
    for persons in shown_persons(job):
        assert persons <= released


def shown_persons(job: Job) -> list[set[str]]:
    """Whom each kind of released file names."""
    folder = job.layout.tier(TIER) / "data"
    named = []
    for path in sorted(folder.rglob("*.h5ad")):
        with h5py.File(path) as file:
            donors = file["obs/donor_id"]
            names = donors["categories"] if isinstance(donors, h5py.Group) else donors
            named.append({str(name) for name in names.asstr()[:]})
    images = [path for path in files(folder / "imaging") if path.suffix == ".dcm"]
    named.append({Path(path).parts[-4] for path in images})
    assert all(named) and len(named) >= 3
    return named
