"""A raw h5ad of any size: real gene names, counts as sparse as real ones, slots full of traces."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from sluice.expression.genes import load_genes
from sluice.files import replacing_file

GENES = 20_000
ENTRIES_A_CELL = 1_500
CELLS_A_DONOR = 2_000
_BATCH = 2_000
_STAGES = ["24-year-old stage", "47-year-old stage", "92-year-old stage"]
_TYPES = ["B cell", "T cell", "monocyte", "natural killer cell", "platelet"]


def write_raw(path: Path, cells: int) -> None:
    """Write ``cells`` x 20,000 genes, about 1,500 counts a cell, uncompressed as anndata does.

    A donor has 2,000 cells, which lie together as they do in a file of concatenated samples. Some
    genes are found in nearly every cell, most in few. A batch of cells is drawn, then used again
    with its counts rolled: this is quick, and no compressor looks so far back.
    """
    rng = np.random.default_rng(20260101)
    rates = np.sort(rng.lognormal(0, 1.6, GENES))[::-1][rng.permutation(GENES)]
    found = 1 - np.exp(-rates * _scale(rates))
    masks = [rng.random(GENES) < found for _ in range(_BATCH)]
    lengths = np.array([mask.sum() for mask in masks])
    indices = np.concatenate([np.flatnonzero(mask) for mask in masks]).astype(np.int32)
    data = rng.geometric(0.55, len(indices)).astype(np.float32)
    with replacing_file(path) as temporary, h5py.File(temporary, "w") as file:
        _mark(file, "anndata", "0.1.0")
        group = file.create_group("X")
        _mark(group, "csr_matrix", "0.1.0")
        group.attrs["shape"] = np.array((cells, GENES))
        batches = -(-cells // _BATCH)
        whole = np.tile(lengths, batches)[:cells]
        indptr = np.concatenate([[0], np.cumsum(whole)])
        group["indptr"] = indptr
        for name, values in (("data", data), ("indices", indices)):
            written = group.create_dataset(name, (int(indptr[-1]),), values.dtype, maxshape=(None,))
            for batch in range(batches):
                start = batch * len(values)
                part = np.roll(values, batch * 977) if name == "data" else values
                part = part[: int(indptr[-1]) - start]
                written[start : start + len(part)] = part
        _frames(file, cells, rng)


def _scale(rates: np.ndarray) -> float:
    """Return the depth at which a cell shows as many genes as wanted, by halving."""
    low, high = 0.0, 1e3
    for _ in range(60):
        middle = (low + high) / 2
        few = (1 - np.exp(-rates * middle)).sum() < ENTRIES_A_CELL
        low, high = (middle, high) if few else (low, middle)
    return high


def _frames(file: h5py.File, cells: int, rng: np.random.Generator) -> None:
    donors = np.arange(cells) // CELLS_A_DONOR
    number = int(donors[-1]) + 1
    obs = _frame(file, "obs", [f"{n:016x}-1" for n in rng.integers(0, 2**60, cells)])
    people = [f"MRN-{n:07d}" for n in rng.choice(10_000_000, number, replace=False)]
    _category(obs, "donor_id", donors, people)
    _category(obs, "cell_type", rng.integers(0, len(_TYPES), cells), _TYPES)
    _category(obs, "sex", (donors % 2), ["female", "male"])
    _category(obs, "development_stage", donors % len(_STAGES), _STAGES)
    obs.attrs["column-order"] = ["donor_id", "cell_type", "sex", "development_stage"]
    table = load_genes()
    names = rng.choice(np.array(table.index, dtype=str), GENES, replace=False)
    var = _frame(file, "var", list(names))
    var.attrs.create("column-order", data=np.array([], dtype=object), dtype=h5py.string_dtype())
    notes = file.create_group("uns")
    _mark(notes, "dict", "0.1.0")
    _text(notes, "notes", ["read by Dr Kestrelova"] * 1000)


def _frame(file: h5py.File, name: str, index: list[str]) -> h5py.Group:
    group = file.create_group(name)
    _mark(group, "dataframe", "0.2.0")
    group.attrs["_index"] = "_index"
    _text(group, "_index", index)
    return group


def _category(group: h5py.Group, name: str, codes: np.ndarray, categories: list[str]) -> None:
    column = group.create_group(name)
    _mark(column, "categorical", "0.2.0")
    column.attrs["ordered"] = False
    _text(column, "categories", categories)
    _mark(column.create_dataset("codes", data=codes.astype(np.int16)), "array", "0.2.0")


def _text(group: h5py.Group, name: str, values: list[str]) -> None:
    item = group.create_dataset(name, data=values, dtype=h5py.string_dtype())
    _mark(item, "string-array", "0.2.0")


def _mark(item: h5py.Group | h5py.Dataset, encoding: str, version: str) -> None:
    item.attrs["encoding-type"], item.attrs["encoding-version"] = encoding, version
