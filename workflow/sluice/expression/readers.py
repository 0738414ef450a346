"""Bulk expression files of several formats, read by tiles so that memory stays bounded."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from sluice.errors import SluiceError
from sluice.expression.singlecell import open_cells
from sluice.expression.values import ValueKind, check_kind, check_values

Orientation = Literal["genes_by_samples", "samples_by_genes"]

_DELIMITERS = {".tsv": "\t", ".txt": "\t", ".bed": "\t", ".csv": ","}
_TILE_VALUES = 4_000_000
_BLOCK_BYTES = 32 << 20
_DAMAGED = (OSError, EOFError, zlib.error, pa.ArrowException, UnicodeDecodeError, csv.Error)


@dataclass(frozen=True)
class Tile:
    """A rectangle of the matrix: ``values[i, j]`` is sample ``samples[i]``, gene ``genes[j]``."""

    samples: slice
    genes: slice
    values: np.ndarray


@dataclass(frozen=True)
class BulkSource:
    """A bulk matrix on disk.

    Parameters
    ----------
    samples, genes
        Names as the file gives them, each unique.
    value_kind
        ``counts``, ``tpm`` or ``log``.
    tiles
        Opens the file and yields every value once, in the file's own order, checked.
    """

    samples: list[str]
    genes: list[str]
    value_kind: ValueKind
    tiles: Callable[[], Iterator[Tile]]


def open_bulk(
    path: Path,
    *,
    value_kind: ValueKind,
    orientation: Orientation = "genes_by_samples",
    id_column: str | None = None,
    drop_columns: Sequence[str] = (),
    layer: str = "X",
) -> BulkSource:
    """Open a bulk matrix: .tsv, .txt, .bed, .csv, .gct (each also .gz), .parquet or .h5ad.

    Parameters
    ----------
    value_kind
        What the numbers are; decides what is refused.
    orientation
        Of a text or Parquet table. GCT is always genes by samples, h5ad samples by genes.
    id_column
        The column that names the rows; default: the first.
    drop_columns
        Further columns that are no values (start, strand, description).
    layer
        Of an h5ad, as in :func:`sluice.expression.singlecell.open_cells`.

    Raises
    ------
    SluiceError
        For a format not named above, duplicate or empty names, a ragged or cut file, and (while
        tiles are read) values that are not numbers or not of the stated kind.
    """
    check_kind(value_kind)
    kind = _suffix(path)
    if kind == ".h5ad":
        return _from_h5ad(path, layer, value_kind)
    if kind == ".gct":
        table, orientation = _gct_table(path), "genes_by_samples"
    elif kind == ".parquet":
        table = _parquet_table(path, id_column, drop_columns)
    else:
        table = _text_table(path, _DELIMITERS[kind], id_column, drop_columns)
    return _from_table(table, value_kind, orientation)


def header_of(path: Path) -> list[str]:
    """Return the column names of a text table."""
    return _head(path, _DELIMITERS[_suffix(path)], 1)[0]


def text_columns(path: Path) -> list[str]:
    """Return the columns of a Parquet table that hold no numbers, in its order."""
    with _reading():
        schema = pq.read_schema(path)
    return [field.name for field in schema if not _is_number(field.type)]


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


@dataclass(frozen=True)
class _Table:
    """A table with one column of row names and columns of numbers, read by batches."""

    role: str
    columns: list[str]
    names: Callable[[], Iterator[list[str]]]
    batches: Callable[[], Iterator[np.ndarray]]
    rows: int | None = None


def _suffix(path: Path) -> str:
    """Return the format's suffix; refuse archives, pickles and whatever else is not listed."""
    gzipped = path.suffix.lower() == ".gz"
    kind = Path(path.stem if gzipped else path.name).suffix.lower()
    if kind in _DELIMITERS or kind == ".gct" or (kind in (".parquet", ".h5ad") and not gzipped):
        return kind
    raise SluiceError(
        "A bulk expression file has a format that is not read",
        where="suffix of the file name",
        mend="give .tsv, .txt, .bed, .csv or .gct (plain or .gz), .parquet or .h5ad",
    )


