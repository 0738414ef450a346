"""Scenario ``dp_audit``: does the noise protect one participant as much as it says?

The game is the definition's own: the attacker knows every other participant, the mechanism and all
its settings, chooses the participant that moves the answer most (the canary), sees one answer and
says whether the canary was in. Played on made-up participants, outside the ledger, with the same
preprocessing and the same sampler that answer for a cohort.

Noise is independent for every coordinate. So one call on k copies of the stacked vector, laid end
to end, **is** k independent calls, and takes a fraction of their time. The audited question keeps
its clip bound, count weight, number of tables and budget, but has at most two features, two groups
and two categories a field: further coordinates would only add noise that the canary does not move.

The control runs on the same draws with the noise halved: an audit that does not notice that much
is no evidence. False alarms of a sound mechanism are rarer than 1 in 1,000 audits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr, ndtri
from scipy.stats import binom, rankdata

from sluice.dp.accounting import gaussian_multiplier
from sluice.dp.mechanisms import Steps, add_noise
from sluice.dp.plans import CountsPlan, MeansPlan
from sluice.dp.preprocess import codes, one_a_participant
from sluice.dp.products import bounded_rows, cell_codes, count_vector, means_vector
from sluice.ledger.spends import Noise
from sluice.scores import Score

Perturb = Callable[[Steps, Noise, float], NDArray[np.float64]]
Aggregate = Callable[[pd.DataFrame], Steps]
Arms = tuple[NDArray[np.float64], NDArray[np.float64]]

FEWEST_CALLS = 2_000
_Z = 4.5  # two-sided; over a dozen comparisons below one false alarm in 10,000
_TAIL = 3.4e-6  # the same level for exact binomial bounds
_POWER = 4.0  # standard errors beyond _Z that halved noise should move the result
_OTHERS = 24
_KNOWS = "every other participant, the mechanism and its settings; chooses the participant"


@dataclass(frozen=True)
class Finding:
    """One comparison: what the attack reached, its interval, and what the noise promises."""

    name: str
    estimate: float
    lower: float
    upper: float
    expected: float

    @property
    def covers(self) -> bool:
        """Whether the interval holds the promised value."""
        return self.lower <= self.expected <= self.upper

    @property
    def distance(self) -> float:
        """How far the estimate is from the promise, in units of the interval."""
        width = max(self.upper - self.lower, 1e-9)
        return abs(self.estimate - self.expected) / width


@dataclass(frozen=True)
class Game:
    """One canary's game: the exact answers, the noise, and the coordinates that tell.

    ``promise`` is μ (Gaussian) or ε (Laplace) of the whole question as **claimed** by its budget,
    not as the noise says of itself: a wrong sensitivity must show.
    ``directions`` maps a name to the weights of the attacker's statistic; they are proportional to
    what the canary should change, and to its parts.
    """

    without: Steps
    with_canary: Steps
    grid: float
    noise: Noise
    promise: float
    directions: Mapping[str, NDArray[np.float64]]


def audit_means(
    plan: MeansPlan,
    *,
    product: str,
    max_values: int = 450_000,
    aggregate: Callable[[MeansPlan, pd.DataFrame], Steps] | None = None,
    perturb: Perturb = add_noise,
) -> Score:
    """Audit a means question with the canaries ±B along one direction, two visits each.

    Parameters
    ----------
    plan
        The question as the policy asks it.
    product
        The product that the score judges.
    max_values
        Most noise values to draw: bounds the time (about 20 µs each).
    aggregate, perturb
        What is audited, if not the library's own: visits (index = participant, columns = features
        and the group) to the stacked vector, and the noise upon it.

    Returns
    -------
    Score
        ``estimate`` is the canary's AUC with its simultaneous interval, which must cover Φ(μ/√2);
        if the sum or the count alone contradicts its own promise, it is that one instead.
        ``detail`` has μ, the promise, each comparison and ``covers``. ``evidence["works"]`` is
        true if halved noise is noticed **and** every interval covers its promise.
    """
    small = replace(plan, features=plan.features[:2], labels=plan.labels[:2])
    build = aggregate or means_of_visits
    games = {
        sign: _means_game(small, sign, lambda visits: build(small, visits)) for sign in ("+", "-")
    }
    return _audit_gaussian(games, product, max_values, perturb)


def audit_counts(
    plan: CountsPlan,
    *,
    product: str,
    max_values: int = 450_000,
    aggregate: Callable[[CountsPlan, pd.DataFrame], Steps] | None = None,
    perturb: Perturb = add_noise,
) -> Score:
    """Audit a counts question with a canary that is in one cell of every table.

    Gaussian noise: as :func:`audit_means`. Laplace noise: ``estimate`` is the empirical ε of the
    whole question, from how often a cell passes its count with and without the canary. For integer
    Laplace noise this event reaches ε exactly; its interval is by Clopper and Pearson (1934). The
    canary's AUC is compared with its promise too, and stands in ``detail`` with the μ of a
    Gaussian that would give the same, so that all mechanisms are seen on one scale.
    """
    domain = {name: categories[:2] for name, categories in plan.domain.items()}
    small = replace(plan, domain=domain)
    build = aggregate or counts_of_people
    game = _counts_game(small, lambda people: build(small, people))
    if small.noise.mechanism == "gaussian":
        return _audit_gaussian({"+": game}, product, max_values, perturb)
    return _audit_laplace(game, product, max_values, perturb)


def means_of_visits(plan: MeansPlan, visits: pd.DataFrame) -> Steps:
    """Return the exact stacked vector of visits, by the library's own preprocessing."""
    labels = visits[plan.group].groupby(level=0, sort=True).first()
    rows = one_a_participant(visits[list(plan.features)])
    steps = bounded_rows(plan, rows.to_numpy(np.float64))
    return means_vector(plan, steps, codes(labels, plan.labels))


