"""Errors in what an attacker knows, and typing errors put right."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.attacks.test_linkage import FIELDS, cohort

from sluice.attacks.noise import NOISES, _mistyped, blur, corrected

PLACES = ["Ainsley", "Brockton", "Cheswick", "Dunmore"]


def people(n=2000):
    town = np.random.default_rng(4).choice(PLACES, n)
    return cohort(n).assign(town=town.astype(object))


def wrong(known, raw):
    return pd.DataFrame({name: known[name] != raw[name] for name in raw})


def test_some_fields_are_wrong_and_only_a_little():
    raw = cohort(2000)
    known = blur(raw, 5, "some_fields", FIELDS)
    for name in ["age", "seen"]:
        assert (known[name] != raw[name]).mean() == pytest.approx(0.1, abs=0.02)
    assert (known["age"] - raw["age"]).abs().max() == 1
    assert (known["seen"] - raw["seen"]).abs().max() == pd.Timedelta(days=7)


def test_one_field_is_wrong_at_most_and_each_is_sometimes():
    raw = cohort(2000)
    found = wrong(blur(raw, 5, "one_field", FIELDS), raw)
    assert found.sum(axis=1).max() == 1
    # The others took a value that happens to be the same.
    assert found.to_numpy().any(axis=1).mean() > 0.7
    assert (found.mean() > 0.05).all()


@pytest.mark.parametrize("noise", NOISES)
def test_the_same_seed_gives_the_same_errors_in_any_order_of_rows(noise):
    raw = people(300)
    again = blur(raw.sample(frac=1, random_state=1), 3, noise, [*raw])
    assert blur(raw, 3, noise, [*raw]).equals(again)
    assert not blur(raw, 4, noise, [*raw]).equals(again)


def test_half_of_the_wrong_texts_are_mistyped_and_can_be_put_right():
    raw = people()
    known = blur(raw, 1, "some_fields", [*raw])["town"]
    mistyped = ~known.isin(PLACES)
    assert mistyped.mean() == pytest.approx(0.05, abs=0.015)
    mended = corrected(known.to_frame(), raw[["town"]])["town"]
    assert (mended[mistyped] == raw["town"][mistyped]).all(), "the towns are far apart"
    assert (mended[~mistyped] == known[~mistyped]).all(), "a value that exists is believed"


def test_a_text_that_nothing_resembles_is_not_known():
    raw = pd.DataFrame({"town": ["Ainsley", "Brockton"]})
    known = pd.DataFrame({"town": ["xyzzy", None]})
    assert corrected(known, raw)["town"].tolist() == [None, None]


def test_the_commoner_of_two_likely_values_is_meant():
    raw = pd.DataFrame({"code": ["1234", "1235", "1235"]})
    assert corrected(pd.DataFrame({"code": ["1236"]}), raw)["code"].tolist() == ["1235"]


def test_numbers_and_short_texts_are_not_mistyped():
    assert _mistyped("F", 0.5, 0.5, 0.5) == "F"
    assert _mistyped(7, 0.5, 0.5, 0.5) == 7


@given(
    text=st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=3, max_size=12),
    slip=st.tuples(*[st.floats(0, 0.999)] * 3),
)
def test_any_slip_is_put_right_where_there_is_one_value(text, slip):
    known = pd.DataFrame({"word": [_mistyped(text, *slip)]}, dtype=object)
    raw = pd.DataFrame({"word": [text]}, dtype=object)
    assert corrected(known, raw)["word"].tolist() == [text]
