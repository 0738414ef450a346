"""What the demo cohort hides, and where: the list that every later scan is checked against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas as pd


class Canary(NamedTuple):
    """One planted direct identifier in one place.

    ``kind`` names the identifier (``family_name``, ``mrn``, ``sop_uid``, …), ``value`` is the
    shortest text whose appearance in a release proves a leak, ``place`` is
    ``<path below raw>:<column, tag or key>``.
    """

    kind: str
    value: str
    place: str


Canaries = list[Canary]


def in_columns(table: pd.DataFrame, path: str, kinds: Mapping[str, str]) -> Canaries:
    """List every filled cell of the columns named in ``kinds`` (column to kind)."""
    return [
        Canary(kind, str(value), f"{path}:{column}")
        for column, kind in kinds.items()
        for value in table[column]
        if str(value)
    ]


def tidy(canaries: Iterable[Canary]) -> Canaries:
    """Return the canaries sorted, each once."""
    return sorted(set(canaries))
