"""What noise costs, and that no list of spends passes the budget."""

import math
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.config.policy import Budget
from sluice.dp.accounting import (
    epsilon_spent,
    gaussian_epsilon,
    gaussian_multiplier,
    log_gaussian_delta,
    split_epsilon,
    within,
)
from sluice.errors import SluiceError
from sluice.ledger.chain import Ledger
from sluice.ledger.spends import Noise, SpendRequest, measure, spends

FORK = multiprocessing.get_context("fork")
DELTA = 1e-6
BUDGET = Budget(
    lifetime_epsilon=3.0,
    lifetime_delta=DELTA,
    release_epsilon=1.0,
    release_delta=DELTA,
    reserve_share=0.25,
    shares={"clinical": 1.0},
    max_predicted_se=0.25,
    min_people_for_means=100,
    expected_people=500,
    reason="test",
    owner="test",
)


def gaussian(epsilon: float, delta: float = DELTA) -> Noise:
    return Noise("gaussian", gaussian_multiplier(epsilon, delta), 1.0)


def request(epsilon: float, release: str = "1", query: str = "q", **change) -> SpendRequest:
    spend = SpendRequest("demo", release, query, "m", gaussian(epsilon), epsilon, DELTA, "d")
    return replace(spend, **change)


@pytest.mark.parametrize(("epsilon", "z"), [(0.5, 7.03), (1, 3.73), (3, 1.39), (8, 0.60)])
def test_the_analytic_multiplier_has_the_published_values(epsilon: float, z: float) -> None:
    assert gaussian_multiplier(epsilon, 1e-5) == pytest.approx(z, abs=0.005)


@settings(max_examples=30)
@given(epsilon=st.floats(0.01, 8), exponent=st.floats(3, 9))
def test_the_multiplier_spends_the_whole_delta_and_no_more(epsilon: float, exponent: float) -> None:
    delta = 10**-exponent
    mu = 1 / gaussian_multiplier(epsilon, delta)
    assert log_gaussian_delta(mu, epsilon) == pytest.approx(math.log(delta), abs=1e-6)
    assert log_gaussian_delta(mu * 1.01, epsilon) > math.log(delta)
    assert gaussian_epsilon(mu, delta) == pytest.approx(epsilon, rel=1e-6)


@pytest.mark.parametrize(("epsilon", "delta"), [(0, 1e-6), (-1, 1e-6), (1, 0), (1, 1)])
def test_impossible_budgets_are_refused(epsilon: float, delta: float) -> None:
    with pytest.raises(SluiceError):
        gaussian_multiplier(epsilon, delta)


@pytest.mark.parametrize("epsilon", [0.1, 0.5, 1, 3])
def test_composition_of_one_draw_is_its_own_epsilon(epsilon: float) -> None:
    assert epsilon_spent([gaussian(epsilon)], DELTA) == pytest.approx(epsilon, rel=1e-6)


def test_ten_small_releases_cost_what_was_published_for_this_composition() -> None:
    """FACTS: ten of (0.5, 1e-6) cost 1.52 by PLD, 1.66 by RDP, 5.0 added up, at δ = 1e-5."""
    assert epsilon_spent([gaussian(0.5)] * 10, 1e-5) == pytest.approx(1.52, abs=0.01)


def test_laplace_costs_its_sum_at_delta_zero_and_less_above() -> None:
    noise = Noise("laplace", 10.0, 1.0, 5)
    assert epsilon_spent([noise, noise], 0) == pytest.approx(1.0)
    assert 0.3 < epsilon_spent([noise, noise], DELTA) < 1.0
    assert epsilon_spent([Noise("laplace", 2.0, 1.0)], DELTA) == pytest.approx(0.5, abs=1e-3)
    assert epsilon_spent([gaussian(1)], 0) == math.inf


NOISES = st.one_of(
    st.floats(2, 100).map(lambda scale: Noise("gaussian", scale, 1.0)),
    st.tuples(st.floats(5, 50), st.integers(1, 5)).map(
        lambda two: Noise("laplace", two[0], 1.0, two[1])
    ),
)


