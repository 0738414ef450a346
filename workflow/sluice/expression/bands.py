"""Rows of a sparse matrix that is stored in another order, with bounded memory.

One pass counts the entries of each row; then bands of rows are read, each by one pass over the
file, and rows are served from the band that holds them. A matrix that fits in one band takes two
passes; one of 300 million entries about 15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import sparse

from sluice.errors import SluiceError

Triplets = tuple[np.ndarray, np.ndarray, np.ndarray]

#: Entries of one band: 20 million take about 0.8 GB while it is built.
BAND_ENTRIES = 20_000_000


class ByBands:
    """Serve ascending rows from a stream of (rows, columns, values) in any order."""

    def __init__(
        self,
        shape: tuple[int, int],
        triplets: Callable[[], Iterator[Triplets]],
        entries: int = BAND_ENTRIES,
    ) -> None:
        self._shape, self._triplets = shape, triplets
        counts = np.zeros(shape[0], dtype=np.int64)
        for rows, columns, _ in triplets():
            if len(rows) and not (
                0 <= rows.min() <= rows.max() < shape[0]
                and 0 <= columns.min() <= columns.max() < shape[1]
            ):
                raise SluiceError(
                    "The parts of a cell matrix disagree in their sizes",
                    where="sparse matrix",
                    mend="copy the file again from its source",
                )
            counts += np.bincount(rows, minlength=shape[0])
        before = np.cumsum(counts) - counts
        self._band_of = before // max(1, entries)
        self._held = -1
        self._start = 0
        self._band = sparse.csr_matrix(shape)

    def read(self, rows: np.ndarray) -> sparse.csr_matrix:
        """Return ascending rows."""
        parts = []
        for band in np.unique(self._band_of[rows]):
            self._load(int(band))
            parts.append(self._band[rows[self._band_of[rows] == band] - self._start])
        if not parts:
            return sparse.csr_matrix((0, self._shape[1]))
        return sparse.csr_matrix(sparse.vstack(parts, format="csr"))

    def _load(self, band: int) -> None:
        if band == self._held:
            return
        members = np.flatnonzero(self._band_of == band)
        first, last = int(members[0]), int(members[-1])
        found: list[Triplets] = []
        for rows, columns, values in self._triplets():
            inside = (rows >= first) & (rows <= last)
            found.append((rows[inside], columns[inside], values[inside]))
        rows, columns, values = (np.concatenate(part) for part in zip(*found, strict=True))
        values = values if values.dtype in (np.float32, np.float64) else values.astype(float)
        shape = (last - first + 1, self._shape[1])
        self._band = sparse.csr_matrix((values, (rows - first, columns)), shape=shape)
        self._held, self._start = band, first
