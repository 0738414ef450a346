"""The generalisation lattice of a table: its distinct rows, coded on every level of every field.

A node is one level for each field. What a node does is read off a *class table*: one row for each
class of some finer node, with the number of its records. A coarser node's classes are made by
joining rows of a finer node's class table, so few looks go through all distinct rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from math import prod

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.tables.classes import column_codes, dense, mixed_radix, require_columns
from sluice.tables.fields import Field, Level, encode_field
from sluice.tables.models import Rules, contingency, kept_classes

Node = tuple[int, ...]
"""Level of each field, in the order of :attr:`Lattice.fields`."""

_CELLS_HELD = 30_000_000  # of class tables held for later; 4 bytes each
_JOINING_PAYS = 8  # measured: 4 to 100 are alike
_LEAST_CHARGE = 10_000  # rows that a look at a small class table is charged with


@dataclass(frozen=True)
class ClassTable:
    """The classes of a node; with sensitive columns, their combinations with these.

    Parameters
    ----------
    node
        The node; its classes can be joined to those of any coarser one.
    leaf
        One leaf of each field that belongs to the class, int32, shape (fields, rows).
    sensitive
        Sensitive column → code of its value, shape (rows,).
    records
        Records of each row, shape (rows,).
    """

    node: Node
    leaf: np.ndarray
    sensitive: dict[str, np.ndarray]
    records: np.ndarray


@dataclass(frozen=True)
class Look:
    """What a node does.

    Parameters
    ----------
    removed
        Records that the rules remove.
    factors
        For each field and level, (1 + L_j)^(w_j / Σw) if exactly these records are removed.
        Defined from the level of the class table that was looked at.
    """

    removed: int
    factors: list[list[float]]

    def loss(self, node: Node) -> float:
        """Loss of a node if these records are removed: exact for the node itself.

        For any finer node a lower bound, if the rules only remove more records on the way down.
        """
        return prod(levels[i] for levels, i in zip(self.factors, node, strict=True)) - 1.0


class Lattice:
    """A table, coded on every level of every field.

    Parameters
    ----------
    df, hierarchies, weights, domains
        See :func:`sluice.tables.recode.search`.
    sensitive
        Columns whose values the rules count in classes.

    Attributes
    ----------
    fields
        Sorted by name; a node is one level for each.
    row
        Row of each record in the finest class table, shape (records,).
    effort
        Rows of class tables read so far; a small table counts as 10,000 rows.
    """

    def __init__(
        self,
        df: pd.DataFrame,
        hierarchies: Mapping[str, Sequence[Level]],
        sensitive: Sequence[str],
        weights: Mapping[str, float],
        domains: Mapping[str, Sequence[object]],
    ) -> None:
        if df.empty or not hierarchies:
            raise SluiceError("A search needs records and at least one field with levels")
        require_columns(df, [*hierarchies, *sensitive])
        self.fields: list[Field] = []
        leaf = np.empty((len(hierarchies), len(df)), dtype=np.int32)
        for j, name in enumerate(sorted(hierarchies)):
            field, leaf[j] = encode_field(
                df[name], hierarchies[name], domains.get(name), weights.get(name, 1.0)
            )
            self.fields.append(field)
        self._places, self._least, self._weights = _constants(self.fields)
        coded = {name: column_codes(df[name]) for name in sensitive}
        self._radix = {name: radix for name, (_, radix) in coded.items()}
        every = ClassTable(
            (0,) * len(self.fields),
            leaf,
            {name: codes for name, (codes, _) in coded.items()},
            np.ones(len(df), dtype=np.int64),
        )
        self.row, rows = dense(*self._keys(every, every.node, sensitive=True))
        self.bottom = _joined(every, every.node, self.row, rows)
        self.n = len(df)
        self.effort = 0
        self._sums = self._level_sums(self.bottom.leaf, self.bottom.records)
        self._held: dict[Node, ClassTable] = {}
        self._cells = 0
        self._hold(self.bottom)

    @property
    def top(self) -> Node:
        """The node with every field on its coarsest level."""
        return tuple(field.levels - 1 for field in self.fields)

    def look(self, table: ClassTable, node: Node, rules: Rules) -> Look:
        """Apply the rules to a node, from the class table of a finer one."""
        gone = np.flatnonzero(~self.kept(table, node, rules))
        records = table.records[gone]
        removed = int(records.sum())
        lost = self._level_sums(table.leaf.take(gone, axis=1), records)
        return Look(removed, self._factors(self._sums - lost + removed))

    def kept(self, table: ClassTable, node: Node, rules: Rules) -> np.ndarray:
        """Which rows of the class table of a finer node remain on a node, shape (rows,) bool."""
        self._charge(table)
        classes, _ = _grouped(*self._keys(table, node), as_it_is=not rules.sensitive)
        sizes = np.bincount(classes, weights=table.records)
        tables = {
            name: contingency(classes, table.sensitive[name], self._radix[name], table.records)
            for name in rules.sensitive
        }
        return kept_classes(sizes, tables, rules)[classes]

    def classes(self, node: Node, below: Node) -> ClassTable:
        """Return a class table to look at a node and coarser ones with.

        It is the one of ``below``, a finer node, if that is still held, unless so many fewer
        labels are left at ``node`` that joining its rows pays.
        """
        table = self._held.get(node) or self._held.get(below, self.bottom)
        labels = [
            (field.radix[i], field.radix[j])
            for field, i, j in zip(self.fields, table.node, node, strict=True)
        ]
        if prod(before / after for before, after in labels) < _JOINING_PAYS:
            return table
        self._charge(table)
        table = _joined(table, node, *_grouped(*self._keys(table, node, sensitive=True)))
        self._hold(table)
        return table

    def numbered(self, node: Node, rows: np.ndarray) -> np.ndarray:
        """Number the classes of some rows of the finest class table: 0 … C − 1."""
        some = _rows(self.bottom, rows)
        return dense(*self._keys(some, node))[0]

    def _keys(
        self, table: ClassTable, node: Node, sensitive: bool = False
    ) -> tuple[np.ndarray, int]:
        """Class keys of the rows on a node, told apart by sensitive values too if wished."""
        columns = [
            (field.codes[i], field.radix[i], leaf)
            for field, i, leaf in zip(self.fields, node, table.leaf, strict=True)
        ]
        coded = ((codes.take(leaf), radix) for codes, radix, leaf in columns if radix > 1)
        values = [(table.sensitive[n], self._radix[n]) for n in self._radix] if sensitive else []
        return mixed_radix(chain(coded, values), len(table.records))

    def _level_sums(self, leaf: np.ndarray, records: np.ndarray) -> np.ndarray:
        """Sum of the records' shares on each level of each field in turn, shape (levels,)."""
        return np.concatenate(
            [
                field.shares @ np.bincount(own, weights=records, minlength=field.leaves)
                for field, own in zip(self.fields, leaf, strict=True)
            ]
        )

    def _factors(self, sums: np.ndarray) -> list[list[float]]:
        """(1 + L_j)^(w_j / Σw) by field and level, from the sums of the records' shares there."""
        lost = (sums / self.n - self._least) / (1 - self._least)
        factors = ((1 + lost) ** self._weights).tolist()
        return [factors[a:b] for a, b in pairwise(self._places)]

    def _charge(self, table: ClassTable) -> None:
        self.effort += max(len(table.records), _LEAST_CHARGE)

    def _hold(self, table: ClassTable) -> None:
        """Hold a class table for later; let the oldest go where they get too many."""
        self._held[table.node] = table
        self._cells += table.leaf.size
        while self._cells > _CELLS_HELD and len(self._held) > 1:
            self._cells -= self._held.pop(next(iter(self._held))).leaf.size


