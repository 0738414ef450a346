"""How much noise a budget buys, and how much budget a list of draws has spent.

The Gaussian's calibration is analytic; composition is by privacy loss distributions of
``dp_accounting``, whose estimates err towards more spent.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dp_accounting.pld import privacy_loss_distribution as pld
from scipy.optimize import brentq
from scipy.special import log_ndtr

from sluice.config.policy import Budget
from sluice.errors import SluiceError
from sluice.ledger.spends import Admit, Noise, SpendRequest

# A sum that equals its limit must not fail on the last digit of a numerical integral.
_TOLERANCE = 1e-6


def log_gaussian_delta(mu: float, epsilon: float) -> float:
    """Return log δ of the Gaussian mechanism at ε, where μ = L2 sensitivity / σ.

    δ(ε) = Φ(μ/2 − ε/μ) − e^ε Φ(−μ/2 − ε/μ): Balle and Wang, "Improving the Gaussian mechanism for
    differential privacy", ICML 2018, theorem 8. Logarithms keep the difference exact in the tail.
    """
    upper = float(log_ndtr(mu / 2 - epsilon / mu))
    lower = epsilon + float(log_ndtr(-mu / 2 - epsilon / mu))
    if lower >= upper:
        return -math.inf
    return upper + math.log1p(-math.exp(lower - upper))


def gaussian_multiplier(epsilon: float, delta: float) -> float:
    """Return the smallest σ per unit of L2 sensitivity that is (ε, δ)-DP.

    Raises
    ------
    SluiceError
        If ε ≤ 0 or δ is outside (0, 1).
    """
    if not (epsilon > 0 and 0 < delta < 1):
        raise SluiceError("Gaussian noise needs epsilon above 0 and delta between 0 and 1")
    low, high = 1e-6, 1.0
    while log_gaussian_delta(high, epsilon) < math.log(delta):
        high *= 2
    while log_gaussian_delta(low, epsilon) > math.log(delta):
        low /= 2

    def excess(mu: float) -> float:
        return max(log_gaussian_delta(mu, epsilon), -1e6) - math.log(delta)

    return 1 / float(brentq(excess, low, high, xtol=1e-14, rtol=1e-12))


def gaussian_epsilon(mu: float, delta: float) -> float:
    """Return the ε of the Gaussian mechanism at δ, where μ = L2 sensitivity / σ."""
    if log_gaussian_delta(mu, 0.0) <= math.log(delta):
        return 0.0
    high = 1.0
    while log_gaussian_delta(mu, high) > math.log(delta):
        high *= 2

    def excess(epsilon: float) -> float:
        return max(log_gaussian_delta(mu, epsilon), -1e6) - math.log(delta)

    return float(brentq(excess, 0.0, high, xtol=1e-14, rtol=1e-12))


def split_epsilon(epsilon: float, delta: float, shares: Mapping[str, float]) -> dict[str, float]:
    """Split one (ε, δ) among Gaussian questions so that together they cost it, not less.

    Gaussians compose as μ² adds up (Dong, Roth and Su, "Gaussian differential privacy", 2022), so
    a share is a share of μ². Splitting ε itself would leave much of the budget unused. Laplace
    noise composes worse: the accountant may refuse such a question its share.
    """
    if any(share <= 0 for share in shares.values()) or sum(shares.values()) > 1 + _TOLERANCE:
        raise SluiceError("Shares of a budget must be positive and add up to at most 1")
    mu = 1 / gaussian_multiplier(epsilon, delta)
    return {name: gaussian_epsilon(mu * math.sqrt(share), delta) for name, share in shares.items()}


def epsilon_spent(noises: Sequence[Noise], delta: float) -> float:
    """Return the ε, at δ, of all these draws about one participant together.

    Add or remove one participant. At δ = 0 only Laplace noise has a finite ε, the plain sum.

    Raises
    ------
    SluiceError
        If a draw has a mechanism or numbers that cannot be accounted for.
    """
    for noise in noises:
        _check(noise)
    if delta == 0:
        return math.fsum(_pure_epsilon(noise) for noise in noises)
    total = _composed(noises)
    return 0.0 if total is None else float(total.get_epsilon_for_delta(delta))


def within(budget: Budget) -> Admit:
    """Return the rule that refuses a spend before any draw.

    It refuses noise that is weaker than it claims; a release above its own ε; a lifetime above the
    budget, of which a share is kept for reissues after withdrawals. All at the composed ε over
    every draw ever reserved for the cohort: the most that any one participant has borne.
    """

    def admit(past: Sequence[SpendRequest], request: SpendRequest) -> None:
        alone = epsilon_spent([request.noise], request.delta)
        _refuse_above(alone, request.epsilon, "The noise is weaker than its claim", request)
        same = [spend.noise for spend in past if spend.release == request.release]
        release = epsilon_spent([*same, request.noise], budget.release_delta)
        _refuse_above(release, budget.release_epsilon, "The release's budget is spent", request)
        ever = [*(spend.noise for spend in past), request.noise]
        lifetime = epsilon_spent(ever, budget.lifetime_delta)
        kept = 0.0 if request.reissue else budget.reserve_share
        limit = budget.lifetime_epsilon * (1 - kept)
        what = "The participants' lifetime budget is spent"
        if limit < lifetime <= budget.lifetime_epsilon:
            what += " but for the reserve kept for reissues"
        _refuse_above(lifetime, limit, what, request)

    return admit


def _refuse_above(spent: float, limit: float, what: str, request: SpendRequest) -> None:
    if not spent <= limit * (1 + _TOLERANCE):
        raise SluiceError(
            f"{what}: epsilon would be {spent:.3f} of {limit:.3f}",
            where=f"{request.query} of {request.release}",
            mend="leave this answer out, or carry the earlier one forward",
        )


def _composed(noises: Sequence[Noise]) -> Any:
    """Return the privacy loss distribution of all draws; None if there are none."""
    mu_squared = math.fsum(
        (noise.sensitivity / noise.scale) ** 2 for noise in noises if noise.mechanism == "gaussian"
    )
    parts = []
    if mu_squared:
        parts.append(pld.from_gaussian_mechanism(1 / math.sqrt(mu_squared), use_connect_dots=True))
    laplace: Counter[float] = Counter()
    for noise in noises:
        if noise.mechanism == "laplace":
            laplace[noise.scale] += noise.coordinates
    for scale, count in sorted(laplace.items()):
        one = pld.from_discrete_laplace_mechanism(1 / scale, use_connect_dots=True)
        parts.append(one.self_compose(count))
    total = None
    for part in parts:
        total = part if total is None else total.compose(part)
    return total


def _pure_epsilon(noise: Noise) -> float:
    if noise.mechanism == "gaussian":
        return math.inf
    return noise.coordinates / noise.scale


def _check(noise: Noise) -> None:
    whole = noise.coordinates >= 1 and (noise.mechanism == "laplace" or noise.coordinates == 1)
    # Integer Laplace is accounted for as built: one participant moves a coordinate by one.
    unit = noise.mechanism == "gaussian" or noise.sensitivity == 1
    positive = 0 < noise.scale < math.inf and 0 < noise.sensitivity < math.inf
    if noise.mechanism not in ("gaussian", "laplace") or not (whole and unit and positive):
        raise SluiceError(
            "The ledger holds noise that cannot be accounted for", mend="nothing may be drawn"
        )