def _from_table(table: _Table, value_kind: ValueKind, orientation: Orientation) -> BulkSource:
    with _reading():
        rows = [name for batch in table.names() for name in batch]
    if table.rows is not None and table.rows != len(rows):
        raise SluiceError(
            "A matrix holds fewer or more rows than its header declares",
            where=table.role,
            mend="copy the file again from its source",
        )
    _check_names(rows, "row names")
    _check_names(table.columns, "column names")
    flipped = orientation == "genes_by_samples"

    def tiles() -> Iterator[Tile]:
        start = 0
        with _reading():
            for values in table.batches():
                span = slice(start, start + len(values))
                start = span.stop
                check_values(values, value_kind, f"rows {span.start + 1} to {span.stop}")
                whole = slice(0, len(table.columns))
                yield Tile(whole, span, values.T) if flipped else Tile(span, whole, values)

    samples, genes = (table.columns, rows) if flipped else (rows, table.columns)
    return BulkSource(samples, genes, value_kind, tiles)


def _check_names(names: Sequence[str], role: str) -> None:
    """Refuse no names, empty names and duplicates, telling ordinals only."""
    if not names:
        raise SluiceError("A matrix is empty", where=role, mend="check the file")
    seen: set[str] = set()
    for ordinal, name in enumerate(names, start=1):
        if not name:
            raise SluiceError("A name is empty", where=f"{role}, number {ordinal}", mend="fill it")
        if name in seen:
            raise SluiceError(
                "A name occurs twice", where=f"{role}, number {ordinal}", mend="make names unique"
            )
        seen.add(name)


@contextmanager
def _reading() -> Iterator[None]:
    """Turn a parser's failure, whose message may quote values, into one plain sentence."""
    try:
        yield
    except _DAMAGED:
        raise SluiceError(
            "A matrix cannot be read: rows of unequal length, a value that is no number, "
            "or a file that is cut short",
            where="bulk expression file",
            mend="check that every column but the names holds numbers and copy the file again",
        ) from None


@contextmanager
def _open_binary(path: Path) -> Iterator[BinaryIO]:
    if path.suffix.lower() == ".gz":
        with gzip.open(path, "rb") as handle:
            yield cast(BinaryIO, handle)
    else:
        with path.open("rb") as handle:
            yield handle


def _head(path: Path, delimiter: str, lines: int) -> list[list[str]]:
    """Return the fields of the first ``lines`` lines of a text table."""
    with _reading(), _open_binary(path) as handle:
        raw = [handle.readline(_BLOCK_BYTES) for _ in range(lines)]
        if any(b"\0" in line for line in raw):
            raise SluiceError(
                "A file named as text is not text",
                where="bulk expression file",
                mend="give the table itself, not an archive or a saved object",
            )
        text = [line.decode("utf-8-sig").rstrip("\r\n") for line in raw]
        return [next(csv.reader([line], delimiter=delimiter), []) for line in text]


def _text_batches(
    path: Path, delimiter: str, skip: int, header: list[str], wanted: dict[int, pa.DataType]
) -> Iterator[pa.RecordBatch]:
    """Yield the wanted columns (by position) of a text table, skipping its first lines."""
    positions = [str(number) for number in range(len(header))]
    convert = pacsv.ConvertOptions(
        column_types={positions[number]: kind for number, kind in wanted.items()},
        include_columns=[positions[number] for number in wanted],
        strings_can_be_null=False,
    )
    read = pacsv.ReadOptions(skip_rows=skip, column_names=positions, block_size=_BLOCK_BYTES)
    parse = pacsv.ParseOptions(delimiter=delimiter)
    with _open_binary(path) as handle:
        yield from pacsv.open_csv(handle, read, parse, convert)


