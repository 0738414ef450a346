"""One plan a tier: everything global is decided here, and nothing after it decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from sluice.config.policy import FieldRule, ModalityPolicy, People
from sluice.errors import SluiceError
from sluice.files import write_json
from sluice.files.tables import write_table
from sluice.jobs import Job
from sluice.modalities import load
from sluice.modalities.shared.past import Past, read_past
from sluice.modalities.shared.plan import MISSING, REMOVED, cell_columns, is_offered, on_cells
from sluice.modalities.shared.rules import ladder, level_names
from sluice.modalities.shared.series import steps_of
from sluice.public import refusals
from sluice.tables.hierarchies import ALL
from sluice.tables.local import recode_cells, removed
from sluice.tables.models import Rules
from sluice.tables.recode import search, suppress

#: Quasi-identifier of those whose expression is told donor by donor: all that a link to it tells.
LINKED = "linked_by_expression"
#: Modalities whose values find the same person again (decision 0017).
_LINKING = ("bulk", "singlecell")


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
        people = pd.DataFrame({"subject": _subjects(facts)}).assign(
            kept=True, class_id=0, held=False
        )
    else:
        people, recoding = tier_classes(job, facts, settings.people)
    kept, held = people[people["kept"]], int(people["held"].sum())
    sizes = kept.groupby("class_id").size() if settings.people else pd.Series(dtype=int)
    parts: dict[str, dict[str, Any]] = {}
    for modality in settings.modalities:
        known = facts[modality]
        known = known[known["subject"].isin(set(kept["subject"]))]
        piece = Job(job.config, "plan", job.tier, modality, counts=job.counts)
        parts[modality] = load(modality, "propose")(piece, known)
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


def _subjects(facts: dict[str, pd.DataFrame]) -> list[str]:
    return sorted(set().union(*(set(table["subject"]) for table in facts.values())))


def wide_facts(job: Job, facts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row a subject and one column an attribute; what is missing is a value too."""
    subjects = _subjects(facts)
    columns: dict[str, pd.Series] = {}
    for modality, table in facts.items():
        for attribute, rows in table.groupby("attribute", sort=True):
            columns[str(attribute)] = rows.set_index("subject")["value"].reindex(subjects)
        present = pd.Series(subjects, index=subjects).isin(set(table["subject"]))
        columns[f"has_{modality}"] = present.map({True: "yes", False: "no"})
    return pd.DataFrame(columns, index=pd.Index(subjects, name="subject"))


def linked_facts(facts: Mapping[str, pd.DataFrame], donors: Iterable[str]) -> pd.Series:
    """Return, by subject, what a perfect link of a donor's expression tells in one text.

    All facts of all modalities of expression, so also that there are any, of ``donors`` only:
    values join (POLICY.md, decision 2), and what they join to is a quasi-identifier (decision 14).
    """
    rows = pd.concat([facts[modality] for modality in _LINKING if modality in facts])
    rows = rows[rows["subject"].isin(set(donors))].sort_values(["subject", "attribute"])
    told = rows["attribute"] + ": " + rows["value"].fillna(MISSING)
    return told.groupby(rows["subject"]).agg("; ".join)


def field_rules(modalities: Mapping[str, ModalityPolicy]) -> dict[str, FieldRule]:
    """Return a tier's rules by released field name."""
    return {
        rule.as_ or field.partition(".")[2]: rule
        for policy in modalities.values()
        for field, rule in policy.fields.items()
    }


def field_ladders(
    modalities: Mapping[str, ModalityPolicy],
) -> dict[str, list[Callable[[pd.Series], pd.Series]]]:
    """Return each released field's levels, finest first."""
    return {name: ladder(rule) for name, rule in field_rules(modalities).items()}


def tier_facts(job: Job) -> dict[str, pd.DataFrame]:
    """Read what an attacker may know of each modality."""
    assert job.settings.modalities is not None
    return {m: job.read(job.layout.facts(job.tier, m)) for m in job.settings.modalities}


