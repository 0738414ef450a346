"""A DICOM object with something unique in every place where a person may hide."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import UID

from sluice.dicom.profile import ImageIdentity, Profile

BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"
START = datetime(1931, 3, 17, 4, 5, 6)  # DICOM's local time

CONTROLLED = Profile.from_policy(
    {
        "name": "controlled",
        "options": [
            "retain_longitudinal_modified_dates",
            "retain_device",
            "retain_safe_private",
            "retain_patient_characteristics",
            "clean_descriptors",
            "clean_structured_content",
        ],
        "keep_device": "full",
        "times": "offset",
        "text": "vocabulary",
        "sex": True,
    }
)
REGISTERED = Profile.from_policy({"name": "registered", "keep_device": "manufacturer"})


def new_uid(uid: str) -> str:
    return "2.25." + str(int(hashlib.sha256(uid.encode()).hexdigest()[:30], 16))


def sequences(inner: Dataset, depth: int, undefined: bool) -> Dataset:
    """Return a data set with another one so many sequences deep inside it."""
    for _ in range(depth):
        outer = Dataset()
        outer.ContentSequence = Sequence([inner])
        outer["ContentSequence"].is_undefined_length = undefined
        inner.is_undefined_length_sequence_item = undefined
        inner = outer
    return inner


def full_size(dataset: FileDataset, times: int = 2) -> FileDataset:
    """Enlarge a CT's picture to a scanner's, with its noise: smaller ones are always read."""
    large = np.kron(dataset.pixel_array, np.ones((times, times)))
    noisy = np.rint(large + np.random.default_rng(1).normal(0, 12, large.shape))
    dataset.Rows, dataset.Columns = noisy.shape
    dataset.PixelData = noisy.astype("<i2").tobytes()
    return dataset


def identity(**changes: Any) -> ImageIdentity:
    known: dict[str, Any] = {
        "person": "P0001",
        "uid": new_uid,
        "shift_days": 100,
        "study_start": START,
    }
    return ImageIdentity(**{**known, **changes})


@dataclass(frozen=True)
class Canary:
    """``needle``: the text that must vanish. ``plant`` puts it into a data set."""

    name: str
    needle: str
    plant: Callable[[Dataset], None]


WORDS = (
    "PatientName OtherPatientIDs OtherPatientNames PatientBirthName PatientMotherBirthName "
    "PatientAddress PatientTelephoneNumbers PatientComments PatientReligiousPreference "
    "MilitaryRank Occupation AdditionalPatientHistory MedicalRecordLocator CountryOfResidence "
    "EthnicGroup IssuerOfPatientID PatientID AccessionNumber StudyID InstitutionName "
    "InstitutionAddress InstitutionalDepartmentName ReferringPhysicianName "
    "ReferringPhysicianAddress OperatorsName PerformingPhysicianName "
    "NameOfPhysiciansReadingStudy PhysiciansOfRecord ProtocolName StudyDescription "
    "SeriesDescription ImageComments RequestedProcedureDescription RequestingPhysician "
    "AdmittingDiagnosesDescription DerivationDescription ContrastBolusAgent "
    "CurrentPatientLocation AdmissionID PerformedProcedureStepID "
    "PerformedProcedureStepDescription ClinicalTrialSubjectID ClinicalTrialSponsorName "
    "SoftwareVersions BodyPartExamined DeidentificationMethod RetrieveURL AcquisitionComments "
    "FrameComments ScheduledPerformingPhysicianName Allergies SpecialNeeds PatientSexNeutered "
    "InterpretationText ReasonForStudy StudyComments VisitComments LUTExplanation "
    "DocumentTitle TextValue TextString RetrieveAETitle PerformedStationAETitle "
    "RadiopharmaceuticalRoute SegmentLabel HL7InstanceIdentifier TrackingID "
)
DATES = (
    "StudyDate SeriesDate AcquisitionDate ContentDate PatientBirthDate InstanceCreationDate "
    "DateOfLastCalibration DateOfManufacture LastMenstrualDate "
    "ScheduledProcedureStepStartDate AdmittingDate AcquisitionDateTime "
    "ScheduledProcedureStepStartDateTime ExpirationDateTime "
)
TIMES = "StudyTime SeriesTime AcquisitionTime ContentTime PatientBirthTime InstanceCreationTime "
UIDS = (
    "StudyInstanceUID SeriesInstanceUID SOPInstanceUID FrameOfReferenceUID "
    "SynchronizationFrameOfReferenceUID InstanceCreatorUID IrradiationEventUID DeviceUID "
    "RadiopharmaceuticalAdministrationEventUID "
)


def _needle(name: str) -> str:
    letters = hashlib.sha256(name.encode()).hexdigest()
    return "KESTREL" + "".join(chr(ord("A") + int(c, 16)) for c in letters[:8])


def _add(dataset: Dataset, tag: int, vr: str, value: Any) -> None:
    if vr == "DS":  # pydicom makes no element of a number that is none
        raw = value.encode() + b" " * (len(value) % 2)
        dataset[tag] = RawDataElement(BaseTag(tag), vr, len(raw), raw, 0, False, True)
    else:
        dataset.add(DataElement(tag, vr, value, validation_mode=pydicom.config.IGNORE))


def _raw(tag: int, vr: str, value: bytes) -> Callable[[Dataset], None]:
    """Plant just these bytes."""

    def plant(dataset: Dataset) -> None:
        dataset[tag] = RawDataElement(BaseTag(tag), vr, len(value), value, 0, False, True)

    return plant


def _keyword(keyword: str, value: str) -> Callable[[Dataset], None]:
    tag = pydicom.datadict.tag_for_keyword(keyword)
    assert tag is not None, keyword
    return lambda ds: _add(ds, tag, pydicom.datadict.dictionary_VR(tag), value)


def _nest(*keywords: str, leaf: Callable[[Dataset], None]) -> Callable[[Dataset], None]:
    """Plant a leaf below sequences, in a new last item of the outermost."""

    def plant(dataset: Dataset) -> None:
        items = dataset.get(keywords[0]) or Sequence()
        item = Dataset()
        (_nest(*keywords[1:], leaf=leaf) if len(keywords) > 1 else leaf)(item)
        items.append(item)
        setattr(dataset, keywords[0], Sequence(items))

    return plant


def _code(value: str, scheme: str, meaning: str) -> Callable[[Dataset], None]:
    def plant(dataset: Dataset) -> None:
        dataset.CodeValue, dataset.CodingSchemeDesignator = value, scheme
        dataset.CodeMeaning = meaning

    return plant


def _private(group: int, creator: str, element: int, vr: str, value: Any) -> Callable[..., None]:
    def plant(dataset: Dataset) -> None:
        dataset.private_block(group, creator, create=True).add_new(element, vr, value)

    return plant


def _structural() -> Iterator[tuple[str, str, Callable[[Dataset], None]]]:
    """Places that are no plain public element of the top level: (name, needle, plant)."""

    def text(name: str, make: Callable[[str], Callable[[Dataset], None]]) -> Any:
        return name, _needle(name), make(_needle(name))

    def add(tag: int, vr: str, wrap: Callable[[str], Any] = str) -> Any:
        return lambda needle: lambda ds: _add(ds, tag, vr, wrap(needle))

    def blob(needle: str) -> bytes:
        return needle.encode().ljust(32, b"\0")

    yield text(
        "nested name", lambda n: _nest("ReferencedPatientSequence", leaf=_keyword("PatientName", n))
    )
    yield text("name three deep", lambda n: _nest(
        "SharedFunctionalGroupsSequence", "DerivationImageSequence", "SourceImageSequence",
        leaf=_keyword("PatientName", n)))  # fmt: skip
    yield text("station three deep", lambda n: _nest(
        "SharedFunctionalGroupsSequence", "DerivationImageSequence", "SourceImageSequence",
        leaf=_keyword("InstitutionName", n)))  # fmt: skip
    yield text(
        "original attributes",
        lambda n: _nest(
            "OriginalAttributesSequence",
            "ModifiedAttributesSequence",
            leaf=_keyword("PatientID", n),
        ),
    )
    yield text(
        "request attributes",
        lambda n: _nest("RequestAttributesSequence", leaf=_keyword("RequestedProcedureID", n)),
    )
    yield text(
        "content text",
        lambda n: _nest("ContentSequence", "ContentSequence", leaf=_keyword("TextValue", n)),
    )
    yield text("content person", lambda n: _nest("ContentSequence", leaf=_keyword("PersonName", n)))
    yield text(
        "meaning of a public code",
        lambda n: _nest("AnatomicRegionSequence", leaf=_code("T-D3000", "SRT", n)),
    )
    yield text(
        "value of a local code",
        lambda n: _nest("ProcedureCodeSequence", leaf=_code(n, "99KESTREL", "chest")),
    )
    yield text(
        "code of a person",
        lambda n: _nest(
            "ContentSequence", "PersonIdentificationCodeSequence", leaf=_code(n, "DCM", "chest")
        ),
    )
    yield text("private text", lambda n: _private(0x0029, "ACME", 0x10, "LO", n))
    yield text("private creator", lambda n: _private(0x0031, n, 0x10, "US", 1))
    yield text("private bytes", lambda n: _private(0x0033, "ACME", 0x10, "OB", blob(n)))
    yield text(
        "private in utf-16", lambda n: _private(0x0035, "ACME", 0x10, "OB", n.encode("utf-16-le"))
    )
    yield text(
        "private sequence",
        lambda n: _private(
            0x0037, "ACME", 0x10, "SQ", Sequence([_item(_keyword("PatientName", n))])
        ),
    )
    yield text(
        "allowed creator, other element",
        lambda n: _private(0x0019, "SIEMENS MR HEADER", 0x0D, "CS", n),
    )
    yield "allowed element out of range", "7734001", _private(
        0x0019, "SIEMENS MR HEADER", 0x0C, "IS", "7734001")  # fmt: skip
    yield text("private without creator", add(0x00411042, "LO"))
    yield text(
        "private in a sequence",
        lambda n: _nest("ReferencedImageSequence", leaf=_private(0x0043, "ACME", 1, "LO", n)),
    )
    yield text("overlay data", add(0x60003000, "OW", blob))
    yield text("overlay comments", add(0x60004000, "LT"))
    yield text("overlay label", add(0x60021500, "LO"))
    yield text("overlay description", add(0x601E0022, "LO"))
    yield text("curve data", add(0x50003000, "OW", blob))
    yield text("curve label", add(0x50002500, "LO"))
    yield text("unknown element of an even group", add(0x0010F123, "LO"))
    yield text("unknown even group", add(0x01120010, "UT"))
    yield text("unknown bytes", add(0x0112A010, "UN", blob))
    yield text("trailing padding", add(0xFFFCFFFC, "OB", blob))
    yield text("colour profile", add(0x00282000, "OB", blob))
    yield text("encapsulated document", add(0x00420011, "OB", blob))
    yield text("icon", lambda n: _nest("IconImageSequence", leaf=lambda ds: _add(
        ds, 0x7FE00010, "OW", blob(n))))  # fmt: skip
    yield text(
        "certificate",
        lambda n: _nest(
            "DigitalSignaturesSequence", leaf=lambda ds: _add(ds, 0x04000115, "OB", blob(n))
        ),
    )
    yield text("wrong VR", add(0x00280010 + 0x44, "LO"))
    yield text("number that is none", add(0x00180050, "DS"))
    yield text(
        "second value of a name", lambda n: lambda ds: _add(ds, 0x0008009C, "PN", ["A^B", n])
    )
    yield text(
        "second value of an image type",
        lambda n: lambda ds: _add(ds, 0x00080008, "CS", ["ORIGINAL", "PRIMARY", n + "71234"]),
    )
    yield text("malformed date", add(0x00080024, "DA"))
    yield text("station", add(0x00081010, "SH"))
    yield text("source of X-rays", add(0x00189367, "UC"))
    yield text("maker of a capture", add(0x00181016, "LO"))
    yield "list of tags", "QUAIL QUILLS", _raw(0x00205000, "AT", b"QUAIL QUILLS")
    yield "numbers with gaps", "QUAILFEATHER", _raw(
        0x00181310, "US", "QUAILFEATHER".encode("utf-16-le"))  # fmt: skip
    yield "number of a record", "77340177", _keyword("ImagesInAcquisition", "77340177")
    yield "number with a point", "77340288", _keyword("TableHeight", "77340288.5")
    yield "letters and digits", "ZX7Q9K2M", lambda ds: _add(
        ds, 0x00180022, "CS", ["FS", "ZX7Q9K2M"])  # fmt: skip
    yield "name and year", "QUAY1931", _keyword("SequenceName", "*QUAY1931")
    yield "digits with gaps", "7734 0399", _keyword("FilterType", "7734 0399")
    yield (
        "UID in a reference",
        "1.9.77341.1",
        _nest("ReferencedImageSequence", leaf=_keyword("ReferencedSOPInstanceUID", "1.9.77341.1")),
    )
    yield "second UID of a list", "1.9.77342.2", lambda ds: _add(
        ds, 0x00080058, "UI", ["1.9.1", "1.9.77342.2"])  # fmt: skip
    yield "UID under the standard's root", "1.2.840.10008.77343", _keyword(
        "DimensionOrganizationUID", "1.2.840.10008.77343")  # fmt: skip
    yield (
        "date in a report",
        "19310423",
        _nest("ContentSequence", leaf=_keyword("Date", "19310423")),
    )


def _item(leaf: Callable[[Dataset], None]) -> Dataset:
    item = Dataset()
    leaf(item)
    return item


def canaries() -> list[Canary]:
    found = []
    for keyword in WORDS.split():
        needle = _needle(keyword)
        value = "urn:" + needle if keyword == "RetrieveURL" else needle
        found.append(Canary(keyword, needle, _keyword(keyword, value)))
    for number, keyword in enumerate(DATES.split()):
        day = f"193104{number + 1:02d}"
        found.append(Canary(keyword, day, _keyword(keyword, day)))
    for number, keyword in enumerate(TIMES.split()):
        time = f"0617{number:02d}.918273"
        found.append(Canary(keyword, time, _keyword(keyword, time)))
    for number, keyword in enumerate(UIDS.split()):
        uid = f"1.9.88{number}.1"
        found.append(Canary(keyword, uid, _keyword(keyword, uid)))
    found.extend(Canary(*row) for row in _structural())
    return found


GROUP_LENGTH = "QJZX"
# Places of the file, not of the data set: needle by name.
FILE_PLACES = {
    name: _needle(name)
    for name in ("preamble", "source AE", "implementation", "private meta", "after the pixels")
} | {"group length": GROUP_LENGTH}


def object_with(planted: list[Canary]) -> bytes:
    """Return a CT image with all canaries, and those of the file's own places."""
    dataset = pydicom.dcmread(BUNDLED / "CT_small.dcm")
    for element in list(dataset):
        if element.tag.is_private:
            del dataset[element.tag]
    for canary in planted:
        canary.plant(dataset)
    meta = dataset.file_meta
    meta.SourceApplicationEntityTitle = FILE_PLACES["source AE"]
    meta.ImplementationVersionName = FILE_PLACES["implementation"]
    meta.PrivateInformationCreatorUID = UID("1.9.1")
    meta.PrivateInformation = FILE_PLACES["private meta"].encode() + b"\0"
    dataset.preamble = FILE_PLACES["preamble"].encode().ljust(128, b"\0")
    dataset.PixelData += FILE_PLACES["after the pixels"].encode().ljust(32, b"\0")
    content = saved(dataset)
    start = 144 + int.from_bytes(content[140:144], "little")
    # pydicom writes no group lengths, so one is put in by hand.
    length = b"\x08\0\0\0UL\x04\0" + GROUP_LENGTH.encode()
    return content[:start] + length + content[start:]


def saved(dataset: FileDataset) -> bytes:
    stream = BytesIO()
    pydicom.dcmwrite(stream, dataset)
    return stream.getvalue()
