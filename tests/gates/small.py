"""A tiny release with a plan, scores and released tables, small enough to read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from sluice.config import Config
from sluice.files import write_json
from sluice.files.tables import write_table
from sluice.scores import Score

SITE = """
raw: {root}/raw
work: {root}/work
vault: {root}/vault
store: {root}/store
facility: "Small Facility <b>"
contact: data@example.org
demo: {demo}
"""
COHORT = """
cohort: tiny
title: Tiny cohort
consent: {file: c.csv, participant_field: p, code_field: c, signed_field: s, codes: {}}
modalities:
  clinical: {sources: [{file: p.csv, table: people}]}
  bulk: {sources: [{file: b.tsv, table: matrix}]}
"""
RELEASE = """
cohort: tiny
version: 2026q1
title: Tiny release
cut_date: 2026-01-01
published: 2026-02-01
policy: small
tiers: [controlled, registered, public]
"""
_TIER = """
    title: {title}
    source: {source}
    linkage: release
    access: Under agreement.
    count_rounding: 10
    statements: [An attacker was tested., Another one was not., This is evidence only.]
    people:
      {{k: 3, l_diversity: 1, dominant_share: 1, dominant_margin: 0, t_closeness: 1,
       max_suppression: 0.1, quasi: [age, sex], recoding: {{mode: search}},
       reason: Three is enough here., owner: officer}}
    modalities:
      clinical:
        fields:
          people.birth_date: {{rule: age, as: age, levels: [10, 20], top: 80, need: a covariate}}
          people.sex: {{rule: keep, need: a covariate}}
          visits.date: {{rule: interval, as: days, bin: 90, top: 720, need: follow-up}}
        reason: Coarse records.
        owner: officer
      bulk: {{settings: {{groups: [tissue], min_donors: 20}}, reason: Means only., owner: officer}}
    products:
      clinical_table: {{modality: clinical, title: People and visits, requires: [linkage, kept],
        on_fail: stop, reason: The core table., owner: officer}}
      group_means: {{modality: bulk, title: Set means, requires: [membership], on_fail: drop,
        reason: Means of groups., owner: officer}}
    limits:
      linkage: {{max: 0.09, reason: The usual threshold, owner: officer, mend: coarsen a field}}
      membership: {{max: 0.65, reason: Telling members, owner: officer, mend: use larger groups}}
      kept: {{min: 0.5, reason: Must be useful, owner: manager, mend: coarsen less}}
"""
_PUBLIC = """
  public:
    title: Public
    source: curated
    linkage: release
    access: Anybody.
    statements: [Differential privacy for one participant., Groups are not covered., Evidence only.]
    budget: {lifetime_epsilon: 3, lifetime_delta: 1.0e-6, release_epsilon: 0.75,
      release_delta: 2.5e-7, reserve_share: 0.25, shares: {clinical: 0.3}, max_predicted_se: 0.25,
      min_people_for_means: 100, expected_people: 100, reason: A lifetime budget., owner: officer}
    modalities:
      clinical: {reason: Counts., owner: officer}
    products:
      counts: {modality: clinical, title: Counts by sex, requires: [], reason: Fixed categories.,
        owner: officer, settings: {domains: {sex: [female, male]}}}
      synthetic: {modality: clinical, title: Synthetic people, requires: [], owner: officer,
        settings: {from: counts}, reason: No further spend.}
    limits: {}
"""


def policy() -> str:
    """Return the policy's YAML."""
    head = "policy: small\nedition: '1'\nowner: officer\nreason: a test\nterms: [Be good.]\n"
    head += "unavailable: {traits: comes later}\ntiers:\n"
    controlled = "  controlled:" + _TIER.format(title="Controlled access", source="curated")
    registered = "  registered:" + _TIER.format(title="Registered access", source="controlled")
    return head + controlled + registered + _PUBLIC


