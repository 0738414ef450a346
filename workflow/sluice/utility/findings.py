"""What an analyst finds in a table of expression: the things that a release should leave findable.

A table is rows x features (logarithms) with one label a row. A row is a donor, or a group of
donors whose mean was published. Every finding is made the same way on raw and on released tables.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from sluice.errors import SluiceError

#: Rows of each label that a test, a correlation or a classifier needs.
FEWEST_ROWS = 5
#: False discovery rate at which a gene counts as differentially expressed.
FALSE_DISCOVERIES = 0.05
#: Genes of each label that count as its markers.
MARKERS = 20


@dataclass(frozen=True)
class Table:
    """Expression with labels.

    Parameters
    ----------
    values
        Rows x features, logarithms.
    features
        Names of the columns.
    labels
        One a row: what is contrasted.
    weights
        Donors behind each row; one each unless given.
    """

    values: np.ndarray
    features: tuple[str, ...]
    labels: np.ndarray
    weights: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.labels), len(self.features)):
            raise SluiceError(
                "A table needs one name a column and one label a row", where="expression table"
            )

    def rows(self, chosen: np.ndarray) -> Table:
        """Return the chosen rows (mask or numbers)."""
        weights = None if self.weights is None else self.weights[chosen]
        return Table(self.values[chosen], self.features, self.labels[chosen], weights)

    def columns(self, chosen: Sequence[int] | np.ndarray) -> Table:
        """Return the chosen columns (numbers)."""
        features = tuple(self.features[number] for number in chosen)
        return Table(self.values[:, chosen], features, self.labels, self.weights)

    @property
    def is_testable(self) -> bool:
        """Tell whether each of at least two labels has enough rows for a test."""
        _, counts = np.unique(self.labels, return_counts=True)
        return len(counts) > 1 and int(counts.min()) >= FEWEST_ROWS


def changes(table: Table, labels: Sequence[str]) -> np.ndarray:
    """Return the log fold changes: contrasts x features.

    A contrast is a label against all other rows, rows weighted by their donors; of two labels the
    second against the first, once. A contrast of which one side has no row is zero: whoever sees
    nothing must assume that nothing changes.
    """
    weights = np.ones(len(table.values)) if table.weights is None else table.weights.astype(float)
    out = np.zeros((len(_contrasts(labels)), len(table.features)))
    for number, label in enumerate(_contrasts(labels)):
        inside = table.labels == label
        if inside.any() and not inside.all():
            one, rest = (
                np.average(table.values[side], axis=0, weights=weights[side])
                for side in (inside, ~inside)
            )
            out[number] = one - rest
    return out


def differential(table: Table, labels: Sequence[str]) -> np.ndarray:
    """Return which features differ: contrasts x features, Welch's t test.

    P values of each contrast are corrected after Benjamini and Hochberg 1995.
    """
    found = np.zeros((len(_contrasts(labels)), len(table.features)), dtype=bool)
    varied = np.ptp(table.values, axis=0) > 0
    for number, label in enumerate(_contrasts(labels)):
        inside = table.labels == label
        one, rest = table.values[inside][:, varied], table.values[~inside][:, varied]
        if min(len(one), len(rest)) < 2 or not varied.any():
            continue
        with warnings.catch_warnings():
            # SciPy warns of a feature that is constant in one label; the test is defined for it.
            warnings.simplefilter("ignore", RuntimeWarning)
            p = np.asarray(stats.ttest_ind(one, rest, axis=0, equal_var=False).pvalue)
        p = np.where(np.isfinite(p), p, 1.0)
        found[number, varied] = stats.false_discovery_control(p) <= FALSE_DISCOVERIES
    return found


def markers(found: np.ndarray, count: int = MARKERS) -> np.ndarray:
    """Return which features are a contrast's largest changes: contrasts x features.

    ``found`` is what :func:`changes` returns. A feature without a change is never a marker.
    """
    out = np.zeros(found.shape, dtype=bool)
    for number, row in enumerate(np.abs(found)):
        top = np.argsort(-row, kind="stable")[:count]
        out[number, top[row[top] > 0]] = True
    return out


def coexpression(table: Table, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the correlation over rows of each pair of columns (``left[i]``, ``right[i]``).

    Each label's mean is taken out first, so that a difference between labels is no correlation.
    A pair with a constant column has none: zero.
    """
    genes, place = np.unique(np.concatenate([left, right]), return_inverse=True)
    inside = table.values[:, genes].astype(float)
    for label in np.unique(table.labels):
        rows = table.labels == label
        inside[rows] -= inside[rows].mean(axis=0)
    lengths = np.linalg.norm(inside, axis=0)
    one, two = place[: len(left)], place[len(left) :]
    products = np.einsum("ij,ij->j", inside[:, one], inside[:, two])
    sizes = lengths[one] * lengths[two]
    return np.divide(products, sizes, out=np.zeros(len(left)), where=sizes > 1e-9)


def row_correlations(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return the Pearson correlation of each row with the same row of the other; 0 if constant."""
    a, b = (m - m.mean(axis=1, keepdims=True) for m in (one, two))
    sizes = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.divide((a * b).sum(axis=1), sizes, out=np.zeros(len(a)), where=sizes > 0)


def _contrasts(labels: Sequence[str]) -> Sequence[str]:
    return labels[1:] if len(labels) == 2 else labels
