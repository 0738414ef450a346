"""How many records of a sample are alone in the population that it is from: older estimators.

All look at nothing but how many classes of each size the sample has. At small sampling fractions
they disagree by factors; :mod:`sluice.tables.extrapolation` has the estimate that the product
recommends, which looks at the fields themselves.

Uniqueness is the share of the population's people who are alone in their class. With N people in
the population, n in the sample, π = n / N, and s_i classes of i records in the sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares, minimize
from scipy.special import gammaln

_ROUNDS = 40
LEVEL = (0.025, 0.975)
"""Quantiles of an interval."""
_SOLVED = 1e-4  # relative error of what a solution must reproduce
_STARTS = ((0.01, 0.01), (0.1, 0.1), (1.0, 0.5), (0.1, 0.001))
_LOW_FRACTION = 0.1


@dataclass(frozen=True)
class Estimate:
    """Estimated population uniqueness, with a 95 % interval.

    Parameters
    ----------
    uniqueness, lower, upper
        Shares of the population, 0 … 1; ``None`` where the method has no solution.
    """

    uniqueness: float | None
    lower: float | None
    upper: float | None


Sizes = tuple[np.ndarray, np.ndarray]
"""Different class sizes and how many classes have each."""

Method = Callable[[Sizes, int], float | None]


def sizes_of(sizes: np.ndarray) -> Sizes:
    """Return the different class sizes, and how many classes have each."""
    different, classes = np.unique(sizes[sizes > 0], return_counts=True)
    return different, classes


def zayatz(sizes: Sizes, population: int) -> float:
    """Zayatz 1991: as if the population had its classes' sizes in the sample's proportions.

    s_1 / n · P(F = 1 | f = 1), with P(f = 1 | F) hypergeometric.
    """
    different, classes = sizes
    n = int(different @ classes)
    if different[0] > 1:
        return 0.0
    alone = (
        np.log(different)
        + _choose(population - different, n - 1)
        - _choose(np.array(population), n)
    )
    weight = classes * np.exp(alone)
    return float(classes[0] / n * weight[0] / weight.sum())


def _choose(n: np.ndarray, k: int) -> np.ndarray:
    """Logarithm of n over k, −∞ where it is none."""
    possible = n >= k
    safe = np.where(possible, n, k)
    return np.where(
        possible, gammaln(safe + 1.0) - gammaln(k + 1.0) - gammaln(safe - k + 1.0), -np.inf
    )


def pitman(sizes: Sizes, population: int) -> float | None:
    """Hoshino 2001: Pitman's sampling formula, α and θ of greatest likelihood.

    A record is alone among N with probability Γ(θ + 1) Γ(θ + α + N − 1) / (Γ(θ + α) Γ(θ + N)).
    """
    different, classes = sizes
    n, count = int(different @ classes), int(classes.sum())
    if count == n:
        return None  # no two records agree: the likelihood has no maximum

    def misfit(x: np.ndarray) -> float:
        alpha, theta = 1 / (1 + np.exp(-x[0])), np.exp(x[1])
        tables = (count - 1) * np.log(alpha) + gammaln(theta / alpha + count)
        tables -= gammaln(theta / alpha + 1) + gammaln(theta + n) - gammaln(theta + 1)
        seats = classes @ (gammaln(different - alpha) - gammaln(1 - alpha))
        return -float(tables + seats)

    best = minimize(misfit, np.array([0.0, np.log(max(count, 2))]), method="Nelder-Mead",
                    bounds=[(-9, 9), (-9, 25)], options={"xatol": 1e-6, "fatol": 1e-6,
                                                         "maxiter": 600})  # fmt: skip
    if not best.success:
        return None
    alpha, theta = 1 / (1 + np.exp(-best.x[0])), np.exp(best.x[1])
    alone = gammaln(theta + 1) + gammaln(theta + alpha + population - 1)
    alone -= gammaln(theta + alpha) + gammaln(theta + population)
    return float(np.exp(alone))


def slide_negative_binomial(sizes: Sizes, population: int) -> float | None:
    """Chen and McNulty 1998: class sizes less one have a negative binomial distribution.

    Its two parameters and the number K of classes are those that give N people, and on average as
    many classes and sample uniques as the sample has. K p^r classes have one person.
    """
    different, classes = sizes
    n, count = int(different @ classes), int(classes.sum())
    single = int(classes[0]) if different[0] == 1 else 0
    fraction = n / population
    if not single or fraction >= 1:
        return single / n if fraction >= 1 else 0.0

    def parts(x: np.ndarray) -> tuple[float, float, float]:
        """Classes seen and sample uniques over what they should be; population uniqueness."""
        r, p = np.exp(x[0]), 1 / (1 + np.exp(-x[1]))
        total = population / (1 + r * (1 - p) / p)
        thinned = (p / (p + (1 - p) * fraction)) ** r
        seen = total * (1 - (1 - fraction) * thinned)
        slope = (1 - fraction) * r * (1 - p) / (p + (1 - p) * fraction)
        alone = total * fraction * thinned * (1 + slope)
        return seen / count, alone / single, total * p**r / population

    for r, p in _STARTS:
        found = least_squares(
            lambda x: np.log(np.maximum(parts(x)[:2], 1e-300)),
            np.array([np.log(r), np.log(p / (1 - p))]),
            bounds=([-18, -18], [8, 18]),
        )
        if np.abs(found.fun).max() < _SOLVED:
            return float(parts(found.x)[2])
    return None


def dankar(sizes: Sizes, population: int) -> float | None:
    """Dankar and others 2012: which estimator to believe at which sampling fraction.

    Up to a tenth Pitman's, above it the smaller of Zayatz's and the slide negative binomial's.
    """
    fraction = float(sizes[0] @ sizes[1]) / population
    if fraction <= _LOW_FRACTION:
        found = pitman(sizes, population)
        return zayatz(sizes, population) if found is None else found
    first, second = zayatz(sizes, population), slide_negative_binomial(sizes, population)
    return first if first is not None and (second is None or second > first) else second


METHODS: dict[str, Method] = {
    "zayatz": zayatz,
    "slide_negative_binomial": slide_negative_binomial,
    "pitman": pitman,
    "dankar": dankar,
}


def by_sizes(sizes: np.ndarray, population: int, seed: int) -> dict[str, Estimate]:
    """Return each method's estimate for a sample with classes of these sizes.

    The interval is a bootstrap's: as many classes of each size as a Poisson draw says. It tells how
    the estimate moves with the sample, not how far the method's assumption is from the truth.

    Parameters
    ----------
    sizes
        Records of each class of the sample.
    population
        N, at least the sample's records.
    seed
        Decides the draws.
    """
    different, classes = sizes_of(sizes)
    rng = np.random.default_rng(seed)
    draws = rng.poisson(classes, (_ROUNDS, len(classes)))
    samples = [(different[d > 0], d[d > 0]) for d in draws if d.any()]
    found = {}
    for name, method in METHODS.items():
        estimate = method((different, classes), population)
        again = [method(s, population) for s in samples if s[0] @ s[1] <= population]
        values = [value for value in again if value is not None]
        if estimate is None or not values:
            found[name] = Estimate(estimate, None, None)
            continue
        low, high = np.quantile(values, LEVEL)
        found[name] = Estimate(estimate, min(float(low), estimate), max(float(high), estimate))
    return found
