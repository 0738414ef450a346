"""The 10x Genomics forms: a folder of text files, or one HDF5 file."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from sluice.errors import SluiceError

Triplets = tuple[np.ndarray, np.ndarray, np.ndarray]

_EXPRESSION = "Gene Expression"
_BLOCK_BYTES = 32 << 20


def files(folder: Path) -> list[str]:
    """Return the names of every file in the folder, expected or not."""
    return sorted(path.name for path in folder.iterdir())


def barcodes(folder: Path) -> list[str]:
    """Return the cells' names in order."""
    return [fields[0] for fields in _lines(_find(folder, "barcodes.tsv"))]


def features(folder: Path) -> tuple[list[str], np.ndarray]:
    """Return (gene ids, mask over all rows of the file that are gene expression)."""
    names = ("features.tsv", "genes.tsv")
    rows = list(_lines(_find(folder, *names)))
    kept = np.array([len(row) < 3 or row[2] == _EXPRESSION for row in rows], dtype=bool)
    return [row[0] for row, keep in zip(rows, kept, strict=True) if keep], kept


def h5_features(file: h5py.File) -> tuple[list[str], np.ndarray, int]:
    """Return (gene ids, mask of gene expression, number of cells) of a Cell Ranger 3+ file."""
    group = file["matrix"]
    ids = group["features/id"].asstr()[:]
    kept = group["features/feature_type"].asstr()[:] == _EXPRESSION
    width, n_cells = (int(size) for size in group["shape"][:])
    if width != len(ids) or n_cells != len(group["barcodes"]):
        raise SluiceError(
            "The parts of a cell matrix disagree in their sizes",
            where="10x HDF5",
            mend="copy the file again from its source",
        )
    return [str(name) for name in ids[kept]], kept, n_cells


def shape(folder: Path) -> tuple[int, int]:
    """Return (cells, features) as ``matrix.mtx`` declares them."""
    _, (n_features, n_cells, _) = _preamble(_find(folder, "matrix.mtx"))
    return n_cells, n_features


def entries(folder: Path) -> int:
    """Return how many entries ``matrix.mtx`` declares."""
    return _preamble(_find(folder, "matrix.mtx"))[1][2]


def triplets(folder: Path) -> Iterator[Triplets]:
    """Yield (cells, features, values) of ``matrix.mtx``, counted from 0."""
    path = _find(folder, "matrix.mtx")
    skip, (_, _, declared) = _preamble(path)
    kinds = {"feature": pa.int64(), "cell": pa.int64(), "value": pa.float64()}
    read = pacsv.ReadOptions(
        skip_rows=skip, column_names=list(kinds), block_size=_BLOCK_BYTES, use_threads=False
    )
    parse = pacsv.ParseOptions(delimiter=" ")
    convert = pacsv.ConvertOptions(column_types=kinds)
    seen = 0
    with _reading(), _binary(path) as handle:
        if declared:
            for batch in pacsv.open_csv(handle, read, parse, convert):
                feature, cell, value = (c.to_numpy(zero_copy_only=False) for c in batch.columns)
                seen += len(value)
                yield cell.astype(np.int64) - 1, feature.astype(np.int64) - 1, value
    if seen != declared:
        raise SluiceError(
            "A 10x matrix holds fewer or more entries than it declares",
            where="matrix.mtx",
            mend="copy the folder again from its source",
        )


def _preamble(path: Path) -> tuple[int, tuple[int, int, int]]:
    """Return (lines before the entries, (features, cells, entries))."""
    skip = 0
    with _reading(), _binary(path) as handle:
        line = handle.readline(_BLOCK_BYTES)
        sound = line.startswith(b"%%MatrixMarket matrix coordinate") and b"general" in line
        while line.startswith(b"%"):
            skip += 1
            line = handle.readline(_BLOCK_BYTES)
        sizes = line.split()
        if sound and len(sizes) == 3 and all(size.isdigit() for size in sizes):
            features, cells, entries = (int(size) for size in sizes)
            return skip + 1, (features, cells, entries)
    raise SluiceError(
        "A 10x matrix does not start as a general coordinate Matrix Market file does",
        where="matrix.mtx",
        mend="export it again",
    )


def _find(folder: Path, *names: str) -> Path:
    for name in names:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    raise SluiceError(
        "A file of a 10x folder is missing", where=names[0], mend="copy the folder again"
    )


def _lines(path: Path) -> Iterator[list[str]]:
    with _reading(), _binary(path) as handle:
        for line in handle:
            yield line.decode().rstrip("\r\n").split("\t")


@contextmanager
def _binary(path: Path) -> Iterator[BinaryIO]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as handle:
        yield cast(BinaryIO, handle)


@contextmanager
def _reading() -> Iterator[None]:
    """Turn damage, whose own message may quote values, into one sentence."""
    try:
        yield
    except (OSError, EOFError, zlib.error, pa.ArrowException, UnicodeDecodeError):
        raise SluiceError(
            "A file of a 10x folder cannot be read: it is no such text, or cut short",
            where="10x folder",
            mend="copy the folder again from its source",
        ) from None
