"""Models of what a class tells about its members: k, l-diversity, t-closeness, dominance.

Those that need an order, a tree or a population are in :mod:`sluice.tables.closeness`.

All take a class's distribution over the values of one sensitive column. A missing value is a
category of its own in every distribution, but never counts as a value that hides another one.

Sources: Sweeney 2002 (k-anonymity); Machanavajjhala and others 2007 (l-diversity); Li, Li and
Venkatasubramanian 2007 (t-closeness and both earth mover's distances).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.tables.classes import MISSING, column_codes, dense, encode, require_columns

_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Contingency:
    """Counts of sensitive values in classes; only the pairs that occur.

    Parameters
    ----------
    sizes
        Records in each class, shape (C,).
    classes, values, counts
        One entry for each pair that occurs: its class, its value's code, its records.
    radix
        Number of value codes.
    """

    sizes: np.ndarray
    classes: np.ndarray
    values: np.ndarray
    counts: np.ndarray
    radix: int

    @property
    def shares(self) -> np.ndarray:
        """Share of each pair's value in its class."""
        return self.counts / self.sizes[self.classes]

    def reference(self, kept: np.ndarray | None = None) -> np.ndarray:
        """Distribution over the values, shape (radix,), in the ``kept`` classes (default: all)."""
        counts = self.counts if kept is None else self.counts * kept[self.classes]
        totals = np.bincount(self.values, weights=counts, minlength=self.radix)
        return totals / max(totals.sum(), 1)


def contingency(
    classes: np.ndarray, values: np.ndarray, radix: int, weights: np.ndarray | None = None
) -> Contingency:
    """Count coded ``values`` in ``classes`` (0 … C − 1); a row stands for ``weights`` records."""
    count = int(classes.max()) + 1 if len(classes) else 0
    weights = np.ones(len(classes), dtype=np.int64) if weights is None else weights
    pairs, found = dense(classes * radix + values, count * radix)
    first = np.empty(found, dtype=np.int64)
    first[pairs] = np.arange(len(pairs))
    return Contingency(
        sizes=_sums(classes, weights, count),
        classes=classes[first],
        values=values[first],
        counts=_sums(pairs, weights, found),
        radix=radix,
    )


def _sums(index: np.ndarray, weights: np.ndarray, length: int) -> np.ndarray:
    return np.bincount(index, weights=weights, minlength=length).astype(np.int64)


def tabulate(df: pd.DataFrame, quasi: Sequence[str], sensitive: str) -> Contingency:
    """Count the values of ``sensitive`` in the classes of ``quasi``."""
    require_columns(df, [sensitive])
    classes, _ = encode(df, quasi)
    return contingency(classes, *column_codes(df[sensitive]))


def distinct_l(table: Contingency) -> np.ndarray:
    """Distinct l of each class, shape (C,): different values that are not missing."""
    known = table.classes[table.values != MISSING]
    return np.bincount(known, minlength=len(table.sizes))


def entropy_l(table: Contingency) -> np.ndarray:
    """Entropy l of each class, shape (C,): exp of the Shannon entropy; 1 for a single value."""
    shares = table.shares
    entropy = np.bincount(
        table.classes, weights=-shares * np.log(shares), minlength=len(table.sizes)
    )
    return np.exp(entropy)


def recursive_c(table: Contingency, least: int) -> np.ndarray:
    """Smallest c of recursive (c, l)-diversity of each class, shape (C,); l is ``least``.

    r_1 / (r_l + … + r_m), r_i being the counts of the values that are not missing, the commonest
    first: the model asks that it is below c. Infinite where a class has fewer than l values.
    """
    known = table.values != MISSING
    classes, counts = table.classes[known], table.counts[known]
    order = np.lexsort((-counts, classes))
    classes, counts = classes[order], counts[order]
    place = np.arange(len(classes)) - np.searchsorted(classes, classes, side="left")
    first, rest = np.zeros(len(table.sizes)), np.zeros(len(table.sizes))
    first[classes[place == 0]] = counts[place == 0]
    np.add.at(rest, classes[place >= least - 1], counts[place >= least - 1])
    return np.divide(first, rest, out=np.full(len(rest), np.inf), where=rest > 0)


