"""Dictionary rows of the released DICOM objects: every element that is present, at any depth."""

from __future__ import annotations

from typing import Any

import pydicom
from pydicom.datadict import dictionary_description
from pydicom.dataelem import DataElement

from sluice.dicom.rules import DATES, load_rules
from sluice.jobs import Job
from sluice.modalities.imaging.released import released_files
from sluice.modalities.shared.described import row, tier_rules

_WRITTEN = {
    "PatientName": "emptied",
    "PatientID": "the participant's pseudonym; joins all files of this tier",
    "PatientBirthDate": "emptied",
    "PatientIdentityRemoved": "constant",
    "DeidentificationMethod": "SLUICE, cohort, version and tier of this release",
    "DeidentificationMethodCodeSequence": "options of PS3.15 that were used",
    "LongitudinalTemporalInformationModified": "whether dates were moved or removed",
    "SpecificCharacterSet": "of the text in this file",
}
_ACTIONS = {
    "X": "inside a sequence that is written anew",
    "Z": "emptied",
    "D": "dummy value",
    "K": "kept where its values are what its type says",
    "C": "cleaned by closed lists",
    "U": "keyed UID",
}


def describe(job: Job) -> list[dict[str, Any]]:
    """Return one row for each element name in the tier's objects."""
    found: dict[str, DataElement] = {}
    for path in released_files(job, job.tier)["path"]:
        for element in pydicom.dcmread(path).iterall():
            found.setdefault(element_name(element), element)
    options = set(tier_rules(job).modalities["imaging"].settings.get("options", ()))
    return [_row(job, name, element, options) for name, element in sorted(found.items())]


def element_name(element: DataElement) -> str:
    """Return an element's keyword, ``(gggg,eeee)`` where it has none."""
    return element.keyword or f"({element.tag.group:04X},{element.tag.element:04X})"


def _row(job: Job, name: str, element: DataElement, options: set[str]) -> dict[str, Any]:
    key = f"{job.tier}.imaging.settings.options"
    file = "data/imaging/**/*.dcm"
    if element.tag.is_private:
        creator = element.tag.element <= 0xFF
        what = "Private creator" if creator else "Private number of the scanner"
        return row(file, name, element.VR, what, key, "kept by creator, element, type and range")
    action, option = load_rules().action(int(element.tag), element.VR, options)
    rule = _WRITTEN.get(name, _ACTIONS[action])
    if name not in _WRITTEN and element.VR in DATES:
        rule = "moved by the participant's one shift; times count from the study's start"
    if option and name not in _WRITTEN:
        rule = f"{rule} ({option})"
    return row(file, name, element.VR, dictionary_description(element.tag), key, rule)
