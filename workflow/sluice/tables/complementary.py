"""Complementary suppression: which cells of a table of counts are not published.

No count from 1 to threshold − 1 may be read, directly or by subtraction: from the margins of the
table, from an earlier release of it, or as the rest of a line. *Primary* cells are small themselves
or differ from an earlier release by a small number; *secondary* cells are left out with them so
that they cannot be had by subtraction. Secondary cells are found by linear programs: for each
primary cell, the cheapest cells along which it could be larger by the protection level with all
that is published as it is (Kelly, Golden and Assad 1992; Fischetti and Salazar 2001). A zero is
published always.

An attacker is taken to know that counts are not negative, and nothing else of them. With integers,
or knowledge of the cohort, he may do better in tables of three fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from sluice.errors import SluiceError
from sluice.tables.counts import equations_of, lines

_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Suppression:
    """Cells of a table that are not published, each of the table's shape, bool."""

    primary: np.ndarray
    secondary: np.ndarray

    @property
    def cells(self) -> np.ndarray:
        """Every cell that is not published."""
        return self.primary | self.secondary


def suppress_counts(
    counts: np.ndarray, threshold: int, earlier: Sequence[np.ndarray] = ()
) -> Suppression:
    """Choose the cells of a table that are not published.

    Parameters
    ----------
    counts
        A :class:`CountTable`'s.
    threshold
        n: counts and differences of 1 to n − 1 are small. A primary cell could be larger by n − 1
        or more, for all that anybody can derive.
    earlier
        What was published of the same cells before, NaN where nothing was.
    """
    before = [np.zeros(counts.shape), *earlier]  # a count is a difference from nothing
    primary = np.zeros(counts.shape, dtype=bool)
    for past in before:
        primary |= _small(counts - past, threshold)
    while True:
        found = Suppression(primary, _secondary(counts, primary, threshold - 1) & ~primary)
        more = [
            place
            for past in before
            for place in _told_by_lines(counts, found.cells, past, threshold)
        ]
        if not more:
            return found
        primary = primary.copy()
        primary.ravel()[more] = True


def _small(differences: np.ndarray, threshold: int) -> np.ndarray:
    """Which differences are neither 0 nor as large as the threshold; unknown ones are not."""
    size = np.abs(differences)
    return (size > 0) & (size < threshold)


def _secondary(counts: np.ndarray, primary: np.ndarray, protection: int) -> np.ndarray:
    """Cells that must go with the primary ones: found for one after the other, then thinned.

    The second round uses only cells of the first; those that it can do without are published.
    """
    equations = equations_of(counts.shape)
    flat, small = counts.ravel(), primary.ravel()
    cost = 1.0 + np.log1p(flat)
    order = sorted(map(int, np.flatnonzero(small)), key=lambda place: (-flat[place], place))
    first, second = small.copy(), small.copy()
    for place in order:
        first |= _used(equations, flat, place, protection, np.where(first, 0.0, cost), flat > 0)
    for place in reversed(order):
        second |= _used(equations, flat, place, protection, np.where(second, 0.0, cost), first)
    return second.reshape(counts.shape)


def _used(
    equations: sparse.csr_matrix,
    counts: np.ndarray,
    place: int,
    protection: int,
    cost: np.ndarray,
    usable: np.ndarray,
) -> np.ndarray:
    """Cells that change, at least cost, where one cell is larger by ``protection``."""
    places = np.flatnonzero(usable | (np.arange(len(counts)) == place))
    here = int(np.flatnonzero(places == place)[0])
    up = np.column_stack([np.zeros(len(places)), np.full(len(places), np.inf)])
    down = np.column_stack([np.zeros(len(places)), counts[places]])
    up[here], down[here] = protection, 0
    part = equations[:, places]
    found = linprog(
        np.concatenate([cost[places], cost[places]]),
        A_eq=sparse.hstack([part, -part]),
        b_eq=np.zeros(part.shape[0]),
        bounds=np.concatenate([up, down]),
        method="highs",
    )
    if found.status != 0:
        raise SluiceError("A linear program of cell suppression has no solution")
    change = found.x[: len(places)] - found.x[len(places) :]
    used = np.zeros(len(counts), dtype=bool)
    used[places[np.abs(change) > _TOLERANCE]] = True
    return used


def _told_by_lines(
    counts: np.ndarray, hidden: np.ndarray, past: np.ndarray, threshold: int
) -> list[int]:
    """Cells to hide too, because a line tells a small difference of a group of its cells.

    The groups are those hidden now, those hidden then, and both together.
    """
    now = np.where(hidden, np.nan, counts).ravel()
    then = past.ravel()
    more = []
    for line in lines(counts.shape):
        gone, lost = np.isnan(now[line[:-1]]), np.isnan(then[line[:-1]])
        for group in (gone, lost, gone | lost):
            if group.any() and _small(
                _told(now[line], group) - _told(then[line], group), threshold
            ):
                shown = line[:-1][group & ~gone]
                size = np.where(now[shown] == 0, np.inf, now[shown])  # a zero is no cover
                more.append(int(shown[np.argmin(size)] if len(shown) else line[-1]))
    return more


def _told(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """What one line tells of the sum of a group of its cells; NaN if nothing."""
    direct = values[:-1][group].sum()
    return direct if not np.isnan(direct) else values[-1] - values[:-1][~group].sum()
