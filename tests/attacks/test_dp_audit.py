"""The audit passes the mechanism as built and catches each way to break it.

Each case is one audit of some seconds; a sound mechanism fails fewer than 1 in 1,000.
"""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from sluice.attacks.dp_audit import (
    FEWEST_CALLS,
    audit_counts,
    audit_means,
    counts_of_people,
    means_of_visits,
)
from sluice.config import load_policy
from sluice.dp.mechanisms import Steps, add_noise
from sluice.dp.plans import CountsPlan, MeansPlan
from sluice.dp.preprocess import codes, snap
from sluice.dp.products import bounded_rows, means_vector
from sluice.ledger.spends import Noise
from sluice.public import questions
from sluice.scores import Score

ROOT = Path(__file__).resolve().parents[2]

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


def test_laplace_noise_stands_on_the_scale_of_gaussian_noise_too() -> None:
    detail = audit_counts(LAPLACE, product="counts").detail
    _, estimate, lower, upper, promised = detail["auc"]
    assert promised == pytest.approx(ndtr(detail["mu"] / np.sqrt(2)))
    assert lower <= promised <= upper
    assert estimate == pytest.approx(promised, abs=0.05)
    caught = audit_counts(LAPLACE, product="counts", perturb=half_noise).detail
    assert caught["auc"][2] > caught["auc"][4]


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
def test_counting_rows_instead_of_people_is_caught(plan: CountsPlan) -> None:
    """What missing clipping is for counts: a person's weight has no bound."""

    def rows(plan: CountsPlan, people: pd.DataFrame) -> Steps:
        canary = people[people.index == "canary"]
        visits = [canary.rename(index={"canary": f"canary {number}"}) for number in range(9)]
        return counts_of_people(plan, pd.concat([people, *visits]))

    assert_caught(audit_counts(plan, product="x", aggregate=rows))


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


# --- every question of the shipped policy ---------------------------------------------------------


def shipped() -> dict[str, MeansPlan | CountsPlan]:
    """Each as if it had the release's whole budget: less ε needs more calls to show the same."""
    public = load_policy(ROOT / "config", "default").tiers["public"]
    budget = public.budget
    assert budget is not None
    settings = SimpleNamespace(products=public.products, budget=budget)
    asked = questions(SimpleNamespace(settings=settings))  # type: ignore[arg-type]
    return {
        name: replace(plan, epsilon=budget.release_epsilon, delta=budget.release_delta)
        for name, plan in asked.items()
    }


def audited(plan: MeansPlan | CountsPlan) -> Score:
    if isinstance(plan, MeansPlan):
        return audit_means(plan, product="x")
    return audit_counts(plan, product="x")


SHIPPED = shipped()


def test_the_shipped_policy_asks_with_audited_mechanisms_only() -> None:
    kinds = {(type(plan).__name__, plan.noise.mechanism) for plan in SHIPPED.values()}
    assert kinds == {("MeansPlan", "gaussian"), ("CountsPlan", "laplace")}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_question_keeps_its_promise(name: str) -> None:
    assert_sound(audited(SHIPPED[name]))
