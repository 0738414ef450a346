"""Rows of a matrix in any order, from one pass over its file and with bounded memory.

A file gives its entries in an order of its own: by cells, by genes, or none. Each piece that is
read is cut down to the wanted rows and columns at once. If rows are wanted as they come, they are
handed on. Else they are put into a nameless file beside the target, sorted roughly into buckets
of neighbours, and then taken out bucket by bucket: an external sort, which reads the source once
whatever its order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
from scipy import sparse

from sluice.errors import SluiceError

#: What a pass may hold of a matrix unless told otherwise, in bytes.
MEMORY = 16 << 20
# A read entry with its copies, filtered, packed and sorted; measured, then rounded up.
_BYTES_AN_ENTRY = 48
# A band is put together from so many buckets, so that an uneven matrix still fits.
_BUCKETS_A_BAND = 4

Item = TypeVar("Item")


def entries_within(memory: int) -> int:
    """Return how many entries may be worked on at once with so many bytes."""
    return max(1, memory // _BYTES_AN_ENTRY)


@dataclass(frozen=True)
class Piece:
    """Entries of some rows: the first ``lengths[0]`` belong to ``rows[0]``, and so on.

    A row may be spread over several pieces.
    """

    rows: np.ndarray
    lengths: np.ndarray
    columns: np.ndarray
    values: np.ndarray


def narrowed(piece: Piece, row_place: np.ndarray, column_place: np.ndarray) -> Piece:
    """Return the entries that are wanted, numbered anew; zeros are left out.

    ``row_place[i]`` is the new number of row i, or -1; ``column_place`` likewise.
    """
    columns = np.take(column_place, piece.columns)
    keep = columns >= 0
    keep &= piece.values != 0
    rows = row_place[piece.rows]
    wanted = rows >= 0
    if not wanted.all():
        keep &= np.repeat(wanted, piece.lengths)
    lengths = piece.lengths
    values = piece.values
    if not keep.all():
        kept = np.zeros(len(keep) + 1, dtype=np.int32)
        np.cumsum(keep, out=kept[1:])
        ends = np.cumsum(lengths)
        lengths = kept[ends] - kept[ends - lengths]
        columns, values = columns[keep], values[keep]
    return Piece(rows[wanted], lengths[wanted], columns, values)


def as_they_come(pieces: Iterable[Piece], width: int) -> Iterator[sparse.csr_matrix]:
    """Yield whole rows, piece by piece."""
    for piece in pieces:
        yield _canonical(_csr(piece.lengths, piece.columns, piece.values, width))


def rearranged(
    pieces: Iterable[Piece], shape: tuple[int, int], mean: float, memory: int, folder: Path | None
) -> Iterator[sparse.csr_matrix]:
    """Yield the rows in ascending order, a band at a time.

    Parameters
    ----------
    shape
        Of the whole, as the pieces number rows and columns.
    mean
        Entries that a row is expected to have.
    memory
        Bytes that entries may take at once. A single row must fit.
    folder
        Where entries wait, if they are more than memory holds; the file there never has a name.
        Default: the system's folder for temporary files.
    """
    band = entries_within(memory)
    step = max(1, int(band / _BUCKETS_A_BAND / max(mean, 1.0)))
    with _Spill(shape, step, memory // 4, folder) as spill:
        for piece in pieces:
            spill.put(piece)
        yield from ahead(spill.bands(band))


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield items as they are, the next one being made while one is used."""
    with ThreadPoolExecutor(1) as worker:
        following = worker.submit(next, items, None)
        while (item := following.result()) is not None:
            following = worker.submit(next, items, None)
            yield item


