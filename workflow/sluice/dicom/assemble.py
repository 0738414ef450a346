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

from sluice.dicom.pixels import SAMPLES, native_bytes
from sluice.dicom.profile import ImageIdentity

# An arbitrary but fixed UID of this program (PS3.5 B.2: 2.25 and a UUID as an integer).
IMPLEMENTATION_UID = "2.25.9427520521028088919077371961476495032"
IMPLEMENTATION_NAME = "SLUICE"


# PS3.16 CID 7050, De-identification Method.
_METHODS = {
    "basic": ("113100", "Basic Application Confidentiality Profile"),
    "clean_structured_content": ("113104", "Clean Structured Content Option"),
    "clean_descriptors": ("113105", "Clean Descriptors Option"),
    "retain_longitudinal_modified_dates": (
        "113107",
        "Retain Longitudinal Temporal Information Modified Dates Option",
    ),
    "retain_patient_characteristics": ("113108", "Retain Patient Characteristics Option"),
    "retain_device": ("113109", "Retain Device Identity Option"),
    "retain_safe_private": ("113111", "Retain Safe Private Option"),
}


def own_elements(profile: str, identity: ImageIdentity, used: frozenset[str]) -> Dataset:
    """Return the new identity and what was done (PS3.15 E.1.1, PS3.3 C.12.1).

    Parameters
    ----------
    profile
        Name of the tier's profile.
    identity
        The participant's new identity.
    used
        The options that changed or kept something in this object.
    """
    new = Dataset()
    new.PatientName = ""
    new.PatientID = identity.person
    new.PatientBirthDate = ""
    new.PatientIdentityRemoved = "YES"
    new.DeidentificationMethod = ["SLUICE", *(identity.release or (profile,))]
    new.DeidentificationMethodCodeSequence = Sequence(
        [_method(*_METHODS[name]) for name in sorted({"basic", *used} & _METHODS.keys())]
    )
    moved = "retain_longitudinal_modified_dates" in used
    new.LongitudinalTemporalInformationModified = "MODIFIED" if moved else "REMOVED"
    return new


def stated_options(new: Dataset) -> frozenset[str]:
    """Return the options that an object of :func:`own_elements` says were used."""
    stated = {item.CodeValue for item in new.DeidentificationMethodCodeSequence}
    return frozenset(n for n, (value, _) in _METHODS.items() if value in stated) - {"basic"}


def _method(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def assemble(new: Dataset, syntax: UID, counts: Counter[str]) -> FileDataset:
    """Make a file of a data set: file meta information from nothing, zero preamble, settled VRs.

    Parameters
    ----------
    new
        The data set with its SOP UIDs; its native samples are cut to the size that it tells.
    syntax
        The transfer syntax that the samples are in.
    counts
        Counts the cuts.

    Raises
    ------
    SluiceError
        If the image does not tell its size.
    """
    _cut_pixels(new, syntax, counts)
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
    if syntax.is_encapsulated:
        return
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


def _settle(new: Dataset, little_endian: bool) -> None:
    """Decide VRs that depend on the image (``US or SS``); what stays undecided goes."""
    correct_ambiguous_vr(new, little_endian)

    def undecided(dataset: Dataset, element: DataElement) -> None:
        if " or " in element.VR:
            del dataset[element.tag]

    new.walk(undecided)