def tier_classes(
    job: Job, facts: dict[str, pd.DataFrame], policy: People, *, anew: bool = False
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return who is kept in which class, and the recoding.

    Frozen by the policy or by what was published before, else searched; with ``anew``, searched
    among what is no finer than that. Earlier releases may keep people out too: see
    :mod:`sluice.tables.sequential`.
    """
    table = wide_facts(job, facts)
    if table.empty:
        raise SluiceError(
            "Nobody is left for a tier",
            where=f"tier {job.tier}",
            mend="check consent codes, the cut date and the links between identifiers",
        )
    rules = field_rules(job.settings.modalities or {})
    known_to_all = set(job.settings.defined_by or [])
    # What everybody is known to share in coarse is known of each one in detail, if it is released.
    quasi = [q for q in policy.quasi if q in table.columns]
    quasi += sorted(q for q in known_to_all if q in rules and q in table.columns and q not in quasi)
    if is_offered(job, "set_scores"):
        table[LINKED] = linked_facts(facts, facts["bulk"]["subject"]).reindex(table.index)
        quasi.append(LINKED)
    sensitive = [s for s in policy.sensitive if s in table.columns and s not in known_to_all]
    ladders = {q: usable(table[q], rules[q]) if q in rules else {0: _same} for q in quasi}
    limits: dict[str, Any] = {
        "l_by_sensitive": dict.fromkeys(sensitive, policy.l_diversity),
        "t_by_sensitive": dict.fromkeys(sensitive, policy.t_closeness),
        "dominant": policy.dominant_share,
        "margin": policy.dominant_margin,
    }
    names = {q: level_names(rules[q]) if q in rules else ["value"] for q in quasi}
    past = read_past(job)
    subjects = past.subjects(job, table.index)
    barred = subjects.isin(past.suppressed)
    mode: str = policy.recoding.mode
    if mode == "search" and past.own and not anew:
        mode = "series"
    if mode == "search":
        free = {q: past.no_finer(q, names[q], ladders[q]) for q in quasi}
        found = search(
            table.fillna(MISSING),
            {q: [_keeping_missing(f) for f in free[q].values()] for q in quasi},
            policy.k,
            max_suppression=policy.max_suppression,
            weights=policy.recoding.weights,
            **limits,
        )
        node = {q: list(free[q])[found.node[q]] for q in quasi}
        recoded, kept = _recoded(table, ladders, node), ~found.suppressed & ~barred
    else:
        found = None
        node = _frozen_node(job.tier, policy, ladders, names, past)
        past.refuse_finer(job.tier, steps_of(node, rules, names), rules, policy)
        recoded = _recoded(table, ladders, node)
        kept = _kept(recoded, ~barred, quasi, policy.k, limits)
    cells = pd.DataFrame(index=table.index)
    if policy.recoding.local != "none":
        levels = _cell_levels(table, ladders, node, rules, policy, sensitive)
        levels = past.coarsest(levels, subjects, names)
        changed = _with_cells(table, ladders, node, levels)
        again = _kept(changed, ~barred, quasi, policy.k, limits)
        # Cells go only where more people can stay for it, or where some are gone already.
        if past.changed_cells or again.sum() > kept.sum():
            recoded, kept, cells = changed, again, levels
    class_id = np.asarray(recoded.groupby(quasi, sort=True, dropna=False).ngroup()) if quasi else 0
    least, furthest = limits["l_by_sensitive"], limits["t_by_sensitive"]
    judged = Rules(policy.k, least, furthest, policy.dominant_share, policy.dominant_margin)
    shown = pd.Series(class_id, index=subjects)[kept]
    stays, waits = past.staying(job, shown, table[sensitive].set_axis(subjects), judged)
    held = np.zeros(len(table), dtype=bool)
    held[kept], kept[kept] = waits, stays
    people = pd.DataFrame({"subject": table.index, "kept": kept}).assign(
        class_id=np.where(kept, class_id, -1),
        held=held,
        **cell_columns(cells),
    )
    recoding: dict[str, Any] = {
        "mode": mode,
        "node": node,
        "levels": names,
        "loss": None if found is None else round(found.loss, 9),
        "gap": None if found is None else round(found.gap, 9),
        "quasi": quasi,
        "sensitive": sensitive,
        "k": policy.k,
        "l_diversity": policy.l_diversity,
        "reason": policy.recoding.reason,
        "steps": {name: asdict(step) for name, step in steps_of(node, rules, names).items()},
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


def _frozen_node(
    tier: str,
    policy: People,
    ladders: Mapping[str, Mapping[int, Any]],
    names: Mapping[str, Sequence[str]],
    past: Past,
) -> dict[str, int]:
    """Return the level of each field: the policy's, else as it was published, else the finest."""
    finest = {q: min(past.no_finer(q, names[q], ladders[q])) for q in ladders}
    node = {q: policy.recoding.node.get(q, finest[q]) for q in ladders}
    for name, level in node.items():
        if level not in ladders[name]:
            raise SluiceError(
                "A frozen level is finer than its source allows, or does not exist",
                where=f"tier {tier}, field {name}, level {level}",
                mend=f"freeze one of: {', '.join(map(str, ladders[name]))}",
            )
    return node


def _kept(
    recoded: pd.DataFrame, free: np.ndarray, quasi: Sequence[str], k: int, limits: dict[str, Any]
) -> np.ndarray:
    """Return who may stay by the classes, of those whom no earlier release keeps out."""
    kept = free.copy()
    kept[free] = suppress(recoded[free], quasi, k, **limits)
    return kept


def _cell_levels(
    table: pd.DataFrame,
    ladders: dict[str, dict[int, Callable[..., pd.Series]]],
    node: dict[str, int],
    rules: Mapping[str, FieldRule],
    policy: People,
    sensitive: Sequence[str],
) -> pd.DataFrame:
    """Return the level of each cell that may change, subjects as index (see ``REMOVED``)."""
    steps = {name: [level] for name, level in node.items()}
    for name in set(policy.recoding.local_fields) & set(node):
        names = level_names(rules[name])
        if policy.recoding.local == "recode":
            steps[name] += [i for i in ladders[name] if i > node[name] and names[i] != ALL]
        steps[name].append(REMOVED)
    places = recode_cells(
        table.assign(**{name: table[name].fillna(MISSING) for name in sensitive}),
        {name: [(ladders[name] | {REMOVED: removed})[i] for i in steps[name]] for name in node},
        Rules(
            policy.k,
            dict.fromkeys(sensitive, policy.l_diversity),
            dict.fromkeys(sensitive, policy.t_closeness),
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


def usable(values: pd.Series, rule: FieldRule) -> dict[int, Callable[[pd.Series], pd.Series]]:
    """Return the levels of a rule that these values can still be put on.

    A tier that starts from another tier's released values cannot be finer than they are.
    """
    found = {}
    for place, level in enumerate(ladder(rule)):
        try:
            level(values)
        except SluiceError:
            continue
        found[place] = level
    if not found:
        raise SluiceError(
            "No level of a rule fits the field's values",
            where=f"rule {rule.rule}",
            mend="check the field's type in the cohort file and the levels in the policy",
        )
    return found


def _keeping_missing(level: Callable[[pd.Series], pd.Series]) -> Callable[[pd.Series], pd.Series]:
    """Treat the missing category as a value of its own on every level but ``*``."""

    def apply(values: pd.Series) -> pd.Series:
        missing = values == MISSING
        return level(values.where(~missing, None)).where(lambda out: out.notna(), MISSING)

    return apply


def _same(values: pd.Series) -> pd.Series:
    return values


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
