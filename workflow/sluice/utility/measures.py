"""Utility of released expression: whether other, real donors bear out what the release says.

Each measure compares what an analyst finds in the release with what is found in raw values of
donors who are not in it (the yardstick). Its ceiling is the same comparison for the raw values of
the released donors, real against real: no release of these donors can be expected above it. Bounds
are those of drawing the yardstick's donors anew, within their labels; one-sided, 95 %.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats
from sklearn.linear_model import LogisticRegression

from sluice.errors import SluiceError
from sluice.scores import Score
from sluice.tables.risk import lower_bound, upper_bound
from sluice.utility.findings import (
    FEWEST_ROWS,
    Table,
    changes,
    coexpression,
    differential,
    markers,
)

_REPLICATES = 100
_PAIRS = 2000


@dataclass(frozen=True)
class Released:
    """A table that would leave, and which genes of the raw table its columns speak of.

    ``parts[j]`` holds the numbers of the raw genes behind column j: one for a gene, all members
    for a gene set.
    """

    table: Table
    parts: tuple[np.ndarray, ...]

    @property
    def holds_genes(self) -> bool:
        """Tell whether every column is one gene."""
        return all(len(part) == 1 for part in self.parts)

    def like(self, raw: Table) -> Table:
        """Return raw rows as the release's columns: plain means over each column's genes."""
        values = means_over(raw.values, self.parts)
        return Table(values, self.table.features, raw.labels, raw.weights)


def means_over(values: np.ndarray, parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return rows x parts: each row's plain mean over the columns of each part."""
    if all(len(part) == 1 for part in parts):
        return np.asarray(values[:, np.concatenate(parts)])
    return np.column_stack([values[:, part].mean(axis=1) for part in parts])


def as_released(raw: Table) -> Released:
    """Return the release that changes nothing: the table's own genes and donors."""
    return Released(raw, tuple(np.array([number]) for number in range(len(raw.features))))


