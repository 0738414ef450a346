"""Which objects have samples, and how many bytes these take."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from sluice.dicom.header import Values
from sluice.errors import SluiceError
from sluice.resources import resource

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SAMPLES = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
#: Rows, columns, samples a pixel and bits of each; frames; photometric interpretation.
Size = tuple[Sequence[int], int, str]
_SIZE: Final = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")


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


def native_length(size: Sequence[int], frames: int, photometric: str) -> int:
    """Return the length of uncompressed pixel data without padding, in bytes.

    Parameters
    ----------
    size
        Rows, Columns, SamplesPerPixel and BitsAllocated. Single bits are packed over all frames
        (PS3.5 8.1.1).
    frames
        NumberOfFrames.
    photometric
        Of ``YBR_FULL_422``, two samples in three are stored (PS3.3 C.7.6.3.1.2).
    """
    rows, columns, samples, bits = size
    count = rows * columns * samples * frames
    length = -(-count // 8) if bits == 1 else count * (bits // 8)
    return length // 3 * 2 if photometric == "YBR_FULL_422" else length


def size_of(dataset: Dataset) -> Size:
    """Return what :func:`native_length` needs to know of an image.

    Raises
    ------
    SluiceError
        If rows, columns, frames or depth are missing or no positive numbers.
    """
    numbers = [dataset.get(keyword) for keyword in _SIZE]
    frames = dataset.get("NumberOfFrames") or 1
    photometric = dataset.get("PhotometricInterpretation")
    told = photometric is not None and all(isinstance(one, int) for one in (*numbers, frames))
    if not told or native_length(numbers, frames, photometric) <= 0:
        raise SluiceError(
            "An image does not tell its size",
            where="(0028,0008) to (0028,0100)",
            mend="exclude the file",
        )
    return numbers, int(frames), str(photometric)


def native_bytes(dataset: Dataset) -> int:
    """Return the :func:`native_length` of an image, or raise as :func:`size_of` does."""
    return native_length(*size_of(dataset))
