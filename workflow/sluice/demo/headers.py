"""DICOM headers full of identifiers: where real scanners put them, and where nobody looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from sluice.demo.canaries import Canaries, Canary
from sluice.demo.people import Participant, Staff
from sluice.demo.words import Name

_IMPLEMENTATION = "2.25.189318931893"


@dataclass(frozen=True)
class Study:
    """One imaging study and the identifiers that it brought."""

    person: Participant
    physician: Name
    operator: Name
    uid: str
    accession: str
    study_id: str
    frame_of_reference: str
    day: date
    time: str
    body_part: str
    modality: str


class Reference(NamedTuple):
    """What one object needs to refer to another of its study."""

    sop_class: str
    sop_uid: str
    series_uid: str


@dataclass(frozen=True)
class Slot:
    """Where one object stands in its study; ``previous`` are the objects that it refers to."""

    sop_class: str
    sop_uid: str
    series_uid: str
    series_number: int
    instance_number: int
    previous: tuple[Reference, ...]


def new_object(study: Study, slot: Slot, staff: Staff) -> Dataset:
    """Return an object with what every real one carries: patient, study, series, equipment."""
    person, day = study.person, f"{study.day:%Y%m%d}"
    age = study.day.year - person.birth_date.year
    age -= (study.day.month, study.day.day) < (person.birth_date.month, person.birth_date.day)
    ds = Dataset()
    ds.file_meta = _file_meta(slot)
    ds.preamble = b"\0" * 128
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID, ds.SOPInstanceUID = slot.sop_class, slot.sop_uid
    for kind in ("InstanceCreation", "Study", "Series", "Acquisition", "Content"):
        setattr(ds, f"{kind}Date", day)
        setattr(ds, f"{kind}Time", study.time)
    ds.AccessionNumber, ds.Modality = study.accession, study.modality
    ds.Manufacturer, ds.ManufacturerModelName = "SIEMENS", "Demo One"
    ds.InstitutionName = f"{staff.institution} Hospital"
    ds.StationName, ds.DeviceSerialNumber = staff.station, staff.device_serial
    ds.SoftwareVersions = "demo 1.0"
    ds.ReferringPhysicianName = study.physician.dicom
    ds.OperatorsName = study.operator.dicom
    ds.StudyDescription = f"{study.modality} {study.body_part.lower()} {person.name.family}"
    ds.SeriesDescription = f"{study.body_part.lower()} series {slot.series_number}"
    ds.PatientName, ds.PatientID = person.name.dicom, person.mrn
    ds.PatientBirthDate, ds.PatientSex = f"{person.birth_date:%Y%m%d}", person.sex
    ds.PatientAge, ds.PatientSize = f"{age:03d}Y", f"{person.height_cm / 100:.2f}"
    ds.BodyPartExamined, ds.PatientPosition = study.body_part, "HFS"
    ds.ProtocolName = f"routine {study.body_part.lower()}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study.uid, slot.series_uid
    ds.StudyID, ds.FrameOfReferenceUID = study.study_id, study.frame_of_reference
    ds.SeriesNumber, ds.InstanceNumber = slot.series_number, slot.instance_number
    ds.AcquisitionNumber, ds.PositionReferenceIndicator = 1, ""
    if slot.previous:
        ds.ReferencedImageSequence = Sequence([reference(other) for other in slot.previous])
    return ds


def usual_canaries(ds: Dataset, study: Study, slot: Slot, staff: Staff, path: str) -> Canaries:
    """Return what :func:`new_object` put into the object at ``path`` and is still there."""
    p = study.person
    day = f"{study.day:%Y%m%d}"
    planted = [
        ("family_name", p.name.family, "PatientName"),
        ("given_name", p.name.given, "PatientName"),
        ("mrn", p.mrn, "PatientID"),
        ("birth_date", f"{p.birth_date:%Y%m%d}", "PatientBirthDate"),
        ("event_date", day, "StudyDate"),
        ("event_date", day, "ContentDate"),
        ("accession", study.accession, "AccessionNumber"),
        ("study_id", study.study_id, "StudyID"),
        ("physician", study.physician.family, "ReferringPhysicianName"),
        ("operator", study.operator.family, "OperatorsName"),
        ("institution", staff.institution, "InstitutionName"),
        ("device", staff.station, "StationName"),
        ("device", staff.device_serial, "DeviceSerialNumber"),
        ("family_name", p.name.family, "StudyDescription"),
        ("study_uid", study.uid, "StudyInstanceUID"),
        ("series_uid", slot.series_uid, "SeriesInstanceUID"),
        ("sop_uid", slot.sop_uid, "SOPInstanceUID"),
        ("frame_uid", study.frame_of_reference, "FrameOfReferenceUID"),
        *(("sop_uid", uid, "ReferencedImageSequence") for _, uid, _ in slot.previous),
    ]
    return [
        Canary("sop_uid", slot.sop_uid, f"{path}:file meta (0002,0003)"),
        *(Canary(kind, value, f"{path}:{place}") for kind, value, place in planted if place in ds),
    ]


def hide(ds: Dataset, study: Study, staff: Staff, path: str) -> Canaries:
    """Plant identifiers in sequences, private blocks, overlays, curves, file meta and padding."""
    places = (
        _in_text(ds, study),
        _in_sequences(ds, study, staff),
        _in_private_blocks(ds, study),
        _in_repeating_groups(ds, study),
        _outside_the_data(ds, study),
    )
    return [
        Canary(kind, value, f"{path}:{place}") for group in places for kind, value, place in group
    ]


_Planted = Iterator[tuple[str, str, str]]


def _file_meta(slot: Slot) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(slot.sop_class)
    meta.MediaStorageSOPInstanceUID = UID(slot.sop_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(_IMPLEMENTATION)
    meta.ImplementationVersionName = "DEMO"
    return meta


def reference(to: Reference) -> Dataset:
    """Return the item that refers to an object by class and instance."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = to.sop_class, to.sop_uid
    return item


