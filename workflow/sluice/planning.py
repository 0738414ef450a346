"""One plan a tier: everything global is decided here, and nothing after it decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from sluice.config.policy import FieldRule, ModalityPolicy, People
from sluice.errors import SluiceError
from sluice.files import write_json
from sluice.files.tables import write_table
from sluice.jobs import Job
from sluice.modalities import load
from sluice.modalities.shared.plan import is_offered
from sluice.modalities.shared.rules import ladder, level_names
from sluice.public import refusals
from sluice.tables.recode import search, suppress

MISSING = "(missing)"
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
        people = pd.DataFrame({"subject": _subjects(facts)}).assign(kept=True, class_id=0)
    else:
        people, recoding = tier_classes(job, facts, settings.people)
    kept = people[people["kept"]]
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
                "suppressed": len(people) - len(kept),
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
    job: Job, facts: dict[str, pd.DataFrame], policy: People
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return who is kept in which class, and the recoding: frozen by the policy, or searched."""
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
    limits = {
        "l_by_sensitive": dict.fromkeys(sensitive, policy.l_diversity),
        "t_by_sensitive": dict.fromkeys(sensitive, policy.t_closeness),
        "dominant": policy.dominant_share,
        "margin": policy.dominant_margin,
    }
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
        kept = suppress(recoded, quasi, policy.k, **limits)  # type: ignore[arg-type]
        found = None
    else:
        found = search(
            table.fillna(MISSING),
            {q: [_keeping_missing(f) for f in ladders[q].values()] for q in quasi},
            policy.k,
            max_suppression=policy.max_suppression,
            weights=policy.recoding.weights,
            **limits,  # type: ignore[arg-type]
        )
        node = {q: list(ladders[q])[found.node[q]] for q in quasi}
        recoded, kept = _recoded(table, ladders, node), ~found.suppressed
    class_id = recoded.groupby(quasi, sort=True, dropna=False).ngroup() if quasi else 0
    people = pd.DataFrame({"subject": table.index, "kept": kept}).assign(
        class_id=np.where(kept, np.asarray(class_id), -1)
    )
    names = {q: level_names(rules[q]) if q in rules else ["value"] for q in quasi}
    recoding = {
        "mode": policy.recoding.mode,
        "node": node,
        "levels": names,
        "loss": None if found is None else round(found.loss, 9),
        "gap": None if found is None else round(found.gap, 9),
        "quasi": quasi,
        "sensitive": sensitive,
    }
    return people, recoding


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
