"""How well a score tells two kinds of donors apart, in either direction, with bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from scipy import stats

from sluice.tables.risk import lower_bound, upper_bound

#: Area that an attack must reach on raw, or its result is not evidence.
WORKS_FROM = 0.75
#: Fewer donors of either kind than this cannot be judged: the upper bound is 1.
MIN_OF_EACH = 5

_ONE_SIDED = 0.95
_FEW_FALSE = 0.01


@dataclass(frozen=True)
class Auc:
    """max(AUC, 1 - AUC) and its one-sided 95 % bounds."""

    estimate: float
    lower: float
    upper: float

    @property
    def works(self) -> bool:
        """Tell whether this, measured on raw, makes the attack evidence."""
        return self.estimate >= WORKS_FROM and self.lower > 0.5

    def to_json(self) -> dict[str, float]:
        """Return estimate and bounds as plain numbers."""
        return asdict(self)


def area(scores: np.ndarray, positive: np.ndarray) -> float:
    """Return the plain area under the ROC curve, ties counted half; .5 with one kind alone."""
    if positive.all() or not positive.any():
        return 0.5
    return float(_placements(scores, positive)[0].mean())


def folded_auc(scores: np.ndarray, positive: np.ndarray) -> Auc:
    """Return the area under the ROC curve, folded at .5, ties counted half.

    Variance: DeLong, DeLong and Clarke-Pearson 1988. Where it is zero it says nothing: scores
    that are all equal take the variance under the null hypothesis, and perfect separation takes
    the exact bound .05^(1/m), m donors of the rarer kind.
    """
    m, n = int(positive.sum()), int((~positive).sum())
    if min(m, n) < MIN_OF_EACH:
        return Auc(0.5, 0.0, 1.0)
    above, below = _placements(scores, positive)
    area = float(above.mean())
    if max(area, 1 - area) == 1:
        return Auc(1.0, float((1 - _ONE_SIDED) ** (1 / min(m, n))), 1.0)
    variance = above.var(ddof=1) / m + below.var(ddof=1) / n or (m + n + 1) / (12 * m * n)
    return _bounded(area, variance)


def regrouped_auc(scores: np.ndarray, positive: np.ndarray) -> Auc:
    """Return the mean area over rounds that deal the same donors into groups anew.

    Parameters
    ----------
    scores, positive
        Rounds x donors. A donor who has no part in a round has the score NaN in it.

    The donor is the unit, however many rounds: each donor's placements are averaged over rounds
    in either role before their variance is taken (DeLong's components of an average of areas).
    The variance between rounds, divided by their number, is added.
    """
    played = np.isfinite(scores)
    inside, outside = positive & played, ~positive & played
    if min(inside.sum(axis=1).min(), outside.sum(axis=1).min()) < MIN_OF_EACH:
        return Auc(0.5, 0.0, 1.0)
    areas = np.zeros(len(scores))
    pull = np.zeros(scores.shape)
    for number, (row, part, ones) in enumerate(zip(scores, played, inside, strict=True)):
        above, below = _placements(row[part], ones[part])
        areas[number] = area = above.mean()
        pull[number, ones] = (above - area) / len(above)
        pull[number, part & ~ones] = (below - area) / len(below)
    donors = scores.shape[1]
    variance = float((pull.mean(axis=0) ** 2).sum()) * donors / (donors - 1)
    if len(areas) > 1:
        variance += float(areas.var(ddof=1)) / len(areas)
    m, n = int(inside.sum(axis=1).min()), int(outside.sum(axis=1).min())
    return _bounded(float(areas.mean()), variance or (m + n + 1) / (12 * m * n))


def found_at_few_false(scores: np.ndarray, positive: np.ndarray) -> Auc:
    """Return the share of members found while at most 1 % of the others are taken for members.

    The attack's practical side (Carlini et al. 2022): an area near .5 may hide a few who are told
    for certain. The better direction counts; Clopper-Pearson bounds over the members.
    """
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        return Auc(0.0, 0.0, 1.0)
    allowed = int(_FEW_FALSE * n)
    hits = max(
        int((signed[positive] > np.sort(signed[~positive])[n - 1 - allowed]).sum())
        for signed in (scores, -scores)
    )
    return Auc(hits / m, lower_bound(hits, m), upper_bound(hits, m))


def strongest(found: Mapping[str, Auc]) -> str:
    """Return the name of the attack with the largest upper bound."""
    return max(sorted(found), key=lambda name: (found[name].upper, found[name].estimate))


def _placements(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each positive the share of others below it, for each other of positives above."""
    ones, zeros = scores[positive], scores[~positive]
    m, n = len(ones), len(zeros)
    ranks = stats.rankdata(np.concatenate([ones, zeros]))
    above = (ranks[:m] - stats.rankdata(ones)) / n
    below = 1 - (ranks[m:] - stats.rankdata(zeros)) / m
    return above, below


def _bounded(area: float, variance: float) -> Auc:
    folded = max(area, 1 - area)
    margin = float(stats.norm.ppf(_ONE_SIDED) * np.sqrt(variance))
    return Auc(folded, max(0.0, folded - margin), min(1.0, folded + margin))
