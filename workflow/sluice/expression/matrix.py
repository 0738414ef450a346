"""``matrix.h5``: the curated bulk matrix, samples x genes, in chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import h5py
import numpy as np

from sluice.errors import SluiceError
from sluice.expression.readers import BulkSource
from sluice.expression.values import ValueKind
from sluice.files import replacing_file

_CHUNK = (64, 1024)
_FORMAT = "sluice-matrix-1"


def write_matrix(
    path: Path,
    source: BulkSource,
    *,
    rows: Sequence[int],
    samples: Sequence[str],
    columns: Sequence[int],
    genes: Sequence[str],
) -> None:
    """Write the chosen rows and columns of ``source``, in the order given, under new names.

    Parameters
    ----------
    rows, columns
        Numbers of the source's samples and genes, each at most once.
    samples, genes
        Their names in the output; as long as ``rows`` and ``columns``.

    Counts are stored as int32, everything else as float32. Memory is one tile of the source.
    """
    shape = (len(rows), len(columns))
    if shape != (len(samples), len(genes)) or 0 in shape:
        raise SluiceError(
            "A matrix to write has no rows, no columns, or names that do not fit them",
            where="curated bulk matrix",
            mend="check which samples and genes were kept",
        )
    to_row = _target(rows, len(source.samples))
    to_column = _target(columns, len(source.genes))
    dtype = "i4" if source.value_kind == "counts" else "f4"
    with replacing_file(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"] = _FORMAT
        file.attrs["value_kind"] = source.value_kind
        text = h5py.string_dtype()
        file.create_dataset("samples", data=list(samples), dtype=text, track_times=False)
        file.create_dataset("genes", data=list(genes), dtype=text, track_times=False)
        chunks = (min(_CHUNK[0], shape[0]), min(_CHUNK[1], shape[1]))
        values = file.create_dataset("values", shape, dtype, chunks=chunks, track_times=False)
        for tile in source.tiles():
            _put(values, tile.values, to_row[tile.samples], to_column[tile.genes])


def _target(chosen: Sequence[int], size: int) -> np.ndarray:
    """Return for each of ``size`` source positions its place in the output, or -1."""
    target = np.full(size, -1)
    target[np.asarray(chosen, dtype=int)] = np.arange(len(chosen))
    if (target >= 0).sum() != len(chosen):
        raise SluiceError("A sample or gene is chosen twice", where="curated bulk matrix")
    return target


def _put(out: h5py.Dataset, values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> None:
    """Write a tile to its places, one rectangle for each pair of contiguous runs."""
    for row_from, row_to in _runs(rows):
        for col_from, col_to in _runs(columns):
            out[row_to, col_to] = values[np.ix_(row_from, col_from)]


def _runs(target: np.ndarray) -> Iterator[tuple[np.ndarray, slice]]:
    """Yield (positions in the tile, contiguous slice of the output)."""
    order = np.argsort(target, kind="stable")
    order = order[target[order] >= 0]
    places = target[order]
    for run in np.split(np.arange(len(order)), np.flatnonzero(np.diff(places) != 1) + 1):
        if len(run):
            yield order[run], slice(int(places[run[0]]), int(places[run[-1]]) + 1)


@dataclass(frozen=True)
class Matrix:
    """An open ``matrix.h5``."""

    samples: list[str]
    genes: list[str]
    value_kind: ValueKind
    values: h5py.Dataset

    def blocks(self, size: int = 256) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (rows, values) for ``size`` samples at a time."""
        for start in range(0, len(self.samples), size):
            span = slice(start, min(start + size, len(self.samples)))
            yield span, self.values[span]

    def read(self, rows: Sequence[int]) -> np.ndarray:
        """Return the given rows, in the order given."""
        wanted = np.asarray(rows, dtype=int)
        unique, back = np.unique(wanted, return_inverse=True)
        return np.asarray(self.values[unique])[back]


@contextmanager
def open_matrix(path: Path) -> Iterator[Matrix]:
    """Open a ``matrix.h5`` for reading."""
    try:
        file = h5py.File(path, "r")
        if file.attrs.get("format") != _FORMAT:
            raise OSError
    except OSError:
        raise SluiceError(
            "A curated bulk matrix is missing or damaged",
            where=path.name,
            mend="run the stage curate again",
        ) from None
    with file:
        kind = cast(ValueKind, str(file.attrs["value_kind"]))
        names = [file[key].asstr()[:].tolist() for key in ("samples", "genes")]
        yield Matrix(names[0], names[1], kind, file["values"])
