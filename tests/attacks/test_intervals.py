from typing import Any

import numpy as np
import pandas as pd
import pytest

from sluice.attacks.intervals import date_known, intervals_known, shift_guess
from sluice.errors import SluiceError

LIMIT: dict[str, Any] = {"limit_key": "intervals", "product": "visits"}
TRUTH = {f"S{i:03d}": f"P{(i * 7) % 80:03d}" for i in range(80)}


@pytest.fixture(scope="module")
def dates():
    """Eighty people with two to six visits over ten years."""
    rng = np.random.default_rng(4)
    rows = [
        (subject, pd.Timestamp("2010-01-01") + pd.Timedelta(days=int(day)))
        for subject in TRUTH
        for day in rng.choice(3650, rng.integers(2, 7), replace=False)
    ]
    return pd.DataFrame(rows, columns=["subject", "date"])


def release(dates, most=365):
    """Move all dates of a person by one shift of 30 to ``most`` days (0: leave them)."""
    rng = np.random.default_rng(8)
    shifts = {
        s: int(rng.choice([-1, 1]) * rng.integers(30, most + 1)) if most else 0 for s in TRUTH
    }
    moved = dates["date"] + pd.to_timedelta(dates["subject"].map(shifts), unit="D")
    return pd.DataFrame({"person": dates["subject"].map(TRUTH), "date": moved})


def binned(dates, width):
    """Days from the person's first date, rounded down to bins."""
    days = (dates["date"] - dates.groupby("subject")["date"].transform("min")).dt.days
    return pd.DataFrame({"person": dates["subject"].map(TRUTH), "date": days // width * width})


def test_one_known_date_singles_people_out_until_dates_are_shifted(dates):
    plain = date_known(dates, release(dates, 0), TRUTH, shift=(0, 0), **LIMIT)
    assert plain.estimate > 0.8
    shifted = date_known(dates, release(dates), TRUTH, **LIMIT)
    assert shifted.evidence == {"raw": plain.estimate, "works": True}
    assert shifted.upper <= 0.05


def test_a_shift_too_small_for_the_cohort_fails(dates):
    few = {s: p for s, p in TRUTH.items() if s < "S010"}
    some = dates[dates["subject"].isin(few)]
    shifted = release(dates, 40)
    shifted = shifted[shifted["person"].isin(few.values())]
    weak = date_known(some, shifted, few, shift=(30, 40), **LIMIT)
    assert weak.estimate > 0.4


def test_a_shift_does_not_hide_two_intervals(dates):
    score = intervals_known(dates, release(dates), TRUTH, **LIMIT)
    assert score.estimate > 0.9 and score.evidence == {"raw": 1.0, "works": True}
    assert score.n == (dates.groupby("subject").size() >= 3).sum() < 80


def test_wide_bins_from_the_own_start_hide_intervals_that_narrow_ones_show(dates):
    own = {"shift": None, **LIMIT}
    narrow = intervals_known(dates, binned(dates, 7), TRUTH, bin_days=7, **own)
    wide = intervals_known(dates, binned(dates, 1500), TRUTH, bin_days=1500, **own)
    assert narrow.evidence["works"] and wide.evidence["works"]
    assert narrow.estimate > 0.8
    assert wide.upper < 0.1


def test_the_right_person_always_fits_the_bins(dates):
    """In a release of one person whoever fits is right: a miss would be a false calm."""
    for subject in [s for s, n in dates.groupby("subject").size().items() if n >= 3]:
        alone = binned(dates[dates["subject"] == subject], 90)
        truth = {subject: TRUTH[subject]}
        score = intervals_known(dates, alone, truth, shift=None, bin_days=90, **LIMIT)
        assert score.estimate == 1.0


def test_after_one_date_the_shift_is_taken_as_known():
    score = shift_guess(80, **LIMIT)
    assert (score.estimate, score.lower, score.upper, score.n) == (1.0, 1.0, 1.0, 80)


def test_real_encounters_are_found_on_raw_and_shifting_hides_one_date_only(shared_data):
    table = pd.read_csv(shared_data / "clinical" / "synthea" / "encounters.csv", dtype=str)
    real = pd.DataFrame({"subject": table["PATIENT"], "date": table["START"]})
    truth = {subject: f"P{subject}" for subject in real["subject"]}
    rng = np.random.default_rng(2)
    shifts = {s: int(rng.choice([-1, 1]) * rng.integers(30, 366)) for s in sorted(truth)}
    moved = pd.to_datetime(real["date"]) + pd.to_timedelta(real["subject"].map(shifts), unit="D")
    shifted = pd.DataFrame({"person": real["subject"].map(truth), "date": moved})
    one = date_known(real, shifted, truth, **LIMIT)
    three = intervals_known(real, shifted, truth, **LIMIT)
    assert three.evidence["raw"] > 0.9
    assert 0.3 < one.evidence["raw"] < 0.5 and one.evidence["works"], "far above chance, 1 in 111"
    assert three.estimate > max(3 * one.estimate, 0.05)


@pytest.mark.parametrize("attack", [date_known, intervals_known])
def test_a_table_without_dates_proves_nothing(dates, attack):
    with pytest.raises(SluiceError, match="without dates"):
        attack(dates, release(dates).iloc[:0], TRUTH, **LIMIT)


def test_where_everyone_has_the_same_dates_the_result_is_not_evidence(dates):
    same = dates.groupby("subject").head(2).assign(date=pd.Timestamp("2020-01-01"))
    score = date_known(same, release(same), TRUTH, **LIMIT)
    assert score.upper < 0.05, "it looks safe, and yet"
    assert score.evidence == {"raw": 0.0, "works": False}


def test_people_with_too_few_dates_prove_nothing(dates):
    once = dates.drop_duplicates("subject")
    with pytest.raises(SluiceError, match="enough raw dates"):
        intervals_known(once, release(once), TRUTH, **LIMIT)


def test_a_date_that_cannot_be_read_is_not_shown():
    bad = pd.DataFrame({"subject": ["S000"] * 2, "date": ["2020-01-01", "Tuesday"]})
    with pytest.raises(SluiceError, match="cannot be read") as caught:
        date_known(bad, bad.rename(columns={"subject": "person"}), {"S000": "S000"}, **LIMIT)
    assert "Tuesday" not in str(caught.value)
