"""One field of a search: its distinct values (leaves), coded on every level of its ladder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.tables.classes import column_codes, dense, value_codes

Level = Callable[[pd.Series], pd.Series] | np.ndarray | pd.Series
"""One level of a field: a function of a column, or the column's labels already made."""


@dataclass(frozen=True)
class Field:
    """One field: what each leaf value becomes on each level.

    Parameters
    ----------
    name, weight
        See :func:`sluice.tables.recode.search`.
    codes
        Label of each leaf on each level, numbered from 0; shape (levels, leaves).
    radix
        Number of labels on each level.
    shares
        Share of all leaves that have the leaf's label, by level; shape (levels, leaves).
    """

    name: str
    weight: float
    codes: np.ndarray
    radix: list[int]
    shares: np.ndarray

    @property
    def levels(self) -> int:
        """Number of levels."""
        return len(self.radix)

    @property
    def leaves(self) -> int:
        """Number of leaves."""
        return self.shares.shape[1]


def on_level(values: pd.Series, level: Level) -> pd.Series:
    """Return a column on one of its levels."""
    if callable(level):
        return level(values)
    return pd.Series(np.asarray(level), index=values.index, name=values.name)


def encode_field(
    values: pd.Series, levels: Sequence[Level], domain: Sequence[object] | None, weight: float
) -> tuple[Field, np.ndarray]:
    """Code one field on every level.

    Parameters
    ----------
    values
        The column.
    levels, domain, weight
        See :func:`sluice.tables.recode.search`.

    Returns
    -------
    field
        The field, its leaves in the order of the domain, or of the values' text.
    leaf
        Leaf of each record, shape (records,); the last one where a value is missing.

    Raises
    ------
    SluiceError
        If the levels do not nest, or a value is outside the domain.
    """
    leaves, leaf = _leaves(values, domain)
    codes: list[np.ndarray] = []
    radix: list[int] = []
    for place, level in enumerate(levels):
        if callable(level):
            labels = _labels(values, leaves, level)
        else:
            labels = _labels_of_leaves(values, leaf, len(leaves), level, domain is not None)
        numbers, count = column_codes(labels)
        numbers, count = dense(numbers, count)
        if codes and len(np.unique(codes[-1])) != len(np.unique(codes[-1] * count + numbers)):
            raise SluiceError(
                "A level of a generalisation is not a function of the level before it",
                where=f"column {values.name}, level {place}",
                mend="make the levels nest",
            )
        codes.append(numbers)
        radix.append(count)
    shares = [np.bincount(c)[c] / len(leaves) for c in codes]
    return Field(str(values.name), weight, np.array(codes), radix, np.array(shares)), leaf


def _leaves(values: pd.Series, domain: Sequence[object] | None) -> tuple[list[object], np.ndarray]:
    """Distinct values of a field (its domain first), and the place of each record's value there."""
    codes, found = value_codes(values)
    leaves = (
        found if domain is None else [v for v in dict.fromkeys(domain) if v is not None and v == v]
    )
    places = {value: place for place, value in enumerate(leaves)}
    place = np.array([len(leaves), *(places.get(value, -1) for value in found)])
    leaf = place[codes]
    if (leaf < 0).any():
        raise SluiceError(
            "A value is not among those that its field's hierarchy or domain lists",
            where=f"column {values.name}, row {int((leaf < 0).argmax()) + 1}",
            mend="correct the source, or add the value there",
        )
    return (leaves if (codes > 0).all() else [*leaves, None]), leaf


def _labels(
    values: pd.Series, leaves: list[object], level: Callable[[pd.Series], pd.Series]
) -> pd.Series:
    """Label the leaves; an error names the record's row, not the leaf's place."""
    try:
        return level(pd.Series(leaves, name=values.name, dtype=object))
    except SluiceError:
        level(values)
        raise


def _labels_of_leaves(
    values: pd.Series, leaf: np.ndarray, count: int, level: np.ndarray | pd.Series, domain: bool
) -> pd.Series:
    """Read a function of the leaves off labels that were made for every record."""
    made = column_codes(pd.Series(np.asarray(level)))[0]
    by_leaf = np.full(count, -1, dtype=np.int64)
    by_leaf[leaf] = made
    if domain or len(made) != len(leaf) or (by_leaf[leaf] != made).any():
        raise SluiceError(
            "Labels made in advance need one label a value, and no declared domain",
            where=f"column {values.name}",
            mend="give the level as a function of the column",
        )
    return pd.Series(by_leaf)
