"""The audit passes the mechanism as built and catches each way to break it.

Each case is one audit of some seconds; a sound mechanism fails fewer than 1 in 1,000.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sluice.attacks.dp_audit import (
    FEWEST_CALLS,
    audit_counts,
    audit_means,
    counts_of_people,
    means_of_visits,
)
from sluice.dp.mechanisms import Steps, add_noise
from sluice.dp.plans import CountsPlan, MeansPlan
from sluice.dp.preprocess import codes, snap
from sluice.dp.products import bounded_rows, means_vector
from sluice.ledger.spends import Noise
from sluice.scores import Score

MEANS = MeansPlan(
    "sets", tuple(f"s{n}" for n in range(50)), "arm", ("a", "b", "c"), 7.0, 2.6, 1.0, 1e-6
)
COUNTS = CountsPlan(
    "counts",
    {"sex": ("f", "m"), "age": ("0", "40", "80")},
    (("sex",), ("age",), ("sex", "age")),
    1.0,
    1e-6,
)
LAPLACE = replace(COUNTS, mechanism="laplace", tables=(("sex",), ("age",)))

SITES = ("x", "y")
FOUR_TABLES = replace(
    COUNTS,
    domain=dict.fromkeys("abcd", SITES),
    tables=tuple((name,) for name in "abcd"),
)


def half_noise(values: Steps, noise: Noise, grid: float) -> np.ndarray:
    return add_noise(values, replace(noise, scale=noise.scale / 2), grid)


def exact_last(length: int, values: Steps, noise: Noise, grid: float) -> np.ndarray:
    """Leave every ``length``-th coordinate without noise, as a forgotten count would be."""
    noisy = add_noise(values, noise, grid)
    noisy[length - 1 :: length] = values[length - 1 :: length] * grid
    return noisy


def unclipped(plan: MeansPlan, visits: pd.DataFrame) -> Steps:
    labels = visits[plan.group].groupby(level=0).first()
    rows = visits[list(plan.features)].groupby(level=0).mean().to_numpy()
    return means_vector(plan, snap(rows, plan.grid), codes(labels, plan.labels))


def every_visit(plan: MeansPlan, visits: pd.DataFrame) -> Steps:
    rows = bounded_rows(plan, visits[list(plan.features)].to_numpy())
    return means_vector(plan, rows, codes(visits[plan.group], plan.labels))


def counted_twice(plan: CountsPlan, people: pd.DataFrame) -> Steps:
    again = people[people.index == "canary"].rename(index={"canary": "canary again"})
    return counts_of_people(plan, pd.concat([people, again]))


def assert_sound(score: Score) -> None:
    assert score.name == "dp_audit"
    assert score.n >= FEWEST_CALLS
    assert score.evidence["noticed"], "halved noise must be noticed, or the audit says nothing"
    assert score.detail["covers"]
    assert score.evidence["works"]
    assert score.lower <= score.detail["expected"] <= score.upper
    assert Score.from_json(score.to_json()) == score


def assert_caught(score: Score) -> None:
    assert not score.detail["covers"]
    assert not score.evidence["works"]
    assert score.lower > score.detail["expected"], "it leaks more than promised"


def test_means_protect_a_participant_as_promised() -> None:
    score = audit_means(MEANS, product="sets")
    assert_sound(score)
    assert score.chance == 0.5
    assert score.detail["mu"] == pytest.approx(1 / 4.2247, rel=1e-3)


def test_counts_protect_a_participant_as_promised() -> None:
    assert_sound(audit_counts(COUNTS, product="counts"))


def test_integer_laplace_counts_cost_the_claimed_epsilon() -> None:
    score = audit_counts(LAPLACE, product="counts")
    assert_sound(score)
    assert score.detail["expected"] == pytest.approx(1.0)
    assert score.lower < 1.0 < score.upper


def test_the_library_and_the_audit_share_the_preprocessing() -> None:
    plan = replace(MEANS, features=("s0",), labels=("a",))
    visits = pd.DataFrame({"s0": [1.0, 3.0], "arm": ["a", "a"]}, index=["p", "p"])
    assert (means_of_visits(plan, visits) * plan.grid).tolist() == pytest.approx(
        [2.0, 2.6], abs=1e-5
    )


def test_half_the_noise_is_caught_in_means() -> None:
    assert_caught(audit_means(MEANS, product="x", perturb=half_noise))


def test_missing_clipping_is_caught() -> None:
    assert_caught(audit_means(MEANS, product="x", aggregate=unclipped))


def test_two_contributions_of_one_participant_are_caught_in_means() -> None:
    assert_caught(audit_means(MEANS, product="x", aggregate=every_visit))


def test_a_count_without_noise_is_caught_beside_noisy_sums() -> None:
    def forgotten(values: Steps, noise: Noise, grid: float) -> np.ndarray:
        return exact_last(3, values, noise, grid)  # two features and the count

    assert_caught(audit_means(MEANS, product="x", perturb=forgotten))


def test_a_sensitivity_that_forgets_the_count_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(MEANS, clip_bound=2.0, count_weight=4.0)
    monkeypatch.setattr(MeansPlan, "sensitivity", plan.clip_bound)
    assert_caught(audit_means(plan, product="x"))


@pytest.mark.parametrize("plan", [FOUR_TABLES, replace(FOUR_TABLES, mechanism="laplace")])
def test_a_sensitivity_that_forgets_the_number_of_tables_is_caught(
    monkeypatch: pytest.MonkeyPatch, plan: CountsPlan
) -> None:
    monkeypatch.setattr(CountsPlan, "sensitivity", 1.0)
    assert_caught(audit_counts(plan, product="x"))


@pytest.mark.parametrize("plan", [COUNTS, LAPLACE])
def test_half_the_noise_is_caught_in_counts(plan: CountsPlan) -> None:
    assert_caught(audit_counts(plan, product="x", perturb=half_noise))


@pytest.mark.parametrize("plan", [COUNTS, LAPLACE])
def test_a_participant_counted_twice_is_caught(plan: CountsPlan) -> None:
    assert_caught(audit_counts(plan, product="x", aggregate=counted_twice))


@pytest.mark.parametrize("plan", [COUNTS, LAPLACE])
def test_counts_without_noise_are_caught(plan: CountsPlan) -> None:
    def none(values: Steps, noise: Noise, grid: float) -> np.ndarray:
        return values * grid

    assert_caught(audit_counts(plan, product="x", perturb=none))


@pytest.mark.parametrize("plan", [COUNTS, LAPLACE])
def test_one_table_without_noise_is_caught_beside_noisy_ones(plan: CountsPlan) -> None:
    """The first table's first cell holds the canary; only that table is left exact."""
    length = 4 if plan is LAPLACE else 8

    def forgotten(values: Steps, noise: Noise, grid: float) -> np.ndarray:
        noisy = add_noise(values, noise, grid)
        noisy[::length] = values[::length] * grid
        return noisy

    assert_caught(audit_counts(plan, product="x", perturb=forgotten))