def _constants(fields: Sequence[Field]) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Where each field's levels begin among all levels, and 1/D_j and w_j / Σw of every level."""
    levels = [field.levels for field in fields]
    weights = np.array([field.weight for field in fields])
    if weights.sum() <= 0 or (weights < 0).any():
        raise SluiceError("The weights of a search must be positive", mend="see `weights`")
    # A field of one leaf loses nothing; 0 keeps its 0/0 away.
    least = [1 / field.leaves if field.leaves > 1 else 0.0 for field in fields]
    weights = np.where(np.array(least) > 0, weights / weights.sum(), 0.0)
    return [0, *accumulate(levels)], np.repeat(least, levels), np.repeat(weights, levels)


def _grouped(keys: np.ndarray, space: int, as_it_is: bool = False) -> tuple[np.ndarray, int]:
    """Number rows of one key alike; ``as_it_is``: numbers may be missing, if not too many."""
    if as_it_is and space <= 4 * len(keys) + (1 << 16):
        return keys, space
    codes, uniques = pd.factorize(keys)
    return codes, len(uniques)


def _joined(table: ClassTable, node: Node, number: np.ndarray, rows: int) -> ClassTable:
    """Join the rows of a class table that have one number."""
    one = np.empty(rows, dtype=np.int64)
    one[number] = np.arange(len(number))
    records = np.bincount(number, weights=table.records, minlength=rows).astype(np.int64)
    some = _rows(table, one)
    return ClassTable(node, some.leaf, some.sensitive, records)


def _rows(table: ClassTable, rows: np.ndarray) -> ClassTable:
    return ClassTable(
        table.node,
        table.leaf.take(rows, axis=1),
        {name: codes[rows] for name, codes in table.sensitive.items()},
        table.records[rows],
    )
