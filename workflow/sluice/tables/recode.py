"""Full-domain recoding: the node of the generalisation lattice that loses least, and suppression.

Loss of a table (ARX's Loss metric with the geometric mean; Prasser and Kohlmayer 2015): a record's
share in a field is the part of the field's D leaf values that its label covers, and 1 where the
record is suppressed. With a_j the mean share of field j over all records,

    L_j = (a_j − 1/D_j) / (1 − 1/D_j),      loss = Π_j (1 + L_j)^(w_j / Σw) − 1.

The search for the least loss is :mod:`sluice.tables.boxes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.tables.boxes import least_loss
from sluice.tables.classes import encode
from sluice.tables.fields import Level, on_level
from sluice.tables.lattice import Lattice
from sluice.tables.models import Rules, kept_classes, tabulate

EFFORT = 1_000_000_000
"""Rows of class tables that a search reads before it stops with a gap: a minute or two."""


@dataclass(frozen=True)
class Recoding:
    """The chosen node and what it does to the table it was chosen on.

    Parameters
    ----------
    node
        Field → place in its list of levels.
    loss
        0 (nothing lost) … 1 (nothing left).
    bound
        No permitted node loses less; equal to ``loss`` where the node is proven optimal.
    suppressed
        Shape (rows,), bool.
    classes
        Shape (rows,), int64: class of each kept record, numbered from 0; −1 where suppressed.
    """

    node: dict[str, int]
    loss: float
    bound: float
    suppressed: np.ndarray
    classes: np.ndarray

    @property
    def gap(self) -> float:
        """How much better a node could be that was not looked at; 0 where there is none."""
        return self.loss - self.bound


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
    effort: int = EFFORT,
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
    effort
        How many rows of class tables to read at most (a node counts at least 10,000). The same for
        every machine, so the result is too.

    Returns
    -------
    Recoding
        Ties go to the lower sum of levels, then to the node that comes first with the fields
        sorted by name.

    Raises
    ------
    SluiceError
        If levels do not nest, a value is outside its domain, or no node satisfies the rules.
    """
    rules = Rules(k, l_by_sensitive or {}, t_by_sensitive or {}, dominant, margin)
    lattice = Lattice(df, hierarchies, rules.sensitive, weights or {}, domains or {})
    allowed = int(np.floor(max_suppression * len(df) + 1e-9))
    found = least_loss(lattice, rules, allowed, effort)
    if found is None:
        raise SluiceError(
            "No recoding satisfies the rules within the permitted suppression",
            where=f"{len(df)} records, {len(hierarchies)} fields, k={k}",
            mend="drop a quasi-identifier or a sensitive field, or add coarser levels",
        )
    rows = lattice.kept(lattice.bottom, found.node, rules)
    kept = rows[lattice.row]
    number = np.full(len(rows), -1, dtype=np.int64)
    number[rows] = lattice.numbered(found.node, np.flatnonzero(rows))
    loss = lattice.look(lattice.bottom, found.node, rules).loss(found.node)
    return Recoding(
        node={field.name: level for field, level in zip(lattice.fields, found.node, strict=True)},
        loss=loss,
        bound=min(found.bound, loss),
        suppressed=~kept,
        classes=number[lattice.row],
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
