"""One plan a tier: everything global is decided here, and nothing after it decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from math import prod
from typing import Any

import numpy as np
import pandas as pd

from sluice.config.policy import FieldRule
from sluice.errors import SluiceError
from sluice.files import write_json
from sluice.files.tables import write_table
from sluice.jobs import Job
from sluice.knowledge import MISSING, everybody
from sluice.modalities import load
from sluice.modalities.shared.plan import REMOVED, cell_columns, on_cells
from sluice.modalities.shared.rules import level_names
from sluice.public import refusals
from sluice.questions import Question, field_rules, question, tier_facts
from sluice.tables.explain import front
from sluice.tables.hierarchies import ALL
from sluice.tables.local import recode_cells, removed
from sluice.tables.models import Rules
from sluice.tables.recode import Recoding, suppress

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
        people = pd.DataFrame({"subject": everybody(facts)}).assign(kept=True, class_id=0)
    else:
        asked = question(job, facts, settings.people)
        people, recoding = tier_classes(job, asked)
        recoding["front"] = _front(asked)
    kept = people[people["kept"]]
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
                "suppressed": len(people) - len(kept),
                "classes": len(sizes),
                "smallest": int(sizes.min()) if len(sizes) else 0,
                "sizes": sorted(map(int, sizes)),
            },
            "products": _products(job, parts),
            "modalities": parts,
        },
    )


def tier_classes(job: Job, asked: Question) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return who is kept in which class, and the recoding: frozen by the policy, or searched."""
    rules = field_rules(job.settings.modalities or {})
    policy, table, quasi, sensitive = asked.policy, asked.table, asked.quasi, asked.sensitive
    ladders, limits = asked.ladders, asked.limits
    if policy.recoding.mode == "frozen":
        node = {q: policy.recoding.node.get(q, min(ladders[q])) for q in quasi}
        for name, level in node.items():
            if level not in ladders[name]:
                raise SluiceError(
                    "A frozen level is finer than its source allows, or does not exist",
                    where=f"tier {job.tier}, field {name}, level {level}",
                    mend=f"freeze one of: {', '.join(map(str, ladders[name]))}",
                )
        recoded = _recoded(table, ladders, node)
        kept = suppress(recoded, quasi, policy.k, **limits)
        found = None
    else:
        found = _searched(job, asked)
        node = {q: list(ladders[q])[found.node[q]] for q in quasi}
        recoded, kept = _recoded(table, ladders, node), ~found.suppressed
    cells = pd.DataFrame(index=table.index)
    if policy.recoding.local != "none":
        levels = _cell_levels(asked, node, rules)
        changed = _with_cells(table, ladders, node, levels)
        again = suppress(changed, quasi, policy.k, **limits)
        if again.sum() > kept.sum():  # cells go only where more people can stay for it
            recoded, kept, cells = changed, again, levels
    class_id = recoded.groupby(quasi, sort=True, dropna=False).ngroup() if quasi else 0
    people = pd.DataFrame({"subject": table.index, "kept": kept}).assign(
        class_id=np.where(kept, np.asarray(class_id), -1),
        **cell_columns(cells),
    )
    names = {q: level_names(rules[q]) if q in rules else ["value"] for q in quasi}
    recoding: dict[str, Any] = {
        "mode": policy.recoding.mode,
        "node": node,
        "levels": names,
        "loss": None if found is None else round(found.loss, 9),
        "gap": None if found is None else round(found.gap, 9),
        "quasi": quasi,
        "untold": sorted(asked.untold & set(policy.quasi)),
        "sensitive": sensitive,
        "attackers": {n: a.model_dump(mode="json") for n, a in sorted(policy.attackers.items())},
    }
    if not cells.empty:
        recoding["local"] = {
            "mode": policy.recoding.local,
            "fields": {
                name: {
                    "removed": int((cells.loc[kept, name] == REMOVED).sum()),
                    "coarser": int((cells.loc[kept, name] > node[name]).sum()),
                }
                for name in map(str, cells)
            },
        }
    return people, recoding


def _searched(job: Job, asked: Question) -> Recoding:
    try:
        return asked.search(asked.levels, asked.policy.max_suppression)
    except SluiceError as error:
        release = f"{job.layout.cohort}/{job.layout.version}"
        hint = f"`sluice explain {release} --tier {job.tier}` says what would help"
        raise SluiceError(
            error.what,
            where=f"tier {job.tier}: {error.where}" if error.where else f"tier {job.tier}",
            mend=f"{error.mend}; {hint}" if error.mend else hint,
        ) from None


def _front(asked: Question) -> list[dict[str, float]]:
    """Return what other k would cost, for the board; none where looking takes too long."""
    nodes = prod(len(levels) for levels in asked.ladders.values())
    if nodes * len(asked.table) > _MOST_CELLS:
        return []
    limit = asked.policy.max_suppression
    steps = front(lambda k: asked.search(asked.levels, limit, k), {*_FRONT, asked.policy.k})
    return [asdict(step) for step in steps]


def _cell_levels(
    asked: Question, node: dict[str, int], rules: Mapping[str, FieldRule]
) -> pd.DataFrame:
    """Return the level of each cell that may change, subjects as index (see ``REMOVED``)."""
    policy, table, ladders = asked.policy, asked.table, asked.ladders
    steps = {name: [level] for name, level in node.items()}
    for name in set(policy.recoding.local_fields) & set(node):
        names = level_names(rules[name])
        if policy.recoding.local == "recode":
            steps[name] += [i for i in ladders[name] if i > node[name] and names[i] != ALL]
        steps[name].append(REMOVED)
    places = recode_cells(
        table.assign(**{name: table[name].fillna(MISSING) for name in asked.sensitive}),
        {name: [(ladders[name] | {REMOVED: removed})[i] for i in steps[name]] for name in node},
        Rules(
            policy.k,
            asked.limits["l_by_sensitive"],
            asked.limits["t_by_sensitive"],
            policy.dominant_share,
            policy.dominant_margin,
        ),
        policy.recoding.weights,
    )
    levels = {
        name: np.array(steps[name])[places[:, j]]
        for j, name in enumerate(node)
        if len(steps[name]) > 1
    }
    return pd.DataFrame(levels, index=table.index)


def _with_cells(
    table: pd.DataFrame,
    ladders: dict[str, dict[int, Callable[..., pd.Series]]],
    node: dict[str, int],
    cells: pd.DataFrame,
) -> pd.DataFrame:
    out = _recoded(table, ladders, node)
    for name in map(str, cells):
        out[name] = on_cells(table[name], ladders[name], cells[name])
    return out.fillna(MISSING)


def _recoded(
    table: pd.DataFrame,
    ladders: dict[str, dict[int, Callable[..., pd.Series]]],
    node: dict[str, int],
) -> pd.DataFrame:
    out = table.copy()
    for name, level in node.items():
        out[name] = ladders[name][level](table[name])
    return out.fillna(MISSING)


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
