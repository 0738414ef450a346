"""The shipped tables, and what they resolve to."""

from __future__ import annotations

import csv
from collections import Counter

import pytest

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


def test_private_elements_are_numbers_in_a_range_with_a_source() -> None:
    for row in rows("private_allow.csv"):
        assert row["vr"] in ("DS", "FD", "FL", "IS", "SL", "SS", "UL", "US")
        assert row["source"]
    for rule in RULES.private.values():
        assert all(low <= high for low, high in rule.ranges)


def test_a_private_number_needs_its_vr_multiplicity_and_range() -> None:
    rule = RULES.private["SIEMENS MR HEADER", 0x0019, 0x0C]
    assert rule.admits("IS", [1000.0])
    assert not rule.admits("DS", [1000.0])
    assert not rule.admits("IS", [1000.0, 1.0])
    assert not rule.admits("IS", [7734001.0])
