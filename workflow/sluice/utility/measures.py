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

_REPLICATES = 200
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
        values = np.column_stack([raw.values[:, part].mean(axis=1) for part in self.parts])
        return Table(values, self.table.features, raw.labels, raw.weights)


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
    def drawn(self) -> list[Table]:
        """The yardstick itself, then its replicates: donors drawn anew within each label."""
        rng = np.random.default_rng([self.seed, 2])
        members = [np.flatnonzero(self.raw.labels == label) for label in self.labels]
        draws = (
            np.concatenate([rng.choice(rows, len(rows)) for rows in members])
            for _ in range(_REPLICATES)
        )
        return [self.raw, *(self.raw.rows(rows) for rows in draws)]

    @cached_property
    def changes(self) -> list[np.ndarray]:
        """Changes of genes, one array a draw."""
        return [changes(table, self.labels) for table in self.drawn]

    @cached_property
    def differential(self) -> list[np.ndarray]:
        """Differential genes, one array a draw."""
        return [differential(table, self.labels) for table in self.drawn]

    @cached_property
    def coexpression(self) -> list[np.ndarray]:
        """Correlations of the sampled pairs, one array a draw."""
        return [coexpression(table, *self.pairs) for table in self.drawn]

    def of_sets(self, found: np.ndarray) -> np.ndarray:
        """Return changes of genes as changes of the sets: contrasts x sets."""
        return np.column_stack([found[:, genes].mean(axis=1) for genes in self.sets.values()])


#: What a release says beside what each draw of the yardstick says: one agreement a draw.
Agreement = Callable[[Released, Yardstick], list[float] | None]


def _fold_changes(released: Released, yardstick: Yardstick) -> list[float]:
    said = _on_genes(released, yardstick)
    return [_pearson(said, truth) for truth in yardstick.changes]


def _gene_sets(released: Released, yardstick: Yardstick) -> list[float] | None:
    if not yardstick.sets:
        return None
    said = _on_sets(released, yardstick)
    return [_signed_ranks(said, yardstick.of_sets(truth)) for truth in yardstick.changes]


def _markers(released: Released, yardstick: Yardstick) -> list[float] | None:
    if not released.holds_genes:
        return None
    said = markers(_on_genes(released, yardstick))
    return [_share(said & markers(truth), markers(truth)) for truth in yardstick.changes]


def _differential(released: Released, yardstick: Yardstick) -> list[float] | None:
    rates = true_and_false_positives(released, yardstick)
    return None if rates is None else [true - false for true, false in rates]


def _coexpression(released: Released, yardstick: Yardstick) -> list[float] | None:
    if not (released.holds_genes and released.table.is_testable):
        return None
    column = np.full(len(yardstick.raw.features), -1)
    column[np.concatenate(released.parts)] = np.arange(len(released.parts))
    left, right = (column[genes] for genes in yardstick.pairs)
    there = (left >= 0) & (right >= 0)
    said = np.zeros(len(left))
    said[there] = coexpression(released.table, left[there], right[there])
    return [_pearson(said, truth) for truth in yardstick.coexpression]


#: Name -> (what it is, agreement, what guessing reaches).
_AGREEMENTS: dict[str, tuple[str, Agreement, float]] = {
    "fold_changes": (
        "log fold changes of all genes; a gene that is not released counts as unchanged, a set's "
        "change as that of each member (Pearson)",
        _fold_changes,
        0.0,
    ),
    "gene_sets": (
        "contrasts of all gene sets; a set of which nothing is released counts as unchanged "
        "(cosine of signed ranks)",
        _gene_sets,
        0.0,
    ),
    "differential": (
        "differentially expressed genes: true minus false positive rate, Welch's t test at a "
        "false discovery rate of 5 %",
        _differential,
        0.0,
    ),
    "markers": ("recall of each label's largest changes", _markers, 0.0),
    "coexpression": (
        "correlations of a fixed sample of pairs of genes (Pearson)",
        _coexpression,
        0.0,
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


def true_and_false_positives(
    released: Released, yardstick: Yardstick
) -> list[tuple[float, float]] | None:
    """Return (true, false) positive rate of differential genes against each draw's.

    ``None`` where the release has no genes or too few rows for a test.
    """
    if not (released.holds_genes and released.table.is_testable):
        return None
    calls = differential(released.table, yardstick.labels)
    said = np.zeros((len(calls), len(yardstick.raw.features)), dtype=bool)
    said[:, np.concatenate(released.parts)] = calls
    return [
        (_share(said & truth, truth), _share(said & ~truth, ~truth))
        for truth in yardstick.differential
    ]


def _agreement(
    name: str, released: Released, raw: Table, yardstick: Yardstick, product: str
) -> Score | None:
    meaning, agree, chance = _AGREEMENTS[name]
    found, real = agree(released, yardstick), agree(as_released(raw), yardstick)
    if found is None or real is None:
        return None
    detail: dict[str, object] = {"ceiling": real[0]}
    if name == "differential":
        rates = true_and_false_positives(released, yardstick)
        assert rates is not None
        detail |= {"true_positive_rate": rates[0][0], "false_positive_rate": rates[0][1]}
    estimate, replicates = found[0], found[1:]
    return _score(
        name,
        product,
        meaning,
        (
            estimate,
            min(estimate, float(np.quantile(replicates, 0.05))),
            max(estimate, float(np.quantile(replicates, 0.95))),
        ),
        len(yardstick.raw.values),
        chance,
        f"Bounds: {_REPLICATES} draws of the other donors within their labels.",
        detail,
    )


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
        "Share of other donors; Clopper-Pearson bounds; the ceiling is trained on raw.",
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
    detail: dict[str, object],
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
        note=note,
        detail=detail,
    )


def _on_genes(released: Released, yardstick: Yardstick) -> np.ndarray:
    """Return the changes that the release tells of every raw gene: contrasts x genes.

    A gene in several sets takes the mean of their changes.
    """
    told = changes(released.table, yardstick.labels)
    total = np.zeros((len(told), len(yardstick.raw.features)))
    times = np.zeros(len(yardstick.raw.features))
    for column, genes in enumerate(released.parts):
        total[:, genes] += told[:, [column]]
        times[genes] += 1
    return total / np.maximum(times, 1)


def _on_sets(released: Released, yardstick: Yardstick) -> np.ndarray:
    """Return the changes that the release tells of every set: contrasts x sets.

    A released set speaks for itself; genes speak for a set by the mean over those released.
    """
    told = changes(released.table, yardstick.labels)
    out = np.zeros((len(told), len(yardstick.sets)))
    if not released.holds_genes:
        place = {name: number for number, name in enumerate(yardstick.sets)}
        for column, name in enumerate(released.table.features):
            out[:, place[name]] = told[:, column]
        return out
    place_of = np.full(len(yardstick.raw.features), -1)
    place_of[np.concatenate(released.parts)] = np.arange(len(released.parts))
    for number, genes in enumerate(yardstick.sets.values()):
        there = place_of[genes][place_of[genes] >= 0]
        if len(there):
            out[:, number] = told[:, there].mean(axis=1)
    return out


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


def _share(hits: np.ndarray, of: np.ndarray) -> float:
    return float(hits.sum() / of.sum()) if of.any() else 0.0
