"""Keyed identifiers: stable under one key, unrelated under another, valid in their format."""

from __future__ import annotations

import random
import re
from collections import Counter
from datetime import date, timedelta
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydicom.uid import UID

from sluice.identity import Pseudonyms, date_shift, new_uid, person_id, sample_id, subject_id
from sluice.identity.pseudonyms import derive

KEYS = st.binary(min_size=32, max_size=32)
NAMES = st.text(min_size=1, max_size=30)
MAPS = (subject_id, person_id, sample_id, new_uid)


@pytest.mark.parametrize("identifier", MAPS)
@given(key=KEYS, other=KEYS, name=NAMES, name2=NAMES)
def test_an_identifier_is_stable_distinct_and_depends_on_the_key(
    identifier, key: bytes, other: bytes, name: str, name2: str
) -> None:
    assume(key != other and name != name2)
    assert identifier(key, name) == identifier(key, name)
    assert identifier(key, name) != identifier(key, name2)
    assert identifier(key, name) != identifier(other, name)


@pytest.mark.parametrize("identifier", MAPS)
def test_all_seven_digit_numbers_cannot_be_hashed_back_without_the_key(identifier) -> None:
    guesses = {identifier(bytes(32), f"{n:07d}") for n in range(2_000)}
    assert len(guesses) == 2_000
    released = {identifier(b"k" * 32, f"{n:07d}") for n in range(2_000)}
    assert not guesses & released


@given(key=KEYS, name=NAMES)
def test_a_new_uid_is_valid_and_unlike_the_old_one(key: bytes, name: str) -> None:
    uid = new_uid(key, name)
    assert uid.startswith("2.25.") and len(uid) <= 64
    assert UID(uid).is_valid
    number = int(uid.removeprefix("2.25."))
    assert number >> 76 & 0xF == 8, "version 8: a UUID that its maker defines"
    assert number >> 62 & 0b11 == 0b10, "the variant of RFC 9562"


@given(key=KEYS, name=NAMES)
def test_a_pseudonym_can_be_a_file_name_anywhere(key: bytes, name: str) -> None:
    assert re.fullmatch(r"s[a-z2-7]{20}", subject_id(key, name))
    assert re.fullmatch(r"P[a-z2-7]{16}", person_id(key, name))
    assert re.fullmatch(r"S[a-z2-7]{16}", sample_id(key, name))


@given(key=KEYS, name=NAMES, limit=st.integers(31, 4000), excluded=st.integers(1, 31))
def test_a_shift_is_within_its_range_and_never_too_small(
    key: bytes, name: str, limit: int, excluded: int
) -> None:
    shift = date_shift(key, name, limit, excluded)
    assert excluded <= abs(shift) <= limit
    assert shift == date_shift(key, name, limit, excluded)


def test_shifts_are_uniform_over_both_sides() -> None:
    drawn = Counter(date_shift(b"k" * 32, f"s{n}") for n in range(67_200))
    assert set(drawn) == {s for s in range(-365, 366) if abs(s) >= 30}
    expected = 67_200 / 672
    chi2 = sum((drawn[s] - expected) ** 2 / expected for s in drawn)
    assert 671 - 5 * (2 * 671) ** 0.5 < chi2 < 671 + 5 * (2 * 671) ** 0.5


def test_a_shift_cannot_be_found_by_trying_small_seeds() -> None:
    def weak(seed: int) -> int:
        return random.Random(seed).randint(-365, 365)

    secret = 4_711
    left = {
        s
        for s in range(10_000)
        if [weak(s + p) for p in range(3)] == [weak(secret + p) for p in range(3)]
    }
    assert left == {secret}, "the attack: three people's known shifts give the seed of all"
    known = [date_shift(b"k" * 32, f"s{p}") for p in range(3)]
    tried = (n.to_bytes(32, "big") for n in range(10_000))
    assert not [k for k in tried if [date_shift(k, f"s{p}") for p in range(3)] == known]


@given(master=KEYS, parts=st.lists(st.text(max_size=5), min_size=1, max_size=3))
def test_a_derived_key_belongs_to_one_purpose(master: bytes, parts: list[str]) -> None:
    key = derive(master, *parts)
    assert key == derive(master, *parts) and len(key) == 32 and key != master
    assert key != derive(master, *parts, "")
    assert key != derive(master, *parts[:-1], parts[-1] + "x")


def test_the_borders_between_the_parts_of_a_purpose_count() -> None:
    purposes = [("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"), ("a/bc",), ("", "abc")]
    keys = [derive(b"m" * 32, *p) for p in purposes]
    assert len(set(keys)) == len(purposes)


def test_known_answer() -> None:
    """A change of these ends the linkage of every release series."""
    key = derive(bytes(range(32)), "demo", "person", "core", "controlled", "series")
    assert key.hex()[:16] == "ba37e361f819809f"
    assert person_id(key, "s") == "P2obns43avxlnbvk3"
    assert new_uid(key, "1.2.3") == "2.25.265646510431461442486542772009815803091"
    assert date_shift(key, "s") == -254


def test_shifted_dates_keep_intervals() -> None:
    first, second = date(1893, 1, 1), date(1894, 5, 6)
    move = timedelta(date_shift(b"k" * 32, "s"))
    assert (second + move) - (first + move) == second - first


def test_purposes_of_one_tier_share_no_key() -> None:
    maps = [
        Pseudonyms(*(derive(b"m" * 32, purpose, tier, scope) for purpose in "pius"))
        for tier in ("controlled", "registered")
        for scope in ("series", "v1")
    ]
    keys = [k for m in maps for k in (m.people, m.items, m.uids, m.shifts)]
    assert all(a != b for a, b in combinations(keys, 2))
    assert len({m.person("s") for m in maps}) == 4