@dataclass(frozen=True)
class Yardstick:
    """Raw values of donors who are not in the release, and the gene sets of interest.

    Parameters
    ----------
    raw
        Donors x all genes.
    sets
        Gene sets: name -> numbers of raw genes.
    seed
        Of the replicates and of the sampled pairs of genes.
    """

    raw: Table
    sets: Mapping[str, np.ndarray]
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.raw.is_testable:
            raise SluiceError(
                f"Utility needs at least two labels with {FEWEST_ROWS} donors each",
                where="yardstick donors",
                mend="give labels that occur more often, or more donors",
            )

    @cached_property
    def labels(self) -> list[str]:
        """The labels that are contrasted, sorted."""
        return sorted(np.unique(self.raw.labels).tolist())

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Two columns of gene numbers: a fixed sample of pairs of different genes."""
        genes = len(self.raw.features)
        rng = np.random.default_rng([self.seed, 1])
        left = rng.integers(genes, size=_PAIRS)
        return left, (left + rng.integers(1, max(genes, 2), size=_PAIRS)) % genes

    @cached_property
    def draws(self) -> list[np.ndarray]:
        """Rows of the yardstick itself, then of its replicates: drawn anew within each label."""
        rng = np.random.default_rng([self.seed, 2])
        members = [np.flatnonzero(self.raw.labels == label) for label in self.labels]
        drawn = (
            np.concatenate([rng.choice(rows, len(rows)) for rows in members])
            for _ in range(_REPLICATES)
        )
        return [np.arange(len(self.raw.labels)), *drawn]

    @cached_property
    def changes(self) -> list[np.ndarray]:
        """Changes of genes, one array a draw."""
        return [changes(self.raw.rows(rows), self.labels) for rows in self.draws]

    @cached_property
    def differential(self) -> list[np.ndarray]:
        """Differential genes, one array a draw."""
        return [differential(self.raw.rows(rows), self.labels) for rows in self.draws]

    @cached_property
    def coexpression(self) -> list[np.ndarray]:
        """Correlations of the sampled pairs, one array a draw."""
        return [coexpression(self.raw.rows(rows), *self.pairs) for rows in self.draws]

    def of_sets(self, found: np.ndarray) -> np.ndarray:
        """Return changes of genes as changes of the sets: contrasts x sets."""
        return np.column_stack([found[:, genes].mean(axis=1) for genes in self.sets.values()])


@dataclass(frozen=True)
class _Measure:
    """One kind of finding.

    Parameters
    ----------
    meaning
        What is compared, for a reader.
    say
        What a release says of it; ``None`` where it cannot tell.
    truths
        What each draw of the yardstick says.
    agree
        How well the one bears out the other.
    """

    meaning: str
    say: Callable[[Released, Yardstick], np.ndarray | None]
    truths: Callable[[Yardstick], list[np.ndarray]]
    agree: Callable[[np.ndarray, np.ndarray], float]


def _say_changes(released: Released, yardstick: Yardstick) -> np.ndarray:
    """Return the changes that the release tells of every raw gene: contrasts x genes.

    A gene in several sets takes the mean of their changes.
    """
    told = changes(released.table, yardstick.labels)
    total = np.zeros((len(told), len(yardstick.raw.features)))
    times = np.zeros(len(yardstick.raw.features))
    for column, genes in enumerate(released.parts):
        total[:, genes] += told[:, [column]]
        times[genes] += 1
    return np.asarray(total / np.maximum(times, 1))


def _say_sets(released: Released, yardstick: Yardstick) -> np.ndarray | None:
    """Return the changes that the release tells of every set: contrasts x sets.

    A released set speaks for itself; genes speak for a set by the mean over those released.
    """
    if not yardstick.sets:
        return None
    told = changes(released.table, yardstick.labels)
    out = np.zeros((len(told), len(yardstick.sets)))
    if not released.holds_genes:
        place = {name: number for number, name in enumerate(yardstick.sets)}
        for column, name in enumerate(released.table.features):
            out[:, place[name]] = told[:, column]
        return out
    column_of = _columns_of_genes(released, yardstick)
    for number, genes in enumerate(yardstick.sets.values()):
        there = column_of[genes][column_of[genes] >= 0]
        if len(there):
            out[:, number] = told[:, there].mean(axis=1)
    return out


def _say_markers(released: Released, yardstick: Yardstick) -> np.ndarray | None:
    return markers(_say_changes(released, yardstick)) if released.holds_genes else None


def _say_differential(released: Released, yardstick: Yardstick) -> np.ndarray | None:
    if not (released.holds_genes and released.table.is_testable):
        return None
    calls = differential(released.table, yardstick.labels)
    said = np.zeros((len(calls), len(yardstick.raw.features)), dtype=bool)
    said[:, np.concatenate(released.parts)] = calls
    return said


def _say_coexpression(released: Released, yardstick: Yardstick) -> np.ndarray | None:
    if not (released.holds_genes and released.table.is_testable):
        return None
    column_of = _columns_of_genes(released, yardstick)
    left, right = (column_of[genes] for genes in yardstick.pairs)
    there = (left >= 0) & (right >= 0)
    said = np.zeros(len(left))
    said[there] = coexpression(released.table, left[there], right[there])
    return said


def _columns_of_genes(released: Released, yardstick: Yardstick) -> np.ndarray:
    """Return each raw gene's column in a release of genes, or -1."""
    column_of = np.full(len(yardstick.raw.features), -1)
    column_of[np.concatenate(released.parts)] = np.arange(len(released.parts))
    return column_of


def _pearson(one: np.ndarray, two: np.ndarray) -> float:
    a, b = (values.ravel() - values.mean() for values in (one, two))
    size = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / size) if size > 1e-12 else 0.0


def _signed_ranks(one: np.ndarray, two: np.ndarray) -> float:
    """Return the cosine of two lists of changes, each replaced by its signed rank.

    As Wilcoxon 1945 ranks differences: by size, with the sign put back; no change stays 0. Unlike
    Spearman's, it keeps which changes go up and which down, so that what is not told (0) is not
    taken for the smallest where everything goes up.
    """
    a, b = (np.sign(x) * stats.rankdata(np.abs(x)) for x in (one.ravel(), two.ravel()))
    size = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / size) if size > 0 else 0.0


def _recall(said: np.ndarray, truth: np.ndarray) -> float:
    return float((said & truth).sum() / truth.sum()) if truth.any() else 0.0


def _informedness(said: np.ndarray, truth: np.ndarray) -> float:
    """Return the true minus the false positive rate (Youden 1950)."""
    return _recall(said, truth) - _recall(said, ~truth)


