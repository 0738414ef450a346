"""A released ``.h5ad``, written anew from values.

Written with h5py in anndata's documented on-disk encodings (dataframe 0.2.0, csr_matrix 0.1.0,
categorical 0.2.0), not by saving an AnnData object: nothing can travel along that was not asked
for, and the rows never have to be in memory at once. The same values give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from sluice.errors import SluiceError
from sluice.files import replacing_file

_CHUNK = 65_536
_TEXT = h5py.string_dtype()


def write_h5ad(
    path: Path,
    blocks: Iterable[sparse.csr_matrix | np.ndarray],
    obs: pd.DataFrame,
    var: pd.DataFrame,
    *,
    title: str,
    schema: str,
) -> None:
    """Write X, obs, var and two words of uns; no raw, layers, obsm, obsp, varm or varp.

    Parameters
    ----------
    blocks
        The rows of X in the order of ``obs``; stored as CSR, float32.
    obs, var
        Their index holds the new names, unique; their columns hold text, booleans or numbers.
        Text is stored as categories made from the values present, so none can be stale.
    title, schema
        ``uns["title"]`` and ``uns["schema"]``: what the file is and which layout it follows.

    Raises
    ------
    SluiceError
        If names repeat, a column has another type, or the rows do not match ``obs`` and ``var``.
    """
    with replacing_file(path) as temporary, h5py.File(temporary, "w") as file:
        _mark(file, "anndata", "0.1.0")
        _write_matrix(file, blocks, (len(obs), len(var)))
        _write_frame(file, "obs", obs)
        _write_frame(file, "var", var)
        uns = file.create_group("uns")
        _mark(uns, "dict", "0.1.0")
        for key, text in (("schema", schema), ("title", title)):
            _mark(uns.create_dataset(key, data=text, dtype=_TEXT, track_times=False), "string")


def _mark(item: h5py.Group | h5py.Dataset, encoding: str, version: str = "0.2.0") -> None:
    item.attrs["encoding-type"] = encoding
    item.attrs["encoding-version"] = version


def _write_matrix(
    file: h5py.File, blocks: Iterable[sparse.csr_matrix | np.ndarray], shape: tuple[int, int]
) -> None:
    group = file.create_group("X")
    _mark(group, "csr_matrix", "0.1.0")
    group.attrs["shape"] = np.array(shape, dtype=np.int64)
    data = _growing(group, "data", np.float32)
    indices = _growing(group, "indices", np.int32)
    indptr = [np.zeros(1, dtype=np.int64)]
    rows = stored = 0
    for block in blocks:
        matrix = sparse.csr_matrix(block, dtype=np.float32, copy=True)
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        if matrix.shape[1] != shape[1]:
            break
        _append(data, matrix.data, stored)
        _append(indices, matrix.indices, stored)
        indptr.append(stored + matrix.indptr[1:].astype(np.int64))
        rows, stored = rows + matrix.shape[0], stored + matrix.nnz
    else:
        if rows == shape[0]:
            whole = np.concatenate(indptr)
            group.create_dataset("indptr", data=whole, track_times=False)
            return
    raise SluiceError(
        "A matrix to release does not have the rows of its obs and the columns of its var",
        where="released h5ad",
    )


def _growing(group: h5py.Group, name: str, dtype: type) -> h5py.Dataset:
    return group.create_dataset(
        name,
        (0,),
        dtype,
        maxshape=(None,),
        chunks=(_CHUNK,),
        compression="gzip",
        compression_opts=1,
        shuffle=True,
        track_times=False,
    )


def _append(dataset: h5py.Dataset, values: np.ndarray, start: int) -> None:
    dataset.resize((start + len(values),))
    dataset[start:] = values


def _write_frame(file: h5py.File, name: str, frame: pd.DataFrame) -> None:
    if not frame.index.is_unique or frame.index.hasnans:
        raise SluiceError("Names to release are missing or repeat", where=f"index of {name}")
    group = file.create_group(name)
    _mark(group, "dataframe")
    group.attrs["_index"] = "_index"
    order = [str(column) for column in frame.columns]
    group.attrs.create("column-order", data=np.array(order, dtype=object), dtype=_TEXT)
    _write_text(group, "_index", frame.index.astype(str).to_numpy(dtype=object))
    for column in order:
        _write_column(group, column, frame[column])


def _write_text(group: h5py.Group, name: str, values: np.ndarray) -> None:
    _mark(group.create_dataset(name, data=values, dtype=_TEXT, track_times=False), "string-array")


def _write_column(group: h5py.Group, name: str, values: pd.Series) -> None:
    if pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_integer_dtype(values.dtype):
        if values.isna().any():
            raise SluiceError(
                "A whole-number column to release has gaps", where=f"column {name}", mend="fill it"
            )
        plain = bool if pd.api.types.is_bool_dtype(values.dtype) else np.int64
        _write_array(group, name, values.to_numpy(dtype=plain))
    elif pd.api.types.is_float_dtype(values.dtype):
        _write_array(group, name, values.to_numpy(dtype=np.float64, na_value=np.nan))
    else:
        _write_categories(group, name, values)


def _write_array(group: h5py.Group, name: str, values: np.ndarray) -> None:
    _mark(group.create_dataset(name, data=values, track_times=False), "array")


def _write_categories(group: h5py.Group, name: str, values: pd.Series) -> None:
    """Write text as categories present and codes; a gap is code -1."""
    plain = values.to_numpy(dtype=object)
    gaps = pd.isna(plain)
    if not all(isinstance(value, str) for value in plain[~gaps]):
        raise SluiceError(
            "A column to release holds neither text, numbers nor booleans", where=f"column {name}"
        )
    categories, codes = np.unique(plain[~gaps].astype(str), return_inverse=True)
    column = group.create_group(name)
    _mark(column, "categorical")
    column.attrs["ordered"] = False
    _write_text(column, "categories", categories.astype(object))
    all_codes = np.full(len(plain), -1, dtype=np.int32)
    all_codes[~gaps] = codes
    _write_array(column, "codes", all_codes)
