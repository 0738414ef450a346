"""The entries of a cells x genes matrix, in pieces, as each form of file gives them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np
from scipy import sparse

from sluice.errors import SluiceError
from sluice.expression import tenx
from sluice.expression.stream import Piece


class Entries(Protocol):
    """Whatever can give all entries of a cells x genes matrix, in an order of its own."""

    number: int
    by_row: bool

    def pieces(self, size: int, first: int, last: int) -> Iterator[Piece]:
        """Yield the entries of rows ``first`` to ``last``, about ``size`` at a time.

        Those of other rows may come along. ``by_row``: rows come whole and in ascending order.
        """
        ...


def h5ad_entries(item: h5py.Dataset | h5py.Group, n_cells: int) -> Entries:
    """Return the entries of a matrix of an h5ad: X, that of raw, or a layer."""
    if isinstance(item, h5py.Dataset):
        return Dense(item)
    encoding = str(item.attrs.get("encoding-type", ""))
    if encoding == "csr_matrix":
        return ByRows(item, n_cells)
    if encoding == "csc_matrix":
        return ByColumns(item, n_cells)
    raise SluiceError("A cell matrix has an encoding that is not read", where="h5ad")


class _Compressed:
    """A matrix stored as data, indices and indptr."""

    by_row: bool

    def __init__(self, group: h5py.Group, lines: int) -> None:
        self._data, self._indices = group["data"], group["indices"]
        self._indptr = group["indptr"][:].astype(np.int64)
        sound = len(self._indptr) == lines + 1 and self._indptr[0] == 0
        sound = sound and bool((np.diff(self._indptr) >= 0).all())
        if not (sound and self._indptr[-1] == len(self._data) == len(self._indices)):
            raise disagree("sparse matrix")
        self.number = int(self._indptr[-1])

    def _lines(
        self, size: int, first: int, last: int
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
        """Yield (first line, lengths, indices, values) of lines, about ``size`` entries at a time.

        A line is a row or a column; one that has more entries comes alone.
        """
        start = first
        while start <= last:
            limit = self._indptr[start] + size
            stop = int(np.searchsorted(self._indptr, limit, side="right")) - 1
            stop = min(max(stop, start + 1), last + 1)
            span = slice(int(self._indptr[start]), int(self._indptr[stop]))
            lengths = np.diff(self._indptr[start : stop + 1])
            yield start, lengths, self._indices[span], self._data[span]
            start = stop


class ByRows(_Compressed):
    """Rows one after the other (10x stores cells the same way)."""

    by_row = True

    def pieces(self, size: int, first: int, last: int) -> Iterator[Piece]:
        """Yield whole rows."""
        for start, lengths, indices, values in self._lines(size, first, last):
            yield Piece(np.arange(start, start + len(lengths)), lengths, indices, values)


class ByColumns(_Compressed):
    """Columns one after the other."""

    by_row = False

    def __init__(self, group: h5py.Group, n_cells: int) -> None:
        self._n_cells, self._width = n_cells, int(group.attrs["shape"][1])
        super().__init__(group, self._width)

    def pieces(self, size: int, first: int, last: int) -> Iterator[Piece]:
        """Yield every row's part of some columns."""
        for start, lengths, indices, values in self._lines(size, 0, self._width - 1):
            columns = np.repeat(np.arange(start, start + len(lengths), dtype=np.int32), lengths)
            yield _by_row(indices, columns, values, self._n_cells)


class Triplets:
    """A 10x folder: (cell, feature, value) in any order."""

    by_row = False

    def __init__(self, folder: Path, n_cells: int, width: int) -> None:
        self._folder, self._n_cells = folder, n_cells
        self.number = tenx.entries(folder)

    def pieces(self, size: int, first: int, last: int) -> Iterator[Piece]:
        """Yield the entries a block of text at a time."""
        for rows, columns, values in tenx.triplets(self._folder):
            for start in range(0, len(rows), size):
                part = slice(start, start + size)
                yield _by_row(rows[part], columns[part], values[part], self._n_cells)


def _by_row(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, n_cells: int) -> Piece:
    """Return triplets as rows with lengths; what comes first in a row stays first."""
    if len(rows) and (rows.min() < 0 or rows.max() >= n_cells):
        raise disagree("sparse matrix")
    # One column an entry: the transposition sorts by row in linear time and keeps the order.
    each = np.arange(len(rows) + 1)
    matrix = sparse.csc_matrix((values, rows, each), shape=(n_cells, len(rows))).tocsr()
    lengths = np.diff(matrix.indptr)
    found = np.flatnonzero(lengths)
    return Piece(found, lengths[found], columns[matrix.indices], matrix.data)


class Dense:
    """A dense dataset."""

    by_row = True

    def __init__(self, values: h5py.Dataset) -> None:
        self._values = values
        self.number = int(values.size)

    def pieces(self, size: int, first: int, last: int) -> Iterator[Piece]:
        """Yield whole rows."""
        width = self._values.shape[1]
        step = max(1, size // max(1, width))
        for start in range(first, last + 1, step):
            dense = self._values[start : min(start + step, last + 1)]
            rows, columns = np.nonzero(dense)
            lengths = np.bincount(rows, minlength=len(dense))
            numbers = np.arange(start, start + len(dense))
            yield Piece(numbers, lengths, columns, dense[rows, columns])


def disagree(where: str) -> SluiceError:
    """Return the error for a matrix whose parts do not fit together."""
    return SluiceError(
        "The parts of a cell matrix disagree in their sizes",
        where=where,
        mend="copy the file again from its source",
    )
