"""Exact means of two releases give a donor away; the gate finds every way to subtract them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.attacks.differencing import (
    Statement,
    differences,
    differencing,
    leave_one_out,
    numbers_per_donor,
    rebuild,
)
from sluice.errors import SluiceError

FLOOR = 20
SETS = frozenset({"WP1", "WP2", "WP3"})


def statement(release: str, members: Iterable[int], group: str = "lung", **change) -> Statement:
    donors = {f"d{number:03d}": "same" for number in members}
    return replace(Statement(release, "means", group, donors, SETS), **change)


def fewest(*lineage: Statement) -> int | None:
    found = differences(lineage, FLOOR, "new")
    return min((difference.donors for difference in found), default=None)


def profiles(donors: int = 40, genes: int = 60) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(donors, genes))


def score_of(*lineage: Statement, raw: np.ndarray | None = None):
    raw = profiles() if raw is None else raw
    return differencing(lineage, "new", FLOOR, "group_means", raw, raw[:, :3], 2)


# --- the attack ---------------------------------------------------------------------------------


def test_means_of_128_and_127_real_donors_rebuild_the_last_one_and_are_stopped(
    shared_data: Path,
) -> None:
    values = pd.read_csv(shared_data / "expression/all128/exprs.csv.gz", index_col=0).T.to_numpy()
    assert values.shape == (128, 12_625)
    whole, rest = np.round(values.mean(axis=0), 3), np.round(values[:-1].mean(axis=0), 3)
    last = rebuild(whole, 128, rest, 127)
    assert np.corrcoef(last, values[-1])[0, 1] > 0.999
    own = np.corrcoef(last - whole, values[-1] - whole)[0, 1]
    assert own == pytest.approx(0.993, abs=0.003), "also of what is this donor's alone"

    sets = frozenset(f"probe{number}" for number in range(values.shape[1]))
    old, new = (
        statement(name, range(n), features=sets) for name, n in (("old", 127), ("new", 128))
    )
    stopped = differencing([old, new], "new", FLOOR, "group_means", values, values, 3)
    assert stopped.evidence["works"]
    assert (stopped.upper, stopped.detail["fewest_donors"]) == (1, 1)

    every = leave_one_out(values, 3)
    assert every.hits == every.n == 128
    assert every.r > 0.98
    coarse = leave_one_out(values, 1)
    assert coarse.hits > 100, "rounding to one decimal is no defence"
    assert coarse.r < every.r


def test_few_rounded_numbers_of_many_donors_do_not_name_anybody() -> None:
    few = leave_one_out(np.random.default_rng(0).normal(0, 0.1, (200, 3)), 1)
    assert few.hits < 20


def test_a_smaller_group_cannot_be_the_larger_one() -> None:
    with pytest.raises(ValueError, match="more donors"):
        rebuild(np.zeros(2), 3, np.zeros(2), 3)


# --- two releases ---------------------------------------------------------------------------------


def test_a_single_release_of_disjoint_groups_leaves_nothing_to_subtract() -> None:
    assert fewest(statement("new", range(30)), statement("new", range(30, 60), "skin")) is None


def test_one_donor_who_joins_is_isolated() -> None:
    assert fewest(statement("old", range(127)), statement("new", range(128))) == 1


def test_one_donor_who_leaves_is_isolated() -> None:
    assert fewest(statement("old", range(128)), statement("new", range(127))) == 1


def test_one_who_joins_for_one_who_leaves_is_noticed() -> None:
    assert fewest(statement("old", range(100)), statement("new", range(1, 101))) == 1


@pytest.mark.parametrize(("joined", "left", "stopped"), [
    (19, 0, True), (20, 0, False), (0, 19, True), (0, 20, False), (20, 20, False), (25, 3, True),
])  # fmt: skip
def test_those_who_join_and_those_who_leave_are_none_or_as_many_as_the_floor(
    joined: int, left: int, stopped: bool
) -> None:
    found = fewest(statement("old", range(100)), statement("new", range(left, 100 + joined)))
    assert (found is not None) == stopped


def test_the_same_people_again_tell_nothing_new() -> None:
    assert fewest(statement("old", range(50)), statement("new", range(50))) is None


def test_other_numbers_cannot_be_subtracted() -> None:
    other = statement("old", range(127), features=frozenset({"WP9"}))
    assert fewest(other, statement("new", range(128))) is None
    proportions = statement("old", range(127), measure="proportions")
    assert fewest(proportions, statement("new", range(128))) is None


def test_a_corrected_sample_is_a_difference_about_one_donor() -> None:
    old, new = statement("old", range(50)), statement("new", range(50))
    corrected = replace(new, members={**new.members, "d007": "corrected"})
    assert fewest(old, corrected) == 1


def test_a_new_pipeline_hides_nobody_who_joined() -> None:
    """All values moved a little: by content nothing can be subtracted, by donor it still can."""
    new = statement("new", range(51))
    again = replace(new, members=dict.fromkeys(new.members, "reprocessed"))
    assert fewest(statement("old", range(50)), again) == 1
    assert fewest(statement("old", range(51)), again) is None


# --- combinations ---------------------------------------------------------------------------------


def test_a_complement_is_found_where_the_whole_is_published() -> None:
    whole, part = statement("new", range(50), "all"), statement("new", range(45), "lung")
    assert fewest(whole, part) == 5


def test_groups_merged_in_a_later_release_are_subtracted_together() -> None:
    old = [statement("old", range(30), "20-29"), statement("old", range(30, 60), "30-39")]
    assert fewest(*old, statement("new", range(61), "20-39")) == 1
    assert fewest(*old, statement("new", range(60), "20-39")) is None


def test_three_releases_isolate_what_no_two_of_them_do() -> None:
    """Either pair differs by the floor or more; A − B − C leaves one donor."""
    first, second = statement("a", range(61), "all"), statement("b", range(30), "left")
    third = statement("new", range(30, 60), "right")
    assert fewest(first, third) is None
    assert fewest(second, third) is None
    assert fewest(first, second, third) == 1


def test_past_sins_alone_do_not_stop_a_release_that_adds_nothing_to_them() -> None:
    old = [statement("a", range(100)), statement("b", range(101))]
    assert fewest(*old, statement("new", range(200, 240), "skin")) is None


@given(st.data())
def test_no_small_combination_of_coefficients_escapes_the_search(data: st.DataObject) -> None:
    """Against brute force over all coefficients from −2 to 2 of up to four groups."""
    rows = data.draw(
        st.lists(st.sets(st.integers(0, 7), min_size=3), min_size=2, max_size=4), label="groups"
    )
    lineage = [statement("new", row, f"g{number}") for number, row in enumerate(rows)]
    matrix = np.array([[donor in row for donor in range(8)] for row in rows], dtype=int)
    supports = [
        int(np.count_nonzero(np.array(c) @ matrix)) for c in product(range(-2, 3), repeat=len(rows))
    ]
    truth = min((support for support in supports if 0 < support < 3), default=None)
    found = min((d.donors for d in differences(lineage, 3, "new")), default=None)
    assert found is not None or truth is None
    assert truth is None or (found is not None and found <= truth)


# --- how much a lineage says of a donor -----------------------------------------------------------


def test_one_mean_says_its_numbers_over_its_donors() -> None:
    assert numbers_per_donor([statement("new", range(30))])[0] == pytest.approx(3 / 30)
    rounded = statement("new", range(30), numbers=2)
    assert numbers_per_donor([rounded])[0] == pytest.approx(2 / 30)


def test_saying_it_again_adds_nothing_and_new_values_add_up() -> None:
    old, new = statement("old", range(30)), statement("new", range(30))
    assert numbers_per_donor([old, new])[0] == pytest.approx(3 / 30)
    again = replace(new, members=dict.fromkeys(new.members, "reprocessed"))
    assert numbers_per_donor([old, again])[0] == pytest.approx(6 / 30)
    more = replace(new, features=SETS | {"WP4"})
    assert numbers_per_donor([old, more])[0] == pytest.approx(4 / 30)


def test_newcomers_are_told_about_by_the_difference() -> None:
    told, donors = numbers_per_donor([statement("old", range(100)), statement("new", range(125))])
    assert donors == 125
    assert told == pytest.approx(3 / 25)


# --- the scenario ---------------------------------------------------------------------------------


def test_the_scenario_stops_the_second_release_and_not_the_first() -> None:
    first = score_of(statement("new", range(40)))
    assert first.evidence["works"] and first.evidence["raw"] == 1
    assert (first.upper, first.detail["fewest_donors"], first.detail["releases"]) == (0, None, 1)
    second = score_of(statement("old", range(39)), statement("new", range(40)))
    assert second.evidence["works"]
    assert (second.upper, second.detail["fewest_donors"], second.n) == (1, 1, 40)


def test_an_attack_that_cannot_rebuild_anybody_from_raw_is_no_evidence() -> None:
    flat = np.ones((40, 60))
    assert not score_of(statement("new", range(40)), raw=flat).evidence["works"]


def test_nothing_about_a_donor_stands_in_the_score() -> None:
    score = score_of(statement("old", range(39)), statement("new", range(40)))
    assert "d0" not in str(score.to_json())


def test_a_candidate_without_groups_is_refused() -> None:
    with pytest.raises(SluiceError, match="without groups"):
        score_of(statement("old", range(39)))
