"""Single-cell matrices on disk, read by rows without loading them.

h5ad (X, raw or a layer; CSR, CSC or dense) and 10x (``matrix.mtx`` folder or ``.h5``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from sluice.errors import SluiceError
from sluice.expression import tenx
from sluice.expression.bands import ByBands, Triplets
from sluice.expression.values import ValueKind, check_kind, check_values

CellFormat = Literal["h5ad", "10x_mtx", "10x_h5"]

_CACHE_BYTES = 64 << 20


class Rows(Protocol):
    """Whatever can give chosen rows of a cells x genes matrix."""

    def read(self, rows: np.ndarray) -> sparse.csr_matrix:
        """Return the rows, in ascending order as given."""
        ...


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

    def iter_rows(self, rows: np.ndarray, block: int = 4096) -> Iterator[sparse.csr_matrix]:
        """Yield the given rows, in the order given, ``block`` at a time, checked.

        Values are float32 where they were, else float64. Memory: one block; for a matrix stored
        by columns or as triplets one band of it (see :mod:`sluice.expression.bands`).
        """
        wanted = np.asarray(rows, dtype=np.int64)
        if len(wanted) and (wanted.min() < 0 or wanted.max() >= self.n_cells):
            raise SluiceError("A selected cell is not in its file", where=self.fmt)
        with self._rows() as reader:
            for start in range(0, len(wanted), block):
                part = wanted[start : start + block]
                ascending, back = np.unique(part, return_inverse=True)
                matrix = reader.read(ascending)
                where = f"cells {start + 1} to {start + len(part)} of the selection"
                check_values(matrix.data, self.value_kind, where)
                matrix = matrix if len(back) == 0 else matrix[back]
                yield matrix if self._kept_genes is None else matrix[:, self._kept_genes]

    def surface(self) -> list[Slot]:
        """List every slot of the file, by name only: what the inventory must give a role."""
        if self.fmt == "10x_mtx":
            return [Slot(name, "file", 1) for name in tenx.files(self.path)]
        with _open(self.path) as file:
            return list(_slots(file))

    @contextmanager
    def _rows(self) -> Iterator[Rows]:
        if self.fmt == "10x_mtx":
            shape = (self.n_cells, self._width)
            yield ByBands(shape, lambda: tenx.triplets(self.path))
            return
        with _open(self.path) as file:
            if self.fmt == "10x_h5":
                yield _Compressed(file["matrix"], (self.n_cells, self._width))
            else:
                yield _h5ad_rows(file[_matrix_path(self.layer)], (self.n_cells, self._width))

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
            raise _disagree("10x folder")
        return CellSource(path, fmt, "X", value_kind, n_cells, names, [], kept)
    with _open(path) as file:
        if fmt == "10x_h5":
            names, kept, n_cells = tenx.h5_features(file)
            return CellSource(path, fmt, "X", value_kind, n_cells, names, [], kept)
        return _open_h5ad(path, file, layer, value_kind)


def _disagree(where: str) -> SluiceError:
    return SluiceError(
        "The parts of a cell matrix disagree in their sizes",
        where=where,
        mend="copy the file again from its source",
    )


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
        raise _disagree("h5ad")
    return CellSource(path, "h5ad", layer, value_kind, n_cells, genes, columns)


def _h5ad_rows(item: h5py.Dataset | h5py.Group, shape: tuple[int, int]) -> Rows:
    if isinstance(item, h5py.Dataset):
        return _Dense(item)
    encoding = str(item.attrs.get("encoding-type", ""))
    if encoding == "csr_matrix":
        return _Compressed(item, shape)
    if encoding == "csc_matrix":
        return ByBands(shape, lambda: _csc_triplets(item))
    raise SluiceError("A cell matrix has an encoding that is not read", where="h5ad")


class _Compressed:
    """Rows of a matrix stored as data, indices, indptr by row (10x stores cells the same way)."""

    def __init__(self, group: h5py.Group, shape: tuple[int, int]) -> None:
        self._data, self._indices = group["data"], group["indices"]
        self._indptr = group["indptr"][:].astype(np.int64)
        self._width = shape[1]
        sound = len(self._indptr) == shape[0] + 1 and self._indptr[0] == 0
        sound = sound and bool((np.diff(self._indptr) >= 0).all())
        if not (sound and self._indptr[-1] == len(self._data) == len(self._indices)):
            raise _disagree("sparse matrix")

    def read(self, rows: np.ndarray) -> sparse.csr_matrix:
        """Return ascending rows; neighbours are read in one go."""
        runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
        spans = [(self._indptr[run[0]], self._indptr[run[-1] + 1]) for run in runs if len(run)]
        data = [self._data[start:stop] for start, stop in spans]
        indices = [self._indices[start:stop] for start, stop in spans]
        lengths = self._indptr[rows + 1] - self._indptr[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        return _csr(data, indices, indptr, self._width)


def _csr(
    data: list[np.ndarray], indices: list[np.ndarray], indptr: np.ndarray, width: int
) -> sparse.csr_matrix:
    values = np.concatenate(data) if data else np.zeros(0, dtype=np.float32)
    places = np.concatenate(indices).astype(np.int64) if indices else np.zeros(0, dtype=np.int64)
    if len(places) and (places.min() < 0 or places.max() >= width):
        raise _disagree("sparse matrix")
    values = values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)
    return sparse.csr_matrix((values, places, indptr), shape=(len(indptr) - 1, width))


class _Dense:
    """Rows of a dense dataset."""

    def __init__(self, values: h5py.Dataset) -> None:
        self._values = values

    def read(self, rows: np.ndarray) -> sparse.csr_matrix:
        """Return ascending rows."""
        dense = np.asarray(self._values[rows])
        return sparse.csr_matrix(dense if dense.dtype == np.float32 else dense.astype(float))


def _csc_triplets(group: h5py.Group, step: int = 4_000_000) -> Iterator[Triplets]:
    """Yield (rows, columns, values) of a matrix stored by columns."""
    indptr = group["indptr"][:].astype(np.int64)
    total = int(indptr[-1])
    if total != len(group["data"]) or total != len(group["indices"]):
        raise _disagree("sparse matrix")
    for start in range(0, total, step):
        stop = min(start + step, total)
        columns = np.searchsorted(indptr, np.arange(start, stop), side="right") - 1
        yield group["indices"][start:stop].astype(np.int64), columns, group["data"][start:stop]


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
    from anndata.io import read_elem  # 1.6 s to import: only when a column is read

    values = pd.Series(read_elem(item))
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.astype(object)
    return values


def _slots(file: h5py.File) -> Iterator[Slot]:
    """Yield matrices, columns and keys; below ``uns`` the first level only."""
    for name in sorted(file):
        item = file[name]
        if isinstance(item, h5py.Dataset) or ("encoding-type" in item.attrs and "data" in item):
            yield _slot(name, item)
            continue
        for key in sorted(item):
            if name == "raw" and isinstance(item[key], h5py.Group) and key != "X":
                yield from (_slot(f"raw/{key}/{sub}", item[key][sub]) for sub in sorted(item[key]))
            else:
                yield _slot(f"{name}/{key}", item[key])


def _slot(path: str, item: h5py.Dataset | h5py.Group) -> Slot:
    if isinstance(item, h5py.Dataset):
        return Slot(path, str(item.attrs.get("encoding-type", "array")), int(item.size or 0))
    kind = str(item.attrs.get("encoding-type", "group"))
    part = next((item[key] for key in ("codes", "values", "data") if key in item), None)
    entries = int(part.size) if isinstance(part, h5py.Dataset) else len(item)
    return Slot(path, kind, entries)
