"""What is told of a person, and not more of a person than a tier may hold."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.modalities.clinical.facts import derived
from sluice.modalities.imaging.people import beyond, told
from sluice.modalities.shared.earliest import earliest
from sluice.modalities.shared.told import binned, joined, lacking, long, magnitude, of_samples
from sluice.modalities.singlecell.kinds import kinds_of

ROWS = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.one_of(st.none(), st.integers(1, 4)),
        st.sampled_from("uvwxy"),
    ),
    max_size=14,
)


@given(rows=ROWS, most=st.one_of(st.none(), st.integers(1, 3)))
def test_the_earliest_items_stay_whole(
    rows: list[tuple[str, int | None, str]], most: int | None
) -> None:
    day = {1: "2001-01-01", 2: "2001-02-01", 3: "2002-01-01", 4: "2003-01-01"}
    table = pd.DataFrame(
        [(who, day.get(when or 0), f"{who}{item}") for who, when, item in rows],
        columns=["subject", "date", "study"],
    )
    table["date"] = pd.to_datetime(table["date"])
    kept = earliest(table, most, "date", "study")
    expected = set()
    for who in "ab":
        first: dict[str, tuple[bool, str]] = {}
        for owner, date, study in table.itertuples(index=False):
            if owner == who:
                when = (pd.isna(date), str(date))
                first[study] = min(first.get(study, (True, "~")), when)
        ordered = sorted(first, key=lambda study: (first[study], study))
        expected |= set(ordered[:most])
    assert set(table.loc[kept, "study"]) == expected
    assert kept.equals(table["study"].isin(expected))


def test_counts_are_told_in_bins() -> None:
    assert binned(pd.Series([1, 2, 3, 40])).tolist() == ["1", "2", "3+", "3+"]
    assert magnitude(pd.Series([7, 12, 340])).tolist() == ["1", "2", "3"]


def test_facts_are_text_sorted_and_keep_what_is_missing() -> None:
    wide = pd.DataFrame({"age": [40.0, None], "sex": ["f", "m"]}, index=["b", "a"])
    rows = long(wide).to_numpy().tolist()
    assert rows == [["a", "age", None], ["a", "sex", "m"], ["b", "age", "40"], ["b", "sex", "f"]]


def test_all_that_occurs_is_joined_once() -> None:
    subjects = pd.Series(["a", "a", "a", "b"])
    assert joined(subjects, pd.Series(["mr", "ct", "mr", None])).to_dict() == {"a": "ct+mr"}


def test_the_names_of_missing_fields_are_a_fact_of_their_own() -> None:
    table = pd.DataFrame({"smoking": ["x", None, None], "height": [1.0, 2.0, None]})
    assert lacking(table).tolist() == ["none", "smoking", "height+smoking"]


def test_samples_are_counted_by_name_and_fields_listed() -> None:
    samples = pd.DataFrame(
        {"subject": [*"aab"], "sample": [*"xyz"], "tissue": ["skin", "blood", None]}
    )
    wide = of_samples(samples, "bulk", {"tissue": "tissue"})
    assert wide["bulk_samples"].to_dict() == {"a": "2", "b": "1"}
    assert wide["tissue"].dropna().to_dict() == {"a": "blood, skin"}


def test_a_person_in_two_files_of_cells_is_told_apart() -> None:
    cells = pd.DataFrame({"subject": [*"aab"], "file": [0, 1, 0]})
    found = kinds_of(cells, pd.Series({0: "log", 1: "counts"}))
    assert found.to_dict() == {"a": "counts+log", "b": "log"}


def test_visits_events_and_their_span_are_derived() -> None:
    others = pd.DataFrame({"smoking": ["never", None]}, index=["a", "b"])
    visits = pd.DataFrame({"subject": [*"aab"]})
    days = visits.assign(date=pd.to_datetime(["2001-01-01", "2001-07-01", "2001-01-01"]))
    events = pd.DataFrame({"subject": ["a"] * 12})
    found = derived(others, days, events)
    assert found.loc["a"].to_dict() == {
        "missing": "none", "visits": "2", "events": "2", "follow_up": 180,
    }  # fmt: skip
    assert found.loc["b"].to_dict() == {
        "missing": "smoking", "visits": "1", "events": "1", "follow_up": 0,
    }  # fmt: skip
    binned_days = derived(others, visits.assign(days=[0, 270, 0]), events)
    assert binned_days["follow_up"].tolist() == [270, 0]
    assert list(derived(others)) == ["missing"]


@pytest.fixture
def images() -> tuple[pd.DataFrame, pd.DataFrame]:
    instances = pd.DataFrame({"subject": [*"aaab"], "study": ["s1", "s1", "s2", "s3"]})
    headers = pd.DataFrame(
        {
            "kind": ["ct", "ct", "mr", "ct"],
            "region": ["chest", "chest", "abdomen", None],
            "Manufacturer": ["ACME", "ACME", "OTHER", "ACME"],
            "ManufacturerModelName": ["M1", "M1", None, None],
            "DeviceSerialNumber": None,
            "StationName": None,
        }
    )
    return instances, headers


def test_headers_tell_how_much_of_what_from_which_machine(
    images: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    wide = told(*images)
    assert wide.loc["a"].to_dict() == {
        "studies": "2", "objects": "1", "image_modality": "ct+mr", "region": "abdomen+chest",
        "device": "ACME M1+OTHER",
    }  # fmt: skip
    assert wide["device"]["b"] == "ACME" and wide["region"].isna()["b"]


def test_later_studies_are_beyond_what_a_tier_holds(
    images: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    days = pd.to_datetime(["2001-05-01", "2001-05-02", "2001-01-01", "2001-01-01"])
    dated = images[0].assign(date=days)
    assert beyond(dated, 1) == ["s1"]
    assert beyond(dated, 2) == beyond(dated, None) == []
