"""Which objects have samples, and how many bytes these take."""

from __future__ import annotations

import csv
import struct
from functools import cache

from pydicom.dataset import Dataset
from pydicom.pixels.utils import get_expected_length

from sluice.dicom.header import Values
from sluice.errors import SluiceError
from sluice.resources import resource

SAMPLES = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


# Kinds of object without pixel data (resources/dicom/sop_classes.csv).
_WITHOUT_PIXELS = frozenset(
    {"document", "other", "presentation", "registration", "rtplan", "rtstruct"}
    | {"sr", "surface", "waveform"}
)


@cache
def _kinds() -> dict[str, str]:
    with resource("dicom", "sop_classes.csv").open(newline="", encoding="utf-8") as stream:
        return {row["uid"]: row["kind"] for row in csv.DictReader(stream)}


def kind_of(dataset: Values) -> str:
    """Return the kind of object that its SOP class names, ``other`` if the list lacks it."""
    return _kinds().get(str(dataset.get("SOPClassUID")), "other")


def needs_pixels(dataset: Dataset) -> bool:
    """Say whether an object is no whole one without pixel data."""
    return samples_expected("Rows" in dataset, str(dataset.SOPClassUID))


def samples_expected(has_rows: bool, sop_class: str) -> bool:
    """Say whether an object of a class is no whole one without samples."""
    return has_rows or _kinds().get(sop_class, "other") not in _WITHOUT_PIXELS


def native_bytes(dataset: Dataset) -> int:
    """Return the length of uncompressed pixel data without padding (PS3.3 C.7.6.3), in bytes.

    Raises
    ------
    SluiceError
        If rows, columns, frames or depth are missing or no positive numbers.
    """
    try:
        expected = get_expected_length(dataset, unit="bytes")
    except (AttributeError, ValueError, TypeError, KeyError, struct.error):
        expected = -1
    if not isinstance(expected, int) or expected <= 0:
        raise SluiceError(
            "An image does not tell its size",
            where="(0028,0008) to (0028,0100)",
            mend="exclude the file",
        )
    return expected
