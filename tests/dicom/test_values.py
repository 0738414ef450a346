"""Single values: dates, times, ages, numbers, UIDs, words."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.dicom import values, words

MOMENTS = st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1))
SHIFTS = st.integers(-365, 365)


def da(moment: datetime) -> str:
    return moment.strftime("%Y%m%d")


def tm(moment: datetime) -> str:
    return moment.strftime("%H%M%S.%f")


def together(day: str, time: str) -> datetime:
    return datetime.strptime(day + time, "%Y%m%d%H%M%S.%f")


@given(start=MOMENTS, gap=st.timedeltas(timedelta(days=-9), timedelta(days=9)), shift=SHIFTS)
def test_differences_within_a_study_are_exact(start: datetime, gap: timedelta, shift: int) -> None:
    clock, later = values.Clock(shift, start), start + gap
    new = [(clock.date(da(m), tm(m)), clock.time(tm(m))) for m in (start, later)]
    (day, time), (later_day, later_time) = new
    assert day and time and later_day and later_time
    assert together(later_day, later_time) - together(day, time) == gap
    assert time == "000000.000000"
    moved = clock.datetime(da(later) + tm(later))
    assert moved == later_day + later_time


@given(start=MOMENTS, gap=st.integers(-9999, 9999), shift=SHIFTS)
def test_day_intervals_are_kept_without_times(start: datetime, gap: int, shift: int) -> None:
    clock = values.Clock(shift)
    first, second = clock.date(da(start)), clock.date(da(start + timedelta(days=gap)))
    a, b = values.parse_date(first or ""), values.parse_date(second or "")
    assert a and b and b - a == timedelta(days=gap)
    assert a - start.date() == timedelta(days=shift)


@given(st.text(max_size=20))
def test_whatever_is_no_date_time_or_age_gives_nothing_or_digits(text: str) -> None:
    clock = values.Clock(3, datetime(2000, 1, 1, 8))
    for new in (clock.date(text), clock.time(text), clock.datetime(text)):
        assert new is None or new.replace(".", "").isdigit()
    aged = values.age(text, 90, 10)
    assert aged is None or aged[:3].isdigit()


@pytest.mark.parametrize("text", ["", "2004", "20041301", "20040230", "20040101x", "9999999a"])
def test_malformed_dates_give_nothing(text: str) -> None:
    assert values.Clock(1).date(text) is None


def test_a_date_beyond_the_calendar_gives_nothing() -> None:
    assert values.parse_date("99991231") == date(9999, 12, 31)
    assert values.Clock(1).date("99991231") is None


@given(years=st.integers(0, 999), top=st.integers(1, 90), band=st.integers(1, 20))
def test_no_age_is_above_the_top(years: int, top: int, band: int) -> None:
    new = values.age(f"{years:03d}Y", top, band)
    assert new is not None
    assert int(new[:3]) <= top
    assert int(new[:3]) in (top, years // band * band)


@pytest.mark.parametrize("text", ["1_0", "nan", "inf", "0x1f", "12 Smith", "--1", "1e"])
def test_what_python_takes_for_a_number_dicom_may_not(text: str) -> None:
    assert not values.is_number("DS", text)
    assert not values.is_number("IS", text)


@pytest.mark.parametrize(
    ("uid", "standard"),
    [
        ("1.2.840.10008.5.1.4.1.1.2", True),
        ("1.2.840.10008.1.2.1", True),
        ("1.2.840.10008.5.1.4.1.1.66.7", True),  # newer than pydicom's dictionary
        ("1.2.840.10008.19610412", False),
        ("1.2.840.10008.5.1.4.1.1.19610412", False),
        ("1.2.840.113619.2.1", False),
        ("2.25.1", False),
    ],
)
def test_only_uids_of_the_standard_are_standard(uid: str, standard: bool) -> None:
    assert values.is_standard_uid(uid) is standard


@pytest.mark.parametrize("text", ["KESTREL", "x-kestrel-9", "AdaKestrel2", "4711815"])
def test_own_words_are_found_also_run_together(text: str) -> None:
    assert words.mentions(text, words.own_words(frozenset({"Kestrel^Ada", "4711815"})))
