"""Full-domain recoding: the node of the generalisation lattice that loses least, and suppression.

Loss of a table (ARX's Loss metric with the geometric mean; Prasser and Kohlmayer 2015): a record's
share in a field is the part of the field's D leaf values that its label covers, and 1 where the
record is suppressed. With a_j the mean share of field j over all records,

    L_j = (a_j − 1/D_j) / (1 − 1/D_j),      loss = Π_j (1 + L_j)^(w_j / Σw) − 1.

Without suppression a_j depends on one field only, so every node has a cheap lower bound, which
never falls on the way up. The search takes nodes by that bound and stops when it passes the best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.tables.classes import dense, encode
from sluice.tables.lattice import Lattice, Level, on_level
from sluice.tables.models import Rules, kept_classes, tabulate

_DIGITS = 12  # losses that agree to this many decimals are a tie


@dataclass(frozen=True)
class Recoding:
    """The chosen node and what it does to the table it was chosen on.

    Parameters
    ----------
    node
        Field → place in its list of levels.
    loss
        0 (nothing lost) … 1 (nothing left).
    suppressed
        Shape (rows,), bool.
    classes
        Shape (rows,), int64: class of each kept record, numbered from 0; −1 where suppressed.
    """

    node: dict[str, int]
    loss: float
    suppressed: np.ndarray
    classes: np.ndarray


def search(
    df: pd.DataFrame,
    hierarchies: Mapping[str, Sequence[Level]],
    k: int,
    l_by_sensitive: Mapping[str, int] | None = None,
    t_by_sensitive: Mapping[str, float] | None = None,
    dominant: float | None = None,
    max_suppression: float = 0.0,
    weights: Mapping[str, float] | None = None,
    *,
    margin: float = 0.10,
    domains: Mapping[str, Sequence[object]] | None = None,
) -> Recoding:
    """Find the node of least loss whose classes, after suppression, all satisfy the rules.

    Parameters
    ----------
    df
        One row a participant.
    hierarchies
        Field → its levels, finest first, each a function of the one before.
    k, l_by_sensitive, t_by_sensitive, dominant, margin
        See :class:`sluice.tables.models.Rules`.
    max_suppression
        Largest share of records that may be removed.
    weights
        Field → w_j (default 1): a field of more weight is generalised later.
    domains
        Field → all values that it may take (default: those of ``df``): the leaves of the loss.
        With a domain from the policy the loss does not depend on which values happen to occur.

    Returns
    -------
    Recoding
        Ties go to the lower sum of levels, then to the node that comes first with the fields
        sorted by name.

    Raises
    ------
    SluiceError
        If levels do not nest, a value is outside its domain, the lattice is too large, or no node
        satisfies the rules.
    """
    rules = Rules(k, l_by_sensitive or {}, t_by_sensitive or {}, dominant, margin)
    lattice = Lattice(df, hierarchies, rules, weights or {}, domains or {})
    allowed = int(np.floor(max_suppression * len(df) + 1e-9))
    best = _best_node(lattice, allowed)
    if best is None:
        raise SluiceError(
            "No recoding satisfies the rules within the permitted suppression",
            where=f"{len(df)} records, {len(hierarchies)} fields, k={k}",
            mend="drop a quasi-identifier or a sensitive field, or add coarser levels",
        )
    kept = lattice.kept(best, rules)[lattice.row]
    classes = np.full(len(df), -1, dtype=np.int64)
    classes[kept], _ = dense(*lattice.keys(best, lattice.row[kept]))
    return Recoding(
        node=dict(zip([f.name for f in lattice.fields], map(int, best), strict=True)),
        loss=lattice.loss(best, rules),
        suppressed=~kept,
        classes=classes,
    )


def apply_node(
    df: pd.DataFrame, node: Mapping[str, int], hierarchies: Mapping[str, Sequence[Level]]
) -> pd.DataFrame:
    """Return the table with each field of ``node`` on its level; other columns stay."""
    out = df.copy()
    for name, place in sorted(node.items()):
        out[name] = on_level(df[name], hierarchies[name][place])
    return out


def suppress(
    df: pd.DataFrame,
    quasi: Sequence[str],
    k: int,
    l_by_sensitive: Mapping[str, int] | None = None,
    t_by_sensitive: Mapping[str, float] | None = None,
    dominant: float | None = None,
    *,
    margin: float = 0.10,
) -> np.ndarray:
    """Return which rows, shape (rows,) bool, may stay so that every class satisfies the rules.

    ``df`` is already recoded and has one row a participant; a participant who goes, goes from
    every modality of the tier. Whole classes are removed, again and again until the remaining ones
    satisfy the rules against the remaining cohort. See :class:`sluice.tables.models.Rules`.
    """
    rules = Rules(k, l_by_sensitive or {}, t_by_sensitive or {}, dominant, margin)
    classes, sizes = encode(df, quasi)
    tables = {name: tabulate(df, quasi, name) for name in rules.sensitive}
    return kept_classes(sizes, tables, rules)[classes]


def _best_node(lattice: Lattice, allowed: int) -> tuple[int, ...] | None:
    """Visit nodes by lower bound; skip all that are known to suppress too many records."""
    bounds = lattice.bounds()
    known = np.zeros(bounds.shape, dtype=np.int8)  # −1 too many suppressed, 1 not, 0 not known
    best: tuple[float, int, tuple[int, ...]] | None = None
    for place in np.argsort(bounds, axis=None, kind="stable"):
        node = tuple(int(i) for i in np.unravel_index(place, bounds.shape))
        if best is not None and round(bounds[node], _DIGITS) > best[0]:
            break
        if known[node] == 0:
            _settle(lattice, allowed, bounds, known, node)
        if known[node] < 0 or lattice.removed(node, lattice.rules) > allowed:
            continue
        candidate = (round(lattice.loss(node, lattice.rules), _DIGITS), sum(node), node)
        best = candidate if best is None else min(best, candidate)
    return None if best is None else best[2]


def _settle(
    lattice: Lattice,
    allowed: int,
    bounds: np.ndarray,
    known: np.ndarray,
    node: tuple[int, ...],
) -> None:
    """Learn whether ``node`` suppresses too many, and as much as possible about others.

    Follows the cheapest chain from ``node`` to the top and halves it: below a node that suppresses
    too many all do, above one that does not none does (Kohlmayer and others 2012, Flash).
    """
    rules = lattice.rules if allowed == 0 else lattice.rules.without_reference()
    chain = _chain(bounds, node)
    low, high = 0, len(chain)
    while low < high:
        middle = (low + high) // 2
        here = chain[middle]
        if known[here] == 0:
            too_many = lattice.removed(here, rules) > allowed
            down, up = tuple(slice(i + 1) for i in here), tuple(slice(i, None) for i in here)
            known[down if too_many else up] = -1 if too_many else 1
        low, high = (middle + 1, high) if known[here] < 0 else (low, middle)


def _chain(bounds: np.ndarray, node: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Nodes from ``node`` to the top, each the successor with the lowest bound."""
    chain = [node]
    while True:
        above = [
            (*chain[-1][:j], level + 1, *chain[-1][j + 1 :])
            for j, level in enumerate(chain[-1])
            if level + 1 < bounds.shape[j]
        ]
        if not above:
            return chain
        chain.append(min(above, key=lambda successor: bounds[successor]))
