"""Counts rounded to a base, margins independently, with a look at what the margins give back."""

from __future__ import annotations

import numpy as np

from sluice.tables.counts import intervals, lines

_TOLERANCE = 1e-6


def round_counts(counts: np.ndarray, threshold: int, base: int) -> np.ndarray:
    """Round every count, margins independently, to the nearest multiple of ``base``; halves go up.

    Returns floats of the table's shape. A count that is small, before or after, is NaN: not
    published; zero stays. Where the margins leave fewer than ``base`` values possible for a small
    count, the smallest counts of its lines are not published either, until they do not.
    """
    rounded = (2 * counts + base) // (2 * base) * base
    largest = max(threshold - 1, (threshold - 1) // base * base + (base - 1) // 2)
    small = (counts > 0) & (counts < threshold)
    hidden = small | ((counts > 0) & (rounded < threshold))
    low = np.where(counts > 0, np.maximum(rounded - base // 2, threshold), 0).astype(float)
    high = np.where(counts > 0, rounded + (base - 1) // 2, 0).astype(float)
    low[hidden], high[hidden] = 1, largest
    places = np.flatnonzero(small)
    while True:
        least, most = intervals(low, high, places)
        possible = np.floor(most + _TOLERANCE) - np.ceil(least - _TOLERANCE) + 1
        places = places[possible < min(base, largest)]  # what is hidden more widens all
        beside = [_smallest_beside(counts, hidden, int(place)) for place in places]
        more = {place for place in beside if place is not None}
        if not more:
            return np.where(hidden, np.nan, rounded)
        for place in more:
            hidden.flat[place], low.flat[place], high.flat[place] = True, 0, np.inf


def _smallest_beside(counts: np.ndarray, hidden: np.ndarray, place: int) -> int | None:
    """The smallest count that is published in a line of a cell, unless there is none but zeros."""
    flat = np.where(hidden | (counts == 0), np.inf, counts).ravel()
    beside = np.concatenate([line for line in lines(counts.shape) if place in line])
    best = int(beside[np.argmin(flat[beside])])
    return best if np.isfinite(flat[best]) else None
