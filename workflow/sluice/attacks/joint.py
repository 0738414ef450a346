"""Attacks over all modalities at once: what an attacker knows of a person does not stop at one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from sluice.attacks.equivalence import (
    THRESHOLD,
    attacker,
    joint_uniqueness,
    journalist,
    marketer,
    prosecutor,
)
from sluice.attacks.linkage import record_linkage
from sluice.attacks.sequential import sequential_scores
from sluice.config.policy import EVERYTHING, attacker_score
from sluice.files import read_json
from sluice.identity.lineage import lineage_digest
from sluice.jobs import Job
from sluice.knowledge import LINKED, MISSING, by_modality, joint_table, linked_facts
from sluice.modalities import load
from sluice.modalities.shared.consent import people_of, truth_of
from sluice.modalities.shared.past import read_past
from sluice.modalities.shared.plan import cell_levels, on_cells
from sluice.modalities.shared.series import value_digests
from sluice.modalities.shared.told import text
from sluice.public import audit_products
from sluice.questions import field_ladders, tier_facts
from sluice.scores import Score
from sluice.tables.classes import encode
from sluice.tables.explain import without_each
from sluice.tables.models import Rules, measure
from sluice.tables.risk import prosecutor as risk_of_each
from sluice.tables.risk import summarise
from sluice.tables.sequential import Step, Told

PRODUCT = "clinical_table"
_SEED = 1


def joint_scenarios(job: Job) -> list[Score]:
    """Return the scenarios over the joint quasi-identifiers of an individual-level tier.

    The released side is read back from the candidate's data, not from the plan.
    """
    if job.tier == "public":
        return audit_products(job)
    plan = read_json(job.layout.plan(job.tier))
    quasi = joint_quasi(job)
    truth = truth_of(job, "clinical")
    everything = released_wide(job)
    released = everything.reindex(columns=quasi, fill_value=MISSING)
    candidates = _raw_facts(job)
    raw = candidates.loc[sorted(truth)]
    if LINKED in quasi:  # what links perfectly is known as the release tells it
        raw[LINKED] = released.loc[[truth[subject] for subject in raw.index], LINKED].to_numpy()
    before = candidates.astype(object).where(candidates.notna(), MISSING)
    scores = [
        _explained(job, prosecutor(released, quasi, "prosecutor", PRODUCT), released, before),
        journalist(released, quasi, "journalist", PRODUCT),
        marketer(released, quasi, "marketer", PRODUCT),
        joint_uniqueness(released, quasi, "joint_uniqueness", PRODUCT),
        record_linkage(
            raw,
            released,
            truth,
            lambda known: _recode(job, known),
            quasi,
            _SEED,
            "record_linkage",
            PRODUCT,
        ),
        *_attackers(plan["recoding"].get("attackers", {}), everything, before),
        *_class_models(released, quasi, plan["recoding"]["sensitive"], raw_sensitive(job, truth)),
        _plan_score("suppression", _suppressed(plan), plan, "the plan's own count"),
    ]
    scores += _series(job, plan, released[quasi], truth)
    if "recoding_frozen" in (job.settings.products or {})[PRODUCT].requires:
        searched = float(plan["recoding"]["mode"] != "frozen")
        knows = "whether a person froze the recoding, or the search chose it on these data"
        scores.append(_plan_score("recoding_frozen", searched, plan, knows))
    return scores


def _attackers(
    attackers: Mapping[str, Mapping[str, Any]], shown: pd.DataFrame, before: pd.DataFrame
) -> list[Score]:
    """Return one score an attacker of the policy: over all that the candidate shows."""
    found = []
    for name, who in sorted(attackers.items()):
        known = map(str, shown) if who["knows"] == EVERYTHING else who["knows"]
        fields = [field for field in known if field in shown]
        score = attacker(shown, fields, attacker_score(name), who["judged_by"], who["product"])
        initial = _risk(before, [field for field in fields if field in before])
        found.append(replace(score, detail=score.detail | {"initial": initial}))
    return found


def _explained(job: Job, score: Score, released: pd.DataFrame, before: pd.DataFrame) -> Score:
    """Add the risk before anything was done, and what it would be without each field."""
    quasi = [str(name) for name in released]
    facts = {m: job.read(job.layout.facts(job.tier, m)) for m in job.config.modalities}
    without = without_each(released, quasi, THRESHOLD, by_modality(facts))
    initial = _risk(before, [name for name in quasi if name in before])
    detail = {"initial": initial, "without": {name: asdict(r) for name, r in without.items()}}
    return replace(score, detail=score.detail | detail)


def _risk(table: pd.DataFrame, fields: list[str]) -> dict[str, float]:
    return asdict(summarise(risk_of_each(table, fields), THRESHOLD))


def _series(
    job: Job, plan: dict[str, Any], released: pd.DataFrame, truth: dict[str, str]
) -> list[Score]:
    """Return what the candidate tells beside the releases that are out, from its own data."""
    past = read_past(job)
    recoding = plan["recoding"]
    subject = {person: name for name, person in truth.items()}
    facts = joint_table(tier_facts(job))
    values = facts[recoding["sensitive"]].set_axis(past.subjects(job, facts.index))
    classes = pd.Series(encode(released, [str(name) for name in released])[0], index=released.index)
    candidate = Told(job.tier, job.layout.version, classes.rename(index=subject))
    held = past.held(value_digests(job, values.loc[candidate.classes.index]))
    rules = Rules(recoding["k"], dict.fromkeys(recoding["sensitive"], recoding["l_diversity"]))
    steps = {name: Step(**step) for name, step in recoding["steps"].items()}
    seen = {"lineage": lineage_digest(job.layout, job.tier)}
    found = sequential_scores(candidate, held, rules, steps, PRODUCT)
    return [replace(score, detail=score.detail | seen) for score in found]


def raw_sensitive(job: Job, truth: dict[str, str]) -> pd.DataFrame:
    """Return the raw sensitive values of the released people, by person."""
    tier = "controlled" if job.settings.source == "controlled" else job.tier
    facts = job.read(job.layout.facts(tier, "clinical"))
    wide = facts.pivot(index="subject", columns="attribute", values="value")
    return wide.loc[sorted(truth)].rename(index=truth)


def _class_models(
    released: pd.DataFrame, quasi: list[str], sensitive: list[str], values: pd.DataFrame
) -> list[Score]:
    """Measure l and t of the released classes; nothing where no sensitive field is released."""
    if not sensitive:
        return []
    table = released.join(values[sensitive])
    found = measure(table, quasi, sensitive)
    knows = "which class a person is in, and looks up the class's sensitive values"
    note = "A count over classes, not an estimate; the worst sensitive field."
    worst = {
        "l_diversity": min(found[f"{name}.distinct_l"] for name in sensitive),
        "t_closeness": max(found[f"{name}.t"] for name in sensitive),
    }
    return [
        Score(name, PRODUCT, knows, value, value, value, len(table), None, name, note=note)
        for name, value in worst.items()
    ]


def _suppressed(plan: dict[str, dict[str, int]]) -> float:
    return plan["people"]["suppressed"] / max(plan["people"]["candidates"], 1)


def _plan_score(name: str, value: float, plan: dict[str, dict[str, int]], knows: str) -> Score:
    return Score(
        name=name,
        product=PRODUCT,
        attacker_knows=knows,
        estimate=value,
        lower=value,
        upper=value,
        n=plan["people"]["candidates"],
        limit_key=name,
        note="A count, not an estimate.",
    )


def joint_quasi(job: Job) -> list[str]:
    """Return the plan's quasi-identifiers, and the link by expression wherever scores are out."""
    quasi = list(read_json(job.layout.plan(job.tier))["recoding"]["quasi"])
    return quasi if LINKED in quasi or not _scores(job).is_file() else [*quasi, LINKED]


