"""Expression as an attacker prepares it: ranks of a normal distribution, hidden factors removed."""

from __future__ import annotations

import numpy as np
from scipy import stats

# One factor for so many donors and genes: among few of either, removing factors removes genotypes.
_DONORS_A_FACTOR = 10
_GENES_A_FACTOR = 20
_NO_SPREAD = 1e-9


def to_normal(values: np.ndarray) -> np.ndarray:
    """Give each column (donors x features) the quantiles of a standard normal, ties the mean rank.

    A column without spread becomes zero.
    """
    ranks = stats.rankdata(values, axis=0)
    scores = stats.norm.ppf((ranks - 0.5) / len(values))
    return np.where(np.ptp(values, axis=0) > 0, scores, 0.0)


def residual(values: np.ndarray, factors: int) -> np.ndarray:
    """Remove the largest principal components of donors x features; means stay.

    Hidden factors such as batch or cell mix hide what a genotype does (Stegle et al. 2012).
    """
    mean = values.mean(axis=0)
    centred = values - mean
    kept = min(factors, len(values) // _DONORS_A_FACTOR, values.shape[1] // _GENES_A_FACTOR)
    if kept:
        _, vectors = np.linalg.eigh(centred @ centred.T)
        largest = vectors[:, -kept:]
        centred -= largest @ (largest.T @ centred)
    return centred + mean


def prepared(values: np.ndarray, factors: int, blocks: np.ndarray | None = None) -> np.ndarray:
    """Return normal quantiles without hidden factors, each column standardised.

    ``blocks`` names each column's block, whose factors are removed alone: copies of an emulated
    genome, whose donors are different people in each (:mod:`sluice.attacks.genotypes.genome`).
    """
    out = to_normal(values)
    for block in np.unique(blocks) if blocks is not None else [None]:
        columns = slice(None) if block is None else np.flatnonzero(blocks == block)
        out[:, columns] = residual(out[:, columns], factors)
    out -= out.mean(axis=0)
    spread = out.std(axis=0)
    return np.divide(out, spread, out=np.zeros_like(out), where=spread > _NO_SPREAD)
