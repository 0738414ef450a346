"""The demo's people: dates of another century, consent of every kind, classes large enough."""

from __future__ import annotations

import zipfile

import openpyxl
import pandas as pd
import pytest

_CUT = "1899-06-30"


@pytest.fixture(scope="module")
def people(demo):
    """Patients with consent, whether registered may hold them, and age at the first visit."""
    patients = demo.table("clinical/patients.csv").set_index("mrn")
    consent = demo.table("clinical/consent.csv").set_index("mrn")
    table = patients.join(consent).fillna("")
    gone = (table["withdrawn_on"] != "") & (table["withdrawn_on"] <= _CUT)
    table["registered"] = table["code"].isin(["PUB", "REG"]) & ~gone
    first = demo.table("clinical/visits.tsv").groupby("mrn")["visit_date"].min()
    table["age"] = [_age(born, first[mrn]) for mrn, born in table["birth_date"].items()]
    table["age_at_cut"] = [_age(born, _CUT) for born in table["birth_date"]]
    table["sex"] = table["sex"].str[0].str.upper()
    table["imaged"] = table.index.isin({str(ds.PatientID) for _, ds in demo.objects()})
    return table


def _age(born: str, day: str) -> int:
    return int(day[:4]) - int(born[:4]) - (day[5:] < born[5:])


def test_births_and_events_lie_in_years_that_no_release_may_show(demo):
    days: dict[str, list[str]] = {"birth_date": [], "event_date": []}
    for kind, value, _ in demo.canaries:
        if kind in days:
            days[kind].append(value.replace("-", ""))
    assert "1803" <= min(days["birth_date"]) <= max(days["birth_date"]) < "1880"
    assert "1893" <= min(days["event_date"]) <= max(days["event_date"]) < "1900"


def test_every_kind_of_consent_occurs(people):
    assert people["code"].value_counts().to_dict() == {
        "PUB": 108,
        "REG": 4,
        "CTL": 4,
        "CTL-NOIMG": 2,
        "": 2,
    }
    withdrawn = people["withdrawn_on"]
    assert ((withdrawn != "") & (withdrawn <= _CUT)).sum() == 3
    assert (withdrawn > _CUT).sum() == 1
    assert people["registered"].sum() == 109


def test_those_who_refused_still_have_raw_files_that_must_stay_behind(demo, people):
    links = demo.table("clinical/links.csv").set_index("donor_id")["mrn"]
    in_bulk = set(demo.table("bulk/samples.csv")["donor_id"].map(links))
    for refused in (
        people["code"] == "CTL-NOIMG",
        people["code"] == "",
        (people["withdrawn_on"] != "") & (people["withdrawn_on"] <= _CUT),
    ):
        assert people.loc[refused, "imaged"].any()
        assert in_bulk & set(people.index[refused])


@pytest.mark.parametrize("age", ["age", "age_at_cut"])
def test_twelve_share_band_sex_and_imaging_when_a_tenth_is_suppressed(people, age):
    registered = people[people["registered"]]
    classes = registered.groupby([registered[age] // 20, "sex", "imaged"])["city"].transform("size")
    assert (classes >= 12).mean() > 0.9
    assert (classes >= 12).mean() < 1.0
    assert registered[age].min() >= 20
    assert registered[age].max() >= 90


def test_one_person_is_unique_by_age_and_country(people):
    rare = people[people["country"] == "Iceland"]
    assert len(rare) == 1
    assert rare["age_at_cut"].item() == 96
    assert rare["postcode"].item() == ""


def test_each_large_class_holds_three_diagnoses_and_three_habits(people):
    registered = people[people["registered"] & people["age"].between(20, 79)]
    grouped = registered.groupby([registered["age"] // 20, "sex"])
    assert grouped["diagnosis"].agg(lambda codes: codes.str[:3].nunique()).min() == 3
    assert grouped["smoking"].nunique().min() == 3
    assert grouped["smoking"].agg(lambda s: s.value_counts(normalize=True).max()).max() <= 0.8


def test_glucose_comes_in_two_units_that_agree_once_converted(demo):
    labs = pd.read_parquet(demo.raw / "clinical/labs.parquet")
    glucose = labs[labs["loinc"] == "2345-7"]
    mean = glucose.groupby("unit")["value"].mean()
    assert mean["mmol/L"] * 18.016 == pytest.approx(mean["mg/dL"], rel=0.05)
    assert labs[labs["loinc"] != "2345-7"].groupby("loinc")["unit"].nunique().max() == 1


def test_visits_labs_and_diagnoses_speak_of_known_people(demo, people):
    visits = demo.table("clinical/visits.tsv")
    assert set(visits["mrn"]) == set(people.index)
    assert visits["visit_id"].is_unique
    labs = pd.read_parquet(demo.raw / "clinical/labs.parquet")
    assert set(labs["visit_id"]) <= set(visits["visit_id"])
    sheet = openpyxl.load_workbook(demo.raw / "clinical/diagnoses.xlsx")["diagnoses"]
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0] == ("mrn", "diagnosed_on", "icd10", "text")
    assert {row[0] for row in rows[1:]} == set(people.index)


def test_free_text_holds_the_persons_own_name_number_and_a_date(people):
    for mrn, row in people.iterrows():
        assert row["family_name"] in row["note"]
        assert mrn in row["note"]
        assert "-0" in row["note"] or "-1" in row["note"]


def test_the_workbook_keeps_no_time_of_saving(demo):
    with zipfile.ZipFile(demo.raw / "clinical/diagnoses.xlsx") as book:
        assert {entry.date_time[0] for entry in book.infolist()} == {1980}
        assert b"T00:00:00Z" in book.read("docProps/core.xml")
        assert b"202" not in book.read("docProps/core.xml")