def _scores(job: Job) -> Path:
    return job.layout.data(job.tier, "bulk", "all") / "set_scores.parquet"


def released_wide(job: Job, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Return one row a released person: what the candidate shows of each attribute in ``names``.

    Of all that it shows where ``names`` is not given. Whoever has individual scores in the
    candidate is taken as linked to all that their expression links to.
    """
    shown = joint_table({m: load(m, "shown")(job) for m in job.config.modalities})
    if LINKED in (names or ()) or (names is None and _scores(job).is_file()):
        shown[LINKED] = _linked(job).reindex(shown.index)
    wanted = list(shown) if names is None else list(names)
    out = shown.reindex(columns=wanted).astype(object)
    return out.where(out.notna(), MISSING)


def _linked(job: Job) -> pd.Series:
    """Return, by person, what the individual scores in the candidate link to."""
    path = _scores(job)
    shown = set(job.read(path)["person"]) if path.is_file() else set()
    facts = {m: job.read(job.layout.facts(job.tier, m)) for m in job.config.modalities}
    people = people_of(job, job.tier, "bulk")
    donors = {subject for subject, person in people.items() if person in shown}
    return linked_facts(facts, donors).rename(index=people)


def _raw_facts(job: Job) -> pd.DataFrame:
    """Return all that an attacker knows before anything was done, numbers as numbers."""
    tier = "controlled" if job.settings.source == "controlled" else job.tier
    facts = {m: job.read(job.layout.facts(tier, m)) for m in job.config.modalities}
    wide = joint_table(facts)
    for name in wide:
        numbers = pd.to_numeric(wide[name], errors="coerce")
        if numbers.notna().sum() == wide[name].notna().sum() > 0:
            wide[name] = numbers
    return wide


def _recode(job: Job, known: pd.DataFrame) -> pd.DataFrame:
    """Put an attacker's knowledge through what the tier (and the one below it) did.

    Where cells were changed one by one the attacker is taken to know what was done to each.
    """
    steps = [(job.tier, job.settings.modalities or {})]
    if job.settings.source == "controlled":
        steps.insert(0, ("controlled", job.settings.below or {}))
    out = known.copy()
    for tier, modalities in steps:
        plan = read_json(job.layout.plan(tier))
        ladders = field_ladders(modalities)
        for name, level in plan["recoding"]["node"].items():
            if name in out and name in ladders:
                cells = cell_levels(job, tier, name)
                out[name] = (
                    ladders[name][level](out[name])
                    if cells is None
                    else on_cells(out[name], dict(enumerate(ladders[name])), cells)
                )
    return out.astype(object).map(lambda v: MISSING if pd.isna(v) else text(v))
