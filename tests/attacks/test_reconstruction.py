"""A number that is mostly one donor's gives that donor to the next largest one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.attacks.reconstruction import concentration, reconstruction


def test_equal_donors_are_safe_in_a_group_of_the_floor() -> None:
    score = reconstruction([np.ones((20, 5))], "cell_groups")
    assert (score.upper, score.n, score.detail["numbers"]) == (0, 20, 5)
    assert score.detail["two_largest"] == pytest.approx(0.1)
    assert score.detail["p_ratio"] == pytest.approx(18)


def test_the_second_largest_learns_the_largest_to_within_a_tenth() -> None:
    """The attack: 1000 and 50 and 40 more in eighteen donors; 1090 − 50 is 1000 within 4 %."""
    parts = np.array([1000, 50, *[40 / 18] * 18])[:, None]
    guess = parts.sum() - parts[1, 0]
    assert guess == pytest.approx(1000, rel=0.1)
    score = reconstruction([parts, np.ones((30, 2))], "cell_groups")
    assert score.upper == 1
    assert score.detail["p_ratio"] < 0.1


def test_the_floor_of_donors_alone_does_not_stop_a_rare_type_of_one_donor() -> None:
    """Twenty-five donors have the type, one of them has nearly all of it."""
    shares = np.full((25, 1), 0.001)
    shares[3] = 0.9
    assert reconstruction([shares], "cell_groups").upper == 1
    shares[3] = 0.004
    assert reconstruction([shares], "cell_groups").upper == 0


def test_two_donors_and_one_donor_are_never_safe_and_nothing_is() -> None:
    assert concentration(np.array([[5.0, 0.0], [5.0, 0.0]])).unsafe.tolist() == [True, False]
    assert concentration(np.array([[5.0]])).unsafe.tolist() == [True]
    assert reconstruction([], "cell_groups").upper == 0


@given(st.lists(st.floats(0.01, 100), min_size=3, max_size=12))
def test_the_p_ratio_is_what_the_second_largest_gets_wrong(parts: list[float]) -> None:
    first, second = sorted(parts)[:-3:-1]
    wrong = (sum(parts) - second - first) / first
    found = concentration(np.array(parts)[:, None])
    assert found.p_ratio[0] == pytest.approx(wrong, abs=1e-9)
    signed = concentration(-np.array(parts)[:, None])
    assert signed.two_largest == pytest.approx(found.two_largest)