@settings(max_examples=8)
@given(noises=st.lists(NOISES, min_size=1, max_size=4))
def test_more_draws_cost_more_in_any_order(noises: list[Noise]) -> None:
    whole = epsilon_spent(noises, DELTA)
    assert whole == pytest.approx(epsilon_spent(noises[::-1], DELTA), rel=1e-9)
    assert whole >= epsilon_spent(noises[:-1], DELTA) - 1e-6
    assert epsilon_spent([], DELTA) == 0


@pytest.mark.parametrize(
    "noise",
    [
        Noise("secret", 1.0, 1.0),
        Noise("gaussian", 0.0, 1.0),
        Noise("gaussian", math.nan, 1.0),
        Noise("gaussian", 1.0, 1.0, 2),
        Noise("laplace", 1.0, 2.0),
        Noise("laplace", 1.0, 1.0, 0),
    ],
)
def test_noise_that_cannot_be_accounted_for_stops_everything(noise: Noise) -> None:
    with pytest.raises(SluiceError, match="accounted"):
        epsilon_spent([noise], DELTA)


def test_shares_are_worth_more_than_parts_of_epsilon_and_compose_to_the_whole() -> None:
    parts = split_epsilon(1.0, DELTA, {"a": 0.3, "b": 0.35, "c": 0.25, "d": 0.1})
    assert parts["b"] > 0.35
    together = epsilon_spent([gaussian(epsilon) for epsilon in parts.values()], DELTA)
    assert together == pytest.approx(1.0, rel=1e-5)
    with pytest.raises(SluiceError):
        split_epsilon(1.0, DELTA, {"a": 0.7, "b": 0.7})


def test_noise_weaker_than_its_claim_is_refused() -> None:
    weak = replace(request(0.5), noise=Noise("gaussian", gaussian(0.5).scale / 2, 1.0))
    with pytest.raises(SluiceError, match="weaker than its claim"):
        within(BUDGET)([], weak)
    within(BUDGET)([], request(0.5))


def test_a_release_cannot_pass_its_own_epsilon() -> None:
    admit = within(BUDGET)
    admit([], request(1.0))
    with pytest.raises(SluiceError, match="release's budget is spent: epsilon would be"):
        admit([request(1.0)], request(0.1, query="r"))
    admit([request(1.0)], request(1.0, release="2"))


def _fill(reissue: bool) -> int:
    """Return how many releases of ε = 1 fit."""
    past: list[SpendRequest] = []
    for number in range(100):
        spend = request(1.0, release=str(number), reissue=reissue)
        try:
            within(BUDGET)(past, spend)
        except SluiceError:
            break
        past.append(spend)
    return len(past)


def test_a_quarter_of_a_lifetime_is_kept_for_reissues() -> None:
    ordinary, all_in = _fill(reissue=False), _fill(reissue=True)
    one = gaussian(1.0)
    assert 0 < ordinary < all_in
    assert (
        epsilon_spent([one] * ordinary, DELTA)
        <= 2.25
        < epsilon_spent([one] * (ordinary + 1), DELTA)
    )
    assert epsilon_spent([one] * all_in, DELTA) <= 3 < epsilon_spent([one] * (all_in + 1), DELTA)
    past = [request(1.0, release=str(number)) for number in range(ordinary)]
    with pytest.raises(SluiceError, match="but for the reserve"):
        within(BUDGET)(past, request(1.0, release="next"))
    within(BUDGET)(past, request(1.0, release="next", reissue=True))


def _spend_one(path: Path, number: int) -> None:
    try:
        with Ledger.open(path) as ledger:
            spend = request(1.0, release=str(number))
            measure(ledger, spend, lambda: [0.0], within(BUDGET))
    except SluiceError:
        os._exit(3)
    os._exit(0)


def test_eight_processes_at_once_stay_within_the_lifetime_budget(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    processes = [FORK.Process(target=_spend_one, args=(path, number)) for number in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert {process.exitcode for process in processes} == {0, 3}
    with Ledger.open(path) as ledger:
        spent = [spend.noise for spend in spends(ledger, "demo")]
    assert len(spent) == _fill(reissue=False)
    assert epsilon_spent(spent, DELTA) <= 2.25
