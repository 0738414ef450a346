"""Raw tables in any format, as text cells, with the checks that every table gets."""

from __future__ import annotations

import csv
import re
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl.worksheet.formula import ArrayFormula, DataTableFormula

from sluice.errors import SluiceError

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", ".")
# A number may follow a sign, but neither a program (`|`), another sheet (`!`) nor a function.
_FORMULA = re.compile(r"[=@]|[+-](?:(?![\d.])|[\s\S]*(?:[|!]|[A-Za-z]\())")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_LONGEST_CELL = 100_000
_LARGEST_WORKBOOK = 2**30


def read_raw_table(path: Path, kind: str, name: str) -> pd.DataFrame:
    """Read a table as strings; missing values are ``None``.

    Parameters
    ----------
    path, kind
        The file and ``csv``, ``tsv``, ``xlsx`` or ``parquet``.
    name
        What to call it in errors (the source's path in the cohort file).

    Raises
    ------
    SluiceError
        For an empty, ragged, damaged or non-UTF-8 table, doubled column names, formula cells.
    """
    if path.is_dir():
        raise SluiceError("A table is a folder", where=f"source {name}", mend="name the file in it")
    if kind in ("csv", "tsv"):
        table = _read_text(path, name, "," if kind == "csv" else "\t")
    elif kind == "xlsx":
        table = _read_xlsx(path, name)
    elif kind == "parquet":
        table = _read_parquet(path, name)
    else:
        raise SluiceError(
            "A table cannot be in this format",
            where=f"source {name}",
            mend="use csv, tsv, xlsx or parquet",
        )
    header = [str(column).strip() for column in table.columns]
    doubled = sorted({header.index(c) + 1 for c in header if header.count(c) > 1})
    if doubled:
        raise SluiceError(
            "Two columns have the same name",
            where=f"source {name}, column {doubled[0]}",
            mend="rename one of them",
        )
    table.columns = pd.Index(header)
    if table.empty:
        raise SluiceError("A table has no rows", where=f"source {name}", mend="export it again")
    table = table.astype(object).where(~table.isin(MISSING) & table.notna(), None)
    refuse_formulas(table, name)
    return table


def refuse_formulas(table: pd.DataFrame, name: str) -> None:
    """Refuse cells that a spreadsheet would run (they travel into a recipient's Excel).

    Spaces before a formula are no protection: curated values have none around them.
    """
    for position, column in enumerate(table.columns, 1):
        text = table[column].dropna().astype(str)
        for fault, bad in (
            ("a formula", text.str.strip().str.match(_FORMULA)),
            ("control characters, e.g. NUL", text.str.contains(_CONTROL)),
            ("more than 100,000 characters", text.str.len() > _LONGEST_CELL),
        ):
            if bad.any():
                row = int(table.index.get_loc(bad.idxmax())) + 2  # type: ignore[arg-type]
                raise SluiceError(
                    f"A cell holds {fault}",
                    where=f"source {name}, row {row}, column {position}",
                    mend="paste values only",
                )


def _read_text(path: Path, name: str, delimiter: str) -> pd.DataFrame:
    rows: list[list[str]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            for number, row in enumerate(csv.reader(handle, delimiter=delimiter, strict=True), 1):
                if not row:
                    continue
                if rows and len(row) != len(rows[0]):
                    raise SluiceError(
                        "A row has another number of cells than the header",
                        where=f"source {name}, row {number}",
                        mend="quote cells that hold the delimiter; was the file cut off?",
                    )
                rows.append(row)
    except UnicodeDecodeError:
        raise SluiceError(
            "A table is not UTF-8 text", where=f"source {name}", mend="save it as UTF-8"
        ) from None
    except csv.Error:
        raise SluiceError(
            "A table is damaged or cut off",
            where=f"source {name}, after row {len(rows)}",
            mend="check quotes and NUL bytes there",
        ) from None
    if not rows:
        raise SluiceError("A table is empty", where=f"source {name}", mend="export it again")
    return pd.DataFrame(rows[1:], columns=rows[0], dtype=object)


def _read_xlsx(path: Path, name: str) -> pd.DataFrame:
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(member.file_size for member in packed.infolist())
        if size <= _LARGEST_WORKBOOK:
            book = openpyxl.load_workbook(path, read_only=True, data_only=False)
            rows = [list(row) for row in book.worksheets[0].iter_rows(values_only=True)]
            book.close()
    except Exception:  # zipfile, zlib, expat and openpyxl each raise what they like
        raise SluiceError(
            "A workbook is damaged", where=f"source {name}", mend="save it again as .xlsx"
        ) from None
    if size > _LARGEST_WORKBOOK:
        raise SluiceError(
            "A workbook unpacks to more than 1 GB", where=f"source {name}", mend="export it as CSV"
        )
    rows = [row for row in rows if any(cell is not None for cell in row)]
    if not rows or any(cell is None for cell in rows[0]):
        raise SluiceError(
            "The first row of a workbook must name every column",
            where=f"source {name}",
            mend="name them, and delete empty columns",
        )
    width = len(rows[0])
    for number, row in enumerate(rows, 1):
        if any(cell is not None for cell in row[width:]):
            raise SluiceError(
                "A row has another number of cells than the header",
                where=f"source {name}, row {number}",
                mend="name every column in the first row",
            )
    cells = [[_text(c) for c in (row + [None] * width)[:width]] for row in rows[1:]]
    return pd.DataFrame(cells, columns=rows[0], dtype=object)


def _read_parquet(path: Path, name: str) -> pd.DataFrame:
    try:
        with pq.ParquetFile(path) as file:
            _refuse_odd_types(file.schema_arrow, name)
            # A gap must not turn integers into floats: from 2**53 on, two numbers become one.
            table = file.read().to_pandas(
                ignore_metadata=True,
                timestamp_as_object=True,
                date_as_object=True,
                integer_object_nulls=True,
            )
    except (pa.ArrowException, OSError, ValueError, OverflowError):
        raise SluiceError(
            "A Parquet file is damaged", where=f"source {name}", mend="write it again"
        ) from None
    return table.map(_text)


def _refuse_odd_types(schema: pa.Schema, name: str) -> None:
    for position, field in enumerate(schema, 1):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise SluiceError(
                "A column of a Parquet file holds lists or bytes",
                where=f"source {name}, column {position}",
                mend="write plain text, numbers or dates",
            )


def _text(cell: object) -> str | None:
    """Spell a typed cell as a text table would."""
    if cell is None or cell != cell or cell is pd.NaT:
        return None
    if isinstance(cell, (ArrayFormula, DataTableFormula)):
        return "="  # refused with its row and column by refuse_formulas
    if hasattr(cell, "isoformat"):
        return str(cell.isoformat()).removesuffix("T00:00:00")
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
