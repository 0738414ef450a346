"""What later stages need to know of an object's header: facts of closed lists, and the machine.

No name, number, date or UID of anybody is among them. In tables they stand in the long form
``instance_id, tag_path, vr, value``; a fact that no single element tells has its own name as path.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, MutableSequence
from dataclasses import asdict, fields
from typing import Any

import pandas as pd
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import FileDataset
from pydicom.errors import BytesLengthException

from sluice.dicom.eligibility import ObjectFacts, classify
from sluice.dicom.values import DUMMIES
from sluice.errors import SluiceError

#: Elements that are kept, by keyword.
ELEMENTS = (
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "StationName",
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
)
FACTS = tuple(field.name for field in fields(ObjectFacts))
TAG_COLUMNS = ["instance_id", "tag_path", "vr", "value"]
_TWO_CAPITALS = re.compile(r"[A-Z]{2}")
_DUMMIES = frozenset({DUMMIES["LO"], DUMMIES["AS"]})
#: What pydicom raises for values that do not fit their VR, or that miss one they depend on.
UNREADABLE = (
    *(ValueError, TypeError, OverflowError, LookupError, AttributeError, NotImplementedError),
    *(EOFError, struct.error, BytesLengthException),
)


def _path(keyword: str) -> str:
    tag = int(tag_for_keyword(keyword) or 0)
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


PATHS = {name: _path(name) for name in ELEMENTS} | {name: name for name in FACTS}
_NAMES = {path: name for name, path in PATHS.items()}


def header(dataset: FileDataset) -> dict[str, str]:
    """Return the facts of :func:`sluice.dicom.eligibility.classify` and the filled elements.

    A dummy that a tier before this one wrote is no value.

    Raises
    ------
    SluiceError
        If an element that is needed does not hold what its VR says.
    """
    try:
        found = {name: str(value) for name, value in asdict(classify(dataset)).items()}
        texts = {name: _text(dataset.get(name)) for name in ELEMENTS}
    except UNREADABLE:
        raise SluiceError(
            "A DICOM header holds a value that is not what its VR says", mend="exclude the file"
        ) from None
    if not _TWO_CAPITALS.fullmatch(texts["Modality"]):
        texts["Modality"] = ""  # the abbreviations of the standard that a tier can hold are such
    return found | {name: text for name, text in texts.items() if text and text not in _DUMMIES}


def object_facts(values: Mapping[Any, Any]) -> ObjectFacts:
    """Return the facts of an object from its texts of :func:`header`."""
    read: dict[str, Any] = {name: str(values[name]) for name in FACTS}
    for name in ("original", "face", "overlay_in_pixels"):
        read[name] = read[name] == "True"
    for name in ("rows", "columns", "frames"):
        read[name] = int(read[name])
    return ObjectFacts(**read)


def long_table(headers: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Return headers by instance in the long form."""
    rows = [
        (instance, PATHS[name], dictionary_VR(name) if name in ELEMENTS else "", value)
        for instance, values in headers.items()
        for name, value in values.items()
    ]
    return pd.DataFrame(rows, columns=TAG_COLUMNS).sort_values(TAG_COLUMNS[:2], ignore_index=True)


def wide_table(tags: pd.DataFrame) -> pd.DataFrame:
    """Return one row an instance and one column a fact or keyword; missing is ``None``."""
    wide = tags.pivot(index="instance_id", columns="tag_path", values="value")
    wide = wide.rename(columns=_NAMES).reindex(columns=[*FACTS, *ELEMENTS])
    return wide.astype(object).where(wide.notna(), None).rename_axis(columns=None)


def _text(value: object) -> str:
    many = list(value) if isinstance(value, MutableSequence) else [value]
    return "\\".join("" if one is None else str(one).strip(" \0") for one in many)
