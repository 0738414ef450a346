"""Several releases of one cohort, laid beside each other.

The attacker holds every release that a recipient of the tier may hold, knows which rows are the
same person's, and knows when each target joined and left. What is counted is
:mod:`sluice.tables.sequential`. How rows are found again, by a pseudonym that stays or by values
that few others have, is :func:`rejoined`: the attack itself, for tests and for tables at hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from sluice.scores import Score
from sluice.tables.classes import encode
from sluice.tables.models import Rules
from sluice.tables.sequential import Step, Told, exposed, is_finer, joint_sizes, poor


@dataclass(frozen=True)
class Held:
    """What the holder of a candidate holds besides.

    Parameters
    ----------
    own, beside
        Releases of the candidate's tier, and of the other individual-level tier.
    derived
        Whether the candidate is computed from the other tier, which shows more.
    values
        Subjects x sensitive fields, of everybody in the candidate's tier.
    steps
        How each release of the tier recoded its fields.
    """

    own: Sequence[Told]
    beside: Sequence[Told]
    derived: bool
    values: pd.DataFrame
    steps: Sequence[Mapping[str, Step]] = field(default_factory=list)

    def before_and_after(
        self, candidate: Told, *later: Told, both: bool
    ) -> tuple[pd.Series, pd.Series]:
        """Return sizes of joint classes without and with a candidate, over one tier or both."""
        series, beside = list(self.own), list(self.beside) if both else []
        if both and self.derived:
            return joint_sizes(beside, series), joint_sizes(beside, [*series, candidate, *later])
        return joint_sizes(series, beside), joint_sizes([*series, candidate, *later], beside)


def sequential_scores(
    candidate: Told, held: Held, rules: Rules, steps: Mapping[str, Step], product: str
) -> list[Score]:
    """Return what all releases together tell of the people of one.

    ``sequential_k``: the smallest joint class of the tier's holder; ``coalition_k``: of who also
    holds the tier that a candidate is computed from; ``sequential_differences``: people who were
    suppressed before, or whose joint class has fewer distinct sensitive values than ``rules`` ask;
    ``recoding_series``: fields that are finer than in an earlier release.
    """
    found = [_k(candidate, held, product)]
    if held.derived:
        found.append(_coalition(candidate, held, product))
    return [
        *found,
        _differences(candidate, held, rules, product),
        _recoding(candidate, held, steps, product),
    ]


def _k(candidate: Told, held: Held, product: str) -> Score:
    sizes = _told(candidate, held, both=not held.derived)
    score = _score(
        "sequential_k",
        product,
        "every release that a recipient of the tier may hold, which rows are one person's, and "
        "when the person joined and left",
        float(sizes.min()),
        candidate,
    )
    return replace(
        score,
        evidence=_planted(candidate, held, both=False),
        detail={
            "releases": len(held.own) + 1,
            "releases_of_the_other_tier": 0 if held.derived else len(held.beside),
            "gone": int((~sizes.index.isin(candidate.classes.index)).sum()),
            "joint_classes": int(np.round((1 / sizes).sum())),
        },
    )


def _coalition(candidate: Told, held: Held, product: str) -> Score:
    sizes = _told(candidate, held, both=True)
    score = _score(
        "coalition_k",
        product,
        "every release of this tier and of the one that it is computed from, which rows are one "
        "person's, and when the person joined and left each",
        float(sizes.min()),
        candidate,
    )
    return replace(score, evidence=_planted(candidate, held, both=True))


def _differences(candidate: Told, held: Held, rules: Rules, product: str) -> Score:
    shown = candidate.classes.index
    back = set(shown) & set().union(*(release.suppressed for release in held.own))
    sizes = _told(candidate, held, both=False)
    bare = poor([*held.own, candidate], held.values, rules).reindex(sizes.index)
    told = set(sizes.index[bare.to_numpy(dtype=bool)])
    knows = "every release of the tier, and who joined, left and came back between them"
    score = _score("sequential_differences", product, knows, float(len(back | told)), candidate)
    return replace(score, detail={"came_back": len(back), "too_much_alike": len(told)})


def _recoding(candidate: Told, held: Held, steps: Mapping[str, Step], product: str) -> Score:
    finer = {
        name
        for earlier in held.steps
        for name, before in earlier.items()
        if name in steps and is_finer(steps[name], before)
    }
    knows = "how every release of the tier was recoded"
    score = _score("recoding_series", product, knows, float(len(finer)), candidate)
    return replace(score, note="Fields that are finer than in an earlier release.")


def _told(candidate: Told, held: Held, *, both: bool) -> pd.Series:
    before, after = held.before_and_after(candidate, both=both)
    return exposed(after, before, candidate.classes.index)


def _planted(candidate: Told, held: Held, *, both: bool) -> dict[str, float | bool]:
    """Look for one person who is missing from one more release: the attack must see them."""
    gone = candidate.classes.index[0]
    later = Told(candidate.tier, "planted", candidate.classes.drop(gone))
    _, before = held.before_and_after(candidate, both=both)
    _, after = held.before_and_after(candidate, later, both=both)
    works = bool(after[gone] == 1 if not both else after[gone] < before[gone])
    return {"raw": float(works), "works": works}


def _score(name: str, product: str, knows: str, value: float, candidate: Told) -> Score:
    return Score(
        name=name,
        product=product,
        attacker_knows=knows,
        estimate=value,
        lower=value,
        upper=value,
        n=len(candidate.classes),
        limit_key=name,
        note="An exact count over everybody in any of the releases; linkage is taken as perfect.",
    )


def rejoined(
    releases: Sequence[pd.DataFrame], quasi: Sequence[str], values: Sequence[str] | None = None
) -> list[Told]:
    """Find the rows of one person in several released tables, and tell their classes.

    Parameters
    ----------
    releases
        One row a person; the index is the release's pseudonym.
    quasi
        Columns that classes are made of.
    values
        Columns whose joint value finds a person again, where nobody else in either table has it.
        ``None``: the pseudonym does.

    Returns
    -------
    list of Told
        Under names of the attacker's own. Who is not found again has one name in each release.
    """
    told: list[Told] = []
    known: dict[object, str] = {}
    for number, table in enumerate(releases):
        handles = _handles(table, values)
        alone = ~handles.duplicated(keep=False)
        names = [
            known.get(handle, f"{number}.{row}") if once else f"{number}.{row}"
            for row, (handle, once) in enumerate(zip(handles, alone, strict=True))
        ]
        known |= {h: n for h, n, once in zip(handles, names, alone, strict=True) if once}
        told.append(Told("", str(number), pd.Series(encode(table, quasi)[0], index=names)))
    return told


def _handles(table: pd.DataFrame, values: Sequence[str] | None) -> pd.Series:
    if values is None:
        return pd.Series(table.index)
    return pd.Series(list(table[list(values)].astype(str).itertuples(index=False, name=None)))