def _in_text(ds: Dataset, study: Study) -> _Planted:
    """Plant in attributes whose text is free or nearly so."""
    p = study.person
    ds.PatientComments = f"{p.name.plain}, born {p.birth_date.isoformat()}"
    yield "birth_date", p.birth_date.isoformat(), "PatientComments"
    ds.ImageComments = f"compare with {study.accession}"
    yield "accession", study.accession, "ImageComments"
    ds.AdditionalPatientHistory = f"Cough. Call {p.name.given} on {p.phone}"
    yield "phone", p.phone, "AdditionalPatientHistory"
    ds.PatientAddress = f"{p.street_number} {p.street} Lane"
    yield "street", p.street, "PatientAddress"
    ds.PatientTelephoneNumbers = p.phone
    yield "phone", p.phone, "PatientTelephoneNumbers"
    ds.SeriesDescription = f"{ds.SeriesDescription} for {study.physician.family}"
    yield "physician", study.physician.family, "SeriesDescription"
    ds.ProtocolName = f"{ds.ProtocolName} {p.mrn}"
    yield "mrn", p.mrn, "ProtocolName"


def _in_sequences(ds: Dataset, study: Study, staff: Staff) -> _Planted:
    """Plant in nested items, down to the third level."""
    p = study.person
    other = Dataset()
    other.PatientID, other.TypeOfPatientID = p.national_id, "TEXT"
    ds.OtherPatientIDsSequence = Sequence([other])
    yield "national_id", p.national_id, "OtherPatientIDsSequence[0].PatientID"
    request = Dataset()
    request.AccessionNumber = study.accession
    request.RequestedProcedureDescription = f"as asked by {study.physician.plain}"
    ds.RequestAttributesSequence = Sequence([request])
    place = "RequestAttributesSequence[0]"
    yield "accession", study.accession, f"{place}.AccessionNumber"
    yield "physician", study.physician.family, f"{place}.RequestedProcedureDescription"
    before = Dataset()
    before.PatientName, before.PatientID = p.name.dicom, p.mrn
    original = Dataset()
    original.ModifiedAttributesSequence = Sequence([before])
    original.AttributeModificationDateTime = f"{study.day:%Y%m%d}120000"
    ds.OriginalAttributesSequence = Sequence([original])
    place = "OriginalAttributesSequence[0].ModifiedAttributesSequence[0]"
    yield "family_name", p.name.family, f"{place}.PatientName"
    yield "mrn", p.mrn, f"{place}.PatientID"
    doctor = Dataset()
    doctor.InstitutionName = f"{staff.institution} Hospital"
    doctor.InstitutionAddress = f"2 {staff.institution_street} Square"
    ds.ReferringPhysicianIdentificationSequence = Sequence([doctor])
    place = "ReferringPhysicianIdentificationSequence[0]"
    yield "institution", staff.institution_street, f"{place}.InstitutionAddress"
    performed = Dataset()
    performed.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.3"
    performed.ReferencedSOPInstanceUID = study.uid
    ds.ReferencedPerformedProcedureStepSequence = Sequence([performed])
    yield "study_uid", study.uid, "ReferencedPerformedProcedureStepSequence[0]"


