"""Why a tier's classes are as they are, and the smallest change that would do: for those inside.

Read from the facts and, where there is one, from the plan; nothing is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass

from sluice.config.policy import FieldRule
from sluice.errors import SluiceError
from sluice.files import read_json
from sluice.jobs import Job
from sluice.knowledge import MISSING, by_modality
from sluice.modalities.shared.rules import level_names
from sluice.questions import Question, field_rules, question, tier_facts
from sluice.tables.explain import Change, smallest_changes, without_each
from sluice.tables.recode import apply_node, suppress
from sluice.tables.risk import Risk, prosecutor, summarise


@dataclass(frozen=True)
class FieldCost:
    """A quasi-identifier, or all of a modality: its level in the plan, and the risk without it."""

    field: str
    level: str
    without: Risk


@dataclass(frozen=True)
class Explanation:
    """What a tier's classes come to.

    Parameters
    ----------
    initial
        Risk of all candidates before anything is done.
    now
        Risk of those who are kept, as the plan recodes them; ``None`` where nobody is, or without
        a plan.
    fields
        What each field costs, the one without which the mean risk falls most first.
    changes
        Single changes after which the rules hold, with the name of the level, the one that loses
        least first; none where they hold as it is.
    """

    initial: Risk
    now: Risk | None
    fields: list[FieldCost]
    changes: list[tuple[Change, str]]


def explain_tier(job: Job, threshold: float) -> Explanation:
    """Explain an individual tier from its facts, and from its plan if there is one.

    Parameters
    ----------
    job
        Of the stage ``plan``.
    threshold
        Risk above which a person counts as at risk.

    Raises
    ------
    SluiceError
        If the tier's facts are not there yet, or it has no classes.
    """
    policy = job.settings.people
    if policy is None:
        raise SluiceError("A tier without individual records has no classes", where=job.tier)
    files = {m: job.layout.facts(job.tier, m) for m in job.settings.modalities or {}}
    if not all(file.is_file() for file in files.values()):
        release = f"{job.layout.cohort}/{job.layout.version}"
        mend = f"run `sluice run {release}`"
        raise SluiceError("The tier's facts were not gathered yet", where=job.tier, mend=mend)
    facts = tier_facts(job)
    asked = question(job, facts, policy)
    rules = field_rules(job.settings.modalities or {})
    raw = asked.table[asked.quasi].fillna(MISSING)
    node = _planned(job, asked)
    shown = raw
    if node is not None:
        shown = apply_node(raw, node, asked.levels)
        joined = shown.join(asked.table[asked.sensitive].fillna(MISSING), rsuffix=" ")
        shown = shown[suppress(joined, asked.quasi, policy.k, **asked.limits)]
    groups = by_modality(facts)
    costs = without_each(shown, asked.quasi, threshold, groups) if len(shown) else {}
    fields = [
        FieldCost(name, "" if name in groups else _level(asked, rules, name, node), costs[name])
        for name in costs
    ]
    some = node is not None and len(shown) > 0
    return Explanation(
        initial=summarise(prosecutor(raw, asked.quasi), threshold),
        now=summarise(prosecutor(shown, asked.quasi), threshold) if some else None,
        fields=sorted(fields, key=lambda cost: (cost.without.mean, cost.field)),
        changes=[
            (
                change,
                "" if change.field is None else _name(asked, rules, change.field, change.level),
            )
            for change in _changes(asked, node)
        ],
    )


def _planned(job: Job, asked: Question) -> dict[str, int] | None:
    """Return the place of each field's level in its list, as planned."""
    path = job.layout.plan(job.tier)
    if not path.is_file():
        return None
    node = read_json(path)["recoding"]["node"]
    places = {q: list(asked.ladders[q]) for q in asked.quasi}
    if any(node.get(q) not in places[q] for q in places):
        return None  # a plan of another policy
    return {q: places[q].index(node[q]) for q in places}


def _changes(asked: Question, node: dict[str, int] | None) -> list[Change]:
    limit = asked.policy.max_suppression
    levels = asked.levels
    fixed = levels if node is None else {q: [levels[q][node[q]]] for q in levels}
    try:
        asked.search(fixed, limit)
    except SluiceError:
        return smallest_changes(asked.search, levels, node, limit)
    return []


def _level(
    asked: Question, rules: dict[str, FieldRule], name: str, node: dict[str, int] | None
) -> str:
    return "" if node is None else _name(asked, rules, name, node[name])


def _name(asked: Question, rules: dict[str, FieldRule], name: str, place: int | None) -> str:
    """Return the name of a level by its place among those that the values can be put on."""
    if place is None:
        return ""
    return level_names(rules[name])[list(asked.ladders[name])[place]] if name in rules else "value"
