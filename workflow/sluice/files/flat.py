"""Flat tables of anybody's: CSV with any usual delimiter, TSV or Parquet, however long.

A CSV's cells are text and an empty one is missing; columns of few values take four bytes a row.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from sluice.errors import SluiceError
from sluice.files.atomic import replacing_file

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")
_DELIMITERS = (",", ";", "\t", "|")
_SNIFFED = 1 << 18
_BLOCK = 1 << 23
ROWS_A_BATCH = 1 << 20
"""Rows that are decoded and written at a time."""


def column_names(path: Path, role: str) -> list[str]:
    """Return the names of a table's columns.

    Parameters
    ----------
    path
        The file.
    role
        What to call it in errors.

    Raises
    ------
    SluiceError
        If there is no such file, its format is not read, or two columns have one name.
    """
    if not path.is_file():
        raise SluiceError("There is no such file", where=role, mend="check its path")
    known_format(path, role)
    if path.suffix.lower() == ".parquet":
        try:
            names = list(pq.read_schema(path).names)
        except (pa.ArrowException, OSError):
            raise _damaged(role) from None
    else:
        names = _first_rows(path, delimiter_of(path, role))[0]
    if len(set(names)) != len(names):
        raise SluiceError("Two columns have the same name", where=role, mend="rename one of them")
    return names


def delimiter_of(path: Path, role: str) -> str:
    """Return the delimiter under which the first rows have the same and the largest width.

    A TSV has tabs; for Parquet and tables of one column, which have none, it is the comma.
    """
    if path.suffix.lower() in (".tsv", ".parquet"):
        return "\t" if path.suffix.lower() == ".tsv" else ","
    if not path.stat().st_size:
        raise SluiceError("A table is empty", where=role, mend="export it again")
    widths = {d: [len(row) for row in _first_rows(path, d)] for d in _DELIMITERS}
    split = {d: found for d, found in widths.items() if found and found[0] > 1}
    even = {d: found[0] for d, found in split.items() if len(set(found)) == 1}
    if not even and (split or not any(widths.values())):
        raise SluiceError(
            "The rows of a table do not have the same number of cells under any delimiter",
            where=role,
            mend="separate cells by one of , ; tab | and quote those that hold it",
        )
    return max(even, key=lambda d: even[d], default=_DELIMITERS[0])


def _first_rows(path: Path, delimiter: str) -> list[list[str]]:
    """Rows at the beginning of a file; none where they are not text in this form."""
    with path.open("rb") as stream:
        start = stream.read(_SNIFFED)
        whole = not stream.read(1)
    text = start.decode("utf-8-sig", errors="replace")
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines if whole else lines[:-1], delimiter=delimiter, strict=True)
    try:
        return list(islice((row for row in reader if row), 100))
    except csv.Error:
        return []


def read_columns(path: Path, columns: Sequence[str], role: str) -> pa.Table:
    """Read some columns of a table; nothing else of it is held.

    Raises
    ------
    SluiceError
        As :func:`column_names`; also if a column is not there, or the file is damaged or ragged.
    """
    _require(column_names(path, role), columns, role)
    try:
        if path.suffix.lower() == ".parquet":
            return pq.read_table(path, columns=list(columns))
        return pc.read_csv(
            path,
            read_options=pc.ReadOptions(block_size=_BLOCK),
            parse_options=pc.ParseOptions(
                delimiter=delimiter_of(path, role), newlines_in_values=True
            ),
            convert_options=pc.ConvertOptions(
                include_columns=list(columns),
                column_types=dict.fromkeys(columns, pa.dictionary(pa.int32(), pa.string())),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except (pa.ArrowException, OSError, ValueError):
        raise _damaged(role) from None


def each_column(path: Path, columns: Sequence[str], role: str) -> Iterator[pa.ChunkedArray]:
    """Read some columns of a table one after the other, in the order that is asked for.

    Of a Parquet file one column is held at a time, text with a number for each distinct value; a
    text table has to be read at once. Raises as :func:`read_columns`.
    """
    if path.suffix.lower() != ".parquet":
        table = read_columns(path, columns, role)
        yield from (table[name] for name in columns)
        return
    _require(column_names(path, role), columns, role)
    try:
        for name in columns:
            yield pq.read_table(path, columns=[name], read_dictionary=[name], memory_map=True)[name]
    except (pa.ArrowException, OSError, ValueError):
        raise _damaged(role) from None


def _require(names: Sequence[str], columns: Sequence[str], role: str) -> None:
    for name in columns:
        if name not in names:
            raise SluiceError(
                "A named column is not in the table",
                where=f"{role}, column {name}",
                mend="check its spelling against the header",
            )


def write_batches(
    path: Path, batches: Callable[[], Iterator[pa.Table]], delimiter: str = ","
) -> None:
    """Write a table that comes in pieces, whole or not at all; the suffix tells the format.

    Cells of a CSV are quoted only if one of them has to be. Parquet gets values and nothing else:
    no statistics, no metadata, no list of the values that a column once had.

    Parameters
    ----------
    batches
        Makes the pieces, from the start each time.
    delimiter
        Of a CSV; a TSV has tabs.
    """
    kind = path.suffix.lower()
    styles = ["plain"] if kind == ".parquet" else ["none", "needed"]
    for style in styles:
        try:
            with replacing_file(path) as temporary:
                _write(temporary, kind, batches(), "\t" if kind == ".tsv" else delimiter, style)
            return
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
    raise SluiceError(
        "A column cannot be written in this format",
        where=path.name,
        mend="leave out columns of lists or bytes",
    )


def _write(path: Path, kind: str, batches: Iterator[pa.Table], delimiter: str, style: str) -> None:
    first = next(batches)
    if kind == ".parquet":
        writer = pq.ParquetWriter(
            path, first.schema, compression="zstd", write_statistics=False, store_schema=False
        )
    else:
        form = pc.WriteOptions(delimiter=delimiter, quoting_style=style, quoting_header=style)
        writer = pc.CSVWriter(path, first.schema, write_options=form)
    with writer:
        for batch in chain([first], batches):
            writer.write_table(batch)


def known_format(path: Path, role: str) -> None:
    """Refuse a file whose suffix names no format of these."""
    if path.suffix.lower() not in SUFFIXES:
        raise SluiceError(
            "A table has a format that is not read or written",
            where=role,
            mend=f"give one of: {', '.join(SUFFIXES)}",
        )


def _damaged(role: str) -> SluiceError:
    return SluiceError(
        "A table is damaged, ragged or not UTF-8 text",
        where=role,
        mend="check that every row has as many cells as the header, or export it again",
    )
