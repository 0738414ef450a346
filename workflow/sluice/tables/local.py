"""Local recoding: single cells are made coarser, or removed, until every record is safe.

For controlled tiers only: which cells are changed depends on the data, and a full-domain recoding
that a person froze tells less (POLICY.md, decision 12).

A changed cell is a category of its own, as :mod:`sluice.tables.classes` counts (the strict mode),
so that every record is one of k that look the same. Nodes of the lattice of local levels are tried
from the cheapest to the dearest, among equals the one that saves most records first; each takes the
groups of k that the records still at risk form on it. Who is left in the end joins with as few
records of a class as are needed. The least number of cells is NP-hard to find (Meyerson and
Williams 2004).

The order of rows does not matter: records that are the same are treated the same, and which of them
a class gives goes by the table's index.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.tables.classes import column_codes, dense, mixed_radix, require_columns
from sluice.tables.models import Rules, contingency, kept_classes

Level = Callable[[pd.Series], pd.Series]
Coded = tuple[np.ndarray, int]

MOST_NODES = 2**18
"""More combinations of levels are refused."""

_DIGITS = 9  # costs that agree to this many decimals are a tie


def kept(values: pd.Series) -> pd.Series:
    """The level of a cell that stays as it is."""
    return values


def removed(values: pd.Series) -> pd.Series:
    """The level of a cell that is removed: missing."""
    return values.mask(np.ones(len(values), dtype=bool))


def on_places(values: pd.Series, levels: Mapping[int, Level], places: np.ndarray) -> pd.Series:
    """Return a column with each cell on a level of its own.

    Parameters
    ----------
    levels
        Place → level.
    places
        Shape (rows,): the place of each cell.
    """
    out = np.full(len(values), None, dtype=object)
    kinds = set()
    for place in np.unique(places):
        here, labels = places == place, levels[int(place)](values)
        out[here] = labels.to_numpy(dtype=object)[here]
        if not labels.isna().all():
            kinds.add(labels.dtype)
    column = pd.Series(out, index=values.index, name=values.name, dtype=object)
    if len(kinds) != 1:
        return column
    kind = kinds.pop()
    whole = pd.api.types.is_integer_dtype(kind) and column.isna().any()
    return column.astype("Int64" if whole else kind)


def costs_of(fields: Sequence[str], weights: Mapping[str, float] | None) -> np.ndarray:
    """Return what a removed cell of each field costs, shape (fields,): its weight, or 1."""
    costs = np.array([(weights or {}).get(name, 1.0) for name in fields], dtype=float)
    if not (costs > 0).all():
        raise SluiceError("The weight of a field must be positive", mend="see `weights`")
    return costs


def recode_cells(
    df: pd.DataFrame,
    levels: Mapping[str, Sequence[Level]],
    rules: Rules,
    weights: Mapping[str, float] | None = None,
) -> np.ndarray:
    """Choose a level for every cell so that every record is in a class that satisfies the rules.

    Parameters
    ----------
    levels
        Field → its levels, from how it is to :func:`removed`; a field of one level never changes.
        A step costs the field's weight divided by the number of steps.
    rules
        t and dominance compare with all records of the table. What is removed later changes that,
        see :func:`sluice.tables.recode.suppress`.
    weights
        Field → cost of a removed cell (default 1).

    Returns
    -------
    numpy.ndarray
        Shape (rows, fields) int64, fields in the order of ``levels``: the level of each cell. Who
        can be in no such class (too few are alike in the fields that never change, or no class can
        take their sensitive values) stays as they are, at risk.

    Raises
    ------
    SluiceError
        If a field is not in the table, or there are too many combinations of levels.
    """
    require_columns(df, [*levels, *rules.sensitive])
    fields = [_coded(df[name], steps) for name, steps in levels.items()]
    sensitive = {name: column_codes(df[name]) for name in rules.sensitive}
    shares = {s: np.bincount(c, minlength=r) / len(df) for s, (c, r) in sensitive.items()}
    places = np.zeros((len(df), len(fields)), dtype=np.int64)

    def safe(rows: np.ndarray, node: np.ndarray) -> np.ndarray:
        """Which of ``rows``, put on ``node`` (one, or one a row), form classes among themselves."""
        classes = _classes(fields, node, rows)
        tables = {s: contingency(classes, c[rows], radix) for s, (c, radix) in sensitive.items()}
        return kept_classes(np.bincount(classes), tables, rules, shares)[classes]

    everyone = np.arange(len(df))
    left = everyone[~safe(everyone, places)]
    step = costs_of(list(levels), weights) / [max(len(steps) - 1, 1) for steps in levels.values()]
    nodes = _nodes(levels, step)
    costs = np.round(nodes @ step, _DIGITS).tolist()
    waiting = [(cost, -len(left), place) for place, cost in enumerate(costs)]
    while waiting and len(left):
        cost, _, place = heappop(waiting)
        fits = safe(left, nodes[place])
        again = (cost, -int(fits.sum()), place)
        if waiting and again > waiting[0]:  # what others took cannot come back: a lazy greedy
            heappush(waiting, again)
            continue
        places[left[fits]] = nodes[place]
        left = left[~fits]
    order = np.argsort(df.index.astype(str).to_numpy(), kind="stable")
    kinds = _classes(fields, places, everyone)
    for kind in np.unique(kinds[left]):
        members = np.flatnonzero(kinds == kind)
        free = np.setdiff1d(everyone, left, assume_unique=True)
        found = _nearest(members, free, places, fields, nodes, step, rules.k)
        if found is None:
            continue
        node, rows = found
        givers = _givers(members, order[np.isin(order, rows)], node, places, safe, rules.k)
        if givers is not None:
            places[members] = places[givers] = node
            left = np.setdiff1d(left, members, assume_unique=True)
    return places


def _coded(values: pd.Series, levels: Sequence[Level]) -> Coded:
    """Codes of a field on each level, shape (levels, rows): what looks the same has one code."""
    labels = [level(values) for level in levels]
    codes, radix = column_codes(pd.concat([label.astype(object) for label in labels]))
    return codes.reshape(len(levels), len(values)), radix


def _classes(fields: Sequence[Coded], node: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Number what ``rows`` show on ``node`` (one, or one a row)."""
    shown = [(codes[node[..., j], rows], radix) for j, (codes, radix) in enumerate(fields)]
    return dense(*mixed_radix(shown, len(rows)))[0]