def dominance(table: Contingency) -> np.ndarray:
    """Share of the commonest value in each class, shape (C,)."""
    largest = np.zeros(len(table.sizes))
    np.maximum.at(largest, table.classes, table.shares)
    return largest


def equal_distance(table: Contingency, reference: np.ndarray | None = None) -> np.ndarray:
    """Earth mover's distance with equal ground distance from ``reference``, shape (C,).

    Half the sum of absolute differences, which equals the sum of the excesses; only values that
    occur in a class can exceed. ``reference`` defaults to the distribution over all classes.
    """
    reference = table.reference() if reference is None else reference
    excess = np.maximum(table.shares - reference[table.values], 0)
    return np.bincount(table.classes, weights=excess, minlength=len(table.sizes))


@dataclass(frozen=True)
class Rules:
    """What every class must satisfy.

    Parameters
    ----------
    k
        Fewest records in a class.
    distinct
        Sensitive column → fewest distinct values that are not missing.
    t
        Sensitive column → largest equal-distance earth mover's distance from all kept records.
    dominant
        Largest share of one value of a sensitive column (one named in ``distinct`` or ``t``) in a
        class, or ``None``.
    margin
        A larger share passes within this of the value's share in all kept records: where most of
        the cohort has a value, a class that has it tells nothing.
    """

    k: int
    distinct: Mapping[str, int] = field(default_factory=dict)
    t: Mapping[str, float] = field(default_factory=dict)
    dominant: float | None = None
    margin: float = 0.10

    @property
    def sensitive(self) -> list[str]:
        """The sensitive columns that a rule names, sorted."""
        return sorted({*self.distinct, *self.t})

    def without_reference(self) -> Rules:
        """Only the rules that a class satisfies whatever the others hold: k and distinct l.

        Joining a class that satisfies them with any other class satisfies them too.
        """
        return Rules(self.k, self.distinct)


def kept_classes(
    sizes: np.ndarray,
    tables: Mapping[str, Contingency],
    rules: Rules,
    references: Mapping[str, np.ndarray] | None = None,
) -> np.ndarray:
    """Return which classes, shape (C,) bool, remain when every failing class is removed.

    Removing classes changes the cohort that t and dominance compare with, so the rules are applied
    again until all remaining classes satisfy them against the remaining records. Distributions in
    ``references`` (sensitive column → shares of its values) are compared with instead.
    """
    kept = sizes >= rules.k
    for name, least in rules.distinct.items():
        kept &= distinct_l(tables[name]) >= least
    while True:
        failing = _failing(tables, rules, kept, references)
        if not failing.any():
            return kept
        kept &= ~failing


def _failing(
    tables: Mapping[str, Contingency],
    rules: Rules,
    kept: np.ndarray,
    references: Mapping[str, np.ndarray] | None,
) -> np.ndarray:
    """Kept classes that break t or dominance against the kept records, or given references."""
    failing = np.zeros_like(kept)
    for name in rules.sensitive:
        table = tables[name]
        reference = references[name] if references else table.reference(kept)
        if name in rules.t:
            failing |= equal_distance(table, reference) > rules.t[name] + _TOLERANCE
        if rules.dominant is not None:
            allowed = np.maximum(rules.dominant, reference + rules.margin)
            over = table.shares > allowed[table.values] + _TOLERANCE
            failing[table.classes[over]] = True
    return failing & kept


def measure(df: pd.DataFrame, quasi: Sequence[str], sensitive: Sequence[str]) -> dict[str, float]:
    """Return the table's worst class under each model, for reports.

    Keys: ``k``, ``classes``, and for each sensitive column ``<column>.distinct_l``, ``.entropy_l``,
    ``.t``, ``.dominance``.

    Raises
    ------
    SluiceError
        If the table has no record.
    """
    if df.empty:
        raise SluiceError("A table without records has no classes", mend="nothing is to be judged")
    _, sizes = encode(df, quasi)
    found = {"k": float(sizes.min()), "classes": float(len(sizes))}
    for name in sensitive:
        table = tabulate(df, quasi, name)
        found[f"{name}.distinct_l"] = float(distinct_l(table).min())
        found[f"{name}.entropy_l"] = float(entropy_l(table).min())
        found[f"{name}.t"] = float(equal_distance(table).max())
        found[f"{name}.dominance"] = float(dominance(table).max())
    return found
