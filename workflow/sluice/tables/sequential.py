"""One release after another: what all of them together tell about a participant.

Whoever holds several releases is taken to know which rows are the same person's, whatever the
pseudonyms (POLICY.md, decision 11). A participant then shows a *history*: the class in each
release, or that they are not in it. The people with the same history are a *joint class*, and no
release shows more than its size. Joint classes tell who joined between two releases and who left,
so both are people that hide among themselves:

1. every joint class, of those who are there and of those who are gone, holds k people or more;
2. a field is never recoded finer than it was (:func:`is_finer`);
3. newcomers and leavers of a class are none or k, which follows from 1;
4. whoever was suppressed stays out: that a class comes back tells who mended it.

Another tier's releases add what they show. Whether somebody is in that tier at all is not taken as
known (consent differs by tier): people who never were in it may be any of those who were.

Joint classes in place of classes: Xiao and Tao 2007 (m-invariance) and Byun and others 2006 look at
the same subtraction for values that are recoded anew; with perfect linkage the partition by
history is the finest that there is, and so the one to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sluice.tables.classes import column_codes, dense, encode, mixed_radix
from sluice.tables.hierarchies import ALL
from sluice.tables.models import Rules, contingency, distinct_l


@dataclass(frozen=True)
class Told:
    """What one release of a tier shows of people, or is about to show.

    Parameters
    ----------
    tier, version
        The release.
    classes
        Subject → class (any number), of those who are in it.
    suppressed
        Who could have been in it and was left out for good.
    """

    tier: str
    version: str
    classes: pd.Series
    suppressed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Step:
    """How a release recodes one field.

    Parameters
    ----------
    kind, options
        The field's rule, without its levels.
    names
        Names of its levels, finest first.
    place
        The level, counted from 0.
    """

    kind: str
    options: Mapping[str, Any]
    names: Sequence[str]
    place: int

    @property
    def name(self) -> str:
        """The level's name."""
        return self.names[self.place]


def is_finer(now: Step, before: Step) -> bool:
    """Tell whether a field may show more than it did; also where nobody can tell.

    A rule may gain entries (a category that is new), and top-code earlier; its levels have the
    names that they had.
    """
    if now.name == ALL:
        return False
    if now.kind != before.kind or before.name not in now.names:
        return True
    if any(
        not _kept(name, now.options, before.options) for name in {*now.options, *before.options}
    ):
        return True
    return now.place < list(now.names).index(before.name)


def _kept(name: str, now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    new, old = now.get(name), before.get(name)
    if isinstance(new, Mapping) and isinstance(old, Mapping):
        return all(new.get(key) == value for key, value in old.items())
    if name == "top":
        return old is None or (new is not None and new <= old)
    return bool(new == old)


@dataclass(frozen=True)
class History:
    """What releases tell of each of ``subjects``.

    ``codes`` numbers the histories, ``ever`` tells who is in any of the releases; both have the
    shape (subjects,).
    """

    codes: np.ndarray
    ever: np.ndarray

    @classmethod
    def of(cls, releases: Sequence[Told], subjects: pd.Index) -> History:
        """Read the releases; none of them is one history for all."""
        columns = {f"{n}": r.classes.reindex(subjects) for n, r in enumerate(releases)}
        table = pd.DataFrame(columns, index=subjects)
        return cls(encode(table, list(columns))[0], table.notna().any(axis=1).to_numpy(dtype=bool))


def everybody(releases: Iterable[Told], *others: Iterable[str]) -> pd.Index:
    """Return all subjects of releases, and others, sorted."""
    return pd.Index(
        sorted(set().union(*(r.classes.index for r in releases), *others)), dtype=object
    )


def joint_sizes(series: Sequence[Told], beside: Sequence[Told] = ()) -> pd.Series:
    """Return how many people share each one's history, by subject.

    Parameters
    ----------
    series
        Releases of one tier; that somebody is in one of them, or not, is known.
    beside
        Releases of a tier that shows less: a person of it shares with those of the same history in
        both, and with those who never were in it.
    """
    subjects = everybody([*series, *beside])
    own, told = History.of(series, subjects), History.of(beside, subjects)
    return pd.Series(sizes_over(own.codes, told.codes, ~told.ever), index=subjects, dtype="int64")


def exposed(after: pd.Series, before: pd.Series, shown: pd.Index) -> pd.Series:
    """Return the sizes of those whom a release tells something about.

    Everybody in it (``shown``), and those of an earlier release of whom fewer are left: that they
    are not in it tells them from those who are.
    """
    fewer = after < before.reindex(after.index)
    return after[after.index.isin(shown) | fewer]


def poor(series: Sequence[Told], values: pd.DataFrame, rules: Rules) -> pd.Series:
    """Tell by subject whose joint class has fewer distinct sensitive values than ``rules`` ask."""
    subjects = everybody(series)
    codes = History.of(series, subjects).codes
    out = np.zeros(len(subjects), dtype=bool)
    for name, least in rules.distinct.items():
        table = contingency(codes, *column_codes(values[name].reindex(subjects)))
        out |= (distinct_l(table) < least)[codes]
    return pd.Series(out, index=subjects)


def pair(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Number the pairs of two numberings (from −1)."""
    columns = [(c + 1, int(c.max(initial=0)) + 2) for c in (first, second)]
    return dense(*mixed_radix(columns, len(first)))[0]


def counts(groups: np.ndarray) -> np.ndarray:
    """Return the size of each one's group."""
    return np.bincount(groups)[groups] if len(groups) else groups


def sizes_over(own: np.ndarray, told: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Sizes of joint classes; who is ``free`` of the second numbering may be in any of it."""
    if not len(own):
        return own
    strangers = np.bincount(own, weights=free)[own].astype(np.int64)
    both = pair(own, told)
    same = np.bincount(both, weights=~free)[both].astype(np.int64)
    return np.where(free, counts(own), same + strangers)
