import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sluice.errors import SluiceError
from sluice.tables.risk import (
    journalist,
    lower_bound,
    prosecutor,
    reachable,
    summarise,
    upper_bound,
)

PEOPLE = pd.DataFrame({"x": [*"aaab"]})
REGISTER = pd.DataFrame({"x": [*"aaaaaabbcc"]})


def test_prosecutor_risk_is_one_over_the_class():
    assert prosecutor(PEOPLE, ["x"]) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])


def test_journalist_risk_is_one_over_the_class_of_the_population():
    assert journalist(PEOPLE, ["x"], REGISTER) == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    assert journalist(PEOPLE, ["x"]).tolist() == prosecutor(PEOPLE, ["x"]).tolist()


def test_a_register_that_lacks_our_people_earns_no_credit():
    empty = REGISTER[REGISTER["x"] == "c"]
    assert journalist(PEOPLE, ["x"], empty).tolist() == prosecutor(PEOPLE, ["x"]).tolist()


def test_the_summary_counts_people():
    found = summarise(prosecutor(PEOPLE, ["x"]), threshold=0.5)
    assert (found.highest, found.over, found.unique, found.n) == (1.0, 0.25, 0.25, 4)
    assert found.mean == pytest.approx(2 / 4), "two classes among four people"


def test_an_empty_table_has_no_risk_to_report():
    with pytest.raises(SluiceError):
        summarise(np.array([]), 0.1)


@given(st.integers(1, 300), st.data())
def test_the_bounds_are_clopper_and_pearsons(n, data):
    hits = data.draw(st.integers(0, n))
    upper = stats.binomtest(hits, n, alternative="less").proportion_ci(0.95, "exact").high
    lower = stats.binomtest(hits, n, alternative="greater").proportion_ci(0.95, "exact").low
    assert upper_bound(hits, n) == pytest.approx(upper)
    assert lower_bound(hits, n) == pytest.approx(lower, abs=1e-12)


def test_expected_hits_are_rounded_to_the_safe_side():
    assert upper_bound(2.1, 50) == upper_bound(3, 50)
    assert lower_bound(2.9, 50) == lower_bound(2, 50)
    assert upper_bound(0.1 + 0.2 - 0.3, 50) == upper_bound(0, 50)


def test_nobody_tried_proves_nothing():
    assert (lower_bound(0, 0), upper_bound(0, 0)) == (0.0, 1.0)


def test_more_hits_than_people_is_a_programming_error():
    with pytest.raises(ValueError, match="between"):
        upper_bound(3, 2)


@pytest.mark.parametrize(("limit", "n"), [(0.09, 32), (0.05, 59), (0.01, 299)])
def test_a_limit_is_reachable_from_this_many_people(limit, n):
    assert reachable(limit, n)
    assert not reachable(limit, n - 1)
