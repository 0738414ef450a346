"""Linking by extremes: who is far out in a gene's expression has the genotype that sends one there.

Harmanci and Gerstein 2016. The attacker needs no more than a list of variants and the sign of
their effects.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from sluice.attacks.genotypes.vcf import MISSING

#: Rank / donors - .5 beyond which a value counts as extreme (the paper's delta).
DELTA = 0.25


def scores(expression: np.ndarray, genotypes: np.ndarray, upwards: np.ndarray) -> np.ndarray:
    """Return targets x candidates: minus the share of extreme genes whose genotype differs.

    Parameters
    ----------
    expression
        Targets x leads.
    genotypes
        Candidates x leads.
    upwards
        Whether the alternate allele raises expression, one a lead.
    """
    extreme = (stats.rankdata(expression, axis=0) - 0.5) / len(expression) - 0.5
    outside = np.abs(extreme) > DELTA
    alternate = outside & ((extreme > 0) == upwards)
    reference = outside & ~alternate
    same = alternate @ (genotypes == 2).T.astype(float)
    same += reference @ (genotypes == 0).T.astype(float)
    compared = outside @ (genotypes != MISSING).T.astype(float)
    return same / np.maximum(compared, 1) - 1


def gaps(scored: np.ndarray) -> np.ndarray:
    """Return each target's gap between the best and the second candidate.

    The paper's d12: the larger it is, the surer the attacker is of his link.
    """
    if scored.shape[1] < 2:
        return np.zeros(len(scored))
    best = np.partition(scored, -2, axis=1)
    return best[:, -1] - best[:, -2]
