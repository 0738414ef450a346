"""Gaussian naive Bayes from expression to genotype.

Schadt, Woo and Hao 2012: in each class of genotype a gene's expression is normal; Bayes' rule
turns a donor's expression into the probability of each genotype, and the candidate whose genotypes
are best told, beyond how common they are, is named.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sluice.attacks.genotypes.vcf import MISSING

_CLASSES = 3
# A class of few donors leans this many donors' weight on what a straight line through the
# classes predicts, and on the spread of all.
_PRIOR_DONORS = 3.0
_LEAST_SPREAD = 0.05


@dataclass(frozen=True)
class Model:
    """Expression in each class of genotype, classes x leads.

    Parameters
    ----------
    means, spreads
        Mean and SD of the expression.
    logs
        Log of the class's frequency.
    """

    means: np.ndarray
    spreads: np.ndarray
    logs: np.ndarray


def fit(expression: np.ndarray, genotypes: np.ndarray) -> Model:
    """Learn the classes from donors x leads of expression and of the lead variants' genotypes.

    Classes of few donors are shrunk to an additive effect with one spread.
    """
    known = genotypes != MISSING
    g, e = np.where(known, genotypes, 0).astype(float), np.where(known, expression, 0.0)
    n = np.maximum(known.sum(axis=0), 1)
    g_mean, e_mean = g.sum(axis=0) / n, e.sum(axis=0) / n
    g_c, e_c = np.where(known, g - g_mean, 0.0), np.where(known, e - e_mean, 0.0)
    slope = (g_c * e_c).sum(axis=0) / np.maximum((g_c**2).sum(axis=0), 1e-9)
    pooled = ((e_c - slope * g_c) ** 2).sum(axis=0) / n
    means, variances, counts = [], [], []
    for value in range(_CLASSES):
        own = genotypes == value
        count = own.sum(axis=0)
        line = e_mean + slope * (value - g_mean)
        mean = ((expression * own).sum(axis=0) + _PRIOR_DONORS * line) / (count + _PRIOR_DONORS)
        around = (((expression - mean) * own) ** 2).sum(axis=0)
        variances.append((around + _PRIOR_DONORS * pooled) / (count + _PRIOR_DONORS))
        means.append(mean)
        counts.append(count)
    spreads = np.sqrt(np.maximum(np.array(variances), _LEAST_SPREAD**2))
    shares = (np.array(counts) + 0.5) / (known.sum(axis=0) + 0.5 * _CLASSES)
    return Model(np.array(means), spreads, np.log(shares))


def scores(model: Model, expression: np.ndarray, genotypes: np.ndarray) -> np.ndarray:
    """Return targets x candidates: sum over leads of log p(genotype | expression) / p(genotype).

    ``expression`` is targets x leads, ``genotypes`` candidates x leads; a missing call adds
    nothing.
    """
    z = (expression[None] - model.means[:, None]) / model.spreads[:, None]
    likelihood = -0.5 * z**2 - np.log(model.spreads)[:, None]
    joint = likelihood + model.logs[:, None]
    top = joint.max(axis=0)
    evidence = top + np.log(np.exp(joint - top).sum(axis=0))
    gains = likelihood - evidence
    return sum(gains[value] @ (genotypes == value).T.astype(float) for value in range(_CLASSES))
