import csv
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import SluiceError
from sluice.resources import resource
from sluice.tables.hierarchies import KINDS, generalise, ladder, levels

AGE = {"levels": [5, 10, 20, "*"], "top": 90}
NUMBER = {"levels": [0.5, 1, 5, "*"], "bottom": 0, "top": 50}
PLACE = {"map": {"Lyon": ["FR", "Europe"], "Nice": ["FR", "Europe"], "Oslo": ["NO", "Europe"]}}

ORDER: dict[str, Any] = {"order": ["low", "middle", "high", "top"], "levels": [1, 2, 4]}
TREE: dict[str, Any] = {"parent": {"A10BA02": "A10BA", "A10BA": "A10B", "A10B": "A", "B01": "B"}}
REGION = {"levels": ["country", "subregion", "region"]}

days = st.dates().map(str)
codes = st.from_regex(r"\A[A-Z][0-9][0-9A-Z](\.[0-9A-Z]{1,4})?\Z")
CASES = [
    ("age", AGE, st.integers(0, 130)),
    ("age", {"levels": [1, 5, 10], "top": [90, 90, 80]}, st.floats(0, 120)),
    ("zip3", {}, st.from_regex(r"\A[0-9]{5}(-[0-9]{4})?\Z")),
    ("country", {}, st.sampled_from(["FR", "NO"])),
    ("date", {}, days),
    ("date", {"levels": ["month", "year"]}, days),
    ("number", NUMBER, st.floats(-1000, 1000)),
    ("number", {"levels": [3, 6, 30]}, st.integers(-1000, 1000)),
    ("code", {}, codes),
    ("map", PLACE, st.sampled_from(sorted(PLACE["map"]))),
    ("country", REGION, st.sampled_from(["NO", "nor", "Norway", "578", "Chad", "United-States"])),
    ("ordered", ORDER, st.sampled_from(ORDER["order"])),
    ("tree", TREE, st.sampled_from([*TREE["parent"], "A", "B"])),
    ("mask", {}, st.text()),
    ("mask", {"levels": [1, 2, 4]}, st.from_regex(r"\A[A-Z0-9*]{1,6}\Z")),
]


def on(value, kind, level, options):
    return generalise(pd.Series([value], name="x"), kind, level, options).iloc[0]


@pytest.mark.parametrize(("kind", "options", "values"), CASES)
def test_each_level_is_a_function_of_the_one_before(kind, options, values):
    names = levels(kind, options)
    assert names[-1] == "*"

    @given(values)
    def check(value):
        for finer in range(len(names)):
            label = on(value, kind, finer, options)
            for coarser in range(finer, len(names)):
                assert on(label, kind, coarser, options) == on(value, kind, coarser, options)

    check()


def test_every_kind_has_a_nesting_case():
    assert {kind for kind, _, _ in CASES} == set(KINDS)


@pytest.mark.parametrize(
    ("value", "kind", "level", "options", "label"),
    [
        (47, "age", "5", AGE, "45-49"),
        (47.9, "age", 0, AGE, "45-49"),
        ("45-49", "age", "10", AGE, "40-49"),
        ("85-89", "age", "20", AGE, "80-89"),
        (90, "age", 0, AGE, "90+"),
        ("90+", "age", "10", {"levels": [10], "top": 80}, "80+"),
        ("80-84", "age", "10", {"levels": [10], "top": 80}, "80+"),
        ("02139", "zip3", 0, {}, "021"),
        (2139, "zip3", 0, {}, "021"),
        ("02139-4307", "zip3", 0, {}, "021"),
        ("05901", "zip3", 0, {}, "000"),
        (3601, "zip3", 0, {}, "000"),
        ("036", "zip3", 0, {}, "000"),
        ("2021-03-05", "date", "quarter", {}, "2021-Q1"),
        (pd.Timestamp("2021-03-05 10:00"), "date", "day", {}, "2021-03-05"),
        ("20211231", "date", "month", {}, "2021-12"),
        ("2021-Q4", "date", "year", {}, "2021"),
        (7.26, "number", 0, NUMBER, 7.5),
        (7.26, "number", 1, NUMBER, 8.0),
        (-3, "number", 0, NUMBER, 0.0),
        (61, "number", 2, NUMBER, 50.0),
        ("e119", "code", "full", {}, "E11.9"),
        ("E11.9", "code", "category", {}, "E11"),
        ("D49.0", "code", "chapter", {}, "II"),
        ("D50", "code", "chapter", {}, "III"),
        ("H60.1", "code", "chapter", {}, "VIII"),
        ("U07.1", "code", "chapter", {}, "XXII"),
        ("Y99", "code", "chapter", {}, "XX"),
        ("Lyon", "map", "level1", PLACE, "FR"),
        ("FR", "map", "level2", PLACE, "Europe"),
        ("anything", "mask", 0, {}, "*"),
        ("12345", "mask", "2", {"levels": [1, 2, 4]}, "123**"),
        ("1234*", "mask", "2", {"levels": [1, 2, 4]}, "123**"),
        ("AB", "mask", "4", {"levels": [1, 2, 4]}, "**"),
        ("low", "ordered", "2", ORDER, "low to middle"),
        ("high to top", "ordered", "4", ORDER, "low to top"),
        ("top", "ordered", "3", {"order": ORDER["order"], "levels": [3]}, "top"),
        ("A10BA02", "tree", "depth4", TREE, "A10BA02"),
        ("A10BA02", "tree", "depth2", TREE, "A10B"),
        ("A10B", "tree", "depth3", TREE, "A10B"),
        ("B01", "tree", "depth1", TREE, "B"),
        ("Norway", "country", 0, {}, "Norway"),
        ("norway", "country", "subregion", REGION, "Northern Europe"),
        ("GBR", "country", "region", REGION, "Europe"),
        (4, "country", "subregion", REGION, "Southern Asia"),
        ("Caribbean", "country", "region", REGION, "Americas"),
    ],
)
def test_values_become_these_labels(value, kind, level, options, label):
    assert on(value, kind, level, options) == label


