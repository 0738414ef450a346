"""What a tag and a UID mean: the data dictionary and the registered UIDs of PS3.6.

Read from tables of our own, because pydicom's dictionary comes with all of pydicom, which most
files don't need. Elements of repeating groups (50xx, 60xx) are in no table: no rule keeps one.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sluice.resources import resource


def has_tag(tag: int) -> bool:
    """Say whether the dictionary has an element; private ones are in none."""
    return tag in _elements()


def vr_of(tag: int) -> str:
    """Return an element's VR, or its VRs as in ``US or SS``.

    Raises
    ------
    KeyError
        If the dictionary lacks the element.
    """
    return _elements()[tag][0]


def keyword_of(tag: int) -> str:
    """Return an element's keyword; ``""`` if it has none or the dictionary lacks it."""
    return _elements().get(tag, ("", ""))[1]


@cache
def tags() -> dict[str, int]:
    """Return the tag by keyword."""
    return {keyword: tag for tag, (_, keyword) in _elements().items() if keyword}


def is_registered(uid: str) -> bool:
    """Say whether PS3.6 names a UID: a class, a transfer syntax, a coding scheme and so on."""
    return uid in _uids()


def is_transfer_syntax(uid: str) -> bool:
    """Say whether a UID is a transfer syntax of the standard."""
    return _uids().get(uid) == "Transfer Syntax"


@cache
def _elements() -> dict[int, tuple[str, str]]:
    rows = _rows(resource("dicom", "dictionary.csv"))
    return {int(tag, 16): (sys.intern(vr), keyword) for tag, vr, keyword in rows}


@cache
def _uids() -> dict[str, str]:
    return {uid: sys.intern(kind) for uid, kind in _rows(resource("dicom", "uids.csv"))}


def _rows(table: Path) -> Iterator[list[str]]:
    with table.open(newline="", encoding="utf-8") as stream:
        rows = csv.reader(stream)
        next(rows)
        yield from rows