def _nodes(levels: Mapping[str, Sequence[Level]], step: np.ndarray) -> np.ndarray:
    """Every combination of local levels, shape (nodes, fields), cheapest first."""
    shape = [len(steps) for steps in levels.values()]
    if np.prod(shape, dtype=float) > MOST_NODES:
        raise SluiceError(
            "There are too many combinations of local levels to try",
            where=f"{len(shape)} fields, more than {MOST_NODES} combinations",
            mend="let fewer fields be changed locally, or give them fewer levels",
        )
    nodes = np.indices(shape).reshape(len(shape), -1).T
    return nodes[np.argsort(np.round(nodes @ step, _DIGITS), kind="stable")]


def _nearest(
    members: np.ndarray,
    free: np.ndarray,
    places: np.ndarray,
    fields: Sequence[Coded],
    nodes: np.ndarray,
    step: np.ndarray,
    k: int,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Find the node on which ``members``, who are all the same, join a class at the least cost.

    The class, of rows of ``free``, gives as many rows as they lack to k; all of its rows where too
    few would stay. Returns the node and the class's rows; ``None`` where no class can be joined.
    """
    classes = _classes(fields, places[free], free)
    sizes = np.bincount(classes)
    given = np.where(sizes >= 2 * k - len(members), k - len(members), sizes).clip(0)
    paid = given * np.bincount(classes, weights=places[free] @ step) / sizes
    best: tuple[float, np.ndarray, int] | None = None
    for node in nodes:
        cost = float(node @ step)
        if best is not None and cost * len(members) >= best[0]:
            break
        alike = np.arange(len(free))
        for (codes, _), place in zip(fields, node, strict=True):
            alike = alike[codes[place, free[alike]] == codes[place, members[0]]]
        alike = alike[(places[free[alike]] <= node).all(axis=1)]
        whole = np.bincount(classes[alike], minlength=len(sizes)) == sizes
        total = np.where(whole, np.round(cost * (given + len(members)) - paid, _DIGITS), np.inf)
        if whole.any() and (best is None or total.min() < best[0]):
            best = float(total.min()), node, int(total.argmin())
    return None if best is None else (best[1], free[classes == best[2]])


def _givers(
    members: np.ndarray,
    rows: np.ndarray,
    node: np.ndarray,
    places: np.ndarray,
    safe: Callable[[np.ndarray, np.ndarray], np.ndarray],
    k: int,
) -> np.ndarray | None:
    """The first of a class's ``rows`` that make a class with ``members`` and leave one behind.

    About the fewest: the number grows by a quarter a time. Else all of them, if these make a class,
    else ``None``.
    """
    count = max(k - len(members), 1)
    while count < len(rows):
        joined, stay = np.concatenate([members, rows[:count]]), rows[count:]
        if safe(joined, node).all() and safe(stay, places[stay]).all():
            return rows[:count]
        count += max(count // 4, 1)
    return rows if safe(np.concatenate([members, rows]), node).all() else None
