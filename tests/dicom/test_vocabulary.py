"""Descriptions: words of the list and small measures stay; names, dates and record numbers go."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.dicom.reader import read
from sluice.dicom.vocabulary import clean, is_safe_number, is_technical, listed
from sluice.errors import SluiceError
from sluice.resources import resource

NONE = frozenset[str]()
# Frequent given names, surnames and cities of several countries, and words of the calendar. Those
# that the list has none the less are dearer as words of anatomy or of a sequence.
NAMES = """
    smith johnson williams brown jones garcia miller davis rodriguez martinez hernandez lopez
    gonzalez wilson anderson thomas taylor moore jackson martin lee perez thompson white harris
    sanchez clark ramirez lewis robinson walker young allen king wright scott torres nguyen hill
    flores green adams nelson baker hall rivera campbell mitchell carter roberts gomez phillips
    evans turner diaz parker cruz edwards collins reyes stewart morris morales murphy cook rogers
    gutierrez ortiz morgan cooper peterson bailey reed kelly howard ramos kim cox ward richardson
    watson brooks chavez wood james bennett gray mendoza ruiz hughes price alvarez castillo
    sanders patel myers long ross foster jimenez bush rose stone black berg rao tran pham wang
    chen zhang liu yang huang wu zhou singh kumar khan ali mueller schmidt schneider fischer weber
    meyer wagner becker hoffmann schulz rossi russo ferrari dubois durand moreau laurent simon
    silva santos ferreira tanaka suzuki sato ivanov petrov mary patricia jennifer linda elizabeth
    barbara susan jessica sarah karen john robert michael david william richard joseph charles
    anna maria peter paul mark jack ray may june april august rosa london paris boston chicago
    houston dallas austin madison berlin munich vienna rome madrid tokyo january february march
    july september october november december monday tuesday sunday
