"""Synthetic rows, drawn from counts that were already measured.

Fields form a fixed tree; each edge is a measured two-way table. Whoever holds the sealed counts
could draw these rows: nothing more is spent and nothing more is told.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sluice.dp.plans import CountsPlan
from sluice.errors import SluiceError
from sluice.ledger.spends import Answer

Counts = dict[tuple[str, ...], NDArray[np.float64]]


def sample_rows(
    plan: CountsPlan,
    answer: Answer,
    tree: Sequence[tuple[str, str]],
    key: bytes,
    *,
    rounding: int,
) -> pd.DataFrame:
    """Return synthetic rows with the tree's fields, in the order of the plan's domain.

    Parameters
    ----------
    plan, answer
        The measured counts.
    tree
        Edges (parent, child) from the root outwards. Each pair is a two-way table of the plan.
    key
        With the sealed answer it fixes the draw: the same answer gives the same rows.
    rounding
        The number of rows is the noisy total rounded to this, never the true number.

    Raises
    ------
    SluiceError
        If an edge has no table, or the edges are no tree.
    """
    _require_tree(plan, tree)
    counts = _tables(plan, answer)
    seed = hmac.new(key, b"synthetic rows" + answer.seal.encode(), hashlib.sha256).digest()
    random = np.random.Generator(np.random.PCG64(int.from_bytes(seed, "big")))
    size = max(0, round(_total(counts) / rounding)) * rounding
    root = tree[0][0]
    columns = {root: _pick(np.tile(_shares(_marginal(plan, counts, root)), (size, 1)), random)}
    for parent, child in tree:
        conditional = _conditional(plan, counts, parent, child)
        columns[child] = _pick(conditional[columns[parent]], random)
    return pd.DataFrame(
        {
            name: np.array(plan.domain[name], dtype=object)[columns[name]]
            for name in plan.domain
            if name in columns
        }
    )


def _require_tree(plan: CountsPlan, tree: Sequence[tuple[str, str]]) -> None:
    reached = {tree[0][0]} if tree else set()
    for parent, child in tree:
        known = (parent, child) in plan.tables or (child, parent) in plan.tables
        if not known or parent not in reached or child in reached:
            break
        reached.add(child)
    else:
        if tree:
            return
    raise SluiceError(
        "Synthetic rows need a tree of measured two-way tables",
        where=plan.query,
        mend="list each field once, after its parent",
    )


def _tables(plan: CountsPlan, answer: Answer) -> Counts:
    """Return each table's noisy counts, shaped by its fields."""
    tables, start = {}, 0
    for names in plan.tables:
        size = len(plan.cells(names))
        shape = [len(plan.domain[name]) for name in names]
        tables[names] = np.array(answer.values[start : start + size]).reshape(shape)
        start += size
    return tables


def _total(counts: Counts) -> float:
    """Return the noisy number of participants: all tables' totals, weighted by 1 / cells.

    A total sums one noise a cell, so its variance grows with the cells.
    """
    weights = np.array([1 / table.size for table in counts.values()])
    totals = np.array([table.sum() for table in counts.values()])
    return float((weights * totals).sum() / weights.sum())


def _marginal(plan: CountsPlan, counts: Counts, name: str) -> NDArray[np.float64]:
    """Return one field's noisy counts from the smallest table that holds it."""
    names = min((table for table in plan.tables if name in table), key=lambda t: counts[t].size)
    others = tuple(axis for axis, other in enumerate(names) if other != name)
    return np.asarray(counts[names].sum(axis=others), dtype=np.float64)


def _conditional(plan: CountsPlan, counts: Counts, parent: str, child: str) -> NDArray[np.float64]:
    """Return P(child | parent), one row a category of the parent.

    A parent's category without any positive cell takes the child's own shares.
    """
    joint = counts.get((parent, child))
    if joint is None:
        joint = counts[(child, parent)].T
    fallback = _shares(_marginal(plan, counts, child))
    return np.array([_shares(row) if (row > 0).any() else fallback for row in joint])


def _shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return counts as shares: negative ones are none; if all are, every category is equal."""
    positive = np.maximum(counts, 0.0)
    if positive.sum() <= 0:
        positive = np.ones_like(positive)
    return np.asarray(positive / positive.sum(), dtype=np.float64)


def _pick(shares: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.int64]:
    """Draw one category a row by inverting the cumulative shares.

    Only ``random()`` is used, whose stream NumPy keeps stable across versions.
    """
    cumulative = np.cumsum(shares, axis=1)
    uniform = random.random(len(shares))[:, None] * cumulative[:, -1:]
    return np.asarray((uniform >= cumulative[:, :-1]).sum(axis=1), dtype=np.int64)
