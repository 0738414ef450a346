"""The shipped tables, and what they resolve to."""

from __future__ import annotations

import csv
from collections import Counter

import pytest
from pydicom.datadict import dictionary_VR

from sluice.dicom.rules import CONDITIONAL, OPTIONS, Action, load_rules
from sluice.resources import resource

RULES = load_rules()
ALL = frozenset(OPTIONS)


def rows(name: str) -> list[dict[str, str]]:
    with resource("dicom", name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_table_is_edition_2026d_as_counted() -> None:
    table = rows("ps3.15-2026d.csv")
    assert len(table) == len({row["tag"] for row in table}) == 657
    assert Counter(row["basic"] for row in table) == {
        "X": 417, "D": 93, "U": 55, "Z": 42, "X/D": 23, "X/Z": 11, "X/Z/D": 8, "Z/D": 6,
        "X/Z/U*": 2,
    }  # fmt: skip
    assert {row[name] for row in table for name in OPTIONS} == {"", "C", "K"}
    assert sum(row["retain_longitudinal_modified_dates"] == "C" for row in table) == 169


@pytest.mark.parametrize(
    ("tag", "vr", "options", "action"),
    [
        (0x00100020, "LO", (), "D"),
        (0x00080050, "SH", (), "Z"),
        (0x0040A730, "SQ", (), "D"),
        (0x0040A730, "SQ", ("clean_structured_content",), "C"),
        (0x00081140, "SQ", (), "U"),
        (0x00081110, "SQ", (), "Z"),
        (0x00081072, "SQ", (), "X"),
        (0x00080021, "DA", (), "D"),
        (0x00080021, "DA", ("retain_longitudinal_modified_dates",), "C"),
        (0x00181000, "LO", ("retain_device",), "K"),
        (0x00181200, "DA", ALL, "X"),  # would give the shift away
        (0x00101010, "AS", ("retain_patient_characteristics",), "K"),
        (0x00282000, "OB", ALL, "X"),  # bytes that are no samples
        (0x60003000, "OW", ALL, "X"),
        (0x50000005, "US", ALL, "X"),
        (0x00100000, "UL", ALL, "X"),
        (0x00020016, "AE", ALL, "X"),
        (0x00280010, "US", (), "K"),
    ],
)
def test_actions(tag: int, vr: str, options: tuple[str, ...], action: Action) -> None:
    assert RULES.action(tag, vr, options)[0] == action


def test_no_option_keeps_a_date_as_it_is() -> None:
    for tag in RULES.public:
        assert RULES.action(tag, "DA", ALL)[0] != "K"


def test_conditional_codes_never_empty_what_may_be_required() -> None:
    for code, (element, _) in CONDITIONAL.items():
        assert element == ("D" if "D" in code else "Z")


CT, ENHANCED_MR, SEGMENTATION = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.4.1",
    "1.2.840.10008.5.1.4.1.1.66.4",
)
LABELMAP = "1.2.840.10008.5.1.4.1.1.66.7"
RTPLAN, TEXT_SR = "1.2.840.10008.5.1.4.1.1.481.5", "1.2.840.10008.5.1.4.1.1.88.11"
SHARED, DERIVATION, EQUIPMENT = 0x52009229, 0x00089124, 0x0018A001


