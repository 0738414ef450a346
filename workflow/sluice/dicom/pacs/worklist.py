"""The list of accession or patient numbers to fetch. No value of it is ever printed."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Literal, get_args

from sluice.errors import SluiceError

Key = Literal["accession", "patient"]

_LARGEST = 64 * 2**20
_LONGEST = 64  # characters of VR LO; some archives fill an accession number that far, too


@dataclass(frozen=True)
class Worklist:
    """What to look for. ``rows`` maps each distinct value to its first row (1: below the head)."""

    key: Key
    rows: dict[str, int] = field(repr=False)
    duplicates: int


def read_worklist(path: Path) -> Worklist:
    """Read a CSV or TSV file with one column ``accession`` or ``patient``; others are ignored.

    Raises
    ------
    SluiceError
        If it is no such table, has both columns or neither, has no rows, or a row without a
        value or with one that an archive would take for a pattern or a list (``*``, ``?``,
        ``\\``): it would fetch more than was asked for.
    """
    lines = _lines(path)
    head = [cell.strip() for cell in lines[0]] if lines else []
    keys = [name for name in head if name in get_args(Key)]
    if len(keys) != 1:
        raise SluiceError(
            "A worklist needs exactly one column named accession or patient",
            where=f"first row, {len(keys)} such columns",
            mend="name the column in the first row and take others of these names out",
        )
    key: Key = "accession" if keys[0] == "accession" else "patient"
    at = head.index(key)
    found: dict[str, int] = {}
    rows = [(number, line) for number, line in enumerate(lines[1:], 1) if any(line)]
    for number, line in rows:
        found.setdefault(_value(line, at, len(head), number), number)
    if not found:
        raise SluiceError("The worklist has no rows", mend="write one number a row below the head")
    return Worklist(key, found, len(rows) - len(found))


def _lines(path: Path) -> list[list[str]]:
    try:
        size = path.stat().st_size
        text = path.read_text(encoding="utf-8-sig") if size <= _LARGEST else ""
    except FileNotFoundError:
        raise SluiceError("There is no such worklist", mend="check the path") from None
    except UnicodeDecodeError:
        raise SluiceError("The worklist is no UTF-8 text", mend="save it as CSV UTF-8") from None
    if size > _LARGEST:
        raise SluiceError("The worklist is larger than 64 MB", mend="split it")
    first = text.partition("\n")[0]
    delimiter = max("\t;,", key=first.count)
    try:
        return list(csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        raise SluiceError("The worklist has broken quotes", mend="export it again") from None


def _value(line: list[str], at: int, width: int, number: int) -> str:
    where = f"row {number}"
    if len(line) != width:
        raise SluiceError(
            "A worklist row has another number of cells than the head",
            where=where,
            mend="quote values that hold the delimiter",
        )
    value = line[at].strip()
    if not value:
        raise SluiceError(
            "A worklist row has no value", where=where, mend="fill it in or take the row out"
        )
    if len(value) > _LONGEST or not value.isprintable() or set(value) & set("*?\\"):
        raise SluiceError(
            "A worklist row holds what is no single number (*, ?, \\, or over 64 characters)",
            where=where,
            mend="write one number a row",
        )
    return value
