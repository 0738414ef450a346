"""Raw files, roles, consent, participants and rules: what every adapter builds on."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import Counter
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pipeline.tiny import ADDRESS, Tiny, make_tiny, mrn, ward

from sluice.config import Config
from sluice.config.cohort import Calendar, Column, Conversion, Source
from sluice.config.policy import FieldRule
from sluice.errors import SluiceError
from sluice.jobs import Job
from sluice.modalities.shared.ages import ages
from sluice.modalities.shared.consent import write_consent
from sluice.modalities.shared.fields import convert_units, table_inventory, typed
from sluice.modalities.shared.participants import Participants
from sluice.modalities.shared.rawfiles import manifest, source_format, source_path
from sluice.modalities.shared.rules import allowed_tokens, intervals, ladder, shift_dates

SECRET = "CANARY-cell"


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return make_tiny(tmp_path)


def job_of(tiny: Tiny, stage: str = "intake", tier: str = "") -> Job:
    return Job(Config.load(tiny.config, ADDRESS), stage, tier, "clinical")  # type: ignore[arg-type]


# --- files ---


def test_what_is_no_data_file_is_refused(tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text(SECRET)
    root = tmp_path / "raw"
    root.mkdir()
    (root / "link.csv").symlink_to(outside)
    (root / "folder").symlink_to(tmp_path)
    (root / "a.zip").write_bytes(b"x")
    (root / "tar.tar.gz").write_bytes(b"x")
    (root / "a.vcf.gz").write_bytes(b"x")
    (root / "a.fastq").write_bytes(b"x")
    (root / "a.pkl").write_bytes(b"x")
    (root / "pickle.csv").write_bytes(pickle.dumps({"a": SECRET}))
    with zipfile.ZipFile(root / "zip.csv", "w") as packed:
        packed.writestr("a", SECRET)
    (root / "empty.csv").write_bytes(b"")
    os.mkfifo(root / "fifo.csv")
    for name, said in {
        "link.csv": "symbolic link", "folder/outside.csv": "symbolic link", "a.zip": "archive",
        "tar.tar.gz": "archive", "zip.csv": "archive", "a.pkl": "pickle", "pickle.csv": "pickle",
        "a.fastq": "raw reads", "a.vcf.gz": "variants", "empty.csv": "is empty",
        "none.csv": "is missing", "fifo.csv": "device or special file",
    }.items():  # fmt: skip
        with pytest.raises(SluiceError, match=said) as told:
            source_path(root, name)
        assert SECRET not in str(told.value)


def test_the_manifest_counts_what_it_refuses_and_reads_only_what_is_named(tiny: Tiny) -> None:
    (tiny.raw / "link").symlink_to(tiny.home)
    (tiny.raw / "old.zip").write_bytes(b"PK\x03\x04")
    (tiny.raw / "notes.txt").write_text(SECRET)
    name = os.fsencode(tiny.raw) + b"/caf\xe9.csv"
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
    job = job_of(tiny)
    files = {f.path: f for f in manifest(job)}
    assert files["people.csv"].status == "taken" and files["people.csv"].sha256
    assert files["notes.txt"].status == "unlisted" and files["notes.txt"].sha256 == ""
    assert files["consent.csv"].reason == "attack or consent input"
    assert {f.reason for f in files.values() if f.status == "refused"} == {
        "symlink", "archive", "name that is not UTF-8",
    }  # fmt: skip
    assert job.counts["files refused: symlink"] == 1
    pa.array(list(files))  # every path can be written as text


def test_a_format_that_is_not_clear_is_asked_for() -> None:
    assert source_format(Source(file="a.CSV", table="people")) == "csv"
    with pytest.raises(SluiceError, match=r"format.*not clear.*write `format:`"):
        source_format(Source(file="a.dat", table="people"))


# --- columns ---


def test_an_unclassified_or_absent_column_stops_by_place() -> None:
    source = Source(file="p.csv", table="people", columns={"a": Column(role="safe")})
    with pytest.raises(SluiceError, match=r"not classified \(source p.csv, column 2\)"):
        table_inventory(pd.DataFrame({"a": ["x"], SECRET: ["y"]}), source, "p")
    with pytest.raises(SluiceError, match=r"lacks a column.*`a`"):
        table_inventory(pd.DataFrame({}), source, "p")


def test_an_inventory_holds_no_value() -> None:
    table = pd.DataFrame({"a": [SECRET, SECRET + "2", None]})
    source = Source(file="p.csv", table="people", columns={"a": Column(role="direct")})
    row = table_inventory(table, source, "p").iloc[0]
    assert (row["n"], row["missing"], row["distinct"], row["unique_share"]) == (3, 1, 2, 1.0)
    assert SECRET not in row.to_json()


def curated(cells: list[str | None], **column: object) -> tuple[list[object], Counter[str]]:
    counts: Counter[str] = Counter()
    rules = Column(role="safe", field="x", **column)  # type: ignore[arg-type]
    good = [None] * 40 if cells and cells[0] is None else [cells[0]] * 40
    values = pd.Series([*good, *cells], dtype=object)
    result = typed(values, "x", rules, Calendar(), "p.csv", counts)
    return [None if pd.isna(v) else v for v in result][40:], counts


@pytest.mark.parametrize(
    ("column", "cells", "expected"),
    [
        ({"type": "date"}, ["1993-01-02", "1993-02-30"], [pd.Timestamp("1993-01-02"), None]),
        ({"type": "date"}, ["1993-01-02", "1493-01-02"], [pd.Timestamp("1993-01-02"), None]),
        ({"type": "number"}, ["1.5", "x"], [1.5, None]),
        ({"type": "number"}, ["1.5", "inf"], [1.5, None]),
        ({"type": "number", "minimum": 1, "maximum": 2}, [" 1.5 ", "2.5"], [1.5, None]),
        ({"type": "integer"}, ["3", "3.5"], [3, None]),
        ({"type": "category", "vocabulary": {"female": ["F"]}}, ["f", "x"], ["female", None]),
        ({}, [" a ", None], ["a", None]),
    ],
)
def test_a_cell_is_typed_or_counted_as_missing(
    column: dict[str, object], cells: list[str | None], expected: list[object]
) -> None:
    values, counts = curated(cells, **column)
    assert values == expected
    assert sum(counts.values()) == (cells[1] is not None)
    assert set(counts) <= {"x: unreadable cells set missing"}


def test_many_unreadable_cells_mean_a_wrong_format_and_stop() -> None:
    values = pd.Series([SECRET] * 3 + ["1"] * 30, dtype=object)
    with pytest.raises(SluiceError, match=r"5 % of a column.*column `x`, first in row 2") as told:
        typed(values, "x", Column(role="safe", type="number"), Calendar(), "p.csv", Counter())
    assert SECRET not in str(told.value)


def test_a_date_cell_of_a_workbook_is_read_whatever_the_calendar_s_format() -> None:
    calendar = Calendar(date_format="%d.%m.%Y")
    values = pd.Series(["02.01.1993", "1993-01-02"], dtype=object)
    column = Column(role="quasi", type="date")
    read = typed(values, "x", column, calendar, "p", Counter())
    assert read.nunique() == 1 and read.notna().all()


def test_units_are_converted_for_the_named_code_only() -> None:
    events = pd.DataFrame(
        {"code": ["a", "a", "b"], "value": ["2", "2", "2"], "unit": ["mmol/L", "mg/dL", "mmol/L"]}
    )
    rule = Conversion(code="a", from_unit="mmol/L", to_unit="mg/dL", factor=18)
    counts: Counter[str] = Counter()
    out = convert_units(events, [rule], counts)
    assert out["value"].tolist() == ["36", "2", "2"] and sum(counts.values()) == 1
    assert out["unit"].tolist() == ["mg/dL", "mg/dL", "mmol/L"]


# --- participants ---


def test_an_alias_of_two_participants_stops(tiny: Tiny) -> None:
    rows = tiny.rows("links.csv")
    tiny.write("links.csv", [*rows, rows[0], {"ward_id": ward(0), "mrn": mrn(1)}])
    source = Source(file="visits.csv", table="visits", participant_field="ward_id")
    with pytest.raises(SluiceError, match=r"names two participants.*row 75") as told:
        Participants(job_of(tiny)).subjects(source, pd.Series([ward(0)]))
    assert ward(0) not in str(told.value)


def test_an_alias_and_a_number_lead_to_one_subject(tiny: Tiny) -> None:
    participants = Participants(job_of(tiny))
    people = Source(file="people.csv", table="people", participant_field="mrn")
    visits = Source(file="visits.csv", table="visits", participant_field="ward_id")
    by_number = participants.subjects(people, pd.Series([mrn(0), f" {mrn(1)} ", None, mrn(2)]))
    by_ward = participants.subjects(visits, pd.Series([ward(0), ward(1), "unknown", None]))
    assert by_number[:2].tolist() == by_ward[:2].tolist()
    assert by_number[2] is None and by_ward[2:].isna().all()


# --- consent ---


def consent(tiny: Tiny, rows: list[tuple[str, str, str, str]]) -> set[str]:
    columns = ("mrn", "code", "signed_on", "withdrawn_on")
    tiny.write("consent.csv", [dict(zip(columns, row, strict=True)) for row in rows])
    job = job_of(tiny, "consent")
    out = tiny.home / "out"
    out.mkdir(exist_ok=True)
    write_consent(job, out)
    table = pd.read_parquet(out / "consent.parquet")
    allowed = set(table.loc[table["allowed"] & (table["tier"] == "controlled"), "subject"])
    names = {job.vault.subject(row[0].strip()): row[0].strip() for row in rows}
    return {names[subject] for subject in allowed}


Y, LATER = "2023-05-01", "2024-05-01"


@pytest.mark.parametrize(
    ("rows", "allowed"),
    [
        ([("a", "ALL", Y, "")], {"a"}),
        ([("a", "ALL", "2025-01-01", "")], {"a"}),
        ([("a", "ALL", "2025-01-02", "")], set()),
        ([("a", "ALL", Y, "2025-01-01")], set()),
        ([("a", "ALL", Y, "2025-01-02")], {"a"}),
        ([("a", "ALL", Y, "some day")], set()),
        ([("a", "ALL", Y, ""), ("a", "NONE", LATER, "")], set()),
        ([("a", "NONE", Y, ""), ("a", "ALL", LATER, "")], {"a"}),
        ([("a", "ALL", Y, ""), ("a ", "NONE", LATER, "")], set()),
        ([("a", "ALL", Y, ""), (" a", "ALL", Y, LATER)], set()),
        ([("a", "ALL", Y, ""), ("a", "", "", LATER)], set()),
        ([("a", "ALL", Y, LATER), ("a", "ALL", "2024-01-01", "")], set()),
        ([("a", "ALL", Y, "2023-06-01"), ("a", "ALL", LATER, "")], {"a"}),
        ([("a", "ALL", Y, ""), ("a", "NONE", "31.12.2024", "")], set()),
        ([("a", "ALL", Y, ""), ("a", "", LATER, "")], set()),
        ([("", "ALL", Y, ""), ("b", "ALL", Y, "")], {"b"}),
    ],
    ids=[
        "signed", "signed on the cut date", "signed after it", "withdrawn on the cut date",
        "withdrawn after it", "withdrawn, undated", "narrowed later", "widened later",
        "narrowed under a name with a space", "withdrawn under a name with a space",
        "withdrawn in a row of its own", "withdrawn after the latest signature",
        "signed again after a withdrawal", "a later row with an unreadable date",
        "a later row without a code", "a row without a participant",
    ],
)  # fmt: skip
def test_only_consent_in_force_at_the_cut_date_permits(
    tiny: Tiny, rows: list[tuple[str, str, str, str]], allowed: set[str]
) -> None:
    tiny.edit(tiny.cohort, "  codes:\n", "  codes:\n    NONE: {tiers: [], modalities: [all]}\n")
    assert consent(tiny, [("z", "ALL", Y, ""), *rows]) == {"z", *allowed}


def test_who_withdrew_is_written_with_the_day(tiny: Tiny) -> None:
    rows = [("a", "ALL", Y, LATER), ("b", "ALL", Y, "some day"), ("c", "ALL", Y, "2025-01-02")]
    assert consent(tiny, rows) == {"c"}
    table = pd.read_parquet(tiny.home / "out" / "withdrawn.parquet").set_index("subject")["day"]
    subject = job_of(tiny, "consent").vault.subject
    assert set(table.index) == {subject("a"), subject("b")}
    assert str(table[subject("a")].date()) == LATER
    assert pd.isna(table[subject("b")])


def test_consent_without_a_column_for_withdrawals(tiny: Tiny) -> None:
    tiny.edit(tiny.cohort, "  withdrawn_field: withdrawn_on\n", "")
    assert consent(tiny, [("a", "ALL", Y, "")]) == {"a"}


def test_a_code_without_a_meaning_stops_by_row(tiny: Tiny) -> None:
    with pytest.raises(SluiceError, match=r"no meaning.*row 3") as told:
        consent(tiny, [("a", "ALL", Y, ""), ("b", SECRET, Y, "")])
    assert SECRET not in str(told.value)


# --- rules ---


def rule(**keys: object) -> FieldRule:
    return FieldRule(need="x", **keys)  # type: ignore[arg-type]


@given(
    days=st.lists(st.integers(0, 40_000), min_size=2, max_size=8),
    move=st.integers(-365, 365),
)
def test_a_shift_keeps_every_interval_of_a_person(days: list[int], move: int) -> None:
    dates = pd.Series(pd.Timestamp("1893-01-01") + pd.to_timedelta(days, unit="D"))
    moved = shift_dates(dates, pd.Series(["s"] * len(days)), lambda _: move)
    assert (moved.diff().dropna() == dates.diff().dropna()).all()
    assert ((moved - dates).dt.days == move).all()


@given(days=st.lists(st.integers(0, 2_000), min_size=1, max_size=8), start=st.integers(0, 20_000))
def test_binned_intervals_do_not_tell_the_start_nor_pass_the_top(
    days: list[int], start: int
) -> None:
    made = rule(rule="interval", bin=90, top=720)
    subjects = pd.Series(["s"] * len(days))

    def shown(first: int) -> list[int]:
        dates = pd.Timestamp("1893-01-01") + pd.to_timedelta([first + d for d in days], unit="D")
        return intervals(pd.Series(dates), subjects, made).tolist()

    assert shown(start) == shown(0)
    assert all(d % 90 == 0 and 0 <= d <= 720 for d in shown(0))


@given(text=st.text(max_size=60))
def test_only_listed_words_of_a_text_stay(text: str) -> None:
    made = rule(rule="text", allow=["stable", "follow-up"])
    kept = allowed_tokens(pd.Series([f"Stable. {SECRET} {text}", None], dtype=object), made)
    assert set(str(kept[0]).split()) <= {"stable", "follow-up"} and kept[1] is None
    assert str(kept[0]).startswith("stable")


def test_the_last_level_of_a_kept_field_removes_it() -> None:
    steps = ladder(rule(rule="keep", levels=["*"]))
    assert [step(pd.Series([SECRET]))[0] for step in steps] == [SECRET, "*"]


def test_ages_are_whole_years_at_the_first_visit() -> None:
    born = pd.Series(3 * [pd.Timestamp("1850-06-15")] + [pd.NaT], list("abcd"))
    visits = pd.DataFrame(
        {"subject": ["a", "a", "b"],
         "date": pd.to_datetime(["1890-06-14", "1891-01-01", "1890-06-15"])}
    )  # fmt: skip
    assert ages(born, visits, None).fillna(-1).tolist() == [39, 40, -1, -1]
    assert ages(born, visits, date(1899, 1, 1)).fillna(-1).tolist() == [39, 40, 48, -1]
