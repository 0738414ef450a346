"""Telling a scanner's own frame from one that was drawn into, without reading it.

Strokes are drawn with one value. In a slice, the noise of its acquisition hardly ever gives three
equal samples in a row beside a step that noise does not make; letters do so many times within a
few millimetres. Frames without noise (smoothed, masked, computed) look drawn, and are read.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

# A step is that many times the median difference of neighbours.
_STEP: Final = 4
# Edges of strokes in a line of three blocks from which a frame looks drawn.
_BLOCK, _STROKES = 16, 6
# A picture enlarged by repeating its samples is judged at its own size.
_REPEATS: Final = (2, 3, 4)
_EVERY = 32  # rows between those whose noise is measured


def looks_drawn(frame: NDArray[np.integer]) -> bool:
    """Say whether a frame may hold drawn strokes and has to be read.

    Text of the frame's least value is not told from padding, and half-transparent text not from
    noise: this is a screen, not a proof.

    Parameters
    ----------
    frame
        Stored values of 16 bits, (rows, columns).
    """
    if min(frame.shape) < 3:
        return True
    drawn = _most_strokes(frame) >= _STROKES
    return drawn and not any(
        _is_repeated(frame, times) and not looks_drawn(frame[::times, ::times])
        for times in _REPEATS
    )


def _is_repeated(frame: NDArray[np.integer], times: int) -> bool:
    """Say whether each sample stands in a square of so many equal ones."""
    once = frame[::times, ::times]
    rows, columns = frame.shape
    return np.array_equal(frame, once.repeat(times, 0)[:rows].repeat(times, 1)[:, :columns])


def _most_strokes(frame: NDArray[np.integer]) -> int:
    """Return the most edges of strokes in three blocks of a row or a column of blocks."""
    blocks = _edges(frame, _STEP * _noise(frame))
    padded = np.pad(blocks, 1)
    beside = padded[1:-1, :-2] + padded[1:-1, 2:]
    above = padded[:-2, 1:-1] + padded[2:, 1:-1]
    return int((blocks + np.maximum(beside, above)).max())


def _noise(frame: NDArray[np.integer]) -> float:
    sampled = frame[::_EVERY].astype(np.int32)
    differences = np.abs(sampled[:, 1:] - sampled[:, :-1])
    differences = differences[differences > 0]
    return float(np.median(differences)) if differences.size else 0.0


def _edges(frame: NDArray[np.integer], step: float) -> NDArray[np.int64]:
    """Count by block the samples that equal both neighbours on a line and lie beside a step."""
    rows, columns = frame.shape
    high, wide = -(-rows // _BLOCK), -(-columns // _BLOCK)
    total = np.zeros(high * wide, np.int64)
    flat = frame.ravel()
    told, same, runs = _scratch(flat.size)
    np.not_equal(flat, flat.min(), out=told)
    # Lines as one row of samples after the other: those that run over an edge are left out below.
    for along, beside in ((columns, 1), (1, columns)):
        equal = np.equal(flat[along:], flat[:-along], out=same[along:])
        line = np.logical_and(equal[:-along], equal[along:], out=runs[along:-along])
        line &= told[along:-along]
        at = np.flatnonzero(line) + along
        row, column = at // columns, at % columns
        at = at[(row > 0) & (row < rows - 1) & (column > 0) & (column < columns - 1)]
        here, one, other = (flat[at + way].astype(np.int32) for way in (0, -beside, beside))
        at = at[(np.abs(one - here) > step) | (np.abs(other - here) > step)]
        block = at // columns // _BLOCK * wide + at % columns // _BLOCK
        total += np.bincount(block, minlength=len(total))
    return total.reshape(high, wide)


@lru_cache(maxsize=1)
def _scratch(size: int) -> NDArray[np.bool_]:
    """Return memory for three marks of each sample; fresh for every frame, it costs the most."""
    return np.empty((3, size), bool)
