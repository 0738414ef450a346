"""Private elements: what science needs stays, nothing else does."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from tests.dicom.corpus import BUNDLED, CONTROLLED, identity

from sluice.dicom import csa
from sluice.dicom.deidentify import deidentify
from sluice.dicom.reader import read
from sluice.dicom.rules import PrivateKey, load_rules
from sluice.resources import resource

RULES = load_rules()
NUMBERS = {"DS", "FD", "FL", "IS", "SL", "SS", "UL", "US"}
# What dcm2niix and quantification read, by the folder of shared data whose files have it.
NEEDED: dict[str, set[PrivateKey]] = {
    "MR_SIEMENS_PRIVATE": {
        ("SIEMENS MR HEADER", 0x0019, element) for element in (0x0A, 0x16, 0x18, 0x28, 0x29)
    },
    "MR_GE_PRIVATE": {
        *(("GEMS_ACQU_01", 0x0019, element) for element in (0xBB, 0xBC, 0xBD, 0xDF, 0xE0)),
        *(("GEMS_PARM_01", 0x0043, element) for element in (0x2C, 0x2F, 0x39, 0x83)),
        ("GEMS_RELA_01", 0x0021, 0x4F),
    },
    "MR_PHILIPS_PRIVATE": {
        *(("Philips Imaging DD 001", 0x2001, element) for element in (0x03, 0x0A, 0x18, 0x22)),
        *(("Philips MR Imaging DD 001", 0x2005, e) for e in (0x0D, 0x0E, 0xB0, 0xB1, 0xB2)),
        ("Philips MR Imaging DD 005", 0x2005, 0x13),
    },
}


def rows() -> list[dict[str, str]]:
    with resource("dicom", "private_allow.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def private(dataset: Dataset) -> Iterator[tuple[PrivateKey, DataElement]]:
    for element in dataset:
        tag = element.tag
        if tag.is_private and tag.element > 0xFF:
            creator = str(dataset[tag.group, tag.element >> 8].value).strip()
            yield (creator, tag.group, tag.element & 0xFF), element


def test_each_row_is_numbers_in_ranges_or_words_of_a_list_with_a_source() -> None:
    for row in rows():
        assert row["source"] and row["name"]
        assert (row["vr"] in NUMBERS) == bool(row["ranges"])
        assert (row["vr"] == "CS") == bool(row["words"])
        assert row["vr"] in NUMBERS | {"CS", "SQ"}
    for rule in RULES.private.values():
        assert all(low <= high for low, high in rule.ranges)
        assert 1 <= rule.count[0] <= rule.count[1] <= 512
    assert len(RULES.private) == len(rows())


def test_no_range_has_room_for_a_date_or_a_long_number() -> None:
    wide = {key for key, rule in RULES.private.items() for _, high in rule.ranges if high > 1e6}
    assert wide == {("GEMS_PARM_01", 0x0043, 0x39)}  # 1e9 + b, and a flag: two narrow windows


def test_a_private_number_needs_its_vr_multiplicity_and_range() -> None:
    rule = RULES.private["SIEMENS MR HEADER", 0x0019, 0x0C]
    assert rule.admits("IS", [1000.0])
    assert not rule.admits("DS", [1000.0])
    assert not rule.admits("IS", [1000.0, 1.0])
    assert not rule.admits("IS", [])
    assert not rule.admits("IS", [7734001.0])
    assert not rule.admits("IS", [float("nan")])


def test_a_private_code_needs_to_be_in_its_list() -> None:
    rule = RULES.private["Philips Imaging DD 001", 0x2001, 0x0B]
    assert rule.admits("CS", ["TRANSVERSAL"])
    assert not rule.admits("CS", ["KESTREL"])
    assert not rule.admits("CS", [""])
    assert not rule.admits("LO", ["TRANSVERSAL"])


def test_a_multiplicity_may_be_a_range() -> None:
    times = RULES.private["SIEMENS MR HEADER", 0x0019, 0x29]
    assert times.admits("FD", [0.0]) and times.admits("FD", [2.5] * 512)
    assert not times.admits("FD", [2.5] * 513)


@pytest.mark.parametrize("folder", NEEDED)
def test_what_conversion_and_quantification_need_survives(folder: str, shared_data: Path) -> None:
    seen: set[PrivateKey] = set()
    for path in sorted((shared_data / "dicom" / folder).glob("*.dcm")):
        old = read(path)
        new = dict(private(deidentify(old, CONTROLLED, identity())[0]))
        for key, element in private(old):
            rule = RULES.private.get(key)
            if rule is not None and rule.vr in NUMBERS and not element.is_empty:
                assert new[key].value == element.value, key
                seen.add(key)
    assert seen >= NEEDED[folder]


def test_no_private_element_outside_the_list_survives(shared_data: Path) -> None:
    raw, kept = [], []
    for folder in (*NEEDED, "PET"):
        for path in sorted((shared_data / "dicom" / folder).glob("*.dcm"))[:12]:
            old = read(path)
            new, _ = deidentify(old, CONTROLLED, identity())
            raw += [key for key, _ in private(old)]
            kept += [(key, element.VR) for key, element in private(new)]
    assert all(key in csa.ELEMENTS or RULES.private[key].vr == vr for key, vr in kept)
    assert 1000 < len(kept) < len(raw) / 2


def test_philips_factors_for_uptake_survive() -> None:
    dataset = read(BUNDLED / "CT_small.dcm")
    block = dataset.private_block(0x7053, "Philips PET Private Group", create=True)
    block.add_new(0x00, "DS", "0.000551")
    block.add_new(0x09, "DS", "1.384")
    new = dict(private(deidentify(dataset, CONTROLLED, identity())[0]))
    assert new["Philips PET Private Group", 0x7053, 0x00].value == "0.000551"
    assert new["Philips PET Private Group", 0x7053, 0x09].value == "1.384"
