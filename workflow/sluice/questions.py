"""What the classes of a tier must hold for: its facts, the levels of its fields, its rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sluice.config.policy import FieldRule, ModalityPolicy, People
from sluice.errors import SluiceError
from sluice.jobs import Job
from sluice.knowledge import LINKED, MISSING, joint_table, linked_facts, untold
from sluice.modalities.shared.plan import is_offered
from sluice.modalities.shared.rules import ladder
from sluice.tables.models import Rules
from sluice.tables.recode import Recoding, search


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


@dataclass(frozen=True)
class Question:
    """What the classes of a tier must hold for.

    Parameters
    ----------
    policy
        The tier's rules.
    table
        One row a subject: everything that may be known.
    quasi, sensitive
        Columns of it that classes are made of and judged by.
    ladders
        Quasi-identifier → level → function.
    limits
        What :func:`sluice.tables.recode.search` is given beside k.
    untold
        Attributes that the tier shows nothing of.
    """

    policy: People
    table: pd.DataFrame
    quasi: list[str]
    sensitive: list[str]
    ladders: dict[str, dict[int, Callable[[pd.Series], pd.Series]]]
    limits: dict[str, Any]
    untold: set[str]

    @property
    def rules(self) -> Rules:
        """The rules of one class."""
        policy, limits = self.policy, self.limits
        return Rules(
            policy.k,
            limits["l_by_sensitive"],
            limits["t_by_sensitive"],
            policy.dominant_share,
            policy.dominant_margin,
        )

    @property
    def levels(self) -> dict[str, list[Callable[[pd.Series], pd.Series]]]:
        """The ladders as lists, missing values kept apart."""
        return {q: [_keeping_missing(f) for f in self.ladders[q].values()] for q in self.quasi}

    def search(
        self,
        levels: Mapping[str, Sequence[Callable[[pd.Series], pd.Series]]],
        limit: float,
        k: int | None = None,
    ) -> Recoding:
        """Search the node of least loss; the policy's k unless another is given."""
        return search(
            self.table.fillna(MISSING),
            levels,
            k or self.policy.k,
            max_suppression=limit,
            weights=_weights(self.ladders, self.policy),
            **self.limits,
        )


def question(job: Job, facts: Mapping[str, pd.DataFrame], policy: People) -> Question:
    """Put together what the tier's classes must hold for, from the facts of all modalities.

    Raises
    ------
    SluiceError
        If nobody is left.
    """
    table = joint_table(facts)
    if table.empty:
        raise SluiceError(
            "Nobody is left for a tier",
            where=f"tier {job.tier}",
            mend="check consent codes, the cut date and the links between identifiers",
        )
    rules = field_rules(job.settings.modalities or {})
    known_to_all = set(job.settings.defined_by or [])
    # What everybody is known to share in coarse is known of each one in detail, if it is released.
    silent = untold(job, facts)
    quasi = [q for q in policy.quasi if q in table.columns and q not in silent]
    quasi += sorted(q for q in known_to_all if q in rules and q in table.columns and q not in quasi)
    if is_offered(job, "set_scores"):
        table[LINKED] = linked_facts(facts, facts["bulk"]["subject"]).reindex(table.index)
        quasi.append(LINKED)
    sensitive = [s for s in policy.sensitive if s in table.columns and s not in known_to_all]
    ladders: dict[str, dict[int, Callable[[pd.Series], pd.Series]]] = {
        q: usable(table[q], rules[q]) if q in rules else {0: _same} for q in quasi
    }
    limits: dict[str, Any] = {
        "l_by_sensitive": dict.fromkeys(sensitive, policy.l_diversity),
        "t_by_sensitive": dict.fromkeys(sensitive, policy.t_closeness),
        "dominant": policy.dominant_share,
        "margin": policy.dominant_margin,
    }
    return Question(policy, table, quasi, sensitive, ladders, limits, silent)


def _weights(ladders: Mapping[str, Mapping[int, Any]], policy: People) -> dict[str, float]:
    """Return the weights of the loss: what has one level only can lose nothing by recoding.

    With a weight, each of them would make suppression dearer against every real loss.
    """
    named = policy.recoding.weights
    weights = {q: named.get(q, 1.0) if len(ladders[q]) > 1 else 0.0 for q in ladders}
    return weights if any(weights.values()) else {}


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
