"""Who may stay in a release that comes after others, so that all of them together stay safe.

The rules are those of :mod:`sluice.tables.sequential`; as few people go as each of them needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sluice.tables.classes import MISSING, column_codes, dense
from sluice.tables.models import Rules, contingency, kept_classes
from sluice.tables.sequential import History, Told, counts, everybody, pair, sizes_over

_GONE = -1


@dataclass(frozen=True)
class Lineage:
    """The releases that a candidate comes after.

    Parameters
    ----------
    own
        Releases of its tier.
    beside
        Releases of the other individual-level tier.
    richer
        Whether that one shows more: the candidate is computed from it.
    least
        Fewest people in a joint class over both tiers.
    """

    own: Sequence[Told] = ()
    beside: Sequence[Told] = ()
    richer: bool = False
    least: int = 1

    def __bool__(self) -> bool:
        return bool(self.own or self.beside)


def protect(shown: pd.Series, lineage: Lineage, rules: Rules, values: pd.DataFrame) -> pd.Series:
    """Return which of the people of a candidate may stay in it.

    Parameters
    ----------
    shown
        Subject → class, of everybody whom the classes alone would let in.
    rules
        All rules for classes; k and distinct l hold for joint classes too.
    values
        Subjects (also of those who left) x sensitive columns.

    Returns
    -------
    pandas.Series
        bool, indexed as ``shown``.

    Notes
    -----
    Newcomers of a class who are too few wait. Where fewer than k left a joint class, as many others
    go with them as make k: as few as possible, those first who hide them from the holder of both
    tiers, then by subject (a keyed name, which nobody outside knows). Where too few would remain,
    the smallest part of the joint class goes whole. That is the least for one joint class; over
    rules that touch each other it is repeated until all of them hold.
    """
    subjects = everybody([*lineage.own, *lineage.beside], shown.index)
    known = _Known.of(lineage, subjects)
    now = shown.reindex(subjects).factorize(sort=True)[0].astype(np.int64)
    codes = {name: column_codes(values[name].reindex(subjects)) for name in rules.sensitive}
    while True:
        before = int((now != _GONE).sum())
        for step in (_by_class, _by_history, _by_leavers, _by_tiers):
            now = step(now, known, rules, codes)
            if (now != _GONE).sum() < before:
                break  # what went may break an earlier rule
        else:
            return pd.Series(now[subjects.get_indexer(shown.index)] != _GONE, index=shown.index)


Codes = Mapping[str, tuple[np.ndarray, int]]


@dataclass(frozen=True)
class _Known:
    """What the releases before tell of everybody, in the own tier and beside it."""

    own: History
    beside: History
    richer: bool
    least: int

    @classmethod
    def of(cls, lineage: Lineage, subjects: pd.Index) -> _Known:
        own, beside = History.of(lineage.own, subjects), History.of(lineage.beside, subjects)
        return cls(own, beside, lineage.richer, lineage.least)

    @cached_property
    def same(self) -> np.ndarray:
        """Numbers of the histories in both tiers."""
        return pair(self.own.codes, self.beside.codes)

    @property
    def first(self) -> np.ndarray:
        """Histories in the tier that shows more."""
        return self.beside.codes if self.richer else self.own.codes

    @property
    def free(self) -> np.ndarray:
        """Who never was in the tier that shows less: they may be any of those who were."""
        return ~(self.own if self.richer else self.beside).ever

    def sizes_of_both(self, now: np.ndarray) -> np.ndarray:
        """Sizes of joint classes over both tiers."""
        own = pair(self.own.codes, now)
        if self.richer:
            return sizes_over(self.first, own, self.free & (now == _GONE))
        return sizes_over(own, self.beside.codes, self.free)


def _by_class(now: np.ndarray, known: _Known, rules: Rules, codes: Codes) -> np.ndarray:
    """Take out the classes that fail by themselves, among those who are left."""
    here = np.flatnonzero(now != _GONE)
    if not len(here):
        return now
    fit = _fit(now[here], rules, {name: (c[here], radix) for name, (c, radix) in codes.items()})
    return _without(now, here[~fit])


def _by_history(now: np.ndarray, known: _Known, rules: Rules, codes: Codes) -> np.ndarray:
    """Take out those who share a history with too few."""
    fit = _fit(pair(known.own.codes, now), rules.without_reference(), codes)
    return np.where(fit, now, _GONE)


def _by_leavers(now: np.ndarray, known: _Known, rules: Rules, codes: Codes) -> np.ndarray:
    """Take out others of a joint class with those who left it and are too few."""
    rules = rules.without_reference()
    joint = pair(known.own.codes, now)
    left = known.own.ever & (now == _GONE) & (counts(joint) < counts(known.own.codes))
    left &= ~_fit(joint, rules, codes)
    blocks = np.unique(known.own.codes[left])
    rows = np.flatnonzero(np.isin(known.own.codes, blocks))
    order = np.argsort(known.own.codes[rows], kind="stable")
    ends = np.cumsum(np.unique(known.own.codes[rows], return_counts=True)[1])
    for block in np.split(rows[order], ends[:-1]) if len(blocks) else []:
        now = _without(now, _covers(block, now, known, rules, codes))
    return now


def _by_tiers(now: np.ndarray, known: _Known, rules: Rules, codes: Codes) -> np.ndarray:
    """Take out those whom both tiers together show among too few.

    Of those who are told apart by not being in it, everybody whom they hid among goes instead.
    """
    sizes = known.sizes_of_both(now)
    few = sizes < known.least
    alone = few & (now == _GONE) & (sizes < known.sizes_of_both(np.full_like(now, _GONE)))
    few |= np.isin(known.same, known.same[alone])
    few |= known.free & np.isin(known.first, known.first[alone & known.own.ever])
    return np.where(few, _GONE, now)


def _covers(
    block: np.ndarray, now: np.ndarray, known: _Known, rules: Rules, codes: Codes
) -> list[int]:
    """Return who of a joint class goes with those of it who left."""
    gone = block[now[block] == _GONE].tolist()
    parts = {c: block[now[block] == c].tolist() for c in np.unique(now[block]) if c != _GONE}
    told, there = known.beside.codes, known.beside.ever
    seen = set(told[gone].tolist())
    order = sorted(
        (row for rows in parts.values() for row in rows),
        key=lambda row: (told[row] not in seen, there[row], told[row], row),
    )
    taken: list[int] = []
    while not _enough([*gone, *taken], rules, codes):
        rest = {c: [row for row in rows if row not in taken] for c, rows in parts.items()}
        spare = {c for c, rows in rest.items() if len(rows) > rules.k}
        free = [row for row in order if now[row] in spare and row not in taken]
        lacking = _adding([*gone, *taken], free, rules, codes)
        for row in [*lacking, *free]:
            if _enough([r for r in rest[now[row]] if r != row], rules, codes):
                taken.append(row)
                break
        else:
            return min(parts.values(), key=lambda rows: (len(rows), rows))
    return taken


def _adding(rows: list[int], free: list[int], rules: Rules, codes: Codes) -> list[int]:
    """Return those of ``free`` with a sensitive value that ``rows`` lack, where they lack one."""
    found: list[int] = []
    for name, least in rules.distinct.items():
        values = codes[name][0]
        have = {*values[rows].tolist(), MISSING}
        if len(have) - 1 < least:
            found += [row for row in free if values[row] not in have]
    return found


def _enough(rows: list[int], rules: Rules, codes: Codes) -> bool:
    """Tell whether these people are k and diverse."""
    return len(rows) >= rules.k and all(
        len({*codes[name][0][rows].tolist()} - {MISSING}) >= least
        for name, least in rules.distinct.items()
    )


def _fit(groups: np.ndarray, rules: Rules, codes: Codes) -> np.ndarray:
    """Tell of each person whether the group satisfies the rules."""
    number, count = dense(groups, int(groups.max(initial=0)) + 1)
    tables = {name: contingency(number, *codes[name]) for name in rules.sensitive}
    return kept_classes(np.bincount(number, minlength=count), tables, rules)[number]


def _without(now: np.ndarray, rows: Iterable[int] | np.ndarray) -> np.ndarray:
    out = now.copy()
    out[np.asarray(rows, dtype=np.int64)] = _GONE
    return out
