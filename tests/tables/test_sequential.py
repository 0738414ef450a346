"""Releases laid beside each other: what they tell together, and who must wait or go."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from benchmarks.tables.series import (
    K,
    Quarter,
    Release,
    attacked,
    cohort,
    judged,
    loss,
    quarterly,
)
from hypothesis import given
from hypothesis import strategies as st

from sluice.attacks.sequential import rejoined
from sluice.tables.models import Rules
from sluice.tables.recode import search
from sluice.tables.sequential import Step, Told, exposed, is_finer, joint_sizes, poor
from sluice.tables.staying import Lineage, protect

NOTHING = pd.DataFrame()


def told(classes: dict[str, int], version: str = "v", tier: str = "registered") -> Told:
    return Told(tier, version, pd.Series(classes, dtype="int64"))


def people(prefix: str, n: int, number: int = 0) -> dict[str, int]:
    return {f"{prefix}{i}": number for i in range(n)}


def by_definition(series: list[Told], beside: Sequence[Told] = ()) -> dict[str, int]:
    """Sizes of joint classes, person by person."""

    def history(who: str, releases) -> tuple:
        return tuple(r.classes.get(who) for r in releases)

    everybody = set().union(*(r.classes.index for r in [*series, *beside]))
    own = {who: history(who, series) for who in everybody}
    also = {who: history(who, beside) for who in everybody}

    def unknown(who: str) -> bool:
        return not any(number is not None for number in also[who])

    return {
        who: sum(
            own[other] == own[who] and (unknown(who) or unknown(other) or also[other] == also[who])
            for other in everybody
        )
        for who in everybody
    }


_classes = st.dictionaries(st.sampled_from([f"s{i}" for i in range(12)]), st.integers(0, 2))


@given(st.lists(_classes, min_size=1, max_size=3), st.lists(_classes, max_size=2))
def test_joint_sizes_are_those_of_the_definition(own, beside) -> None:
    series, others = [told(c) for c in own], [told(c) for c in beside]
    assert joint_sizes(series, others).to_dict() == by_definition(series, others)


def test_one_who_leaves_is_alone_and_so_is_one_who_joins() -> None:
    first = told(people("a", 6))
    second = told({**{f"a{i}": 0 for i in range(5)}, "b0": 0})
    sizes = joint_sizes([first, second])
    assert (sizes["a5"], sizes["b0"], sizes["a0"]) == (1, 1, 5)


def test_a_release_is_answerable_for_what_it_tells_and_for_nothing_else() -> None:
    old = told({"a0": 1, **people("b", 5)})
    again = told(people("b", 5))
    before, after = joint_sizes([old]), joint_sizes([old, again])
    assert set(exposed(after, before, again.classes.index).index) == set(again.classes.index)


def test_a_joint_class_of_one_value_is_poor() -> None:
    first, second = told(people("a", 4)), told({**people("a", 4), **people("b", 3)})
    values = pd.DataFrame({"s": [*"xxyy", *"xxx"]}, index=second.classes.index)
    found = poor([first, second], values, Rules(2, {"s": 2}))
    assert set(found.index[found]) == {"b0", "b1", "b2"}


# --- who may stay -----------------------------------------------------------------------------


def stays(shown: dict[str, int], lineage: Lineage, rules: Rules, values=NOTHING) -> set[str]:
    kept = protect(told(shown).classes, lineage, rules, values)
    return set(kept.index[kept])


_steps = st.lists(
    st.dictionaries(st.sampled_from([f"s{i:02d}" for i in range(30)]), st.integers(0, 2)),
    min_size=2,
    max_size=4,
)


@given(
    _steps,
    st.integers(2, 4),
    st.integers(1, 2),
    st.lists(st.sampled_from("xyz"), min_size=30, max_size=30),
)
def test_whatever_joins_leaves_or_changes_every_joint_class_stays_large_and_diverse(
    steps, k, least, letters
) -> None:
    values = pd.DataFrame({"s": letters}, index=[f"s{i:02d}" for i in range(30)])
    rules = Rules(k, {"s": least})
    series: list[Told] = []
    for shown in steps:
        kept = stays(shown, Lineage(series), rules, values)
        now = told({who: number for who, number in shown.items() if who in kept})
        after = joint_sizes([*series, now])
        affected = exposed(after, joint_sizes(series), now.classes.index)
        assert (affected >= k).all()
        assert not poor([*series, now], values, rules)[affected.index].any()
        series.append(now)


@given(_steps, _steps, st.integers(2, 3))
def test_the_holder_of_both_tiers_finds_nobody_among_fewer_either(above, below, k) -> None:
    controlled: list[Told] = []
    registered: list[Told] = []
    for finer, coarser in zip(above, below, strict=False):
        kept = stays(finer, Lineage(controlled, registered, least=k), Rules(k))
        now = told({who: n for who, n in finer.items() if who in kept}, tier="controlled")
        after = joint_sizes([*controlled, now], registered)
        before = joint_sizes(controlled, registered)
        assert (exposed(after, before, now.classes.index) >= k).all()
        controlled.append(now)
        allowed = {who: n for who, n in coarser.items() if who in now.classes.index}
        lineage = Lineage(registered, controlled, richer=True, least=k)
        kept = stays(allowed, lineage, Rules(k + 1))
        then = told({who: n for who, n in allowed.items() if who in kept})
        both = joint_sizes(controlled, [*registered, then])
        before = joint_sizes(controlled, registered)
        assert (exposed(both, before, then.classes.index) >= k).all()
        own = joint_sizes([*registered, then])
        assert (exposed(own, joint_sizes(registered), then.classes.index) >= k + 1).all()
        registered.append(then)


def fewest_to_go(past: dict[str, int], shown: dict[str, int], k: int) -> int:
    """Fewest people who must go, by trying every set of them."""
    series, names = [told(past)], sorted(shown)
    for size in range(len(names) + 1):
        for out in combinations(names, size):
            now = told({who: n for who, n in shown.items() if who not in out})
            after = joint_sizes([*series, now])
            if (exposed(after, joint_sizes(series), now.classes.index) >= k).all():
                return size
    raise AssertionError


@given(
    st.dictionaries(st.sampled_from([f"s{i}" for i in range(9)]), st.just(0)),
    st.dictionaries(st.sampled_from([f"s{i}" for i in range(10)]), st.integers(0, 1)),
    st.integers(2, 3),
)
def test_as_few_go_as_the_rules_need(past, shown, k) -> None:
    kept = stays(shown, Lineage([told(past)]), Rules(k))
    # What remains of a class must be k too, newcomers among them: they are by the rules.
    assert len(shown) - len(kept) == fewest_to_go(past, shown, k)


def test_newcomers_wait_until_they_are_k() -> None:
    first = told(people("a", 5))
    four = {**people("a", 5), **people("b", 4)}
    assert stays(four, Lineage([first]), Rules(5)) == set(first.classes.index)
    five = {**four, "c0": 0}
    assert stays(five, Lineage([first]), Rules(5)) == set(five)


def test_others_go_with_one_who_leaves_and_all_where_too_few_would_remain() -> None:
    first = told(people("a", 10))
    nine = people("a", 9)
    assert stays(nine, Lineage([first]), Rules(5)) == {f"a{i}" for i in range(4, 9)}
    assert stays(people("a", 8), Lineage([told(people("a", 9))]), Rules(5)) == set()


def test_those_who_go_with_a_leaver_make_the_leavers_diverse() -> None:
    first = told(people("a", 12))
    values = pd.DataFrame({"s": [*"x" * 7, *"yyy", *"xx"]}, index=list(people("a", 12)))
    shown = {who: 0 for who in first.classes.index if who != "a0"}
    kept = stays(shown, Lineage([first]), Rules(3, {"s": 2}), values)
    gone = set(first.classes.index) - kept
    assert values.loc[sorted(gone), "s"].nunique() == 2
    assert len(gone) == 3


def test_what_the_holder_of_both_tiers_takes_out_may_break_a_class_of_one() -> None:
    upper, crossing, lower = people("a", 9), people("b", 6), people("c", 12)
    controlled = told({**upper, **dict.fromkeys(crossing, 1), **dict.fromkeys(lower, 2)})
    half = dict.fromkeys(["b0", "b1", "b2"], 1)
    shown = {**upper, **crossing, **half, **dict.fromkeys(lower, 1)}
    kept = stays(shown, Lineage([], [controlled], richer=True, least=5), Rules(12))
    assert kept == set(lower), "three of b are too few, and without them nine of a are"


def test_the_order_of_the_people_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    first = {f"s{i:03d}": int(rng.integers(4)) for i in range(80)}
    shown = {who: n for who, n in first.items() if rng.random() < 0.9}
    shown |= {f"t{i:03d}": int(rng.integers(4)) for i in range(30)}
    mixed = dict(rng.permutation(list(shown.items())).tolist())
    mixed = {who: int(n) for who, n in mixed.items()}
    back = dict(reversed(first.items()))
    assert stays(shown, Lineage([told(first)]), Rules(5)) == stays(
        mixed, Lineage([told(back)]), Rules(5)
    )


def test_who_left_after_a_release_of_registered_alone_is_not_told_by_controlled() -> None:
    registered = told(people("a", 12))
    shown = {**people("a", 11), **people("b", 5, 1)}
    kept = stays(shown, Lineage([], [registered], least=5), Rules(5))
    now = told({who: n for who, n in shown.items() if who in kept}, tier="controlled")
    assert joint_sizes([now], [registered]).min() >= 5
    assert kept == set(people("b", 5))


# --- recoding of a series ---------------------------------------------------------------------

AGE = Step("age", {"top": 90}, ["5", "10", "20", "*"], 1)


@pytest.mark.parametrize(
    ("now", "finer"),
    [
        (AGE, False),
        (Step("age", {"top": 90}, ["5", "10", "20", "*"], 2), False),
        (Step("age", {"top": 90}, ["5", "10", "20", "*"], 0), True),
        (Step("age", {"top": 90}, ["10", "20", "*"], 0), False),
        (Step("age", {"top": 90}, ["20", "*"], 0), True),  # nobody can tell what 20 is
        (Step("age", {"top": 80}, ["5", "10", "20", "*"], 1), False),
        (Step("age", {}, ["5", "10", "20", "*"], 1), True),
        (Step("number", {"top": 90}, ["5", "10", "20", "*"], 1), True),
        (Step("number", {}, ["*"], 0), False),
    ],
)
def test_a_field_is_finer_where_it_may_show_more(now: Step, finer: bool) -> None:
    assert is_finer(now, AGE) == finer


def test_a_category_that_is_new_may_join_a_map_and_no_old_one_may_move() -> None:
    def step(**groups: list[str]) -> Step:
        return Step("map", {"map": groups}, ["value", "level1", "*"], 1)

    assert not is_finer(step(a=["x"], b=["x"]), step(a=["x"]))
    assert is_finer(step(a=["y"]), step(a=["x"]))


# --- the attack -------------------------------------------------------------------------------


def test_rows_are_found_again_by_a_value_where_nobody_else_has_it() -> None:
    first = pd.DataFrame({"age": [30, 30, 30, 40], "value": [1, 2, 3, 3]}, index=[*"abcd"])
    second = pd.DataFrame({"age": [30, 30, 40], "value": [1, 2, 3]}, index=[*"efg"])
    fresh = rejoined([first, second], ["age"], ["value"])
    again = [set(told.classes.index) for told in fresh]
    assert len(again[0] & again[1]) == 2  # two had 3, so nobody knows whose the third is
    assert joint_sizes(fresh).max() == 2
    stable = rejoined([first, second.set_axis([*"abd"])], ["age"])
    assert joint_sizes(stable).to_dict() == {"0.0": 2, "0.1": 2, "0.2": 1, "0.3": 1}


# --- eight quarters ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world():
    return cohort()


@pytest.fixture(scope="module")
def series(world) -> dict[str, list[Release]]:
    people, ladders = world
    return {way: quarterly(people, ladders, way, 0.02) for way in ("same", "searched", "diverse")}


@pytest.fixture(scope="module")
def quarters(world, series) -> dict[str, list[Quarter]]:
    people, ladders = world
    return {way: judged(people, ladders, releases) for way, releases in series.items()}


def test_unprotected_quarters_leave_people_alone(quarters) -> None:
    for way in ("same", "searched"):
        assert quarters[way][0].effective_k >= K, "one release is safe by itself"
        assert all(quarter.effective_k == 1 for quarter in quarters[way][1:])
        assert quarters[way][-1].effective_k_of_stayers < K
        assert quarters[way][-1].newcomers_told > 0
    assert quarters["searched"][-1].under_k >= quarters["same"][-1].under_k


def test_protected_quarters_never_fall_below_k_and_say_what_it_costs(quarters) -> None:
    ways = quarters["diverse"]
    assert len(ways) == 8
    assert all(quarter.effective_k >= K for quarter in ways)
    assert all(quarter.under_k == 0 == quarter.newcomers_told for quarter in ways)
    for quarter in ways:
        parts = (quarter.released, quarter.held_back, quarter.covers, quarter.suppressed)
        assert sum(parts) == quarter.candidates
    assert ways[-1].released > 0.8 * ways[-1].candidates, "a release of nobody is safe too"
    assert ways[0].loss < ways[-1].loss < 1


@pytest.mark.parametrize("fresh", [False, True])
def test_in_both_linkage_modes_the_attack_finds_people_unprotected_and_none_protected(
    world, series, fresh: bool
) -> None:
    for releases in series.values():
        for release in releases:
            assert release.classes.value_counts().min() >= K, "each is safe by itself"
    people, ladders = world
    assert attacked(people, ladders, series["same"], fresh=fresh)[1:] == [1] * 7
    assert min(attacked(people, ladders, series["diverse"], fresh=fresh)) >= K


def test_the_loss_of_a_release_is_that_of_the_search(world) -> None:
    people, ladders = world
    people = people.iloc[:3000]
    found = search(people, ladders, K, max_suppression=0.02)
    classes = pd.Series(found.classes, index=people.index)[~found.suppressed]
    release = Release(people.index, classes, found.node)
    assert loss(people, ladders, release) == pytest.approx(found.loss, abs=1e-12)
