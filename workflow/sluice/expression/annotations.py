"""What may be said of a cell: CELLxGENE's columns, with values from closed vocabularies only.

A value is either a term of the column's ontology, or it becomes ``unknown``; the word beside it is
the ontology's, never the file's. So a name, a number or a date in such a column cannot leave.
Editions of the tables: ``resources/singlecell/SOURCE.md``.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from sluice.resources import resource

UNKNOWN = "unknown"
#: Between several terms of one value.
_AND = " || "
# A person's own words for a type of cell: letters and signs of markers, no long numbers.
_WORDS = re.compile(r"(?!.*\d{4})[A-Za-z0-9αβγδ+\-/(). ,_]{1,60}")
_SHARED = 2

Read = Callable[[str], pd.Series | None]


@dataclass(frozen=True)
class Column:
    """A column of CELLxGENE's obs.

    Attributes
    ----------
    name
        The column, and ``label`` the one with the words for its terms, if there is one.
    kind
        ``term`` of an ontology, ``choice`` of a few words, or ``flag``.
    donors
        A value that fewer donors have becomes ``unknown``.
    unknown
        Whether CELLxGENE itself accepts ``unknown``.
    """

    name: str
    label: str
    kind: str
    donors: int
    unknown: bool
    choices: tuple[str, ...]

    @property
    def field(self) -> str:
        """Name of the column's vocabulary."""
        return self.name.removesuffix("_ontology_term_id")


@dataclass(frozen=True)
class Term:
    """A term's word, and the term that is released for it: an age becomes its decade."""

    label: str
    released: str


@cache
def obs_columns() -> tuple[Column, ...]:
    """Return the columns that a release may hold beside ``donor_id``."""
    with resource("singlecell", "columns.tsv").open(encoding="utf-8", newline="") as handle:
        return tuple(
            Column(
                row["column"],
                row["label"],
                row["kind"],
                int(row["donors"]),
                row["unknown"] == "yes",
                tuple(row["choices"].split("|")) if row["choices"] else (),
            )
            for row in csv.DictReader(handle, delimiter="\t")
        )


@cache
def vocabulary(field: str) -> Mapping[str, Term]:
    """Return id -> term of a field's vocabulary."""
    with resource("singlecell", "terms", f"{field}.tsv").open(encoding="utf-8") as handle:
        rows = csv.reader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return {name: Term(label, released or name) for name, label, released in rows}


def label_of(field: str, value: str) -> str:
    """Return the word, or words, for one or several terms."""
    if value == UNKNOWN:
        return UNKNOWN
    return _AND.join(vocabulary(field)[name].label for name in value.split(_AND))


def released_annotations(
    read: Read, donors: pd.Series, counts: Counter[str], *, leave_out: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Return the columns that may leave.

    Parameters
    ----------
    read
        Returns a raw column as plain values in the order of ``donors``, or nothing.
    donors
        One entry a cell.
    counts
        Gets how many cells became unknown, by column.
    leave_out
        Fields that the release hides.

    A column that the raw file lacks is left out; where it has only the words, their terms are
    looked up.
    """
    found: dict[str, pd.Series] = {}
    for column in obs_columns():
        if column.field in leave_out:
            continue
        raw = read(column.name)
        by_label = raw is None and bool(column.label)
        if by_label:
            raw = read(column.label)
        if raw is None:
            continue
        if column.kind == "flag":
            # Whoever leaves the question open has not said that these cells are the first.
            found[column.name] = raw.map(lambda value: value is True or value == "True").astype(
                bool
            )
            continue
        values = _by_value(raw, _reader(column, by_label))
        values = shared_only(values, donors, column.donors)
        counts[f"{column.name}: cells set to unknown"] += int((values == UNKNOWN).sum())
        found[column.name] = values
        if column.label:
            found[column.label] = _by_value(values, lambda v, c=column: label_of(c.field, v))  # type: ignore[misc]
    return pd.DataFrame(found, index=donors.index)


def own_words(raw: pd.Series, donors: pd.Series) -> pd.Series:
    """Return a person's own words for types of cells: plain ones that several donors share."""
    plain = _by_value(raw, lambda value: value if _WORDS.fullmatch(value) else UNKNOWN)
    return shared_only(plain, donors, _SHARED)


def shared_only(values: pd.Series, donors: pd.Series, fewest: int) -> pd.Series:
    """Return the values, those of fewer donors than ``fewest`` as ``unknown``."""
    having = donors.groupby(values).nunique()
    return values.where(values.map(having) >= fewest, UNKNOWN)


def _by_value(raw: pd.Series, change: Callable[[str], str]) -> pd.Series:
    """Return each value changed; each is looked at once, and a gap is unknown."""
    codes, names = pd.factorize(raw.astype(object))
    new = [change(str(name).strip()) for name in names]
    return pd.Series(np.array([*new, UNKNOWN], dtype=object)[codes], index=raw.index, dtype=object)


def _reader(column: Column, by_label: bool) -> Callable[[str], str]:
    if column.kind == "choice":
        return lambda value: value if value in column.choices else UNKNOWN
    terms = vocabulary(column.field)
    names = {term.label.lower(): name for name, term in terms.items()} if by_label else {}

    def released(value: str) -> str:
        parts = [names.get(p.lower(), "") if by_label else p for p in value.split(_AND)]
        known = all(part in terms for part in parts)
        return _AND.join(sorted({terms[part].released for part in parts})) if known else UNKNOWN

    return released
