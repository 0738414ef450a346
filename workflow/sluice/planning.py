"""One plan a tier: everything global is decided here, and nothing after it decides."""

from __future__ import annotations

from dataclasses import asdict
from math import prod
from typing import Any

import pandas as pd

from sluice.files import write_json
from sluice.files.tables import write_table
from sluice.jobs import Job
from sluice.knowledge import everybody
from sluice.modalities import load
from sluice.modalities.shared.series import write_classes
from sluice.public import refusals
from sluice.questions import Question, question, tier_facts
from sluice.recoding import tier_classes
from sluice.tables.explain import front

#: Other k that the board is shown the price of, and the most cells that are looked at for it.
_FRONT, _MOST_CELLS = (2, 3, 5, 8, 12, 20), 50_000_000


def plan(job: Job) -> None:
    """Write ``plan.json`` and ``plan_people.parquet`` of the tier.

    Individual tiers: the recoding node (searched, or frozen by the policy) and who is kept. Every
    tier: which products are on, and each adapter's own part.
    """
    settings = job.settings
    assert settings.products is not None and settings.modalities is not None
    facts = tier_facts(job)
    recoding: dict[str, Any] = {"mode": "none", "node": {}, "levels": {}, "loss": None, "gap": None}
    if settings.people is None:
        people = pd.DataFrame({"subject": everybody(facts)})
        people = people.assign(kept=True, class_id=0, held=False)
    else:
        asked = question(job, facts, settings.people)
        people, recoding = tier_classes(job, asked)
        write_classes(job, people, recoding, asked.table)
        recoding["front"] = _front(asked)
    kept, held = people[people["kept"]], int(people["held"].sum())
    sizes = kept.groupby("class_id").size() if settings.people else pd.Series(dtype=int)
    parts: dict[str, dict[str, Any]] = {}
    for modality in settings.modalities:
        known = facts[modality]
        known = known[known["subject"].isin(set(kept["subject"]))]
        piece = Job(job.config, "plan", job.tier, modality, counts=job.counts)
        parts[modality] = load(modality, "propose")(piece, known, recoding["node"])
    write_table(job.layout.plan_people(job.tier), people)
    write_json(
        job.layout.plan(job.tier),
        {
            "tier": job.tier,
            "policy": settings.policy,
            "edition": settings.edition,
            "recoding": recoding,
            "people": {
                "candidates": len(people),
                "kept": len(kept),
                "suppressed": len(people) - len(kept) - held,
                "held_back": held,
                "classes": len(sizes),
                "smallest": int(sizes.min()) if len(sizes) else 0,
                "sizes": sorted(map(int, sizes)),
            },
            "products": _products(job, parts),
            "modalities": parts,
        },
    )


def _front(asked: Question) -> list[dict[str, float]]:
    """Return what other k would cost, for the board; none where looking takes too long."""
    nodes = prod(len(levels) for levels in asked.ladders.values())
    if nodes * len(asked.table) > _MOST_CELLS:
        return []
    limit = asked.policy.max_suppression
    steps = front(lambda k: asked.search(asked.levels, limit, k), {*_FRONT, asked.policy.k})
    return [asdict(step) for step in steps]


def _products(job: Job, parts: dict[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Say for each product whether it is on, and if not, why."""
    assert job.settings.products is not None
    worthless = refusals(job) if job.tier == "public" else {}
    states: dict[str, dict[str, str]] = {}
    for name, product in job.settings.products.items():
        lacking = [s for s in product.requires if s in (job.settings.unavailable or {})]
        refused = parts.get(product.modality, {}).get("refused", {}) | worthless
        if product.modality not in parts:
            reason = f"the cohort has no {product.modality} data"
        elif not product.enabled:
            reason = product.reason
        elif lacking:
            reason = f"needs {lacking[0]}: {(job.settings.unavailable or {})[lacking[0]]}"
        else:
            reason = refused.get(name, "")
        states[name] = {
            "modality": product.modality,
            "title": product.title,
            "status": "off" if reason else "on",
            "reason": reason,
        }
    for name, product in job.settings.products.items():
        source = states.get(str(product.settings.get("from")))
        if source and source["status"] == "off" and states[name]["status"] == "on":
            states[name] |= {"status": "off", "reason": f"its source is off: {source['reason']}"}
    return states
