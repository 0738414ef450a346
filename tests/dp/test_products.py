"""Public tables: exact without noise, private with it, replayed and carried as the ledger says."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sluice.config.policy import Budget
from sluice.dp import products
from sluice.dp.planner import noise_sd, predict_error, refusal
from sluice.dp.plans import ALL, PARTICIPANTS, CountsPlan, MeansPlan
from sluice.dp.products import Account, measure_counts, measure_means
from sluice.errors import SluiceError
from sluice.ledger.chain import Ledger

BUDGET = Budget(
    lifetime_epsilon=3.0,
    lifetime_delta=1e-6,
    release_epsilon=1.0,
    release_delta=1e-6,
    reserve_share=0.25,
    shares={"clinical": 1.0},
    max_predicted_se=0.25,
    min_people_for_means=100,
    expected_people=500,
    reason="test",
    owner="test",
)
COUNTS = CountsPlan(
    "clinical_counts",
    {"sex": ("f", "m"), "age": ("0-39", "40-79", "80+")},
    (("sex",), ("sex", "age")),
    0.5,
    1e-6,
)
MEANS = MeansPlan("sets", ("s1", "s2"), "arm", ("a", "b"), 2.0, 1.4, 0.5, 1e-6)
N = 300
TABLE = pd.DataFrame(
    {"sex": np.resize(["f", "m", "m"], N), "age": np.resize(["0-39", "40-79"], N)},
    index=[f"p{number}" for number in range(N)],
)
GROUPS = pd.Series(np.resize(["a", "b", "b"], N), index=TABLE.index, name="arm")
MATRIX = pd.DataFrame(
    {"s1": np.where(GROUPS == "a", 0.5, -0.5), "s2": np.where(GROUPS == "a", 0.25, 0.0)},
    index=TABLE.index,
)


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(Ledger.open(tmp_path / "ledger.sqlite"), BUDGET, "demo", "2026.1")


@pytest.fixture
def no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "add_noise", lambda values, noise, grid: values * grid)


def test_without_noise_the_counts_are_the_true_ones(account: Account, no_noise: None) -> None:
    """The control: what the noise hides is exactly right underneath."""
    frame = measure_counts(account, COUNTS, TABLE, rounding=1).frame
    assert list(frame.columns) == ["sex", "age", "value", "mechanism", "epsilon", "delta", "scale"]
    alone = frame[frame["age"] == ALL].set_index("sex")["value"]
    assert alone.to_dict() == TABLE["sex"].value_counts().to_dict()
    both = frame[frame["age"] != ALL].set_index(["sex", "age"])["value"]
    assert len(both) == 6
    assert both[both > 0].to_dict() == TABLE.value_counts().to_dict()


def test_without_noise_the_means_are_the_true_ones(account: Account, no_noise: None) -> None:
    frame = measure_means(account, MEANS, MATRIX, GROUPS).frame
    values = frame.set_index(["arm", "feature"])["value"]
    for label in MEANS.labels:
        for name in MEANS.features:
            assert values[label, name] == pytest.approx(
                MATRIX[name][GROUPS.eq(label)].mean(), abs=1e-4
            )
        assert values[label, PARTICIPANTS] == int(GROUPS.eq(label).sum())


@pytest.mark.parametrize("mechanism", ["gaussian", "laplace"])
def test_counts_are_noisy_rounded_and_never_negative(account: Account, mechanism: str) -> None:
    plan = replace(COUNTS, mechanism=mechanism)
    measured = measure_counts(account, plan, TABLE, rounding=5)
    frame = measured.frame
    assert (frame["value"] % 5 == 0).all()
    assert (frame["value"] >= 0).all()
    assert set(frame["mechanism"]) == {mechanism}
    assert set(frame["delta"]) == {1e-6 if mechanism == "gaussian" else 0.0}
    assert any(value < 0 or value % 5 for value in measured.answer.values)
    truth = products.count_vector(plan, products.cell_codes(plan, TABLE)) * plan.grid
    assert np.abs(np.array(measured.answer.values) - truth).max() < 8 * noise_sd(plan.noise)


def test_means_are_noisy_yet_useful_and_bounded(account: Account) -> None:
    frame = measure_means(account, MEANS, MATRIX, GROUPS).frame
    values = frame.set_index(["arm", "feature"])["value"]
    assert values["b", "s1"] != -0.5
    assert values["b", "s1"] == pytest.approx(-0.5, abs=6 * predict_error(MEANS, N))
    assert not np.signbit(frame["value"][frame["value"] == 0]).any()


def test_an_empty_cohort_gives_an_answer_like_any_other(account: Account) -> None:
    """Whether anybody is there is itself a secret."""
    counts = measure_counts(account, COUNTS, TABLE.iloc[:0], rounding=5).frame
    means = measure_means(account, MEANS, MATRIX.iloc[:0], GROUPS.iloc[:0]).frame
    assert len(counts) == 8
    assert len(means) == 6
    assert means["value"].between(-2, 1000).all()


def test_levels_and_rows_of_the_table_do_not_depend_on_the_data(account: Account) -> None:
    first = measure_counts(account, COUNTS, TABLE, rounding=5).frame
    other = replace(account, release="2026.2")
    second = measure_counts(other, COUNTS, TABLE[TABLE["sex"] == "f"], rounding=5).frame
    pd.testing.assert_frame_equal(first.drop(columns="value"), second.drop(columns="value"))


def test_a_rerun_replays_and_changed_data_are_refused(account: Account) -> None:
    first = measure_counts(account, COUNTS, TABLE, rounding=5)
    shuffled = TABLE.iloc[::-1]
    again = measure_counts(account, COUNTS, shuffled, rounding=5)
    assert again.answer == first.answer
    pd.testing.assert_frame_equal(again.frame, first.frame)
    with pytest.raises(SluiceError, match="data changed"):
        measure_counts(account, COUNTS, TABLE.iloc[1:], rounding=5)
    assert len(account.ledger.rows("reserve")) == 1


def test_swapping_which_participants_are_equal_on_counts_alone_is_noticed(account: Account) -> None:
    """The digest is of contributions: equal totals of other tables must not pass as equal data."""
    plan = replace(COUNTS, tables=(("sex",), ("age",)))
    table = pd.DataFrame({"sex": ["f", "m"], "age": ["0-39", "80+"]}, index=["p", "q"])
    measure_counts(account, plan, table, rounding=5)
    with pytest.raises(SluiceError, match="data changed"):
        measure_counts(account, plan, table.assign(age=["80+", "0-39"]), rounding=5)


def test_a_carried_answer_never_looks_at_the_data(account: Account) -> None:
    first = measure_means(account, MEANS, MATRIX, GROUPS)
    later = replace(account, release="2026.2", carry_from={"sets": "2026.1"})
    carried = measure_means(later, MEANS, MATRIX * math.nan, GROUPS)
    assert carried.answer == first.answer
    assert carried.answer.origin == "2026.1"
    pd.testing.assert_frame_equal(carried.frame, first.frame)
    assert len(account.ledger.rows("reserve")) == 1


def test_the_release_cannot_spend_more_than_its_epsilon(account: Account) -> None:
    measure_counts(account, replace(COUNTS, epsilon=1.0), TABLE, rounding=5)
    with pytest.raises(SluiceError, match="release's budget"):
        measure_means(account, MEANS, MATRIX, GROUPS)


def test_two_rows_of_a_participant_are_refused(account: Account) -> None:
    twice = pd.concat([TABLE, TABLE.iloc[:1]])
    with pytest.raises(SluiceError, match=f"more than one row.*row {N + 1}"):
        measure_counts(account, COUNTS, twice, rounding=5)
    matrix, groups = pd.concat([MATRIX, MATRIX[:1]]), pd.concat([GROUPS, GROUPS[:1]])
    with pytest.raises(SluiceError, match="more than one row"):
        measure_means(account, MEANS, matrix, groups)
    with pytest.raises(SluiceError, match="features and the groups"):
        measure_means(account, MEANS, MATRIX, GROUPS.iloc[::-1])
    assert account.ledger.rows() == []


def test_predicted_errors_are_those_that_noise_makes(account: Account) -> None:
    members, truth = N // 2, np.array([1.0])
    noise = np.random.default_rng(1).normal(0, MEANS.noise.scale, (20_000, 2))
    people = members + noise[:, 1] / MEANS.count_weight
    means = (members * truth + noise[:, 0]) / people
    assert predict_error(MEANS, N) == pytest.approx(means.std(), rel=0.15)


def test_a_question_not_worth_asking_is_refused_without_spending(account: Account) -> None:
    assert refusal(MEANS, BUDGET) is None
    assert refusal(COUNTS, BUDGET) is None
    few = BUDGET.model_copy(update={"expected_people": 99})
    assert "counts only" in str(refusal(MEANS, few))
    assert "predicted standard error" in str(refusal(replace(MEANS, epsilon=0.05), BUDGET))
    assert "predicted standard error" in str(refusal(replace(COUNTS, epsilon=0.01), BUDGET))
    assert account.ledger.rows() == []


@pytest.mark.parametrize(
    ("easier", "harder"),
    [
        (MEANS, replace(MEANS, labels=("a", "b", "c"))),
        (MEANS, replace(MEANS, epsilon=0.25)),
        (MEANS, replace(MEANS, clip_bound=4.0)),
        (COUNTS, replace(COUNTS, tables=(*COUNTS.tables, ("age",)))),
        (COUNTS, replace(COUNTS, delta=1e-9)),
        (replace(COUNTS, mechanism="laplace"), COUNTS),
    ],
)
def test_harder_questions_have_larger_predicted_errors(easier, harder) -> None:
    assert predict_error(easier, 500) < predict_error(harder, 500)
    assert predict_error(easier, 1000) < predict_error(easier, 500)
