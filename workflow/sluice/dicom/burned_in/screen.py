"""Telling a scanner's own frame from one that was drawn into, without reading it.

Strokes are thin and have one value. What stands out on both sides of a line through it (a vessel,
a trabecula, noise) has any value in a body; within a few millimetres of letters, many such samples
have nearly the same one. They are counted by blocks of samples. Frames without noise (smoothed,
masked, computed) often look drawn, and are read.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

# Below this a picture holds too little to judge, and is quickly read.
_SMALL: Final = 200
# Standing out: by so many times the median difference of neighbours, from what is so far away,
# looked for in every so manieth line.
_STEP, _SIDES, _EVERY = 6, (2, 4), 4
# Blocks are taken by three; values in steps of the noise are told apart up to so many.
_BLOCK, _VALUES = 16, 24
# A frame looks drawn if the most frequent value has so many samples more than a twelfth of all.
_EXCESS, _CHANCE = 9.5, 12
# No tissue is so many standard deviations from the mean; ink of the highest value that is storable
# often is. Metal is some ten.
_FAR: Final = 16
# A picture enlarged by repeating its samples (by two twice: by four) is judged at its own size.
_REPEATS: Final = (2, 3)
# Rows that stand for all: a prime apart, so that no mosaic's edges are met again and again.
_SOME_ROWS = slice(5, None, 29)


def looks_drawn(frame: NDArray[np.integer]) -> bool:
    """Say whether a frame may hold drawn strokes and has to be read.

    Text as faint as noise and small letters in a busy place are not told from a body: this is a
    screen, not a proof.

    Parameters
    ----------
    frame
        Stored values of 16 bits, (rows, columns).
    """
    if min(frame.shape) < _SMALL:
        return True
    middle = frame.shape[0] // 2
    for times in _REPEATS:  # one row tells most pictures that are not
        if _is_repeated(frame[middle : middle + 1], times) and _is_repeated(frame, times):
            return looks_drawn(frame[::times, ::times])
    return _reaches_far(frame) or _excess(frame) >= _EXCESS


def _is_repeated(frame: NDArray[np.integer], times: int) -> bool:
    """Say whether each sample stands in a square of so many equal ones."""
    once = frame[::times, ::times]
    rows, columns = frame.shape
    return np.array_equal(frame, once.repeat(times, 0)[:rows].repeat(times, 1)[:, :columns])


def _reaches_far(frame: NDArray[np.integer]) -> bool:
    sampled = frame[_SOME_ROWS]
    middle, far = float(sampled.mean()), _FAR * float(sampled.std())
    return bool(frame.max() > middle + far or frame.min() < middle - far)


def _excess(frame: NDArray[np.integer]) -> float:
    """Return by how much one value's samples exceed chance, where they do most."""
    noise = _noise(frame)
    # A row of blocks ends with an empty one: so a row is no neighbour of the next one's start.
    high, wide = -(-frame.shape[0] // _BLOCK), -(-frame.shape[1] // _BLOCK) + 1
    row, column, value = _standing_out(frame, max(int(_STEP * noise / 2), 1))
    kind = np.floor(value / max(noise / 2, 0.5)).astype(np.int64) % _VALUES
    place = (kind * high + row // _BLOCK) * wide + column // _BLOCK
    counted = np.bincount(place, minlength=_VALUES * high * wide).astype(np.int16)
    counted = counted.reshape(_VALUES, high * wide)
    return max(
        float((three.max(axis=0) - three.sum(axis=0, dtype=np.int16) / _CHANCE).max())
        for three in (_by_three(counted, 1), _by_three(counted, wide))
    )


def _noise(frame: NDArray[np.integer]) -> float:
    """Return the median difference of neighbours that differ."""
    sampled = frame[_SOME_ROWS].astype(np.int32)
    counts = np.bincount(np.abs(sampled[:, 1:] - sampled[:, :-1]).ravel())  # sorting costs more
    counts[:1] = 0
    up_to = counts.cumsum()
    return float(up_to.searchsorted((up_to[-1] + 1) // 2)) if counts.any() else 0.0


def _standing_out(
    frame: NDArray[np.integer], step: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int16]]:
    """Return row, column and value of samples above or below both sides by more than a step.

    Values and ``step`` are halved, so that no difference overflows.
    """
    found = []
    for sampled, rows, columns in (
        (frame[::_EVERY], _EVERY, 1),
        (frame[:, ::_EVERY], 1, _EVERY),
    ):
        # One line after the other: what is found from one into the next is left out below.
        half = (sampled >> 1).view(np.int16).ravel()
        width = sampled.shape[1]
        out = np.zeros(half.size, bool)
        for away in _SIDES:
            side = away if columns == 1 else away * width
            rise = half[side:] - half[:-side]
            up, down = rise > step, rise < -step
            out[side:-side] |= (up[:-side] & down[side:]) | (down[:-side] & up[side:])
        at = np.flatnonzero(out)
        row, column = at // width, at % width
        if columns == 1:
            inside = (column >= max(_SIDES)) & (column < width - max(_SIDES))
            at, row, column = at[inside], row[inside], column[inside]
        found.append((row * rows, column * columns, half[at]))
    row, column, value = (np.concatenate(part) for part in zip(*found, strict=True))
    return row, column, value


def _by_three(counts: NDArray[np.int16], away: int) -> NDArray[np.int16]:
    """Return the sums over each block and its two neighbours so many places away."""
    three = counts.copy()
    three[:, away:] += counts[:, :-away]
    three[:, :-away] += counts[:, away:]
    return three
