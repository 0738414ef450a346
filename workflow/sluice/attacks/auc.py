"""How well a score tells two kinds of donors apart, in either direction, with bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

#: Area that an attack must reach on raw, or its result is not evidence.
WORKS_FROM = 0.75
#: Fewer donors of either kind than this cannot be judged: the upper bound is 1.
MIN_OF_EACH = 5

_ONE_SIDED = 0.95


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


def folded_auc(scores: np.ndarray, positive: np.ndarray) -> Auc:
    """Return the area under the ROC curve, folded at .5, ties counted half.

    Variance: DeLong, DeLong and Clarke-Pearson 1988. Where it is zero it says nothing: scores
    that are all equal take the variance under the null hypothesis, and perfect separation takes
    the exact bound .05^(1/m), m donors of the rarer kind.
    """
    ones, zeros = scores[positive], scores[~positive]
    m, n = len(ones), len(zeros)
    if min(m, n) < MIN_OF_EACH:
        return Auc(0.5, 0.0, 1.0)
    ranks = stats.rankdata(np.concatenate([ones, zeros]))
    above = (ranks[:m] - stats.rankdata(ones)) / n
    below = 1 - (ranks[m:] - stats.rankdata(zeros)) / m
    area = float(above.mean())
    folded = max(area, 1 - area)
    if folded == 1:
        return Auc(1.0, float((1 - _ONE_SIDED) ** (1 / min(m, n))), 1.0)
    variance = above.var(ddof=1) / m + below.var(ddof=1) / n or (m + n + 1) / (12 * m * n)
    margin = float(stats.norm.ppf(_ONE_SIDED) * np.sqrt(variance))
    return Auc(folded, max(0.0, folded - margin), min(1.0, folded + margin))


def strongest(found: dict[str, Auc]) -> str:
    """Return the name of the attack with the largest upper bound."""
    return max(sorted(found), key=lambda name: (found[name].upper, found[name].estimate))
