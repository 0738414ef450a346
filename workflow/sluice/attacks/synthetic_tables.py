"""Singling out, linkability and inference from synthetic tables, against a control set.

The three risks of the Article 29 Working Party's opinion 05/2014, as attacks (Giomi and others
2022). What works as well on people whom the generator has not seen was learned about the population
and is no leak, so a risk is what is found beyond that:

    risk = (a − c) / (1 − c),

a and c being the shares of successes among members and among the control. Where several synthetic
rows are equally good guesses the attacker takes one of them at random, and the expectation counts.

The positive control of each is the same attack with the members' own rows given out as synthetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.scores import Score
from sluice.tables.classes import column_codes, require_columns
from sluice.tables.risk import lower_bound, upper_bound

_TARGETS = 1_000
_PREDICATE = 3  # columns of a predicate
_TRIES = 20  # rows that a predicate is sought in, for each that is wanted
_NEAR = 0.05  # a number is inferred if the guess is within this share of the column's range
_CELLS = 4_000_000  # distances held at once
_CONFIDENCE = 0.975  # of each of two bounds, so that both hold with 95 %
_WORKS_FROM = 0.5
_AWAY = 3.0
_TIE = 1e-6


@dataclass(frozen=True)
class SyntheticTable:
    """Synthetic rows and the people they are tried on; all have the same columns.

    Parameters
    ----------
    synthetic
        As they would leave.
    members
        Those whom the generator was fitted to.
    control
        Others of the same population, whom it has not seen.
    """

    synthetic: pd.DataFrame
    members: pd.DataFrame
    control: pd.DataFrame


@dataclass(frozen=True)
class _Coded:
    """Some columns of the three tables, each on one scale.

    Parameters
    ----------
    rows
        Role → one array a column.
    numbers
        Which columns are numbers, 0 … 1; the others are codes.
    """

    rows: dict[str, list[np.ndarray]]
    numbers: list[bool]

    def people(self, role: str) -> int:
        """Number of rows of a table."""
        return len(self.rows[role][0])


@dataclass(frozen=True)
class _Tries:
    """Successes and tries among members and among the control."""

    members: float
    of_members: int
    control: float
    of_control: int


def singling_out(release: SyntheticTable, limit_key: str, product: str, *, seed: int = 0) -> Score:
    """Measure how often a predicate that one synthetic row fulfils is true of exactly one person.

    A predicate names three columns of a synthetic row: a category has the row's value, a number is
    at least the row's where that is the median or above, else at most. Members and control are cut
    to the same number, as the chance of exactly one match depends on it.
    """
    people = min(len(release.members), len(release.control))
    rng = np.random.default_rng(seed)
    cut = [
        table.iloc[np.sort(rng.permutation(len(table))[:people])]
        for table in (release.members, release.control)
    ]
    coded = _coded(SyntheticTable(release.synthetic, *cut), list(release.synthetic.columns))

    def attack(source: str) -> _Tries:
        predicates = _predicates(coded, source, np.random.default_rng([seed, 1]))
        hits = [
            sum(int(_fulfil(coded, role, source, p).sum() == 1) for p in predicates)
            for role in ("members", "control")
        ]
        return _Tries(hits[0], len(predicates), hits[1], len(predicates))

    return _score(
        "singling_out",
        (product, limit_key),
        "the synthetic rows, and seeks people whom a few of their values single out",
        attack,
        {"columns": min(_PREDICATE, len(coded.numbers)), "people": people},
    )


def linkability(
    release: SyntheticTable,
    parts: tuple[Sequence[str], Sequence[str]],
    limit_key: str,
    product: str,
    *,
    seed: int = 0,
) -> Score:
    """Measure how often the synthetic rows tell that two parts of a record are one person's.

    The attacker holds two tables about the same people, one with the first part of the columns and
    one with the second. He takes both parts for one person's if the same synthetic row is nearest
    to both (Gower 1971: share of categories that differ, numbers by their distance over the range).

    Raises
    ------
    SluiceError
        If a part is empty, or they share a column.
    """
    if not parts[0] or not parts[1] or set(parts[0]) & set(parts[1]):
        raise SluiceError(
            "Linkability needs two parts that share no column",
            where=product,
            mend="divide the columns between them",
        )
    first, second = (_coded(release, list(part)) for part in parts)

    def hits(source: str, role: str, targets: np.ndarray) -> float:
        a, b = (_nearest(part, source, role, targets) for part in (first, second))
        return float(((a & b).sum(axis=1) / (a.sum(axis=1) * b.sum(axis=1))).sum())

    return _score(
        "linkability",
        (product, limit_key),
        "two tables about the same people, with different columns of them",
        lambda source: _tried(first, source, hits, seed),
        {"first": len(parts[0]), "second": len(parts[1])},
    )


def inference(
    release: SyntheticTable,
    known: Sequence[str],
    secret: str,
    limit_key: str,
    product: str,
    *,
    seed: int = 0,
) -> Score:
    """Measure how often the synthetic row that is nearest in what is known tells a secret.

    A category is found if it is the same, a number if it is within a twentieth of its range.

    Raises
    ------
    SluiceError
        If nothing is known, or the secret is.
    """
    if not known or secret in known:
        raise SluiceError(
            "Inference needs known columns, and a secret that is not among them",
            where=product,
            mend="name what the attacker knows and what he wants",
        )
    near, hidden = _coded(release, list(known)), _coded(release, [secret])
    allowed = _NEAR if hidden.numbers[0] else 0.0

    def hits(source: str, role: str, targets: np.ndarray) -> float:
        told, truth = hidden.rows[source][0], hidden.rows[role][0][targets]
        best = _nearest(near, source, role, targets)
        right = np.abs(told[None, :] - truth[:, None]) <= allowed
        return float(((best & right).sum(axis=1) / best.sum(axis=1)).sum())

    return _score(
        "inference",
        (product, limit_key),
        "a person's other columns, and wants the secret one",
        lambda source: _tried(near, source, hits, seed),
        {"known": len(known)},
    )


def _coded(release: SyntheticTable, columns: Sequence[str]) -> _Coded:
    """Put each column of the three tables on one scale.

    A missing number lies further from every other than they lie apart: it matches only another.
    """
    tables = {
        "synthetic": release.synthetic,
        "members": release.members,
        "control": release.control,
    }
    for table in tables.values():
        require_columns(table, columns)
        if table.empty:
            raise SluiceError(
                "An attack on a synthetic table needs synthetic rows, members and a control set",
                mend="keep part of the cohort away from the generator, as the control",
            )
    cuts = np.cumsum([len(table) for table in tables.values()])[:-1]
    rows: dict[str, list[np.ndarray]] = {role: [] for role in tables}
    numbers = []
    for name in columns:
        values = pd.concat([table[name] for table in tables.values()], ignore_index=True)
        number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        if number:
            low, high = values.min(), values.max()
            values = ((values - low) / ((high - low) or 1)).astype(float).fillna(_AWAY)
            codes = values.to_numpy(dtype=np.float32)
        else:
            codes = column_codes(values)[0].astype(np.float32)
        for role, part in zip(tables, np.split(codes, cuts), strict=True):
            rows[role].append(part)
        numbers.append(number)
    return _Coded(rows, numbers)


_Predicate = tuple[int, np.ndarray, np.ndarray]
"""A row, the places of its columns, and whether a number must be at least the row's."""


