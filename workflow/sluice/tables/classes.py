"""Equivalence classes: records that agree in every given column.

A missing value is a category of its own (the strict mode): it never matches anything else, so a
class is never larger than what an attacker sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from sluice.errors import SluiceError

MISSING = 0
"""Code of a missing value in :func:`column_codes`."""

_LARGEST_KEY = 2**62


def value_codes(values: pd.Series) -> tuple[np.ndarray, list[object]]:
    """Number the values of one column, and list them.

    Returns
    -------
    codes
        int64, shape (rows,). :data:`MISSING` where the value is missing, else 1 … D in the order of
        the values' text, so that the numbering does not depend on the order of the rows.
    values
        The D distinct values that are not missing, in that order.
    """
    codes, uniques = pd.factorize(values, use_na_sentinel=True)
    found = list(uniques)
    order = sorted(range(len(found)), key=lambda i: (str(found[i]), type(found[i]).__name__))
    rank = np.empty(len(found) + 1, dtype=np.int64)
    rank[order] = np.arange(1, len(found) + 1)
    rank[-1] = MISSING
    return rank[codes], [found[i] for i in order]


def column_codes(values: pd.Series) -> tuple[np.ndarray, int]:
    """Number the values of one column as :func:`value_codes` does; return codes and D + 1."""
    codes, found = value_codes(values)
    return codes, len(found) + 1


def mixed_radix(columns: Iterable[tuple[np.ndarray, int]], rows: int) -> tuple[np.ndarray, int]:
    """Join coded columns into one int64 key a row, the first column weighing most.

    Returns the keys and an upper bound (exclusive) of them. Keys are renumbered on the way, in
    order, where their product would not fit.
    """
    keys = np.zeros(rows, dtype=np.int64)
    space = 1
    for codes, radix in columns:
        if space * radix > _LARGEST_KEY:
            keys, space = dense(keys, space)
        keys *= radix
        keys += codes
        space *= radix
    return keys, space


def dense(keys: np.ndarray, space: int) -> tuple[np.ndarray, int]:
    """Renumber keys 0 … C − 1 in their own order; return them and C."""
    if space <= max(4 * len(keys), 1 << 16):
        present = np.zeros(space, dtype=bool)
        present[keys] = True
        number = np.cumsum(present) - 1
        return number[keys], int(present.sum())
    codes, uniques = pd.factorize(keys)
    rank = np.empty(len(uniques), dtype=np.int64)
    rank[np.argsort(uniques)] = np.arange(len(uniques))
    return rank[codes], len(uniques)


def encode(df: pd.DataFrame, columns: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Number the equivalence classes of a table.

    Returns
    -------
    codes
        int64, shape (rows,): class of each record, 0 … C − 1, numbered in the order of the values'
        text, so that the numbering does not depend on the order of the rows.
    sizes
        int64, shape (C,): records in each class.

    Raises
    ------
    SluiceError
        If a column is not in the table.
    """
    require_columns(df, columns)
    coded = [column_codes(df[column]) for column in columns]
    codes, count = dense(*mixed_radix(coded, len(df)))
    return codes, np.bincount(codes, minlength=count)


def require_columns(df: pd.DataFrame, columns: Iterable[str]) -> None:
    """Refuse a table that lacks one of the columns that a policy names."""
    for column in columns:
        if column not in df.columns:
            raise SluiceError(
                "A field that the policy names is not a column of the table",
                where=f"column {column}",
                mend="name released fields in `quasi`, `sensitive` and the recoding",
            )


def class_sizes(df: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Return, for each record, how many records share its values in ``columns`` (itself included).

    With no columns every record is in one class.
    """
    codes, sizes = encode(df, columns)
    return sizes[codes]
