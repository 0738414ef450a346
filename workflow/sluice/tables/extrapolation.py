"""How many people of a population are alone, from a sample's fields: the recommended estimate.

A vine copula (:mod:`sluice.tables.copula`) is fitted to the sample. A person with a record of
probability p is alone among N with probability (1 − p)^(N − 1) (Rocher, Hendrickx and de Montjoye
2019), so that the mean of it over records drawn from the vine is the population's uniqueness.

A vine knows dependences of few columns only: it spreads people too thin and finds too many alone.
So all probabilities are multiplied by one factor e^m. What the sample itself says about m is how
many of its n records have a double, a Poisson number of pairs; a normal prior holds m where there
are few. The same m need not be right for N people as for n: what is left to uncertainty grows with
log(N / n). Estimate and interval are quantiles of the posterior. The prior and that growth are
those of populations that were looked at while this was built (docs/decisions/0019-risk.md).
"""

from __future__ import annotations

import numpy as np

from sluice.tables.copula import MOST_VALUES, fit
from sluice.tables.population import LEVEL, Estimate
from sluice.tables.streaming import Classes

FEWEST = 20
"""Records of a sample that anything is estimated from."""

_MOST = 4_000  # records that a vine is fitted to
_DRAWN = 8_000
_MANY = 15  # a column of at most so many different numbers is taken for categories
_PRIOR = 0.3, 0.8  # mean and standard deviation of m
_REACH = 0.15  # standard deviation that m gains, by log(N / n)
_FACTORS = np.linspace(-3, 6, 181)
_LARGEST = 0.999  # of a probability


def copula(classes: Classes, people: int, seed: int) -> Estimate:
    """Estimate which share of a population of ``people`` is alone in its class.

    Parameters
    ----------
    classes
        Of the sample, of at least :data:`FEWEST` records.
    people
        N, at least the sample's records.
    seed
        Decides what is drawn.
    """
    n, alone = classes.rows, int((classes.sizes == 1).sum())
    if people == n:
        return Estimate(alone / n, alone / n, alone / n)
    rng = np.random.default_rng(seed)
    rows = np.arange(n) if n <= _MOST else np.sort(rng.choice(n, _MOST, replace=False))
    vine = fit(*_columns(classes, classes.of_row[rows]))
    density = vine.density(vine.draw(_DRAWN, rng))
    shares = [np.minimum(density * np.exp(m), _LARGEST) for m in _FACTORS]
    here = np.array([_alone(share, n) for share in shares])
    weights = _posterior(here, n, alone, np.log(people / n))
    everywhere = np.array([_alone(share, people) for share in shares])
    high, middle, low = np.interp((LEVEL[0], 0.5, LEVEL[1]), np.cumsum(weights), _FACTORS)
    found = np.interp([middle, low, high], _FACTORS, everywhere)
    return Estimate(*map(float, found))


def _alone(shares: np.ndarray, people: int) -> float:
    return float(np.exp((people - 1) * np.log1p(-shares)).mean())


def _posterior(expected: np.ndarray, n: int, alone: int, reach: float) -> np.ndarray:
    """Probability of each factor, given that ``alone`` of n records have no double.

    ``expected``: uniqueness of n records under each factor.
    """
    pairs = np.maximum(n * (1 - expected), 1e-9) / 2
    mean, deviation = _PRIOR
    likelihood = (n - alone) / 2 * np.log(pairs) - pairs
    likelihood -= ((_FACTORS - mean) / deviation) ** 2 / 2
    weights = np.exp(likelihood - likelihood.max())
    spread = np.exp(-((np.subtract.outer(_FACTORS, _FACTORS) / (_REACH * reach)) ** 2) / 2)
    weights = (spread / spread.sum(axis=0)) @ weights
    return np.asarray(weights / weights.sum())


def _columns(classes: Classes, of_row: np.ndarray) -> tuple[np.ndarray, list[bool]]:
    """Return the rows as the vine takes them, and which columns are whole numbers."""
    columns, whole = [], []
    for codes, numbers in zip(classes.codes.T, classes.numbers, strict=True):
        values = None if numbers is None else numbers[codes][of_row]
        counted = values is not None and _counted(values)
        whole.append(counted)
        if counted and values is not None:
            columns.append((values - values.min()).astype(np.int64))
        else:
            columns.append(np.unique(codes[of_row], return_inverse=True)[1])
    return np.column_stack(columns), whole


def _counted(values: np.ndarray) -> bool:
    """Whether the numbers are whole, many, none missing, and near enough to be smoothed."""
    if np.isnan(values).any() or np.ptp(values) >= MOST_VALUES // 10:
        return False
    return bool((values % 1 == 0).all()) and len(np.unique(values)) > _MANY
