"""From a new data set to a file: meta information, transfer syntax, length of the samples."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.sequence import Sequence
from pydicom.uid import UID

from sluice.dicom.codestream import joined, rewritten
from sluice.dicom.pixels import SAMPLES, native_bytes, native_length, size_of
from sluice.dicom.profile import ImageIdentity
from sluice.dicom.statement import (
    IMPLEMENTATION_NAME,
    IMPLEMENTATION_UID,
    options_of,
    statement,
)


def own_elements(profile: str, identity: ImageIdentity, used: frozenset[str]) -> Dataset:
    """Return the elements of :func:`sluice.dicom.statement.statement`."""
    stated = statement(profile, identity, used)
    new = Dataset()
    for keyword, values in stated.values.items():
        setattr(new, keyword, values[0] if len(values) == 1 else list(values) or "")
    items = [Dataset() for _ in stated.methods]
    for item, method in zip(items, stated.methods, strict=True):
        for keyword, value in method.items():
            setattr(item, keyword, value)
    new.DeidentificationMethodCodeSequence = Sequence(items)
    return new


def stated_options(new: Dataset) -> frozenset[str]:
    """Return the options that an object of :func:`own_elements` says were used."""
    return options_of(item.CodeValue for item in new.DeidentificationMethodCodeSequence)


def assemble(new: Dataset, syntax: UID, counts: Counter[str]) -> FileDataset:
    """Make a file of a data set: file meta information from nothing, zero preamble, settled VRs.

    Parameters
    ----------
    new
        The data set with its SOP UIDs. Its native samples are cut to the size that it tells, and
        compressed frames lose what is no picture.
    syntax
        The transfer syntax that the samples are in.
    counts
        Counts the cuts.

    Raises
    ------
    SluiceError
        If the image does not tell its size.
    """
    cut = _cut_frames if syntax.is_encapsulated else _cut_pixels
    cut(new, syntax, counts)
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = UID(str(new.SOPClassUID))
    meta.MediaStorageSOPInstanceUID = UID(str(new.SOPInstanceUID))
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_NAME
    _settle(new, syntax.is_little_endian)
    return FileDataset(
        BytesIO(),
        new,
        preamble=bytes(128),
        file_meta=meta,
        is_implicit_VR=syntax.is_implicit_VR,
        is_little_endian=syntax.is_little_endian,
    )


def write(dataset: FileDataset, path: Path | BytesIO) -> None:
    """Write an object of :func:`deidentify` in its transfer syntax: same object, same bytes."""
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


def _cut_pixels(new: Dataset, syntax: UID, counts: Counter[str]) -> None:
    """Cut native samples to the length that the image's size gives: what follows is no picture."""
    for keyword in SAMPLES:
        if not new.get(keyword):
            continue
        expected = native_bytes(new)
        samples, odd = new[keyword].value, expected % 2
        if len(samples) > expected + odd:
            counts["cut: after the pixels"] += 1
        # In big-endian words the last sample lies behind the padding byte.
        cut = expected if syntax.is_little_endian else expected + odd
        new[keyword].value = samples[:cut] + bytes(expected + odd - cut)


def _cut_frames(new: Dataset, syntax: UID, counts: Counter[str]) -> None:
    """Leave out what hides in compressed frames."""
    if not new.get("PixelData"):
        return
    (numbers, count, _), items = size_of(new), new.PixelData
    length = native_length(numbers, 1, "")
    frames = rewritten(items, 0, len(items), str(syntax), count, length)
    if frames.changed:
        counts["cut: inside a frame"] += frames.changed
    new["PixelData"].value = joined(items, frames.pieces)


def _settle(new: Dataset, little_endian: bool) -> None:
    """Decide VRs that depend on the image (``US or SS``); what stays undecided goes."""
    correct_ambiguous_vr(new, little_endian)

    def undecided(dataset: Dataset, element: DataElement) -> None:
        if " or " in element.VR:
            del dataset[element.tag]

    new.walk(undecided)