def _in_private_blocks(ds: Dataset, study: Study) -> _Planted:
    """Add a harmless number and three texts with the name, under creators as scanners use them."""
    p = study.person
    numbers = ds.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    numbers.add_new(0x0C, "IS", 800)
    texts = ds.private_block(0x0029, "SIEMENS CSA NON-IMAGE", create=True)
    texts.add_new(0x09, "LO", f"for {p.name.family}")
    yield "family_name", p.name.family, "(0029,1009) SIEMENS CSA NON-IMAGE"
    texts.add_new(0x20, "OB", _even(f"<patient>{p.name.dicom}</patient>"))
    yield "family_name", p.name.family, "(0029,1020) SIEMENS CSA NON-IMAGE"
    inner = Dataset()
    inner.PatientName = p.name.dicom
    unknown = ds.private_block(0x0031, "DEMO UNKNOWN", create=True)
    unknown.add_new(0x01, "SQ", Sequence([inner]))
    yield "family_name", p.name.family, "(0031,1001) DEMO UNKNOWN"
    unknown.add_new(0x02, "UN", _even(f"id={p.national_id}"))
    yield "national_id", p.national_id, "(0031,1002) DEMO UNKNOWN"


def _in_repeating_groups(ds: Dataset, study: Study) -> _Planted:
    """Add an overlay, a curve label and an even element that no dictionary knows."""
    p = study.person
    bits = np.zeros(64, dtype=np.uint8)
    bits[::5] = 1
    overlay: list[tuple[int, str, object]] = [
        (0x60000010, "US", 8),
        (0x60000011, "US", 8),
        (0x60000022, "LO", f"drawn for {p.name.family}"),
        (0x60000040, "CS", "G"),
        (0x60000050, "SS", [1, 1]),
        (0x60000100, "US", 1),
        (0x60000102, "US", 0),
        (0x60001500, "LO", p.mrn),
        (0x60003000, "OW", np.packbits(bits, bitorder="little").tobytes()),
        (0x60004000, "LT", f"{p.name.plain} moved"),
        (0x50000005, "US", 1),
        (0x50002500, "LO", f"curve of {p.name.family}"),
        (0x0010B0B0, "LO", p.name.family),
    ]
    for tag, vr, value in overlay:
        ds.add(DataElement(tag, vr, value))
    yield "family_name", p.name.family, "(6000,0022) overlay description"
    yield "mrn", p.mrn, "(6000,1500) overlay label"
    yield "family_name", p.name.family, "(6000,4000) overlay comments"
    yield "family_name", p.name.family, "(5000,2500) curve label"
    yield "family_name", p.name.family, "(0010,B0B0) unknown element"


def _outside_the_data(ds: Dataset, study: Study) -> _Planted:
    """Plant in the preamble, the file meta information, a signature and the trailing padding."""
    p = study.person
    ds.preamble = f"II*\0{p.name.plain} {p.mrn}".encode().ljust(128, b"\0")
    yield "family_name", p.name.family, "preamble"
    yield "mrn", p.mrn, "preamble"
    ds.file_meta.SourceApplicationEntityTitle = p.name.family[:16].upper()
    yield "family_name", p.name.family.upper(), "file meta (0002,0016)"
    ds.file_meta.PrivateInformationCreatorUID = UID(_IMPLEMENTATION)
    ds.file_meta.PrivateInformation = _even(f"{p.name.family} {study.accession}")
    yield "accession", study.accession, "file meta (0002,0102)"
    signature = Dataset()
    signature.MACIDNumber, signature.CertificateType = 1, "X509_1993_SIG"
    signature.CertificateOfSigner = _even(f"CN={study.physician.plain}")
    signature.DigitalSignatureUID = study.uid
    ds.DigitalSignaturesSequence = Sequence([signature])
    yield "physician", study.physician.family, "DigitalSignaturesSequence[0].CertificateOfSigner"
    yield "study_uid", study.uid, "DigitalSignaturesSequence[0].DigitalSignatureUID"
    ds.DataSetTrailingPadding = _even(f"{p.name.plain} ends here")
    yield "family_name", p.name.family, "DataSetTrailingPadding"


def _even(text: str) -> bytes:
    """Return ASCII bytes of even length."""
    data = text.encode("ascii")
    return data + b"\0" * (len(data) % 2)
