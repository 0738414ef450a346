"""What each field costs in risk, what small change makes a table pass, and what risk buys in use.

Everything is counted or searched anew; no value of the table is in what is returned.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.tables.hierarchies import ALL
from sluice.tables.recode import Recoding
from sluice.tables.risk import Risk, prosecutor, summarise

Levels = Mapping[str, Sequence[Callable[[pd.Series], pd.Series]]]
Search = Callable[[Levels, float], Recoding]
"""Search of these ladders with at most this share of records suppressed; refuses as ``search``."""


def without_each(
    df: pd.DataFrame,
    quasi: Sequence[str],
    threshold: float,
    groups: Mapping[str, Collection[str]] | None = None,
) -> dict[str, Risk]:
    """Return the prosecutor's risk for somebody who does not know a field, for each field.

    Parameters
    ----------
    groups
        Name → fields that are left out together as well: where fields tell much the same, none of
        them alone costs anything.
    """
    left_out = {name: {name} for name in quasi} | {n: set(g) for n, g in (groups or {}).items()}
    return {
        name: summarise(prosecutor(df, [q for q in quasi if q not in gone]), threshold)
        for name, gone in left_out.items()
        if gone & set(quasi)
    }


@dataclass(frozen=True)
class Change:
    """One change of a recoding after which the rules hold.

    Parameters
    ----------
    kind
        ``coarser`` (one field on a coarser level), ``drop`` (one field not released at all) or
        ``suppress`` (more records removed).
    field, level
        Which field, and the place of its level; ``None`` where nothing is meant.
    suppressed
        Share of records that goes.
    loss
        Loss of the table then, 0 … 1 (see :mod:`sluice.tables.recode`).
    """

    kind: str
    field: str | None
    level: int | None
    suppressed: float
    loss: float


def smallest_changes(
    search: Search, ladders: Levels, node: Mapping[str, int] | None, limit: float
) -> list[Change]:
    """Return the single changes that make a table pass, the one that loses least first.

    Parameters
    ----------
    search
        The search with everything but ladders and limit decided.
    ladders
        Field → its levels, finest first.
    node
        A recoding to change; without one, every change is followed by a search over all levels.
    limit
        Largest share of records that may be suppressed.
    """
    fixed = ladders if node is None else {q: [ladders[q][node[q]]] for q in ladders}
    found = [_dropped(search, fixed, q, limit) for q in sorted(ladders)]
    if node is not None:
        found += [_coarser(search, fixed, ladders, node, q, limit) for q in sorted(ladders)]
    found.append(_suppressed(search, fixed))
    there = [change for change in found if change is not None]
    return sorted(there, key=lambda c: (round(c.loss, 9), c.suppressed, c.kind, c.field or ""))


def _dropped(search: Search, fixed: Levels, name: str, limit: float) -> Change | None:
    found = _tried(search, {**fixed, name: [_nothing]}, limit)
    return found and replace(found, kind="drop", field=name)


def _coarser(
    search: Search,
    fixed: Levels,
    ladders: Levels,
    node: Mapping[str, int],
    name: str,
    limit: float,
) -> Change | None:
    """The first coarser level of one field that passes."""
    for level in range(node[name] + 1, len(ladders[name])):
        found = _tried(search, {**fixed, name: [ladders[name][level]]}, limit)
        if found:
            return replace(found, kind="coarser", field=name, level=level)
    return None


def _suppressed(search: Search, fixed: Levels) -> Change | None:
    """As many records as must go from the coarsest of the levels that are given."""
    top = {name: [levels[-1]] for name, levels in fixed.items()}
    least = _tried(search, top, 1.0)
    if least is None or least.suppressed >= 1:
        return None
    return _tried(search, fixed, least.suppressed)


def _tried(search: Search, ladders: Levels, limit: float) -> Change | None:
    try:
        found = search(ladders, limit)
    except SluiceError:
        return None
    return Change("suppress", None, None, float(np.mean(found.suppressed)), found.loss)


def _nothing(values: pd.Series) -> pd.Series:
    return pd.Series(ALL, index=values.index, name=values.name, dtype=object)


@dataclass(frozen=True)
class Step:
    """The best recoding for one k: the largest risk is 1 / k or less."""

    k: int
    highest: float
    suppressed: float
    loss: float


def front(search: Callable[[int], Recoding], ks: Iterable[int]) -> list[Step]:
    """Return what is lost for each k that a recoding exists for: the front of risk and use."""
    steps = []
    for k in sorted(set(ks)):
        try:
            found = search(k)
        except SluiceError:
            continue
        sizes = np.bincount(found.classes[found.classes >= 0])
        if len(sizes):
            gone = float(np.mean(found.suppressed))
            steps.append(Step(k, 1 / int(sizes.min()), gone, found.loss))
    return steps