def counts_of_people(plan: CountsPlan, people: pd.DataFrame) -> Steps:
    """Return the exact counts of a table of one row a participant, by the library's own code."""
    return count_vector(plan, cell_codes(plan, people))


def _means_game(plan: MeansPlan, sign: str, aggregate: Aggregate) -> Game:
    """Build both worlds. The canary is far outside the bound: clipping must bring it back."""
    features, size = len(plan.features), plan.clip_bound / math.sqrt(len(plan.features))
    visits = [f"p{number:02d}" for number in range(_OTHERS) for _ in range(2)]
    pattern = np.sin(np.arange(len(visits) * features)).reshape(-1, features) * size
    others = pd.DataFrame(pattern, index=visits, columns=list(plan.features))
    others[plan.group] = np.resize(np.repeat(plan.labels, 2), len(visits))
    direction = (1.0 if sign == "+" else -1.0) * np.full(features, size)
    canary = pd.DataFrame(
        np.tile(10 * direction, (2, 1)), index=["canary"] * 2, columns=list(plan.features)
    ).assign(**{plan.group: plan.labels[0]})
    whole = np.zeros((len(plan.labels), features + 1))
    whole[0] = [*direction, plan.count_weight]
    only_rows, only_count = whole.copy(), np.zeros_like(whole)
    only_rows[:, -1], only_count[0, -1] = 0, plan.count_weight
    return Game(
        aggregate(others),
        aggregate(pd.concat([others, canary])),
        plan.grid,
        plan.noise,
        1 / gaussian_multiplier(plan.epsilon, plan.delta),
        {"all": whole.ravel(), "sum": only_rows.ravel(), "count": only_count.ravel()},
    )


def _counts_game(plan: CountsPlan, aggregate: Aggregate) -> Game:
    numbers = range(_OTHERS)
    others = pd.DataFrame(
        {
            name: [plan.domain[name][n % len(plan.domain[name])] for n in numbers]
            for name in plan.fields
        },
        index=[f"p{number:02d}" for number in numbers],
    )
    canary = pd.DataFrame({name: [plan.domain[name][0]] for name in plan.fields}, index=["canary"])
    directions, start = {}, 0
    whole = np.zeros(sum(len(plan.cells(table)) for table in plan.tables))
    for number, table in enumerate(plan.tables):
        one = np.zeros_like(whole)
        one[start] = 1.0  # the first category of every field is the table's first cell
        directions[f"table {number + 1}"] = one
        whole += one
        start += len(plan.cells(table))
    gaussian = plan.mechanism == "gaussian"
    return Game(
        aggregate(others),
        aggregate(pd.concat([others, canary])),
        plan.grid,
        plan.noise,
        1 / gaussian_multiplier(plan.epsilon, plan.delta) if gaussian else plan.epsilon,
        {"all": whole, **directions},
    )