@dataclass
class _Spill:
    """Entries put down in buckets of neighbouring rows."""

    shape: tuple[int, int]
    step: int
    in_memory: int
    folder: Path | None
    _extents: dict[int, list[_Extent]] = field(default_factory=dict)

    def __enter__(self) -> _Spill:
        self._file = tempfile.SpooledTemporaryFile(
            self.in_memory, dir=str(self.folder) if self.folder else None
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def put(self, piece: Piece) -> None:
        """Put the entries of a piece into the buckets of their rows."""
        buckets = piece.rows // self.step
        if (np.diff(buckets) < 0).any():
            order = np.argsort(buckets, kind="stable")
            piece, buckets = _picked(piece, order, self.shape[1]), buckets[order]
        columns = piece.columns.astype(np.uint16 if self.shape[1] <= 1 << 16 else np.int32)
        values = _packed(piece.values)
        ends = np.cumsum(piece.lengths)
        cuts = np.concatenate([[0], np.flatnonzero(np.diff(buckets)) + 1, [len(buckets)]])
        for first, last in pairwise(cuts.tolist()):
            if first == last:
                continue
            span = slice(int(ends[first] - piece.lengths[first]), int(ends[last - 1]))
            rows, lengths = (a[first:last].astype(np.int32) for a in (piece.rows, piece.lengths))
            extent = self._write(rows, lengths, columns[span], values[span])
            self._extents.setdefault(int(buckets[first]), []).append(extent)

    def _write(self, *arrays: np.ndarray) -> _Extent:
        place = self._file.tell()
        try:
            for array in arrays:
                self._file.write(array.data)
        except OSError:
            raise SluiceError(
                "There is no room for the temporary file of a cell matrix",
                where="disk of the target",
                mend="free about as much as the raw file takes",
            ) from None
        rows, _, columns, values = arrays
        return _Extent(place, len(rows), len(columns), columns.dtype, values.dtype)

    def bands(self, entries: int) -> Iterator[sparse.csr_matrix]:
        """Yield all rows in ascending order, about so many entries at a time."""
        first = held = 0
        extents: list[_Extent] = []
        last = -(-self.shape[0] // self.step)
        for bucket in range(last):
            more = self._extents.get(bucket, [])
            size = sum(extent.entries for extent in more)
            if held and held + size > entries:
                yield self._band(extents, first * self.step, bucket * self.step)
                first, held, extents = bucket, 0, []
            extents, held = extents + more, held + size
        if self.shape[0]:
            yield self._band(extents, first * self.step, self.shape[0])

    def _band(self, extents: list[_Extent], start: int, stop: int) -> sparse.csr_matrix:
        """Return rows ``start`` to ``stop``."""
        read = [extent.read(self._file) for extent in extents]
        if not read:
            return sparse.csr_matrix((stop - start, self.shape[1]), dtype=np.float32)
        rows, lengths, columns, values = (np.concatenate(part) for part in zip(*read, strict=True))
        del read
        order = np.argsort(rows, kind="stable")
        whole = _picked(Piece(rows, lengths, columns, _unpacked(values)), order, self.shape[1])
        # What was spread over several pieces now lies together: one row, the sum of its lengths.
        sizes = np.zeros(stop - start, dtype=np.int64)
        np.add.at(sizes, whole.rows - start, whole.lengths)
        return _canonical(_csr(sizes, whole.columns, whole.values, self.shape[1]))


@dataclass(frozen=True)
class _Extent:
    """Where a part of a bucket lies in the file, and what it holds."""

    place: int
    rows: int
    entries: int
    column_type: np.dtype
    value_type: np.dtype

    def read(self, file: tempfile.SpooledTemporaryFile) -> tuple[np.ndarray, ...]:
        """Return rows, lengths, columns and values."""
        file.seek(self.place)
        four = np.dtype(np.int32)
        kinds = [(four, self.rows), (four, self.rows),
                 (self.column_type, self.entries), (self.value_type, self.entries)]  # fmt: skip
        raw = file.read(sum(kind.itemsize * number for kind, number in kinds))
        arrays, start = [], 0
        for kind, number in kinds:
            arrays.append(np.frombuffer(raw, kind, number, start))
            start += kind.itemsize * number
        return tuple(arrays)


def _packed(values: np.ndarray) -> np.ndarray:
    """Return small counts in one or two bytes, anything else as it is."""
    if len(values) == 0 or values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        return values
    small = values.astype(np.uint8 if values.max() <= np.iinfo(np.uint8).max else np.uint16)
    return small if np.array_equal(small, values) else values


def _unpacked(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32) if values.dtype.kind == "u" else values


def _picked(piece: Piece, order: np.ndarray, width: int) -> Piece:
    """Return the rows of a piece in another order."""
    matrix = _csr(piece.lengths, piece.columns, piece.values, width)[order]
    return Piece(piece.rows[order], piece.lengths[order], matrix.indices, matrix.data)


def _csr(
    lengths: np.ndarray, columns: np.ndarray, values: np.ndarray, width: int
) -> sparse.csr_matrix:
    indptr = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=indptr[1:])
    columns = columns.astype(np.int32, copy=False)
    return sparse.csr_matrix((values, columns, indptr), shape=(len(lengths), width), copy=False)


def _canonical(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the matrix with ascending columns in each row, each at most once."""
    if not matrix.has_sorted_indices:
        # Two transpositions sort in linear time, faster than sorting each row.
        matrix = sparse.csr_matrix(matrix.tocsc().tocsr())
    if not matrix.has_canonical_format:
        matrix.sum_duplicates()
    return matrix
