import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.tables.classes import class_sizes
from sluice.tables.models import (
    distinct_l,
    dominance,
    entropy_l,
    equal_distance,
    measure,
    tabulate,
)
from sluice.tables.recode import suppress


@pytest.fixture(scope="module")
def adult(shared_data):
    return pd.read_csv(shared_data / "clinical" / "adult" / "adult.csv", sep=";")


def test_the_adult_table_gives_the_reference_values(adult):
    quasi = [name for name in adult.columns if name != "occupation"]
    found = measure(adult, quasi, ["occupation"])
    assert found["k"] == 1 and found["occupation.distinct_l"] == 1
    assert found["occupation.t"] == pytest.approx(0.9997016112989855, abs=1e-12)


SALARIES = pd.DataFrame(
    {
        "zip": ["476**"] * 3 + ["4790*"] * 3 + ["47605"] * 3,
        "salary": [3, 4, 5, 6, 11, 8, 7, 9, 10],
        "disease": ["ulcer", "ulcer", "ulcer", "flu", "flu", None, "ulcer", "flu", "cold"],
    }
)


def test_the_models_tell_what_each_class_gives_away():
    table = tabulate(SALARIES, ["zip"], "disease")  # 476**, 47605, 4790*
    assert distinct_l(table).tolist() == [1, 3, 1]
    assert entropy_l(table) == pytest.approx(
        [1, 3, np.exp(-np.log(1 / 3) / 3 - np.log(2 / 3) * 2 / 3)]
    )
    assert dominance(table) == pytest.approx([1, 1 / 3, 2 / 3])
    assert equal_distance(table) == pytest.approx([5 / 9, 2 / 9, 5 / 9])


records = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.sampled_from(["p", "q", "r", None])),
    min_size=1,
    max_size=40,
)


def broken_rules(table, k, least, limit, dominant, margin):
    """The rules written out slowly: which are broken by which class."""
    overall = table["s"].fillna("none").value_counts(normalize=True)
    for _, members in table.groupby(["x", "y"]):
        shares = members["s"].fillna("none").value_counts(normalize=True)
        distance = (shares.reindex(overall.index, fill_value=0) - overall).abs().sum() / 2
        allowed = np.maximum(dominant, overall.reindex(shares.index) + margin)
        if len(members) < k:
            yield "k"
        if members["s"].nunique() < least:
            yield "l"
        if distance > limit + 1e-9:
            yield "t"
        if (shares > allowed + 1e-9).any():
            yield "dominance"


@given(records, st.integers(1, 4), st.integers(1, 3), st.sampled_from([0.2, 0.5, 1.0]))
def test_what_suppression_keeps_satisfies_every_rule_against_what_is_kept(rows, k, least, limit):
    table = pd.DataFrame(rows, columns=["x", "y", "s"])
    kept = suppress(table, ["x", "y"], k, {"s": least}, {"s": limit}, 0.8)
    assert not list(broken_rules(table[kept], k, least, limit, 0.8, 0.1))


def test_suppression_does_not_remove_what_satisfies_the_rules():
    table = pd.DataFrame({"x": [*"aaabbbc"], "s": ["p", "q", "r", "p", "q", "r", "p"]})
    assert suppress(table, ["x"], 3, {"s": 3}, {"s": 0.5}, 0.8).tolist() == [True] * 6 + [False]


def test_raw_gives_a_diagnosis_away_and_the_kept_table_does_not():
    table = pd.DataFrame({"x": [*"aaaabbbb"], "s": [*"ppppqrpq"]})
    raw = tabulate(table, ["x"], "s")
    assert class_sizes(table, ["x"]).min() >= 4, "k-anonymous, and yet"
    assert dominance(raw).max() == 1.0, "whoever is in class a has p"
    kept = suppress(table, ["x"], 4, {"s": 2}, None, 0.8)
    assert kept.any()
    assert dominance(tabulate(table[kept], ["x"], "s")).max() <= 0.8


def test_a_value_that_most_of_the_cohort_has_may_dominate_a_class():
    table = pd.DataFrame(
        {"x": ["a"] * 20 + ["b"] * 20, "s": ["p"] * 19 + ["q"] + ["p"] * 17 + ["q"] * 3}
    )
    assert suppress(table, ["x"], 5, {"s": 1}, None, 0.8).all(), "0.95 against 0.90 of the cohort"
    assert not suppress(table, ["x"], 5, {"s": 1}, None, 0.8, margin=0.0).all()


def test_a_missing_value_hides_nobody():
    table = pd.DataFrame({"x": [*"aaa"], "s": ["p", "q", None]})
    assert not suppress(table, ["x"], 3, {"s": 3}).any()


def test_rules_hold_against_the_kept_cohort_not_against_the_one_before_suppression():
    """Class z makes p common; once z is gone, class a's nine p of ten tell too much."""
    table = pd.DataFrame(
        {"x": ["z"] * 20 + ["a"] * 10 + ["b"] * 10, "s": [*"p" * 29, "q", *"p" * 5, *"q" * 5]}
    )
    kept = suppress(table, ["x"], 5, {"s": 1}, None, 0.8)
    assert set(table["x"][kept]) == {"b"}
