"""Telling a scanner's own frame from one that was drawn into, without reading it.

Strokes are drawn with one value. In a slice, the noise of its acquisition hardly ever gives three
equal samples in a row beside a step that noise does not make; letters do so many times within a
few millimetres. Frames without noise (smoothed, masked, computed) look drawn, and are read.
"""

from __future__ import annotations

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
    halved = (frame >> 1).astype(np.int16, copy=False)  # so that no difference overflows
    step = _STEP * _noise(halved)
    blocks = _edges(frame, halved, step)
    padded = np.pad(blocks, 1)
    beside = padded[1:-1, :-2] + padded[1:-1, 2:]
    above = padded[:-2, 1:-1] + padded[2:, 1:-1]
    return int((blocks + np.maximum(beside, above)).max())


def _noise(halved: NDArray[np.int16]) -> float:
    sampled = halved[::_EVERY]
    differences = np.abs(sampled[:, 1:] - sampled[:, :-1])
    differences = differences[differences > 0]
    return float(np.median(differences)) if differences.size else 0.0


def _edges(frame: NDArray[np.integer], halved: NDArray[np.int16], step: float) -> NDArray[np.int64]:
    """Count by block the samples that equal both neighbours on a line and lie beside a step."""
    rows, columns = frame.shape
    wide = -(-columns // _BLOCK)
    flat, total = halved.ravel(), np.zeros(-(-rows // _BLOCK) * wide, np.int64)
    inner = (frame != frame.min())[1:-1, 1:-1]
    down, across = frame[1:] == frame[:-1], frame[:, 1:] == frame[:, :-1]
    runs = np.zeros(frame.shape, bool)
    for one, other, beside in (
        (down[1:, 1:-1], down[:-1, 1:-1], 1),
        (across[1:-1, 1:], across[1:-1, :-1], columns),
    ):
        np.logical_and(one, other, out=runs[1:-1, 1:-1])
        runs[1:-1, 1:-1] &= inner
        at = np.flatnonzero(runs)
        here = flat[at].astype(np.int32)
        at = at[
            (np.abs(flat[at - beside] - here) > step) | (np.abs(flat[at + beside] - here) > step)
        ]
        total += np.bincount(
            at // columns // _BLOCK * wide + at % columns // _BLOCK, minlength=len(total)
        )
    return total.reshape(-1, wide)
