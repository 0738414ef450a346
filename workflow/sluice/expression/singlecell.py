"""Single-cell matrices on disk, read in one pass without loading them.

h5ad (X, raw or a layer; CSR, CSC or dense) and 10x (``matrix.mtx`` folder or ``.h5``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from sluice.errors import SluiceError
from sluice.expression import tenx
from sluice.expression.entries import ByRows, Entries, Triplets, disagree, h5ad_entries
from sluice.expression.stream import (
    MEMORY,
    Piece,
    ahead,
    as_they_come,
    entries_within,
    narrowed,
    rearranged,
)
from sluice.expression.values import ValueKind, check_kind, check_values

CellFormat = Literal["h5ad", "10x_mtx", "10x_h5"]

# Pieces follow each other: a chunk that two of them share is all that is wanted twice.
_CACHE_BYTES = 4 << 20


@dataclass(frozen=True)
class Slot:
    """One place of a file that may hold something: its path, kind, and number of entries."""

    path: str
    kind: str
    entries: int


@dataclass(frozen=True)
class CellSource:
    """A cells x genes matrix on disk.

    Parameters
    ----------
    genes
        Names as the file gives them (Ensembl ids where the file carries both).
    columns
        Names of the columns known for each cell; their values only by :meth:`column`.
    """

    path: Path
    fmt: CellFormat
    layer: str
    value_kind: ValueKind
    n_cells: int
    genes: list[str]
    columns: list[str]
    _kept_genes: np.ndarray | None = field(default=None, repr=False)

    def barcodes(self) -> list[str]:
        """Return the cells' own names, which never leave."""
        if self.fmt == "10x_mtx":
            return tenx.barcodes(self.path)
        with _open(self.path) as file:
            if self.fmt == "10x_h5":
                return [str(name) for name in file["matrix/barcodes"].asstr()[:]]
            return _index(file["obs"])

    def column(self, name: str) -> pd.Series:
        """Return one column of obs as plain values (categories decoded)."""
        if name not in self.columns:
            raise SluiceError(
                "A column named in the configuration is not in the cell table",
                where="obs",
                mend="compare it with the inventory",
            )
        with _open(self.path) as file:
            return _plain(file["obs"][name])

    def iter_rows(
        self,
        rows: np.ndarray,
        block: int = 4096,
        *,
        columns: Sequence[int] | np.ndarray | None = None,
        memory: int = MEMORY,
        folder: Path | None = None,
    ) -> Iterator[sparse.csr_matrix]:
        """Yield the given rows, in the order given, at most ``block`` at a time, checked.

        The file is read once, from the first row asked for to the last. Values are float32 where
        they were (small counts always), else float64; columns ascend within a row.

        Parameters
        ----------
        rows
            Numbers of cells, each at most once.
        columns
            Numbers of genes, each at most once, in the order wanted; default: all.
        memory
            Bytes that entries may take at once (see :mod:`sluice.expression.stream`).
        folder
            Where entries wait that cannot be handed on as they come.
        """
        row_place = _places(rows, self.n_cells)
        chosen = np.arange(len(self.genes)) if columns is None else np.array(columns, dtype=int)
        width = len(chosen)
        if self._kept_genes is not None:
            chosen = np.flatnonzero(self._kept_genes)[chosen]
        column_place = _places(chosen, self._width)
        if len(rows) == 0:
            return
        first, last = int(np.min(rows)), int(np.max(rows))
        with self._entries() as entries:
            found = ahead(entries.pieces(entries_within(memory), first, last))
            pieces = ahead(narrowed(self._sound(p), row_place, column_place) for p in found)
            if entries.by_row and (np.diff(rows) > 0).all():
                matrices = as_they_come(pieces, width)
            else:
                mean = entries.number / self.n_cells
                matrices = rearranged(pieces, (len(rows), width), mean, memory, folder)
            for matrix in matrices:
                for start in range(0, matrix.shape[0], block):
                    yield matrix[start : start + block] if matrix.shape[0] > block else matrix

    def _sound(self, piece: Piece) -> Piece:
        """Return the piece as it is, if it can be part of the matrix."""
        if len(piece.columns) == 0:
            return piece
        if piece.columns.min() < 0 or piece.columns.max() >= self._width:
            raise disagree("sparse matrix")
        where = f"cells {piece.rows.min() + 1} to {piece.rows.max() + 1} of the file"
        check_values(piece.values, self.value_kind, where)
        if piece.values.dtype in (np.float32, np.float64):
            return piece
        return replace(piece, values=piece.values.astype(np.float64))

    def surface(self) -> list[Slot]:
        """List every slot of the file, by name only: what the inventory must give a role."""
        if self.fmt == "10x_mtx":
            return [Slot(name, "file", 1) for name in tenx.files(self.path)]
        with _open(self.path) as file:
            return list(_slots(file))

    @contextmanager
    def _entries(self) -> Iterator[Entries]:
        if self.fmt == "10x_mtx":
            yield Triplets(self.path, self.n_cells, self._width)
            return
        with _open(self.path) as file:
            if self.fmt == "10x_h5":
                yield ByRows(file["matrix"], self.n_cells)
            else:
                yield h5ad_entries(file[_matrix_path(self.layer)], self.n_cells)

    @property
    def _width(self) -> int:
        return len(self.genes) if self._kept_genes is None else len(self._kept_genes)