def _audit_gaussian(
    games: Mapping[str, Game], product: str, max_values: int, perturb: Perturb
) -> Score:
    game = next(iter(games.values()))
    mu = game.promise
    arms = len(games) + 1
    calls = _calls(_auc_calls(mu), max_values // (arms * len(game.without)))
    without = _draw(game.without, calls, game, perturb)
    findings, control = [], []
    for name, one in games.items():
        with_canary = _draw(one.with_canary, calls, one, perturb)
        for part, weights in one.directions.items():
            share = np.linalg.norm(weights) / np.linalg.norm(one.directions["all"])
            promise = float(ndtr(mu * share / math.sqrt(2)))
            label = f"{name} {part}"
            findings.append(_auc(label, with_canary @ weights, without @ weights, promise))
        weights = one.directions["all"]
        halved = [_halved(with_canary, one.with_canary, one), _halved(without, one.without, one)]
        promise = float(ndtr(mu / math.sqrt(2)))
        control.append(_auc(name, halved[0] @ weights, halved[1] @ weights, promise))
    return _score(findings, control, product, calls, mu, "dp_audit", chance=0.5)


def _audit_laplace(game: Game, product: str, max_values: int, perturb: Perturb) -> Score:
    """Compare how often a changed cell passes its count: cell by cell, pooled, and as an AUC."""
    tables = len(game.directions) - 1
    single = game.promise / tables
    calls = _calls(_epsilon_calls(single, tables), max_values // (4 * len(game.without)))
    promise, arms = (tables, single), _arms(game, calls, perturb)
    findings = [
        _epsilon(name, weights, game, arms, promise) for name, weights in game.directions.items()
    ]
    halved = replace(game, noise=replace(game.noise, scale=game.noise.scale / 2))
    control = _epsilon(
        "all", game.directions["all"], game, _arms(halved, calls, add_noise), promise
    )
    auc = _auc("AUC", *_passes(game, arms), _laplace_auc(tables, single))
    return _score(findings, [control], product, calls, game.promise, "dp_audit_epsilon", auc=auc)


def _draw(exact: Steps, calls: int, game: Game, perturb: Perturb) -> NDArray[np.float64]:
    """Return calls × length: one call on copies laid end to end (see the module's page)."""
    return perturb(np.tile(exact, calls), game.noise, game.grid).reshape(calls, -1)


def _arms(game: Game, calls: int, perturb: Perturb) -> Arms:
    """Return the answers with and without the canary."""
    return (
        _draw(game.with_canary, calls, game, perturb),
        _draw(game.without, calls, game, perturb),
    )


def _halved(noisy: NDArray[np.float64], exact: Steps, game: Game) -> NDArray[np.float64]:
    """Return the same draws with half their noise: the weak defence that must be noticed."""
    truth = exact * game.grid
    return np.asarray(truth + (noisy - truth) / 2, dtype=np.float64)


def _calls(wanted: int, affordable: int) -> int:
    return max(FEWEST_CALLS, min(wanted, affordable))


def _auc_calls(mu: float) -> int:
    """Return the calls an arm that show a doubled μ; the variance of an AUC is at most 1/(6n)."""
    step = float(ndtr(2 * mu / math.sqrt(2)) - ndtr(mu / math.sqrt(2)))
    return math.ceil(((_Z + _POWER) / max(step, 1e-6)) ** 2 / 6)


def _epsilon_calls(single: float, tables: int) -> int:
    """Return the calls an arm that show a doubled ε of one cell.

    A cell passes its count with probability 1/(1 + e^±ε): the standard errors of the logarithms
    are e^(±ε/2)/√n.
    """
    errors = 2 * math.cosh(single)
    return math.ceil(((_Z + _POWER) * errors / single) ** 2 / tables)


def _auc(
    name: str, inside: NDArray[np.float64], outside: NDArray[np.float64], expected: float
) -> Finding:
    """Return P(inside > outside) with the interval of DeLong, DeLong and Clarke-Pearson (1988)."""
    n, m = len(inside), len(outside)
    ranks = rankdata(np.concatenate([inside, outside]))
    above = (ranks[:n] - rankdata(inside)) / m
    below = 1 - (ranks[n:] - rankdata(outside)) / n
    auc = float(above.mean())
    error = math.sqrt(above.var(ddof=1) / n + below.var(ddof=1) / m)
    reach = _Z * max(error, 1 / n / m)
    return Finding(name, auc, max(0.0, auc - reach), min(1.0, auc + reach), expected)


def _epsilon(
    name: str, weights: NDArray[np.float64], game: Game, arms: Arms, promise: tuple[int, float]
) -> Finding:
    """Return the empirical ε of the whole question, scaled up from the cells compared."""
    tables, single = promise
    cells = np.flatnonzero(weights)
    with_canary, without = (arm[:, cells] > game.without[cells] for arm in arms)
    n = without.size
    hits, alarms = int(with_canary.sum()), int(without.sum())
    low, high = _binomial(hits, n)
    few, many = _binomial(alarms, n)
    middle = math.log(max(hits, 0.5) / max(alarms, 0.5))
    lower, upper = math.log(low / many), math.log(high / few)
    return Finding(name, tables * middle, tables * lower, tables * upper, tables * single)


def _passes(game: Game, arms: Arms) -> Arms:
    """Return in how many tables the canary's cell passes its count, call by call.

    For integer Laplace noise this is the likelihood ratio of one participant more or less.
    """
    cells = np.flatnonzero(game.directions["all"])
    inside, outside = ((arm[:, cells] > game.without[cells]).sum(axis=1) for arm in arms)
    return inside.astype(np.float64), outside.astype(np.float64)


def _laplace_auc(tables: int, single: float) -> float:
    """Return the promised AUC of :func:`_passes`: of two binomials, p = 1/(1 + e^∓ε) a table."""
    likely = 1 / (1 + math.exp(-single))
    with_canary = binom.pmf(np.arange(tables + 1), tables, likely)
    without = with_canary[::-1]
    return float(with_canary @ (np.cumsum(without) - without / 2))


def _binomial(hits: int, n: int) -> tuple[float, float]:
    """Return the bounds of Clopper and Pearson, kept above zero so that they have a logarithm."""
    low = float(betaincinv(hits, n - hits + 1, _TAIL)) if hits else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - _TAIL)) if hits < n else 1.0
    return max(low, 1e-12), max(high, 1e-12)


