"""Special uniques: records that few of their values already single out (SUDA).

A set of columns singles a record out if no other record has the same values in it. It is a minimal
sample unique (MSU) if no part of it does so. Someone with a small MSU, or with many, is likely to
be alone in the population as well (Elliot, Manning and Ford 2002; Elliot and others 2005; Manning,
Haglin and Keane 2008, whose recursive search finds the same sets).

Sets are taken from small to large. A record that a part of a set singles out is left out of that
set's frequencies: nobody agrees with it there, so it changes nobody's count; what is left shrinks
quickly.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb, prod

import numpy as np

from sluice.errors import SluiceError

MOST_SETS = 1 << 16
"""More sets of columns are refused."""

Set = tuple[int, ...]
"""Columns, by number."""


@dataclass(frozen=True)
class Uniques:
    """Minimal sample uniques of each class of records.

    Parameters
    ----------
    counts
        MSUs by size, shape (classes, largest): column s − 1 counts those of s columns.
    scores
        SUDA score, shape (classes,).
    shares
        Part of all scores that comes from MSUs with each column, shape (columns,); the parts add
        up to more than 1, as an MSU has several columns.
    """

    counts: np.ndarray
    scores: np.ndarray
    shares: np.ndarray


def minimal_uniques(codes: np.ndarray, sizes: np.ndarray, largest: int | None = None) -> Uniques:
    """Find the minimal sample uniques of up to ``largest`` columns, and score them.

    An MSU of s of K columns scores Π_{i=s}^{m} (K − i), m being ``largest`` but at most K − 1; a
    record's score is the sum (Elliot and others 2005; (K − s)! where all sizes are searched, as in
    sdcMicro). A missing value is a category of its own, where sdcMicro leaves it out of every MSU.

    Parameters
    ----------
    codes
        Distinct records, shape (classes, columns), codes from 0.
    sizes
        How many records each stands for, shape (classes,).
    largest
        Default: all columns.

    Raises
    ------
    SluiceError
        If there are more sets of columns than can be tried.
    """
    classes, columns = codes.shape
    largest = columns if largest is None else min(largest, columns)
    sets = sum(comb(columns, size) for size in range(1, largest + 1))
    if sets > MOST_SETS:
        raise SluiceError(
            "There are too many sets of columns to search for special uniques",
            where=f"{columns} columns, sets of up to {largest}, {sets} sets",
            mend="search smaller sets, or name fewer quasi-identifiers",
        )
    radix = codes.max(axis=0, initial=0).astype(np.int64) + 1
    alone = sizes == 1
    counts = np.zeros((classes, largest), dtype=np.int32)
    with_column = np.zeros(columns)
    keys: dict[Set, tuple[np.ndarray, int]] = {(): (np.zeros(classes, dtype=np.int64), 1)}
    common: dict[Set, np.ndarray] = {(): np.ones(classes, dtype=bool)}  # not singled out by it
    for size in range(1, largest + 1):
        weight = _weight(size, columns, largest)
        longer: dict[Set, tuple[np.ndarray, int]] = {}
        still: dict[Set, np.ndarray] = {}
        for names in combinations(range(columns), size):
            parts = [names[:i] + names[i + 1 :] for i in range(size)]
            rows = np.flatnonzero(np.logical_and.reduce([common[part] for part in parts]))
            before, count = keys[names[:-1]]
            joined = before[rows] * radix[names[-1]] + codes[rows, names[-1]]
            number, found = _dense(joined, count * int(radix[names[-1]]))
            single = (np.bincount(number, minlength=found) == 1)[number] & alone[rows]
            counts[rows[single], size - 1] += 1
            with_column[list(names)] += weight * single.sum()
            if size < largest:
                kept = np.zeros(classes, dtype=bool)
                kept[rows[~single]] = True
                longer[names], still[names] = (_spread(number, rows, classes), found), kept
        keys, common = longer, still
    weights = [_weight(size, columns, largest) for size in range(1, largest + 1)]
    scores = counts @ np.array(weights, dtype=float)
    total = float(scores.sum())
    return Uniques(counts, scores, with_column / total if total else with_column)


def _weight(size: int, columns: int, largest: int) -> int:
    return prod(columns - i for i in range(size, min(largest, columns - 1) + 1))


def _dense(keys: np.ndarray, space: int) -> tuple[np.ndarray, int]:
    """Renumber keys from 0; the order does not matter here."""
    if space <= 8 * len(keys) + 1024:
        marked = np.zeros(space, dtype=np.int32)
        marked[keys] = 1
        np.cumsum(marked, out=marked)
        return marked[keys] - 1, int(marked[-1]) if space else 0
    uniques, number = np.unique(keys, return_inverse=True)
    return number, len(uniques)


def _spread(number: np.ndarray, rows: np.ndarray, classes: int) -> np.ndarray:
    out = np.zeros(classes, dtype=np.int64)
    out[rows] = number
    return out


def dis_scores(scores: np.ndarray, sizes: np.ndarray, columns: int, fraction: float) -> np.ndarray:
    """DIS-SUDA scores, shape (classes,): how likely a match with a record is the right one.

    The mean over sample uniques is Skinner and Elliot's 2002 measure for a sample of this fraction,
    u π / (u π + p (1 − π)) with u records alone and p records in pairs; SUDA scores share it out
    (Elliot and others 2005): 1 / (1 + (u / DIS − u) / (s^Q Σ s^−Q)), Q = 1 + (8 − K) / 20, as
    sdcMicro has it. 0 where the score is 0.

    Parameters
    ----------
    scores, sizes
        Of the distinct records, shape (classes,).
    columns
        K.
    fraction
        Share of the population that is in the sample, 0 … 1.
    """
    alone, pairs = float((sizes == 1).sum()), 2.0 * float((sizes == 2).sum())
    special = scores > 0
    out = np.zeros(len(scores))
    if not special.any():
        return out
    expected = alone * fraction / (alone * fraction + pairs * (1 - fraction))
    powers = (1 + (8 - columns) / 20) * np.log(scores[special])
    spread = np.exp(powers) * np.exp(-powers).sum()
    out[special] = 1 / (1 + (alone / expected - alone) / spread)
    return out