@pytest.mark.parametrize(
    ("value", "kind", "level", "options"),
    [
        ("Bergen", "map", 1, PLACE),
        ("FR", "map", "value", PLACE),
        ("40-49", "age", "5", AGE),
        ("80+", "age", "5", AGE),
        (1950, "age", 0, AGE),
        (-1, "age", 0, AGE),
        ("2021-02-30", "date", "year", {}),
        ("2021-Q1", "date", "month", {}),
        ("K1A 0B1", "zip3", 0, {}),
        ("high", "number", 0, NUMBER),
        (float("inf"), "number", 0, NUMBER),
        ("44054006", "code", "chapter", {}),
        ("Atlantis", "country", "region", REGION),
        ("Europe", "country", "subregion", REGION),
        ("lowest", "ordered", 0, ORDER),
        ("low to middle", "ordered", 0, ORDER),
        ("A10C", "tree", 0, TREE),
    ],
)
def test_a_value_that_does_not_fit_is_named_by_its_row_and_never_shown(value, kind, level, options):
    fine = {
        "country": "NO",
        "ordered": "low",
        "tree": "A10BA02",
        "map": "Oslo",
        "age": 30,
        "date": "2021-01-01",
        "zip3": "02139",
        "code": "A00",
    }
    good = None if (kind, level) == ("map", "value") else fine.get(kind, 1)
    column = pd.Series([good, value, good], name="place", dtype=object)
    with pytest.raises(SluiceError, match=r"column place, rule \w+, row 2") as caught:
        generalise(column, kind, level, options)
    assert str(value) not in str(caught.value).replace("row 2", "")


def test_a_missing_value_stays_missing_until_everything_is_one():
    ages = pd.Series([30, None, 95], index=["x", "y", "z"], name="age")
    banded = generalise(ages, "age", 0, AGE)
    assert banded.to_dict() == {"x": "30-34", "y": None, "z": "90+"}
    assert generalise(ages, "age", "*", AGE).tolist() == ["*"] * 3
    assert generalise(ages, "number", 0, NUMBER).isna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("age", {"levels": [10, 25]}),
        ("age", {"levels": [10, 5]}),
        ("age", {"levels": [2.5]}),
        ("age", {"levels": [5, 10], "top": [80, 90]}),
        ("age", {"levels": [10, 20], "top": [90, 85]}),
        ("number", {"levels": [0]}),
        ("number", {"levels": ["wide"]}),
        ("date", {"levels": ["year", "month"]}),
        ("date", {"levels": ["week"]}),
        ("map", {}),
        ("map", {"map": {"a": ["x"], "b": ["x", "y"]}}),
        ("soundex", {}),
        ("mask", {"levels": [2, 1]}),
        ("mask", {"levels": [0]}),
        ("ordered", {"levels": [2]}),
        ("ordered", {"order": ["a", "b", "a"], "levels": [1]}),
        ("ordered", {"order": ["a", "b", "c"]}),
        ("ordered", {"order": ["a", "b", "c"], "levels": [2, 3]}),
        ("tree", {}),
        ("tree", {"parent": {"a": "b", "b": "a"}}),
        ("tree", {"parent": {"a": "b"}, "levels": ["depth1", "depth2"]}),
        ("country", {"levels": ["continent"]}),
    ],
)
def test_options_that_do_not_nest_are_refused(kind, options):
    with pytest.raises(SluiceError):
        levels(kind, options)


def test_a_label_with_two_coarser_labels_is_refused():
    crossed = {"map": {"a": ["x", "1"], "b": ["x", "2"]}}
    with pytest.raises(SluiceError, match="two different"):
        on("a", "map", "level2", crossed)


def test_a_level_that_is_not_there_is_refused():
    with pytest.raises(SluiceError, match="no such level"):
        on(30, "age", 4, AGE)
    with pytest.raises(SluiceError, match="no such level"):
        on(30, "age", "7", AGE)


def test_a_ladder_holds_one_function_a_level():
    ages = pd.Series([47, 91], name="age")
    climbed = [step(ages).tolist() for step in ladder("age", AGE)]
    assert climbed == [["45-49", "90+"], ["40-49", "90+"], ["40-59", "90+"], ["*", "*"]]


def test_every_spelling_of_a_place_has_one_region_and_a_finer_name_is_no_coarser_one():
    with resource("geography", "m49.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 248
    assert {row["region"] for row in rows} == {"Africa", "Americas", "Asia", "Europe", "Oceania"}
    spelled = [
        spelling.casefold()
        for row in rows
        for spelling in [row["m49"], row["alpha2"], row["alpha3"], row["name"],
                         *filter(None, row["also"].split("; "))]
    ]  # fmt: skip
    assert len(spelled) == len(set(spelled))
    assert not {row["subregion"].casefold() for row in rows} & set(spelled)
    of = {row["subregion"]: row["region"] for row in rows}
    assert all(of[row["subregion"]] == row["region"] for row in rows)
    assert len(of) == 22