def open_cells(
    path: Path, fmt: CellFormat, layer: str = "X", *, value_kind: ValueKind = "counts"
) -> CellSource:
    """Open a cell matrix.

    Parameters
    ----------
    path
        The h5ad, the 10x ``.h5``, or the folder of ``matrix.mtx[.gz]``, barcodes and features.
    layer
        h5ad only: ``X``, ``raw`` or the name of a layer.

    Raises
    ------
    SluiceError
        For a file that is no such file, is cut short, lacks the layer, or whose parts disagree.
    """
    check_kind(value_kind)
    if fmt == "10x_mtx":
        names, kept = tenx.features(path)
        n_cells, width = tenx.shape(path)
        if (n_cells, width) != (len(tenx.barcodes(path)), len(kept)):
            raise disagree("10x folder")
        return CellSource(path, fmt, "X", value_kind, n_cells, names, [], kept)
    with _open(path) as file:
        if fmt == "10x_h5":
            names, kept, n_cells = tenx.h5_features(file)
            return CellSource(path, fmt, "X", value_kind, n_cells, names, [], kept)
        return _open_h5ad(path, file, layer, value_kind)


@contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file; turn damage met while it is open into one sentence."""
    try:
        with h5py.File(path, "r", rdcc_nbytes=_CACHE_BYTES) as file:
            yield file
    except (OSError, KeyError, RuntimeError):
        raise SluiceError(
            "A cell matrix cannot be read: it is not the stated format, or cut short",
            where="single-cell file",
            mend="check the format in the cohort file and copy the file again",
        ) from None


def _matrix_path(layer: str) -> str:
    return {"X": "X", "raw": "raw/X"}.get(layer, f"layers/{layer}")


def _open_h5ad(path: Path, file: h5py.File, layer: str, value_kind: ValueKind) -> CellSource:
    place = _matrix_path(layer)
    if place not in file:
        raise SluiceError(
            "The layer named in the configuration is not in the h5ad",
            where="layer",
            mend="use X, raw, or one of the layers that the inventory lists",
        )
    if "encoding-type" not in file["obs"].attrs:
        raise SluiceError(
            "An h5ad was written by anndata before 0.7",
            where="obs",
            mend="open it with a current anndata and save it again",
        )
    genes = _index(file["raw/var" if layer == "raw" else "var"])
    columns = [str(name) for name in file["obs"].attrs["column-order"]]
    n_cells = _length(file["obs"][file["obs"].attrs["_index"]])
    matrix = file[place]
    shape = matrix.shape if isinstance(matrix, h5py.Dataset) else matrix.attrs["shape"]
    if tuple(int(size) for size in shape) != (n_cells, len(genes)):
        raise disagree("h5ad")
    return CellSource(path, "h5ad", layer, value_kind, n_cells, genes, columns)


def _places(chosen: Sequence[int] | np.ndarray, size: int) -> np.ndarray:
    """Return for each of ``size`` numbers its place among those chosen, or -1."""
    wanted = np.asarray(chosen, dtype=np.int64)
    if len(wanted) and (wanted.min() < 0 or wanted.max() >= size):
        raise SluiceError("A selected cell or gene is not in its file", where="cell matrix")
    places = np.full(size, -1, dtype=np.int32)
    places[wanted] = np.arange(len(wanted), dtype=np.int32)
    if (places >= 0).sum() != len(wanted):
        raise SluiceError("A cell or gene is selected twice", where="cell matrix")
    return places


def _index(frame: h5py.Group) -> list[str]:
    names = frame[frame.attrs["_index"]]
    # anndata 0.13 writes text as a group of values and mask, 0.12 as one array.
    values = names["values"] if isinstance(names, h5py.Group) else names
    return [str(name) for name in values.asstr()[:]]


def _length(item: h5py.Dataset | h5py.Group) -> int:
    """Return how many entries a column has, whatever its encoding."""
    if isinstance(item, h5py.Dataset):
        return len(item) if item.shape else 1
    return len(item["codes"] if "codes" in item else item["values"])


def _plain(item: h5py.Dataset | h5py.Group) -> pd.Series:
    """Return a column as plain values; a gap is ``None`` in text, NaN or NA in numbers."""
    if isinstance(item, h5py.Dataset):
        text = h5py.check_string_dtype(item.dtype) is not None
        return pd.Series(item.asstr()[:] if text else item[:])
    if "codes" in item:
        codes = item["codes"][:].astype(np.int64)
        names = _plain(item["categories"]).astype(object)
        if len(codes) and (codes.min() < -1 or codes.max() >= len(names)):
            raise disagree("categories of a column")
        return pd.Series([*names, None], dtype=object).take(codes).reset_index(drop=True)
    if "values" in item and "mask" in item:
        values = _plain(item["values"]).astype(object)
        return values.mask(item["mask"][:].astype(bool), None)
    raise SluiceError("A column of a cell table has an encoding that is not read", where="obs")


def _slots(file: h5py.File) -> Iterator[Slot]:
    """Yield matrices, columns and keys; below ``uns`` the first level only."""
    for name in sorted(file):
        item = _own(file, name)
        if not isinstance(item, h5py.Group) or ("encoding-type" in item.attrs and "data" in item):
            yield _slot(name, item)
            continue
        for key in sorted(item):
            inner = _own(item, key)
            if name == "raw" and isinstance(inner, h5py.Group) and key != "X":
                for sub in sorted(inner):
                    yield _slot(f"raw/{key}/{sub}", _own(inner, sub))
            else:
                yield _slot(f"{name}/{key}", inner)


def _own(group: h5py.Group, key: str) -> h5py.Dataset | h5py.Group | None:
    """Return an item of the group's own; a link leads elsewhere, perhaps nowhere."""
    hard = isinstance(group.get(key, getlink=True), h5py.HardLink)
    return group[key] if hard else None


def _slot(path: str, item: h5py.Dataset | h5py.Group | None) -> Slot:
    if item is None:
        return Slot(path, "link", 1)
    if isinstance(item, h5py.Dataset):
        return Slot(path, str(item.attrs.get("encoding-type", "array")), int(item.size or 0))
    kind = str(item.attrs.get("encoding-type", "group"))
    part = next((item[key] for key in ("codes", "values", "data") if key in item), None)
    entries = int(part.size) if isinstance(part, h5py.Dataset) else len(item)
    return Slot(path, kind, entries)