def _predicates(coded: _Coded, source: str, rng: np.random.Generator) -> list[_Predicate]:
    """Draw predicates that exactly one row of ``source`` fulfils."""
    medians = [np.median(values) for values in coded.rows[source]]
    width = min(_PREDICATE, len(medians))
    found: list[_Predicate] = []
    for row in rng.integers(0, coded.people(source), _TARGETS * _TRIES):
        places = np.sort(rng.choice(len(medians), width, replace=False))
        above = np.array([coded.rows[source][j][row] >= medians[j] for j in places])
        predicate = int(row), places, above
        if _fulfil(coded, source, source, predicate).sum() == 1:
            found.append(predicate)
        if len(found) == _TARGETS:
            break
    return found


def _fulfil(coded: _Coded, role: str, source: str, predicate: _Predicate) -> np.ndarray:
    """Which rows of ``role`` fulfil a predicate about a row of ``source``."""
    row, places, above = predicate
    out = np.ones(coded.people(role), dtype=bool)
    for j, high in zip(places, above, strict=True):
        values, bound = coded.rows[role][j], coded.rows[source][j][row]
        if not coded.numbers[j]:
            out &= values == bound
        else:
            out &= (values >= bound) if high else (values <= bound)
    return out


def _tried(
    coded: _Coded, source: str, hits: Callable[[str, str, np.ndarray], float], seed: int
) -> _Tries:
    """Try a thousand people of each kind, so many at a time that their distances fit in memory."""
    step = max(1, _CELLS // coded.people(source))
    counted: list[float] = []
    tried = []
    for role in ("members", "control"):
        people = coded.people(role)
        targets = np.sort(np.random.default_rng([seed, 2]).permutation(people)[:_TARGETS])
        parts = [targets[start : start + step] for start in range(0, len(targets), step)]
        counted.append(sum(hits(source, role, part) for part in parts))
        tried.append(len(targets))
    return _Tries(counted[0], tried[0], counted[1], tried[1])


def _nearest(coded: _Coded, source: str, role: str, targets: np.ndarray) -> np.ndarray:
    """Which rows of ``source`` are nearest to each target, shape (targets, rows) bool."""
    far = np.zeros((len(targets), coded.people(source)), dtype=np.float32)
    columns = zip(coded.rows[role], coded.rows[source], coded.numbers, strict=True)
    for asked, rows, number in columns:
        gap = np.abs(asked[targets][:, None] - rows[None, :])
        far += np.minimum(gap, 1) if number else gap > 0
    return far <= far.min(axis=1, keepdims=True) + _TIE


def _score(
    name: str,
    place: tuple[str, str],
    knows: str,
    attack: Callable[[str], _Tries],
    detail: dict[str, Any],
) -> Score:
    """Compare members with the control, by the synthetic rows and by the members' own."""
    found, raw = attack("synthetic"), attack("members")
    estimate, lower, upper = _risk(found)
    control, at_least, _ = _risk(raw)
    return Score(
        name=name,
        product=place[0],
        attacker_knows=knows,
        estimate=estimate,
        lower=lower,
        upper=upper,
        n=found.of_members,
        limit_key=place[1],
        evidence={"raw": control, "works": control >= _WORKS_FROM and at_least > 0},
        note="Success among members beyond that among people whom the generator has not seen. An "
        "alarm, not a proof.",
        detail={
            **detail,
            "members": found.members / max(found.of_members, 1),
            "control": found.control / max(found.of_control, 1),
        },
    )


def _risk(tries: _Tries) -> tuple[float, float, float]:
    """(a − c) / (1 − c) and its bounds, none of them below 0; 1 at most where nobody was tried."""

    def beyond(a: float, c: float) -> float:
        return max(0.0, (a - c) / (1 - c)) if c < 1 else 0.0

    bounds = [
        beyond(
            at(tries.members, tries.of_members, _CONFIDENCE),
            against(tries.control, tries.of_control, _CONFIDENCE),
        )
        for at, against in ((lower_bound, upper_bound), (upper_bound, lower_bound))
    ]
    shares = tries.members / max(tries.of_members, 1), tries.control / max(tries.of_control, 1)
    return beyond(*shares), bounds[0], bounds[1]
