"""A released ``.h5ad``, written anew from values.

Written with h5py in anndata's documented on-disk encodings (dataframe 0.2.0, csr_matrix 0.1.0,
categorical 0.2.0), not by saving an AnnData object: nothing can travel along that was not asked
for, and the rows never have to be in memory at once. The same values give the same bytes.

Chunks are packed here, on two threads, and handed to HDF5 ready made. The filters are the two that
every HDF5 has, shuffle and deflate (docs/decisions/0015-streaming.md).
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from sluice.errors import SluiceError
from sluice.expression.chunks import shuffled_and_deflated
from sluice.files import canonical_json, replacing_file, sha256_json

_CHUNK = 65_536
_THREADS = 2
_TEXT = h5py.string_dtype()
_STEP = 1 << 20
#: The types that long arrays are digested as; others are as wide as they can be.
_DIGESTED_AS = {"X/data": "<f4", "X/indices": "<i4"}
_WIDEST = {"b": "|u1", "i": "<i8", "u": "<i8", "f": "<f8"}


def write_h5ad(
    path: Path,
    blocks: Iterable[sparse.csr_matrix | np.ndarray],
    obs: pd.DataFrame,
    var: pd.DataFrame,
    *,
    title: str,
    schema: str,
    organism: str = "",
) -> str:
    """Write X, obs, var and a few words of uns; no raw, layers, obsm, obsp, varm or varp.

    Parameters
    ----------
    blocks
        The rows of X in the order of ``obs``; stored as CSR, float32.
    obs, var
        Their index holds the new names, unique; their columns hold text, booleans or numbers.
        Text is stored as categories made from the values present, so none can be stale.
    title, schema
        ``uns["title"]`` and ``uns["schema"]``: what the file is and which layout it follows.
    organism
        ``uns["organism_ontology_term_id"]``, as CELLxGENE names it; left out if empty.

    Returns
    -------
    The content digest, as :func:`h5ad_digest` finds it.

    Raises
    ------
    SluiceError
        If names repeat, a column has another type, or the rows do not match ``obs`` and ``var``.
    """
    words = {"organism_ontology_term_id": organism, "schema": schema, "title": title}
    with replacing_file(path) as temporary, h5py.File(temporary, "w") as file:
        _mark(file, "anndata", "0.1.0")
        known = _write_matrix(file, blocks, (len(obs), len(var)))
        _write_frame(file, "obs", obs)
        _write_frame(file, "var", var)
        uns = file.create_group("uns")
        _mark(uns, "dict", "0.1.0")
        for key, text in words.items():
            if text:
                _mark(uns.create_dataset(key, data=text, dtype=_TEXT, track_times=False), "string")
        return _digest(file, known)


def h5ad_digest(path: Path) -> str:
    """Return the content digest of a released h5ad: names, columns, values, words of ``uns``.

    Compression, chunks and widths of numbers do not count, so a writer's upgrade does not
    change it.
    """
    with h5py.File(path, "r") as file:
        return _digest(file, {})


def _digest(file: h5py.File, known: Mapping[str, str]) -> str:
    """Return the digest over all datasets; ``known`` are those already taken."""
    found: dict[str, object] = dict(known)

    def take(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and name not in found:
            found[name] = _dataset_digest(name, item)
        elif "column-order" in item.attrs:
            found[name] = [str(column) for column in item.attrs["column-order"]]

    file.visititems(take)
    return sha256_json(found)


def _dataset_digest(name: str, item: h5py.Dataset) -> str:
    if h5py.check_string_dtype(item.dtype):
        values = item.asstr()[()]
        plain = values if isinstance(values, str) else [str(value) for value in values]
        return hashlib.sha256(canonical_json(plain)).hexdigest()
    kind = _DIGESTED_AS.get(name, _WIDEST[item.dtype.kind])
    digest = hashlib.sha256()
    for start in range(0, len(item), _STEP):
        digest.update(np.ascontiguousarray(item[start : start + _STEP], dtype=kind).data)
    return digest.hexdigest()


def _mark(item: h5py.Group | h5py.Dataset, encoding: str, version: str = "0.2.0") -> None:
    item.attrs["encoding-type"] = encoding
    item.attrs["encoding-version"] = version


def _write_matrix(
    file: h5py.File, blocks: Iterable[sparse.csr_matrix | np.ndarray], shape: tuple[int, int]
) -> dict[str, str]:
    """Write X; return the digests of its long arrays."""
    group = file.create_group("X")
    _mark(group, "csr_matrix", "0.1.0")
    group.attrs["shape"] = np.array(shape, dtype=np.int64)
    indptr = [np.zeros(1, dtype=np.int64)]
    rows = stored = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        data = _Growing(group, "data", "<f4", pool)
        indices = _Growing(group, "indices", "<i4", pool)
        for block in blocks:
            matrix = _plain_rows(block)
            if matrix.shape[1] != shape[1]:
                break
            data.append(matrix.data)
            indices.append(matrix.indices)
            indptr.append(stored + matrix.indptr[1:].astype(np.int64))
            rows, stored = rows + matrix.shape[0], stored + matrix.nnz
        else:
            if rows == shape[0]:
                digests = {"X/data": data.finish(), "X/indices": indices.finish()}
                group.create_dataset("indptr", data=np.concatenate(indptr), track_times=False)
                return digests
    raise SluiceError(
        "A matrix to release does not have the rows of its obs and the columns of its var",
        where="released h5ad",
    )


def _plain_rows(block: sparse.csr_matrix | np.ndarray) -> sparse.csr_matrix:
    """Return rows as float32, columns ascending, nothing twice, no zero stored."""
    matrix = sparse.csr_matrix(block, dtype=np.float32)
    if not (matrix.has_canonical_format and matrix.data.all()):
        matrix = matrix.copy()
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
    return matrix


class _Growing:
    """A dataset of one dimension that grows by finished chunks, and its digest."""

    def __init__(self, group: h5py.Group, name: str, kind: str, pool: ThreadPoolExecutor) -> None:
        self._set = group.create_dataset(
            name, (0,), kind, maxshape=(None,), chunks=(_CHUNK,),
            compression="gzip", compression_opts=1, shuffle=True, track_times=False,
        )  # fmt: skip
        self._kind, self._pool = np.dtype(kind), pool
        self._rest: list[np.ndarray] = []
        self._length = self._written = 0
        self._packing: deque[Future[list[bytes]]] = deque()
        self._digest = hashlib.sha256()

    def append(self, values: np.ndarray) -> None:
        """Add values at the end."""
        values = np.ascontiguousarray(values, dtype=self._kind)
        self._digest.update(values.data)
        self._length += len(values)
        self._rest.append(values)
        if sum(map(len, self._rest)) < _CHUNK:
            return
        whole = np.concatenate(self._rest)
        end = len(whole) - len(whole) % _CHUNK
        self._pack(whole[:end])
        self._rest = [whole[end:]]

    def finish(self) -> str:
        """Write what is left; return the digest of all values."""
        rest = np.concatenate(self._rest) if self._rest else np.zeros(0, self._kind)
        if len(rest):
            self._pack(np.pad(rest, (0, _CHUNK - len(rest))))
        while self._packing:
            self._write()
        self._set.resize((self._length,))
        return self._digest.hexdigest()

    def _pack(self, values: np.ndarray) -> None:
        self._packing.append(self._pool.submit(_in_chunks, values))
        while len(self._packing) > _THREADS:
            self._write()

    def _write(self) -> None:
        packed = self._packing.popleft().result()
        first, self._written = self._written, self._written + len(packed)
        self._set.resize((self._written * _CHUNK,))
        for number, chunk in enumerate(packed, start=first):
            self._set.id.write_direct_chunk((number * _CHUNK,), chunk)


def _in_chunks(values: np.ndarray) -> list[bytes]:
    return [
        shuffled_and_deflated(values[start : start + _CHUNK])
        for start in range(0, len(values), _CHUNK)
    ]


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
    codes, found = pd.factorize(values.to_numpy(dtype=object))
    if not all(isinstance(value, str) for value in found):
        raise SluiceError(
            "A column to release holds neither text, numbers nor booleans", where=f"column {name}"
        )
    # As plain text: an own kind of string would sort by rules of its own.
    categories, place = np.unique(found.astype(str), return_inverse=True)
    column = group.create_group(name)
    _mark(column, "categorical")
    column.attrs["ordered"] = False
    _write_text(column, "categories", categories.astype(object))
    _write_array(column, "codes", np.append(place, -1).astype(np.int32)[codes])
