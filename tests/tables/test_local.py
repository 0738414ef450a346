from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import SluiceError
from sluice.tables.hierarchies import ladder
from sluice.tables.local import Level, kept, on_places, recode_cells, removed
from sluice.tables.models import Rules

PLACE = {"levels": ["value", "level1"], "map": {v: [v[0]] for v in ("x1", "x2", "y1", "y2")}}
AGE = {"levels": [5, 10, 20]}
LEVELS: dict[str, list[Level]] = {
    "age": [*ladder("age", AGE)[:3], removed],
    "place": [*ladder("map", PLACE)[:2], removed],
    "sex": [kept],
}

people = st.lists(
    st.tuples(
        st.none() | st.integers(20, 60),
        st.none() | st.sampled_from(sorted(PLACE["map"])),
        st.sampled_from("fm"),
        st.sampled_from("uvw"),
    ),
    min_size=4,
    max_size=40,
)


def table(records: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(records, columns=["age", "place", "sex", "smoking"], dtype=object)


def shown(df: pd.DataFrame, levels: dict, places: np.ndarray) -> pd.DataFrame:
    columns = {
        name: on_places(df[name], dict(enumerate(steps)), places[:, j]).fillna("")
        for j, (name, steps) in enumerate(levels.items())
    }
    return pd.DataFrame(columns)


@given(records=people, k=st.integers(2, 4), least=st.integers(1, 3))
def test_every_record_is_in_a_safe_class_unless_its_sex_is_too_rare(records, k, least) -> None:
    df = table(records)
    out = shown(df, LEVELS, recode_cells(df, LEVELS, Rules(k, {"smoking": least})))
    for _, members in df.groupby([out[name] for name in out]):
        alike = df[df["sex"] == members["sex"].iloc[0]]
        if len(alike) >= k and alike["smoking"].nunique() >= least:
            assert len(members) >= k and members["smoking"].nunique() >= least


@given(records=people)
def test_no_cell_changes_but_into_a_class_that_satisfies_every_rule(records) -> None:
    df = table(records)
    rules = Rules(3, {"smoking": 2}, {"smoking": 0.4}, dominant=0.6)
    places = recode_cells(df, LEVELS, rules)
    out = shown(df, LEVELS, places)
    everyone = df["smoking"].value_counts(normalize=True)
    for _, members in df.groupby([out[name] for name in out]):
        if places[df.index.get_indexer(members.index)].any():
            shares = members["smoking"].value_counts(normalize=True)
            excess = shares.sub(everyone, fill_value=0).clip(lower=0)
            allowed = everyone.add(rules.margin).clip(lower=0.6)
            assert len(members) >= 3 and len(shares) >= 2 and excess.sum() <= 0.4 + 1e-9
            assert (shares <= allowed[shares.index] + 1e-9).all()


@given(records=people, seed=st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(records, seed) -> None:
    df = table(records)
    order = np.random.default_rng(seed).permutation(len(df))
    first = recode_cells(df, LEVELS, Rules(3))
    assert (first[order] == recode_cells(df.iloc[order], LEVELS, Rules(3))).all()


def test_a_safe_record_stays_as_it_is() -> None:
    df = table([(40, "x1", "f", "u")] * 5 + [(20, "x2", "f", "u"), (24, "y1", "f", "u")])
    places = recode_cells(df, LEVELS, Rules(2))
    assert (places[:5] == 0).all() and places[5:].tolist() == [[0, 2, 0]] * 2


def test_a_cell_becomes_coarser_where_that_is_enough() -> None:
    df = table([(20, "x1", "f", "u"), (20, "x2", "f", "u")])
    places = recode_cells(df, LEVELS, Rules(2))
    assert places.tolist() == [[0, 1, 0]] * 2
    assert shown(df, LEVELS, places)["place"].tolist() == ["x", "x"]
    gone = LEVELS | {"place": [kept, removed]}
    assert shown(df, gone, recode_cells(df, gone, Rules(2)))["place"].tolist() == ["", ""]


def test_who_is_left_joins_a_class_on_the_cheapest_level_that_both_share() -> None:
    df = table([(20, "x1", "f", "u")] * 4 + [(21, "x2", "f", "u")] + [(59, "y1", "f", "u")] * 4)
    places = recode_cells(df, LEVELS, Rules(2))
    assert places.tolist() == [[0, 1, 0]] + [[0, 0, 0]] * 3 + [[0, 1, 0]] + [[0, 0, 0]] * 4


def test_who_looks_like_a_changed_class_already_needs_no_change() -> None:
    df = table([(20, "x1", "f", "u"), (20, "y1", "f", "u"), (20, None, "f", "u")])
    places = recode_cells(df, LEVELS, Rules(2))
    assert places[:, 1].tolist()[:2] == [2, 2] and shown(df, LEVELS, places)["place"].eq("").all()


def test_a_field_that_never_changes_leaves_its_rare_rows_at_risk() -> None:
    df = table([(20, "x1", "f", "u")] * 4 + [(20, "x1", "m", "u")])
    assert (recode_cells(df, LEVELS, Rules(2)) == 0).all()


@pytest.mark.parametrize(
    ("kind", "after"),
    [("float64", "float64"), ("int64", "Int64"), ("Int64", "Int64"), ("object", "object")],
)
def test_cells_on_their_own_places_keep_the_kind_of_the_column(kind, after) -> None:
    values = pd.Series([1, 2, 3], name="x", dtype=kind)
    out = on_places(values, {0: kept, -1: removed}, np.array([0, -1, 0]))
    assert out.dtype == after and out.isna().tolist() == [False, True, False]
    assert out.dropna().tolist() == [1, 3] and out.name == "x"
    assert on_places(values, {0: kept}, np.zeros(3)).dtype == kind


def test_too_many_combinations_are_refused_before_any_is_tried() -> None:
    df = pd.DataFrame([["p"] * 20] * 3, columns=list("abcdefghijklmnopqrst"))
    with pytest.raises(SluiceError, match=r"too many combinations.*20 fields"):
        recode_cells(df, {name: [kept, removed] for name in df.columns}, Rules(2))