def _strided(batch: pa.RecordBatch, number: int) -> Iterator[np.ndarray]:
    """Cut a batch of number columns into dense arrays of bounded size; null becomes NaN."""
    step = max(1, _TILE_VALUES // max(1, number))
    for start in range(0, batch.num_rows, step):
        part = batch.slice(start, step)
        columns = [column.cast(pa.float64()).to_numpy(zero_copy_only=False) for column in part]
        yield np.column_stack(columns)


def _as_table(
    role: str,
    header: list[str],
    id_position: int,
    numbers: list[int],
    batches: Callable[[dict[int, pa.DataType]], Iterator[pa.RecordBatch]],
    rows: int | None = None,
) -> _Table:
    """Describe a table whose batches can be had for chosen columns."""
    if not numbers:
        raise SluiceError("A matrix has no column of values", where=role, mend="check its header")

    def names() -> Iterator[list[str]]:
        for batch in batches({id_position: pa.string()}):
            yield ["" if name is None else str(name) for name in batch.column(0).to_pylist()]

    def values() -> Iterator[np.ndarray]:
        for batch in batches(dict.fromkeys(numbers, pa.float64())):
            yield from _strided(batch, len(numbers))

    return _Table(role, [header[number] for number in numbers], names, values, rows)


def _positions(
    header: list[str], id_column: str | None, drop: Sequence[str]
) -> tuple[int, list[int]]:
    """Return the position of the row names and those of the values."""
    missing = sum(name not in header for name in (*drop, *([id_column] if id_column else [])))
    if missing:
        raise SluiceError(
            f"{missing} of the named columns are not in the matrix",
            where="id_column or drop_columns",
            mend="compare them with the file's header",
        )
    names = header.index(id_column) if id_column else 0
    values = [i for i, name in enumerate(header) if i != names and name not in set(drop)]
    return names, values


def _text_table(path: Path, delimiter: str, id_column: str | None, drop: Sequence[str]) -> _Table:
    header = _head(path, delimiter, 1)[0]
    names, numbers = _positions(header, id_column, drop)
    return _as_table(
        "text table",
        header,
        names,
        numbers,
        lambda wanted: _text_batches(path, delimiter, 1, header, wanted),
    )


def _gct_table(path: Path) -> _Table:
    """Open a GCT 1.2 or 1.3 file; metadata of rows and columns is not read."""
    version, sizes, header = _head(path, "\t", 3)
    expected = {"#1.2": 2, "#1.3": 4}.get("".join(version).strip())
    if expected is None or len(sizes) < expected or not all(s.isdigit() for s in sizes[:expected]):
        raise SluiceError(
            "A GCT file does not start as version 1.2 or 1.3 does",
            where="first two lines",
            mend="save it again as GCT",
        )
    genes, samples, row_fields, column_fields = ([int(s) for s in sizes[:expected]] + [1, 0])[:4]
    first = 1 + row_fields
    if len(header) != first + samples:
        raise SluiceError(
            "A GCT file has fewer or more columns than it declares",
            where="third line",
            mend="copy the file again from its source",
        )
    return _as_table(
        "GCT",
        header,
        0,
        list(range(first, len(header))),
        lambda wanted: _text_batches(path, "\t", 3 + column_fields, header, wanted),
        rows=genes,
    )


def _parquet_table(path: Path, id_column: str | None, drop: Sequence[str]) -> _Table:
    with _reading(), pq.ParquetFile(path) as file:
        schema = file.schema_arrow
    header = list(schema.names)
    _check_names(header, "column names")
    names, numbers = _positions(header, id_column, drop)
    numeric = [_is_number(schema.types[number]) for number in numbers]
    if not all(numeric):
        raise SluiceError(
            f"{numeric.count(False)} columns of a matrix hold no numbers",
            where="Parquet table",
            mend="name them in drop_columns",
        )
    rows_a_batch = max(1, _TILE_VALUES // len(header))

    def batches(wanted: dict[int, pa.DataType]) -> Iterator[pa.RecordBatch]:
        columns = [header[number] for number in wanted]
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(rows_a_batch, columns=columns):
                yield batch.select(columns)

    return _as_table("Parquet table", header, names, numbers, batches)


def _from_h5ad(path: Path, layer: str, value_kind: ValueKind) -> BulkSource:
    source = open_cells(path, "h5ad", layer, value_kind=value_kind)
    samples = source.barcodes()
    _check_names(samples, "sample names")
    _check_names(source.genes, "gene names")

    def tiles() -> Iterator[Tile]:
        block = max(1, _TILE_VALUES // len(source.genes))
        start = 0
        for matrix in source.iter_rows(np.arange(source.n_cells), block):
            span = slice(start, start + matrix.shape[0])
            start = span.stop
            yield Tile(span, slice(0, matrix.shape[1]), matrix.toarray())

    return BulkSource(samples, source.genes, value_kind, tiles)