"""
DEAR = {"rao"}  # right anterior oblique, of every angiography


def test_no_frequent_name_place_or_month_is_in_the_list() -> None:
    assert set(NAMES.split()) & set(listed()) <= DEAR


def test_words_that_introduce_an_identifier_or_tell_an_age_are_not_in_the_list() -> None:
    never = resource("dicom", "vocabulary_never.txt").read_text(encoding="utf-8")
    words = {word for line in never.splitlines() if line[0] != "#" for word in line.split()}
    assert {"patient", "mrn", "name", "year", "hospital", "room", "phone"} <= words
    assert not {"patient", "mrn", "name", "year", "hospital", "room", "phone"} & set(listed())


def test_the_list_is_wide_enough_for_descriptions() -> None:
    assert len(listed()) > 6000
    assert all(re.fullmatch(r"[A-Za-z0-9-]+", word) for word in listed().values())


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("CT CHEST W/ CONTRAST 5.0 B30f", "CT chest w/ contrast 5.0 B30f"),
        ("t2_tse_sag_p2", "T2_TSE_sag_p2"),
        ("ep2d_diff_b1000_TRACEW", "ep2d_diff_b1000_tracew"),
        ("SCOUT 3.75mm", "scout 3.75mm"),
        ("LUMBAR L4-L5", "lumbar L4-L5"),
        ("3T BRAIN MPRAGE 1.0x1.0x1.0mm", "3T brain MPRAGE 1.0x1.0x1.0mm"),
        ("WB PET 60min POST FDG", "wb pet 60min post fdg"),
        ("X-RAY HAND 3 VIEWS", "x-ray hand 3 views"),
        ("ABDOMEN 120kV 300 mAs", "abdomen 120kV 300 mAs"),
        ("C-SPINE", "c-spine"),
        ("PET F-18 FDG", "pet F-18 fdg"),
        ("68Ga-PSMA PET", "68Ga-psma pet"),
        ("BONE SCAN Tc-99m", "bone scan Tc-99m"),
        ("DR CHEST PA", "DR chest pa"),
        ("mild hepatic steatosis, thickened wall", "mild hepatic steatosis, thickened wall"),
        ("shortness of breath", "shortness of breath"),
    ],
)
def test_what_describes_an_image_stays(text: str, left: str) -> None:
    assert clean(text, NONE) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("CHEST 12/03/1931", "chest"),
        ("CHEST 12-03-31", "chest"),
        ("CHEST 12.03.1931", "chest"),
        ("CHEST 12.03.", "chest"),
        ("CHEST 12 03 1931", "chest"),
        ("CHEST 12 March 1931", "chest"),
        ("CHEST 19310312", "chest"),
        ("CHEST 10:30", "chest"),
        ("call 555 123 4567", ""),
        ("ABDOMEN 555-0134", "abdomen"),
        ("KNEE MRN 7734001", "knee"),
        ("KNEE patient 452", "knee"),
        ("KNEE 452", "knee"),
        ("Smith 12", ""),
        ("12", ""),
        ("HEAD 92Y", "head"),
        ("HEAD 92 years old", "head"),
        ("CXR J. Kestrel", "cxr"),
        ("AX T2 KESTREL^JANE", "ax T2"),
        ("T7734001 BRAIN", "brain"),
        ("XR hand, Dr Foot", "XR hand"),
        ("XR hand Dr. Foot-Head. Chest pain", "XR hand chest pain"),
        ("CT CHEST DR BONE", "CT chest"),
        ("scan read by Kestrel Bone", "scan by"),
        ("scan read by Bone, Kestrel", "scan by"),
        ("lives at Kestrel Crescent", "at"),
        ("PET F-44", "pet"),
    ],
)
def test_names_dates_and_numbers_of_people_go(text: str, left: str) -> None:
    assert clean(text, NONE) == left


def test_staffs_names_go_where_they_are_written_as_names() -> None:
    assert clean("XR hand 2 views, Hand", NONE, frozenset({"hand"})) == "XR hand 2 views"
    assert clean("heart Hand", NONE) == "heart hand"


def test_the_participants_own_words_go_whatever_list_has_them() -> None:
    assert clean("HEAD CT 12 mm 40", frozenset({"head", "40", "12"})) == "CT mm"
    assert clean("T2 4567x", frozenset({"t2"})) == ""


@pytest.mark.parametrize(
    "token", ["2.5mm", "120kVp", "256x256", "b1000", "TE90", "L5", "B70s", "3T"]
)
def test_measures_settings_and_vertebrae_are_safe(token: str) -> None:
    assert is_safe_number(token)


@pytest.mark.parametrize(
    "token", ["1931", "7734001", "12/03", "12-03-31", "1000mm", "b7734", "T13", "12x03x1931", "92y"]
)
def test_other_numbers_are_not(token: str) -> None:
    assert not is_safe_number(token)


@given(st.text(max_size=60))
def test_nothing_comes_out_but_listed_words_and_short_numbers(text: str) -> None:
    for word in re.findall(r"[^\W_]+", clean(text, NONE)):
        assert word.casefold() in {*listed(), "x", "ray"} or not re.search(r"\d{5}", word)
    assert clean(clean(text, NONE), NONE) == clean(text, NONE)


@given(st.from_regex(r"[A-Z][a-z]{3,9}", fullmatch=True), st.integers(10000, 10**9))
def test_an_unlisted_word_and_a_long_number_never_stay(name: str, number: int) -> None:
    if name.casefold() not in listed():
        assert clean(f"CHEST {name} {number} CT", NONE) == "chest CT"


@pytest.mark.parametrize(
    "text",
    ["MONOCHROME2", "HAS OBS CONTEXT", "CLOSED_PLANAR", "EPI_GEMS", "ISO_10918_1", "*ep2d1d3_32",
     "GE MEDICAL SYSTEMS", "SIGNA Pioneer", "AIDR 3D", "HFS", "B30f", "1.5.3", ""],
)  # fmt: skip
def test_coded_strings_and_settings_of_machines_are_technical(text: str) -> None:
    assert is_technical(text, NONE)


@pytest.mark.parametrize(
    "text",
    ["KESTREL", "KESTREL^JANE", "MRN7734001", "20040119", "CHEST of Jane", "12 Hill Street",
     "DOE1931", "ZX7Q9K2M", "1931-03-17", "17.03.31", "7734 0012", "A1 B2 C3 D4 E5 F6 G7"],
)  # fmt: skip
def test_names_and_long_numbers_are_not(text: str) -> None:
    assert not is_technical(text, NONE)


def test_the_participants_own_word_is_not_technical() -> None:
    assert is_technical("EDGE", NONE) and not is_technical("EDGE", frozenset({"edge"}))


def test_almost_every_coded_string_of_real_files_is_technical(shared_data: Path) -> None:
    texts: list[str] = []
    for path in sorted((shared_data / "dicom").glob("*/*.dcm"))[::3]:
        with contextlib.suppress(SluiceError):
            for element in read(path).iterall():
                if element.VR == "CS" and not element.tag.is_private:
                    texts += str(element.value or "").strip("[]").replace("'", "").split(", ")
    strange = [text for text in texts if not is_technical(text, NONE)]
    assert len(texts) > 1000
    assert len(strange) < len(texts) / 50
