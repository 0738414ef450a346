"""The adaptive attack: predict the release from a candidate's genotypes, and compare.

The attacker learns from his panel what expression a genotype predicts, puts the predicted profile
through the release's own transformation, and puts the panel through it too to learn how far a
release lies from its prediction. The likelihood of a normal distribution then ranks candidates.
It serves whatever is computed from a matrix: noise, fewer genes, scores of gene sets, and the mean
of a group, in which one member's prediction weighs 1/n.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from sluice.attacks.genotypes import bayes

# The best of a window's variants reaches about this squared t without any effect: an effect is
# shrunk by 1 - 10 / t^2 (James and Stein 1961, against the winner's curse).
_LUCK = 10.0
_SHRINKAGE = 0.1


def predicted(
    expression: np.ndarray,
    panel_genotypes: np.ndarray,
    genotypes: np.ndarray,
    p: np.ndarray,
    limit: float,
) -> np.ndarray:
    """Return candidates x genes of expected expression.

    Parameters
    ----------
    expression
        Panel donors x genes, on the scale that is released, without hidden factors.
    panel_genotypes, genotypes
        Of the panel's donors and of the candidates, at each gene's lead variant.
    p
        p-value of each gene's lead.
    limit
        Genes at or above it are expected at their mean.
    """
    mean = expression.mean(axis=0)
    out = np.tile(mean, (len(genotypes), 1))
    told = p < limit
    model = bayes.fit(expression[:, told], panel_genotypes[:, told])
    weight = np.clip(1 - _LUCK / stats.norm.isf(np.maximum(p[told], 1e-300) / 2) ** 2, 0, 1)
    effects = weight * (model.means - mean[told])
    own = genotypes[:, told]
    for value in range(3):
        out[:, told] += np.where(own == value, effects[value], 0.0)
    return out


def scores(
    panel: np.ndarray, released: np.ndarray, expected: np.ndarray, group: int = 1
) -> np.ndarray:
    """Return released rows x candidates: the log likelihood ratio that the candidate is behind.

    Parameters
    ----------
    panel
        Panel donors x features, put through the transformation.
    released
        Rows x features: donors, or means of groups of ``group`` donors.
    expected
        Candidates x features: predicted profiles, put through it without its noise.
    """
    away, toward = released - panel.mean(axis=0), expected - expected.mean(axis=0)
    if panel.shape[1] < len(panel) // 2:
        covariance = np.atleast_2d(np.cov(panel.T))
        spread = np.diag(np.diag(covariance) + 1e-12)
        weighed = toward @ np.linalg.inv((1 - _SHRINKAGE) * covariance + _SHRINKAGE * spread)
    else:
        variance = panel.var(axis=0)
        weighed = toward * np.divide(1, variance, out=np.zeros_like(variance), where=variance > 0)
    return away @ weighed.T - 0.5 * (weighed * toward).sum(axis=1) / group