def _score(
    findings: Sequence[Finding],
    control: Sequence[Finding],
    product: str,
    calls: int,
    promise: float,
    limit_key: str,
    chance: float | None = None,
    auc: Finding | None = None,
) -> Score:
    # The whole canary's comparison, unless another one contradicts the promise.
    contradicting = [found for found in findings if not found.covers]
    worst = max(contradicting, key=lambda found: found.distance, default=findings[0])
    noticed = all(found.lower > found.expected for found in control)
    covers = all(found.covers for found in [*findings, *([auc] if auc else [])])
    scale = {"mu": math.sqrt(2) * ndtri(auc.expected), "auc": _told(auc)} if auc else {}
    return Score(
        name="dp_audit",
        product=product,
        attacker_knows=_KNOWS,
        estimate=worst.estimate,
        lower=worst.lower,
        upper=worst.upper,
        n=calls,
        chance=chance,
        limit_key=limit_key,
        evidence={
            "halved_noise": min(found.estimate for found in control),
            "noticed": noticed,
            "works": noticed and covers,
        },
        note="made-up participants, outside the ledger; simultaneous interval over all comparisons",
        detail={
            "mu" if limit_key == "dp_audit" else "epsilon": promise,
            "expected": worst.expected,
            "covers": covers,
            "comparisons": [_told(found) for found in findings],
            **scale,
        },
    )


def _told(found: Finding) -> list[str | float]:
    return [found.name, found.estimate, found.lower, found.upper, found.expected]
