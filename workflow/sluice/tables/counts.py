"""Tables of counts with all margins, and what can be derived of cells that are not published.

How such a table is protected: :mod:`sluice.tables.complementary` (cells are left out),
:mod:`sluice.tables.rounding`, :mod:`sluice.tables.cellkey`. Answers with a proof are differentially
private ones (the public tier).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import linprog

from sluice.errors import SluiceError
from sluice.tables.classes import require_columns

ALL = "(all)"
"""Label of a margin."""

MISSING = "(missing)"
"""Label of a missing value, a category like any other."""

_MOST_FIELDS = 3
_MOST_CELLS = 1_000_000
_MOST_SOLVED = 2_500


@dataclass(frozen=True)
class CountTable:
    """Counts of records, with all margins.

    Parameters
    ----------
    fields
        One to three columns.
    labels
        Their values as text, sorted.
    counts
        One axis a field, one longer than its labels: the margin stands last.
    """

    fields: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    counts: np.ndarray

    def cells(self) -> list[tuple[str, ...]]:
        """Labels of every cell, in the order of ``counts.ravel()``."""
        return list(product(*((*labels, ALL) for labels in self.labels)))


def count_table(
    df: pd.DataFrame, fields: Sequence[str], labels: Sequence[Collection[str]] = ()
) -> CountTable:
    """Count the records of a table.

    Parameters
    ----------
    labels
        For each field, values that are listed whether or not they occur.

    Raises
    ------
    SluiceError
        If a field is not a column or holds a label of ours, or there are too many fields or cells.
    """
    if not 1 <= len(fields) <= _MOST_FIELDS or len(set(fields)) < len(fields):
        raise SluiceError("A table of counts is over one to three different columns")
    require_columns(df, fields)
    text = {name: _text(df[name]) for name in fields}
    for name in fields:
        if (text[name] == ALL).any():
            raise SluiceError("A value reads like a margin", where=f"column {name}, `{ALL}`")
    known = labels or [()] * len(fields)
    found = tuple(tuple(sorted({*text[f], *more})) for f, more in zip(fields, known, strict=True))
    shape = [len(values) + 1 for values in found]
    if np.prod(shape, dtype=float) > _MOST_CELLS:
        raise SluiceError(
            "A table of counts has too many cells",
            where=f"more than {_MOST_CELLS}",
            mend="make the fields coarser first",
        )
    table = CountTable(tuple(fields), found, np.zeros(shape, dtype=np.int64))
    np.add.at(table.counts, codes_of(df, table), 1)
    return CountTable(tuple(fields), found, with_margins(table.counts))


def _text(values: pd.Series) -> pd.Series:
    return values.astype(object).where(values.notna(), MISSING).astype(str)


def codes_of(df: pd.DataFrame, table: CountTable) -> tuple[np.ndarray, ...]:
    """Place of each record of a table that was counted, one array of shape (records,) a field."""
    pairs = zip(table.fields, table.labels, strict=True)
    return tuple(pd.Categorical(_text(df[f]), categories=list(v)).codes for f, v in pairs)


def with_margins(cells: np.ndarray) -> np.ndarray:
    """Fill in the last place of each axis: the sum of the others, in the array's own arithmetic."""
    out = cells.copy()
    for axis in range(out.ndim):
        along = np.moveaxis(out, axis, 0)
        along[-1] = along[:-1].sum(axis=0, dtype=out.dtype)
    return out


def lines(shape: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield the places, in ``counts.ravel()``, of each line of a table: its cells, then their sum.

    A line runs along one axis; a margin of one axis is a cell of another's.
    """
    places = np.arange(np.prod(shape)).reshape(shape)
    for axis in range(len(shape)):
        yield from np.moveaxis(places, axis, -1).reshape(-1, shape[axis])


def equations_of(shape: Sequence[int]) -> sparse.csr_matrix:
    """Cells of each line minus its sum, shape (lines, cells): times the counts, 0."""
    if np.prod(shape) > _MOST_SOLVED:
        raise SluiceError(
            "A table of counts has too many cells for its linear programs",
            where=f"{np.prod(shape)} cells with margins, at most {_MOST_SOLVED}",
            mend="make the fields coarser first, or use cell keys",
        )
    rows = list(lines(shape))
    matrix = sparse.lil_matrix((len(rows), int(np.prod(shape))))
    for i, line in enumerate(rows):
        matrix[i, line[:-1]] = 1
        matrix[i, line[-1]] = -1
    return matrix.tocsr()


def intervals(
    low: np.ndarray, high: np.ndarray, places: Sequence[int] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bound cells by what is known of all of them and the equations of the margins.

    Parameters
    ----------
    low, high
        Of the table's shape: what is known of each cell without the others; the same where it is
        published, 0 and infinity where it is not.
    places
        Cells of interest, as places in ``low.ravel()``.

    Returns
    -------
    low, high
        Shape (places,): the feasibility interval of each.
    """
    equations = equations_of(low.shape)
    bounds = np.column_stack([low.ravel(), high.ravel()])
    ends = np.empty((2, len(places)))
    for i, place in enumerate(places):
        aim = np.zeros(low.size)
        for side, sign in enumerate((1.0, -1.0)):
            aim[place] = sign
            found = linprog(
                aim, A_eq=equations, b_eq=np.zeros(equations.shape[0]), bounds=bounds,
                method="highs",
            )  # fmt: skip
            if found.status not in (0, 3):  # 3: without bound
                raise SluiceError("What is published of a table of counts contradicts itself")
            ends[side, i] = sign * (found.fun if found.status == 0 else -np.inf)
    return ends[0], ends[1]


def published_intervals(
    counts: np.ndarray, hidden: np.ndarray, places: Sequence[int] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return :func:`intervals` of a table whose ``hidden`` cells are not published."""
    return intervals(np.where(hidden, 0, counts), np.where(hidden, np.inf, counts), places)