def small_config(root: Path, *, demo: bool = True) -> Config:
    """Write the configuration below ``root`` and load it."""
    folder = root / "config"
    texts = {
        "config.yaml": SITE.format(root=root, demo=str(demo).lower()),
        "cohorts/tiny.yaml": COHORT,
        "releases/tiny/2026q1.yaml": RELEASE,
        "policies/small.yaml": policy(),
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return Config.load(folder / "config.yaml", "tiny/2026q1")


def score(name: str = "linkage", product: str = "clinical_table", **changes: Any) -> Score:
    """Return a score that passes unless ``changes`` say otherwise."""
    return Score(
        **{
            "name": name,
            "product": product,
            "attacker_knows": "age and sex, with errors",
            "estimate": 0.021,
            "lower": 0.004,
            "upper": 0.0614,
            "n": 143,
            "chance": 0.007,
            "limit_key": name,
            "evidence": {"raw": 0.93, "works": True},
            "note": "Errors as in two registries.",
            "detail": {"proportion": True},
            **changes,
        }
    )


SCORES = [
    score(),
    score("membership", "group_means", estimate=0.55, upper=0.62, chance=0.5, detail={}),
]
UTILITIES = [score("kept", estimate=0.8, lower=0.7314, upper=0.9, evidence={}, detail={})]


def plan(**changes: Any) -> dict[str, Any]:
    """Return a plan in which every product is on."""
    names = {"clinical_table": "clinical", "group_means": "bulk"}
    return {
        "tier": "registered",
        "policy": "small",
        "edition": "1",
        "recoding": {"mode": "search", "node": {"age": 1, "sex": 0}, "levels": {}, "loss": 0.31},
        "people": {"candidates": 147, "kept": 143, "suppressed": 4, "classes": 9, "smallest": 7},
        "products": {
            n: {"modality": m, "title": n, "status": "on", "reason": ""} for n, m in names.items()
        },
        "modalities": {
            "clinical": {"files": {"clinical_table": ["*.parquet"]}},
            "bulk": {"files": {"group_means": ["group_means.parquet"]}},
        },
        **changes,
    }


def person(number: int) -> str:
    """Return a pseudonym."""
    return "P" + "abcdefgh"[number % 8] * 14 + f"{number // 8 + 22}"


def tables() -> dict[str, pd.DataFrame]:
    """Return the released tables of the registered tier, by path below ``data``."""
    people = [person(number) for number in range(12)]
    return {
        "clinical/all/people.parquet": pd.DataFrame(
            {"person": people, "age": ["40-59", "60-79"] * 6, "sex": ["female", "male"] * 6}
        ),
        "clinical/all/visits.parquet": pd.DataFrame(
            {"person": people, "visit": ["S" + p[1:] for p in people], "days": [0, 90, 720] * 4}
        ),
        "bulk/all/group_means.parquet": pd.DataFrame(
            {"tissue": ["blood"], "feature": ["HALLMARK_X"], "mean": [1.25], "donors": [24]}
        ),
    }


def write_tier(
    config: Config,
    tier: str = "registered",
    *,
    planned: dict[str, Any] | None = None,
    scores: list[Score] | None = None,
    utilities: list[Score] | None = None,
    released: dict[str, pd.DataFrame] | None = None,
) -> None:
    """Write everything that is judged."""
    layout = config.layout
    write_json(layout.plan(tier), planned or plan())
    sizes = [24, 20, 30, 9, 15, 7, 12, 14, 12]
    classes = [number for number, size in enumerate(sizes) for _ in range(size)]
    kept = pd.DataFrame({"kept": True, "class_id": classes})
    gone = pd.DataFrame({"kept": [False] * 4, "class_id": -1})
    write_table(layout.plan_people(tier), pd.concat([kept, gone]))
    for folder, found in (
        (layout.score(tier, "clinical"), SCORES if scores is None else scores),
        (layout.utility(tier, "clinical"), UTILITIES if utilities is None else utilities),
    ):
        for one in found:
            write_json(folder / f"{one.name}.{one.product}.json", one.to_json())
    for name, content in (tables() if released is None else released).items():
        write_table(layout.tier(tier) / "data" / name, content)
