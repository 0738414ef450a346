"""What the planner promises before spending is what the mechanism delivers on simulated people."""

from __future__ import annotations

import numpy as np
import pytest

from sluice.config.policy import Budget
from sluice.dp.mechanisms import add_noise
from sluice.dp.planner import predict_error, refusal
from sluice.dp.plans import CountsPlan, MeansPlan
from sluice.dp.products import bounded_rows, means_vector

BUDGET = Budget(
    lifetime_epsilon=3.0,
    lifetime_delta=1e-6,
    release_epsilon=1.0,
    release_delta=1e-6,
    reserve_share=0.25,
    shares={"bulk": 1.0},
    max_predicted_se=0.25,
    min_people_for_means=100,
    expected_people=100,
    reason="test",
    owner="test",
)
DRAWS = 400


def means_plan(features: int, epsilon: float, groups: int = 1) -> MeansPlan:
    bound = 3.0 * features**0.5
    names, labels = (
        tuple(f"{k}{n}" for n in range(m)) for k, m in (("s", features), ("g", groups))
    )
    return MeansPlan("set_means", names, "group", labels, bound, bound**0.5, epsilon, 1e-6)


def measured_error(plan: MeansPlan, people: int) -> float:
    """Root mean square error of released means, one public SD from the centre, over many draws."""
    random = np.random.default_rng(5)
    rows = random.normal(1.0, 0.5, (people, len(plan.features)))
    groups = np.arange(people) % len(plan.labels)
    exact = means_vector(plan, bounded_rows(plan, rows), groups)
    noisy = add_noise(np.tile(exact, DRAWS), plan.noise, plan.grid)
    blocks = noisy.reshape(DRAWS, len(plan.labels), -1)
    means = blocks[..., :-1] / np.maximum(blocks[..., -1:] / plan.count_weight, 1)
    truth = np.array([rows[groups == group].mean(axis=0) for group in range(len(plan.labels))])
    return float(np.sqrt(((means - truth) ** 2).mean()))


def measured_count_error(plan: CountsPlan, people: int) -> float:
    """Root mean square error of a cell's share over the SD of being in it, all cells alike."""
    cells = len(plan.cells(plan.tables[0]))
    exact = np.full(cells, people // cells * round(1 / plan.grid), dtype=np.int64)
    noisy = add_noise(np.tile(exact, DRAWS), plan.noise, plan.grid).reshape(DRAWS, -1)
    errors = (noisy - people // cells) / people
    share = 1 / cells
    return float(np.sqrt((errors**2).mean()) / np.sqrt(share * (1 - share)))


@pytest.mark.parametrize(
    ("people", "features", "epsilon", "groups"),
    [(400, 10, 0.35, 1), (400, 10, 1.0, 1), (2000, 50, 0.35, 1), (1000, 5, 0.5, 3)],
)
def test_predicted_errors_of_means_are_the_measured_ones(
    people: int, features: int, epsilon: float, groups: int
) -> None:
    plan = means_plan(features, epsilon, groups)
    assert measured_error(plan, people) == pytest.approx(predict_error(plan, people), rel=0.25)


@pytest.mark.parametrize("mechanism", ["gaussian", "laplace"])
def test_predicted_errors_of_counts_are_the_measured_ones(mechanism: str) -> None:
    domain = {"age": tuple("abcde"), "sex": ("f", "m")}
    plan = CountsPlan("counts", domain, (("age", "sex"),), 0.3, 1e-6, mechanism)
    measured = measured_count_error(plan, 200)
    assert measured == pytest.approx(predict_error(plan, 200), rel=0.1)


@pytest.mark.parametrize(("people", "features"), [(100, 10), (400, 10), (400, 50), (4000, 50)])
def test_what_is_refused_would_have_been_useless_and_what_is_asked_is_not(
    people: int, features: int
) -> None:
    plan = means_plan(features, 0.35)
    reason = refusal(plan, BUDGET.model_copy(update={"expected_people": people}))
    measured = measured_error(plan, people)
    assert (reason is not None) == (measured > BUDGET.max_predicted_se)


def test_means_of_all_genes_are_refused_even_at_a_budget_of_eight() -> None:
    """12,625 features of 128 donors: measured, it leaves a log-fold-change correlation of .09."""
    reason = refusal(means_plan(12_625, 8.0), BUDGET.model_copy(update={"expected_people": 128}))
    assert reason is not None
    assert "predicted standard error" in reason