@pytest.mark.parametrize(
    ("name", "tag", "vr", "sop_class", "path", "action"),
    [
        # X/Z/D Device Serial Number: type 3, type 1 and, of contributing equipment, type 3.
        ("optional", 0x00181000, "LO", CT, (), "X"),
        ("required", 0x00181000, "LO", ENHANCED_MR, (), "D"),
        ("optional inside", 0x00181000, "LO", ENHANCED_MR, (EQUIPMENT,), "X"),
        # X/D RT Plan Date (type 2) and Series Date (3); Z/D Content Date (2C, 1); X/Z (type 2).
        ("may be empty", 0x300A0006, "DA", RTPLAN, (), "Z"),
        ("optional", 0x00080021, "DA", CT, (), "X"),
        ("may be empty", 0x00080023, "DA", CT, (), "Z"),
        ("required", 0x00080023, "DA", SEGMENTATION, (), "D"),
        ("may be empty", 0x00400555, "SQ", ENHANCED_MR, (), "Z"),
        # X/Z/D Referenced Performed Procedure Step Sequence: type 3, 1C and 2.
        ("optional", 0x00081111, "SQ", CT, (), "X"),
        ("required", 0x00081111, "SQ", ENHANCED_MR, (), "D"),
        ("may be empty", 0x00081111, "SQ", TEXT_SR, (), "Z"),
        # References keep their place.
        ("reference", 0x00082112, "SQ", SEGMENTATION, (SHARED, DERIVATION), "U"),
        ("optional reference", 0x00082112, "SQ", CT, (), "U"),
        # What the object must have stays, also where the table says X or Z.
        ("X, required", 0x00700082, "DA", "1.2.840.10008.5.1.4.1.1.11.1", (), "D"),
        ("X, optional", 0x00081030, "LO", CT, (), "X"),
        ("colour profile, required", 0x00282000, "OB", LABELMAP, (), "D"),
        ("colour profile, optional", 0x00282000, "OB", CT, (), "X"),
        # Unknown class or place: valid whatever the type.
        ("no class", 0x00080021, "DA", "", (), "D"),
        ("unknown class", 0x00080021, "DA", "1.2.3", (), "D"),
        ("unknown place", 0x00080021, "DA", CT, (SHARED,), "D"),
        ("unknown place, X", 0x00081030, "LO", CT, (SHARED,), "X"),
    ],
)
def test_conditional_codes_follow_the_type_of_the_attribute(
    name: str, tag: int, vr: str, sop_class: str, path: tuple[int, ...], action: Action
) -> None:
    assert RULES.action(tag, vr, (), sop_class, path) == (action, "")
    assert tag not in RULES.public or RULES.basic(tag, vr, sop_class, path) == action


def test_no_attribute_is_removed_or_emptied_where_the_object_must_have_it() -> None:
    strict = 0
    for sop_class, types in RULES.types.items():
        for (path, tag), kind in types.items():
            action = RULES.basic(tag, dictionary_VR(tag), sop_class, path)
            assert not (kind == "1" and action in ("X", "Z"))
            assert not (kind == "2" and action == "X")
            strict += kind in ("1", "2")
    assert strict > 4000
    assert all(row["uid"] in RULES.types for row in rows("sop_classes.csv"))


def test_content_items_follow_their_table() -> None:
    dates = ("retain_longitudinal_modified_dates",)
    assert RULES.content_item("121031", "DCM", "DATE", ALL) == ("X", "")  # birth date
    assert RULES.content_item("111060", "DCM", "DATE", ()) == ("D", "")  # X/D
    assert RULES.content_item("111060", "DCM", "DATE", dates) == ("C", dates[0])
    assert RULES.content_item("113723", "DCM", "DATETIME", dates) == ("D", "")  # calibration
    words = ("clean_descriptors",)
    assert RULES.content_item("121106", "DCM", "TEXT", words) == ("C", words[0])
    assert RULES.content_item("121106", "DCM", "TEXT", ()) == ("X", "")
    assert RULES.content_item("121106", "SCT", "TEXT", ()) is None


def test_a_value_type_that_the_table_does_not_list_gets_the_strictest_action() -> None:
    assert RULES.content_item("121112", "DCM", "IMAGE", ()) == ("D", "")
    assert RULES.content_item("121112", "DCM", "TEXT", ALL) == ("X", "")
    # A code in the place of a text that may be cleaned; a person's name there is no such thing.
    assert RULES.content_item("363698007", "SCT", "CODE", ALL) == ("C", "clean_descriptors")
    assert RULES.content_item("363698007", "SCT", "CODE", ()) == ("D", "")
    assert RULES.content_item("363698007", "SCT", "PNAME", ALL) == ("D", "")
    assert RULES.content_item("121033", "DCM", "TEXT", ALL) == ("X", "")  # age, as text


def test_no_option_keeps_a_date_of_a_content_item_as_it_is() -> None:
    for (scheme, code), rules in RULES.content.items():
        for rule in rules:
            found = RULES.content_item(code, scheme, rule.value_type, ALL)
            assert found and not (rule.value_type in ("DATE", "DATETIME") and found[0] == "K")


def test_values_that_the_standard_fixes_have_a_dummy_of_their_own() -> None:
    for tag, fixed in RULES.fixed.items():
        assert fixed.dummy in fixed.allowed or not fixed.allowed, tag
    assert RULES.fixed[0x00080201].dummy == "+0000"
    assert "application/pdf" in RULES.fixed[0x00420012].allowed
