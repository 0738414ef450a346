"""The generalisation lattice of a table: its distinct rows, coded on every level of every field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.tables.classes import column_codes, dense, mixed_radix, require_columns
from sluice.tables.models import Contingency, Rules, contingency, kept_classes

Level = Callable[[pd.Series], pd.Series] | np.ndarray | pd.Series
"""One level of a field: a function of a column, or the column's labels already made."""

_MOST_NODES = 20_000_000


@dataclass(frozen=True)
class Field:
    """One field of the distinct rows: for each level its codes, radix, and share of each code."""

    name: str
    codes: list[np.ndarray]
    radix: list[int]
    shares: list[np.ndarray]
    leaves: int
    weight: float


class Lattice:
    """The distinct rows of a table, coded on every level of every field.

    Parameters
    ----------
    df, hierarchies, weights, domains
        See :func:`sluice.tables.recode.search`.
    rules
        What every class must satisfy.

    Attributes
    ----------
    fields
        Sorted by name; a node is one place for each.
    row
        Distinct row of each record, shape (records,).
    records
        Records of each distinct row.
    """

    def __init__(
        self,
        df: pd.DataFrame,
        hierarchies: Mapping[str, Sequence[Level]],
        rules: Rules,
        weights: Mapping[str, float],
        domains: Mapping[str, Sequence[object]],
    ) -> None:
        if df.empty or not hierarchies:
            raise SluiceError("A search needs records and at least one field with levels")
        require_columns(df, [*hierarchies, *rules.sensitive])
        fields = [
            _field(df[name], hierarchies[name], domains.get(name), weights.get(name, 1.0))
            for name in sorted(hierarchies)
        ]
        sensitive = {name: column_codes(df[name]) for name in rules.sensitive}
        lowest = [(field.codes[0], field.radix[0]) for field in fields]
        self.rules = rules
        self.row, count = dense(*mixed_radix([*lowest, *sensitive.values()], len(df)))
        first = np.empty(count, dtype=np.int64)
        first[self.row] = np.arange(len(df))
        self.records = np.bincount(self.row)
        self.fields = [
            Field(f.name, [c[first] for c in f.codes], f.radix, f.shares, f.leaves, f.weight)
            for f in fields
        ]
        self.sensitive = {name: (codes[first], radix) for name, (codes, radix) in sensitive.items()}
        self._total = sum(field.weight for field in fields)
        if self._total <= 0 or any(field.weight < 0 for field in fields):
            raise SluiceError("The weights of a search must be positive", mend="see `weights`")
        self._last: tuple[object, np.ndarray] | None = None

    def keys(self, node: Sequence[int], rows: np.ndarray | None = None) -> tuple[np.ndarray, int]:
        """Class keys of the distinct rows (or of ``rows`` of them) on a node."""
        columns = [
            (f.codes[i] if rows is None else f.codes[i][rows], f.radix[i])
            for f, i in zip(self.fields, node, strict=True)
        ]
        return mixed_radix(columns, len(columns[0][0]))

    def kept(self, node: Sequence[int], rules: Rules) -> np.ndarray:
        """Which distinct rows remain on a node, shape (distinct rows,) bool."""
        if self._last is not None and self._last[0] == (node, rules):
            return self._last[1]
        classes = pd.factorize(self.keys(node)[0])[0]
        sizes = np.bincount(classes, weights=self.records).astype(np.int64)
        tables: dict[str, Contingency] = {
            name: contingency(classes, *self.sensitive[name], self.records)
            for name in rules.sensitive
        }
        kept = kept_classes(sizes, tables, rules)[classes]
        self._last = ((node, rules), kept)
        return kept

    def removed(self, node: Sequence[int], rules: Rules) -> int:
        """Records that the rules remove on a node."""
        return int(self.records[~self.kept(node, rules)].sum())

    def loss(self, node: Sequence[int], rules: Rules) -> float:
        """Loss of a node with its suppressed records."""
        kept = self.kept(node, rules)
        weights, gone = self.records[kept], float(self.records[~kept].sum())
        factors = [
            _factor(f, float(f.shares[i][f.codes[i][kept]] @ weights) + gone, self._n, self._total)
            for f, i in zip(self.fields, node, strict=True)
        ]
        return float(np.prod(factors)) - 1.0

    def bounds(self) -> np.ndarray:
        """Loss of every node without suppression: an array with one axis a field."""
        shape = tuple(len(field.codes) for field in self.fields)
        if np.prod(shape, dtype=float) > _MOST_NODES:
            raise SluiceError(
                "The lattice of generalisations is too large to search",
                where=f"{len(shape)} fields, more than {_MOST_NODES} nodes",
                mend="give fields fewer levels, or freeze some of them in the policy",
            )
        bounds = np.ones(shape)
        for axis, f in enumerate(self.fields):
            factors = [
                _factor(f, float(shares[codes] @ self.records), self._n, self._total)
                for codes, shares in zip(f.codes, f.shares, strict=True)
            ]
            bounds *= np.reshape(factors, [-1 if j == axis else 1 for j in range(len(shape))])
        return bounds - 1.0

    @property
    def _n(self) -> int:
        return int(self.records.sum())


def _factor(field: Field, shares: float, n: int, total: float) -> float:
    """(1 + L_j)^(w_j / Σw) of a field whose records' shares add up to ``shares``."""
    if field.leaves == 1:
        return 1.0
    lost = (shares / n - 1 / field.leaves) / (1 - 1 / field.leaves)
    return float((1 + lost) ** (field.weight / total))


def on_level(values: pd.Series, level: Level) -> pd.Series:
    """Return a column on one of its levels."""
    if callable(level):
        return level(values)
    return pd.Series(np.asarray(level), index=values.index, name=values.name)


def _field(
    values: pd.Series, levels: Sequence[Level], domain: Sequence[object] | None, weight: float
) -> Field:
    """Code one field on every level; labels are made once for each distinct value."""
    leaves, leaf = _leaves(values, domain)
    on_level(values, levels[0])  # so that an error names the record's row, not the leaf's place
    codes, radix, shares = [], [], []
    below: np.ndarray | None = None
    for place, level in enumerate(levels):
        if callable(level):
            labels = level(pd.Series(leaves, name=values.name, dtype=object))
        else:
            labels = _labels_of_leaves(values, leaf, len(leaves), level, domain is not None)
        label, count = column_codes(labels)
        if below is not None and len(np.unique(below)) != len(np.unique(below * count + label)):
            raise SluiceError(
                "A level of a generalisation is not a function of the level before it",
                where=f"column {values.name}, level {place}",
                mend="make the levels nest",
            )
        below = label
        codes.append(label[leaf])
        radix.append(count)
        shares.append(np.bincount(label, minlength=count) / len(leaves))
    return Field(str(values.name), codes, radix, shares, len(leaves), weight)


def _leaves(values: pd.Series, domain: Sequence[object] | None) -> tuple[list[object], np.ndarray]:
    """Distinct values of a field (its domain first), and the place of each record's value there."""
    whole = values if domain is None else pd.concat([pd.Series(list(domain), dtype=object), values])
    codes, uniques = pd.factorize(whole, use_na_sentinel=False)
    if domain is not None:
        declared, found = codes[: len(domain)], codes[len(domain) :]
        outside = ~np.isin(found, declared) & ~values.isna().to_numpy()
        if outside.any():
            raise SluiceError(
                "A value is outside the domain of its field",
                where=f"column {values.name}, row {int(outside.argmax()) + 1}",
                mend="correct the source, or add the value to the policy's rule",
            )
    return list(uniques), codes[len(whole) - len(values) :]


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