_AGREEMENTS = {
    "fold_changes": _Measure(
        "log fold changes of all genes; a gene that is not released counts as unchanged, a set's "
        "change as that of each member (Pearson)",
        _say_changes,
        lambda yardstick: yardstick.changes,
        _pearson,
    ),
    "gene_sets": _Measure(
        "contrasts of all gene sets; a set of which nothing is released counts as unchanged "
        "(cosine of signed ranks)",
        _say_sets,
        lambda yardstick: [yardstick.of_sets(truth) for truth in yardstick.changes],
        _signed_ranks,
    ),
    "differential": _Measure(
        "differentially expressed genes: true minus false positive rate, Welch's t test at a "
        "false discovery rate of 5 %",
        _say_differential,
        lambda yardstick: yardstick.differential,
        _informedness,
    ),
    "markers": _Measure(
        "recall of each label's largest changes",
        _say_markers,
        lambda yardstick: [markers(truth) for truth in yardstick.changes],
        _recall,
    ),
    "coexpression": _Measure(
        "correlations of a fixed sample of pairs of genes (Pearson)",
        _say_coexpression,
        lambda yardstick: yardstick.coexpression,
        _pearson,
    ),
}

MEASURES = (*_AGREEMENTS, "prediction")


def utilities(
    released: Released,
    raw: Table,
    yardstick: Yardstick,
    product: str,
    names: Sequence[str] = MEASURES,
) -> list[Score]:
    """Measure what a release is good for.

    Parameters
    ----------
    released
        What would leave of the donors in ``raw``.
    raw
        Their raw values, donors x all genes: the ceiling.
    yardstick
        Other donors' raw values, the same genes.
    names
        Some of :data:`MEASURES`. One that is not defined for this release (a test on two published
        means, say) is left out.
    """
    found = []
    for name in names:
        score = (
            _prediction(released, raw, yardstick, product)
            if name == "prediction"
            else _agreement(name, released, raw, yardstick, product)
        )
        found += [score] if score else []
    return found


def _agreement(
    name: str, released: Released, raw: Table, yardstick: Yardstick, product: str
) -> Score | None:
    measure = _AGREEMENTS[name]
    said, real = measure.say(released, yardstick), measure.say(as_released(raw), yardstick)
    if said is None or real is None:
        return None
    truths = measure.truths(yardstick)
    estimate, *replicates = (measure.agree(said, truth) for truth in truths)
    detail: dict[str, float] = {"ceiling": measure.agree(real, truths[0])}
    if name == "differential":
        detail["true_positive_rate"] = _recall(said, truths[0])
        detail["false_positive_rate"] = _recall(said, ~truths[0])
    bounds = (
        estimate,
        min(estimate, float(np.quantile(replicates, 0.05))),
        max(estimate, float(np.quantile(replicates, 0.95))),
    )
    note = f"Bounds: {_REPLICATES} draws of the other donors within their labels."
    n = len(yardstick.raw.values)
    return _score(name, product, measure.meaning, bounds, n, 0.0, note, detail)


def _prediction(released: Released, raw: Table, yardstick: Yardstick, product: str) -> Score | None:
    """Train on the release, test on real: share of other donors whose label is told."""
    if not released.table.is_testable:
        return None
    real = yardstick.raw
    hits = int(_told(released.table, released.like(real)).sum())
    best = int(_told(raw, real).sum())
    n = len(real.labels)
    _, counts = np.unique(real.labels, return_counts=True)
    return _score(
        "prediction",
        product,
        "labels told by a logistic regression that was trained on the release",
        (hits / n, lower_bound(hits, n), upper_bound(hits, n)),
        n,
        float(counts.max() / n),
        "Share of other donors; Clopper-Pearson bounds.",
        {"ceiling": best / n},
    )


def _told(train: Table, test: Table) -> np.ndarray:
    """Return which rows of ``test`` a classifier names rightly, features on the training scale."""
    spread = train.values.std(axis=0)
    varied = spread > 1e-9
    if not varied.any():
        return np.zeros(len(test.labels), dtype=bool)
    centre, scale = train.values.mean(axis=0)[varied], spread[varied]
    model = LogisticRegression(C=0.1, max_iter=1000)
    model.fit((train.values[:, varied] - centre) / scale, train.labels, train.weights)
    guess = model.predict((test.values[:, varied] - centre) / scale)
    return np.asarray(guess == test.labels)


def _score(
    name: str,
    product: str,
    compared: str,
    bounds: tuple[float, float, float],
    n: int,
    chance: float,
    note: str,
    detail: dict[str, float],
) -> Score:
    estimate, lower, upper = bounds
    return Score(
        name=name,
        product=product,
        attacker_knows=f"the release against raw values of other donors: {compared}",
        estimate=estimate,
        lower=lower,
        upper=upper,
        n=n,
        chance=chance,
        note=f"Ceiling, real against real: {detail['ceiling']:.3f}. {note}",
        detail=dict(detail),
    )
