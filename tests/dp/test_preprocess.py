"""One participant can move a stacked vector by no more than √(B² + c²)."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sluice.dp.plans import CountsPlan, MeansPlan
from sluice.dp.preprocess import clip, codes, contributions_digest, one_a_participant, snap
from sluice.dp.products import bounded_rows, cell_codes, count_vector, means_vector
from sluice.errors import SluiceError

PLAN = MeansPlan("q", ("x", "y", "z"), "g", ("a", "b"), 2.5, 1.5, 1.0, 1e-6)
COUNTS = CountsPlan(
    "q",
    {"sex": ("f", "m"), "age": ("0", "40", "80")},
    (("sex",), ("age",), ("sex", "age")),
    1.0,
    1e-6,
)
ROWS = npst.arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.just(3)),
    elements=st.floats(-1e300, 1e300, allow_nan=False),
)


def test_without_clipping_one_participant_moves_a_sum_without_limit() -> None:
    raw = snap(np.array([[1e9, 0, 0]]), PLAN.grid)
    change = means_vector(PLAN, raw, np.array([0])) * PLAN.grid
    assert np.linalg.norm(change) > 1e8


@given(rows=ROWS, data=st.data())
def test_adding_any_participant_moves_the_vector_within_the_sensitivity(
    rows: np.ndarray, data: st.DataObject
) -> None:
    groups = np.array(
        data.draw(st.lists(st.integers(0, 1), min_size=len(rows), max_size=len(rows)))
    )
    steps = bounded_rows(PLAN, rows)
    change = means_vector(PLAN, steps, groups) - means_vector(PLAN, steps[1:], groups[1:])
    moved = np.linalg.norm(change * PLAN.grid)
    assert moved <= PLAN.noise.sensitivity
    assert PLAN.noise.sensitivity == pytest.approx(math.hypot(2.5, 1.5), rel=1e-5)
    assert PLAN.noise.sensitivity > math.hypot(2.5, 1.5)


@given(rows=ROWS)
def test_clipping_keeps_direction_and_what_is_short_enough(rows: np.ndarray) -> None:
    clipped = clip(rows, 2.5)
    assert (np.linalg.norm(clipped, axis=1) <= 2.5 * (1 + 1e-9)).all()
    assert (np.sign(clipped) * np.sign(rows) >= 0).all()
    assert clip(clipped * 0.9, 2.5) == pytest.approx(clipped * 0.9, rel=1e-9, abs=1e-300)


@given(data=st.data())
def test_a_participant_is_in_one_cell_of_every_table(data: st.DataObject) -> None:
    table = pd.DataFrame(
        {
            name: data.draw(st.lists(st.sampled_from(values), min_size=4, max_size=4))
            for name, values in COUNTS.domain.items()
        },
        index=list("abcd"),
    )
    cells = cell_codes(COUNTS, table)
    change = (count_vector(COUNTS, cells) - count_vector(COUNTS, cells[1:])) * COUNTS.grid
    assert sorted(change[change != 0]) == [1.0] * 3
    assert np.abs(change).sum() == 3
    assert np.linalg.norm(change) <= COUNTS.noise.sensitivity
    first = table.iloc[0]
    labels = [cell for names in COUNTS.tables for cell in COUNTS.cells(names)]
    found = [label for label, value in zip(labels, change, strict=True) if value]
    assert found == [(first.sex,), (first.age,), (first.sex, first.age)]


def test_visits_are_averaged_to_one_row_a_participant() -> None:
    visits = pd.DataFrame({"x": [1.0, 3.0, 5.0]}, index=["b", "b", "a"])
    assert one_a_participant(visits)["x"].to_dict() == {"a": 5.0, "b": 2.0}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_without_a_norm_is_refused_by_row(bad: float) -> None:
    with pytest.raises(SluiceError, match="row 2"):
        clip(np.array([[0.0, 1.0], [bad, 0.0]]), 1.0)


def test_a_value_outside_the_domain_is_refused_without_being_told() -> None:
    column = pd.Series(["f", "Jane Roe"], name="sex")
    with pytest.raises(SluiceError, match="column sex, row 2") as caught:
        codes(column, ("f", "m"))
    assert "Jane" not in str(caught.value)
    with pytest.raises(SluiceError, match="row 1"):
        codes(pd.Series([None], name="sex"), ("f", "m"))


@settings(max_examples=20)
@given(
    rows=npst.arrays(np.int64, (4, 2), elements=st.integers(-5, 5)), order=st.permutations(range(4))
)
def test_the_digest_of_contributions_knows_values_and_not_their_order(
    rows: np.ndarray, order: list[int]
) -> None:
    assert contributions_digest(rows) == contributions_digest(rows[order])
    changed = rows.copy()
    changed[0, 0] += 100
    assert contributions_digest(rows) != contributions_digest(changed)
    assert contributions_digest(rows) != contributions_digest(rows[1:])


@pytest.mark.parametrize(
    "change",
    [
        {"features": ()},
        {"features": ("x", "x")},
        {"features": ("value",)},
        {"labels": ("a", "a")},
        {"group": "x"},
        {"clip_bound": 0.0},
        {"count_weight": -1.0},
    ],
)
def test_a_means_plan_that_makes_no_sense_is_refused(change: dict) -> None:
    from dataclasses import replace

    with pytest.raises(SluiceError):
        replace(PLAN, **change)


@pytest.mark.parametrize(
    "tables", [(), (("sex",), ("sex",)), (("sex", "sex"),), (("height",),), ((),)]
)
def test_a_counts_plan_that_makes_no_sense_is_refused(tables: tuple) -> None:
    with pytest.raises(SluiceError):
        CountsPlan("q", COUNTS.domain, tables, 1.0, 1e-6)
