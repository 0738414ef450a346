"""Cell suppression: single cells are removed until every record is one of k.

For controlled tiers only (POLICY.md, decision 12). Two modes:

*Strict* (the default): a removed cell is a category of its own, see :mod:`sluice.tables.local`.

*Wildcard*: a removed cell matches anything, as tools of official statistics count (Templ, Kowarik
and Meindl 2015). The promise is weak: four rows without any cell make every table 5-anonymous in
this sense. So only rows at risk lose cells, and what a row keeps is shared by k rows of the table
as it was. Two passes over the frequency tables of subsets of the fields:

1. each row at risk finds the cheapest cells without which k rows share the others, among equals
   those that most rows at risk share;
2. from the most costly choice to the cheapest, rows that the cells removed so far have made safe
   are spared; of the others the neediest go first.

Rows that are the same are treated the same, so the order of rows does not matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Literal

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.tables.classes import column_codes, dense, mixed_radix, require_columns
from sluice.tables.local import MOST_NODES, Coded, costs_of, kept, recode_cells, removed
from sluice.tables.models import Rules

_DIGITS = 9  # costs that agree to this many decimals are a tie


def suppress_cells(
    df: pd.DataFrame,
    quasi: Sequence[str],
    k: int,
    *,
    mode: Literal["strict", "wildcard"] = "strict",
    weights: Mapping[str, float] | None = None,
) -> np.ndarray:
    """Choose cells to remove until every record is one of k.

    Parameters
    ----------
    quasi
        Fields whose cells may go.
    mode
        See the module. In both a value that is missing before is a category of its own.
    weights
        Field → cost of a cell (default 1): cells of more weight stay longer.

    Returns
    -------
    numpy.ndarray
        Shape (rows, fields) bool, fields in the order of ``quasi``: which cells are to be removed.

    Raises
    ------
    SluiceError
        If the table has fewer than k records, a field is not in it, or there are too many fields.
    """
    require_columns(df, quasi)
    if len(df) < k or not quasi:
        raise SluiceError(
            "Cells can be suppressed only where there are k records and a field to remove",
            where=f"{len(df)} records, {len(quasi)} fields, k={k}",
        )
    if mode == "wildcard":
        return _wildcard(df, quasi, k, costs_of(quasi, weights))
    places = recode_cells(df, {name: [kept, removed] for name in quasi}, Rules(k), weights)
    return (places > 0) & df[list(quasi)].notna().to_numpy()


def _wildcard(df: pd.DataFrame, quasi: Sequence[str], k: int, costs: np.ndarray) -> np.ndarray:
    """Both passes over the distinct rows; returns the cells of all rows."""
    columns = [column_codes(df[name]) for name in quasi]
    row, count = dense(*mixed_radix(columns, len(df)))
    first = np.empty(count, dtype=np.int64)
    first[row] = np.arange(len(df))
    distinct = [(codes[first], radix) for codes, radix in columns]
    records = np.bincount(row, minlength=count)
    subsets = _subsets(costs)
    choice = _choices(distinct, records, k, subsets)
    cells = _spared(distinct, records, k, [keep for _, keep in subsets], choice)
    return cells[row] & df[list(quasi)].notna().to_numpy()


def _subsets(costs: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Every set of fields to keep, (fields,) bool, and what the others cost; cheapest first."""
    if 2 ** len(costs) > MOST_NODES:
        raise SluiceError(
            "There are too many fields to look at all their subsets",
            where=f"{len(costs)} fields",
            mend="suppress cells of fewer fields",
        )
    kept_fields = [np.array(keep) for keep in product([True, False], repeat=len(costs))]
    priced = [(round(float(costs @ ~keep), _DIGITS), keep) for keep in kept_fields]
    return sorted(priced, key=lambda subset: subset[0])


def _groups(distinct: Sequence[Coded], keep: np.ndarray) -> np.ndarray:
    columns = [column for column, stays in zip(distinct, keep, strict=True) if stays]
    return dense(*mixed_radix(columns, len(distinct[0][0])))[0]


def _choices(
    distinct: Sequence[Coded],
    records: np.ndarray,
    k: int,
    subsets: Sequence[tuple[float, np.ndarray]],
) -> np.ndarray:
    """First pass: place in ``subsets`` of what each distinct row keeps; −1 where it is safe."""
    risk = records < k
    choice = np.full(len(records), -1, dtype=np.int64)
    least = np.where(risk, np.inf, -np.inf)
    most = np.zeros(len(records))
    for place, (cost, keep) in enumerate(subsets):
        if (least < cost).all():
            break
        groups = _groups(distinct, keep)
        frequency = np.bincount(groups, weights=records)[groups]
        peers = np.bincount(groups, weights=records * risk)[groups]
        better = (frequency >= k) & ((cost < least) | ((cost == least) & (peers > most)))
        choice[better], least[better], most[better] = place, cost, peers[better]
    return choice


def _spared(
    distinct: Sequence[Coded],
    records: np.ndarray,
    k: int,
    subsets: Sequence[np.ndarray],
    choice: np.ndarray,
) -> np.ndarray:
    """Second pass: cells to remove, (distinct rows, fields) bool, without those not needed now."""
    cells = np.zeros((len(records), len(distinct)), dtype=bool)
    matches = records.copy()
    for place in sorted(set(choice[choice >= 0]), reverse=True):
        groups = _groups(distinct, subsets[place])
        members = np.flatnonzero(choice == place)
        wild: defaultdict[int, int] = defaultdict(int)
        hit = []
        for row in members[np.argsort(matches[members], kind="stable")]:
            if matches[row] + wild[groups[row]] < k:
                wild[groups[row]] += records[row]
                hit.append(row)
        cells[hit] = ~subsets[place]
        # A row that lost cells matches all that share the others; its own kind lost them too.
        wildcards = np.bincount(groups[hit], weights=records[hit], minlength=len(records))
        matches += wildcards.astype(np.int64)[groups]
    return cells
