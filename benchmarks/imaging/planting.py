"""Identifiers put into an object where a hospital, a vendor or a person at a keyboard puts them."""

from __future__ import annotations

import random
from collections.abc import Iterable

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from benchmarks.imaging import words
from benchmarks.imaging.objects import code, item
from benchmarks.imaging.people import Patient, Visit, fields
from benchmarks.imaging.texts import Text, choose

# Place, then what must stay and go there.
Planted = tuple[str, Text]

_SHORT_TEXTS = (
    "StudyDescription SeriesDescription ProtocolName RequestedProcedureDescription "
    "PerformedProcedureStepDescription ReasonForStudy AdmittingDiagnosesDescription"
)
_LONG_TEXTS = (
    "ImageComments PatientComments AdditionalPatientHistory StudyComments VisitComments "
    "CommentsOnThePerformedProcedureStep RequestedProcedureComments ImagingServiceRequestComments "
    "DerivationDescription"
)
# Vendors' and archives' places for text, none of them a safe one.
_PRIVATE = (
    (0x0009, "GEMS_IDEN_01", 0x02, "SH"),
    (0x0011, "SPI RELEASE 1", 0x10, "LO"),
    (0x0021, "Mayo/IBM Archive Project", 0x40, "CS"),
    (0x0029, "SIEMENS MEDCOM HEADER2", 0x60, "LO"),
    (0x0031, "MITRA LINKED ATTRIBUTES 1.0", 0x20, "LO"),
    (0x0035, "Ward System", 0x11, "PN"),
    (0x0051, "SIEMENS MR HEADER", 0x0F, "LO"),
    (0x0071, "INTELERAD", 0x22, "LT"),
    (0x2001, "Philips Imaging DD 001", 0x7B, "UT"),
    (0x3F01, "INTELERAD MEDICAL SYSTEMS", 0x01, "LO"),
)


def plant(
    dataset: Dataset, kind: str, patient: Patient, visit: Visit, rng: random.Random, share: float
) -> list[Planted]:
    """Fill an object as a hospital would, and return what lies where.

    Parameters
    ----------
    kind
        Key of :data:`benchmarks.imaging.words.STUDIES`.
    rng
        Chooses which optional places are filled, and with which template.
    share
        Of the optional places that are filled.
    """
    found: list[Planted] = []
    for keyword, value in _always(patient, visit).items():
        _set(dataset, keyword, value)
        found.append((_path(keyword), Text(value, lose=(value,))))
    for keyword, value in _often(patient, visit).items():
        if rng.random() < share:
            _set(dataset, keyword, value)
            found.append((_path(keyword), Text(value, lose=(value,))))
    age = (visit.day - patient.born).days // 365
    _set(dataset, "PatientAge", f"{age:03d}Y")
    if age > 90:
        found.append((_path("PatientAge"), Text("", lose=(f"{age:03d}Y",))))
    _set(dataset, "PatientSex", patient.sex)
    found += _texts(dataset, kind, patient, visit, rng, share)
    found += _nested(dataset, kind, patient, visit, rng)
    found += _private(dataset, patient, visit, rng, share)
    dataset.file_meta.SourceApplicationEntityTitle = visit.station
    return found


def plant_in_report(
    dataset: Dataset, patient: Patient, visit: Visit, rng: random.Random
) -> list[Planted]:
    """Add to a structured report the people of the visit and findings in their words."""
    physician = visit.reader
    verifier = Dataset()
    verifier.VerifyingObserverName, verifier.VerifyingOrganization = physician, patient.hospital
    verifier.VerificationDateTime = visit.day.strftime("%Y%m%d") + visit.clock
    verifier.VerifyingObserverIdentificationCodeSequence = Items()
    dataset.VerifyingObserverSequence = Items([verifier])
    found = [
        (f"0040A073[0] > {_path('VerifyingObserverName')}", Text("", lose=(physician,))),
        (f"0040A073[0] > {_path('VerifyingOrganization')}", Text("", lose=(patient.hospital,))),
    ]
    people = (
        ("PNAME", "121008", "Person Observer Name", "PersonName", physician),
        ("TEXT", "121009", "Person Observer's Organization Name", "TextValue", patient.hospital),
        ("TEXT", "121012", "Device Observer UID", "TextValue", f"{visit.station} {visit.serial}"),
        ("PNAME", "121029", "Subject Name", "PersonName", patient.latin),
        ("TEXT", "121030", "Subject ID", "TextValue", patient.mrn),
        ("DATE", "121031", "Subject Birth Date", "Date", patient.born.strftime("%Y%m%d")),
    )
    items = []
    for kind, value, meaning, keyword, text in people:
        made = item(kind, "HAS OBS CONTEXT", (value, meaning))
        _set(made, keyword, text)
        items.append(made)
        path = f"0040A730[code {value}#0] > {_path(keyword)}"
        found.append((path, Text(text, lose=(text,))))
    for number, concept in enumerate((("121071", "Finding"), ("121077", "Conclusion"))):
        told = choose(words.LONG, fields(patient, visit), _phrases("CT", rng, ""), rng)
        made = item("TEXT", "CONTAINS", concept)
        made.TextValue = told.text
        items.insert(number, made)
        found.append((f"0040A730[code {concept[0]}#0] > 0040A160", told))
    dataset.ContentSequence = Items([*items, *dataset.ContentSequence])
    return found


def plant_in_structures(dataset: Dataset, visit: Visit) -> list[Planted]:
    """Name structures as planners do: organ, dose, who drew it."""
    family = visit.performer.split("^")[0]
    found = []
    for number, roi in enumerate(dataset.StructureSetROISequence):
        name = str(roi.ROIName)
        text = Text(name, name)
        if number % 2 and family.lower() not in name.lower():
            text = Text(f"{name} {family}", name, (family,))
            roi.ROIName = text.text
        found.append((f"30060020[{number}] > 30060026", text))
    return found


def document_lines(patient: Patient, visit: Visit, rng: random.Random) -> list[str]:
    """Return the lines of a letter about a visit."""
    known = fields(patient, visit)
    lines = [f"{patient.plain}  MRN {patient.mrn}  born {known['birth_date_text']}"]
    for _ in range(3):
        lines.append(choose(words.LONG, known, _phrases("CT", rng, ""), rng).text)
    return [*lines, f"Signed {known['physician_plain']}, {patient.hospital}, {known['long_date']}"]


def _always(patient: Patient, visit: Visit) -> dict[str, str]:
    return {
        "PatientName": patient.name,
        "PatientID": patient.mrn,
        "IssuerOfPatientID": f"{patient.hospital} MPI",
        "PatientBirthDate": patient.born.strftime("%Y%m%d"),
        "AccessionNumber": visit.accession,
        "StudyID": visit.study_id,
        "ReferringPhysicianName": visit.referrer,
        "InstitutionName": patient.hospital,
        "StationName": visit.station,
        "DeviceSerialNumber": visit.serial,
        "OperatorsName": visit.operator,
    }


def _often(patient: Patient, visit: Visit) -> dict[str, str]:
    family = patient.latin.split("^")[0]
    return {
        "OtherPatientNames": f"{family}^Nee {patient.mother.split('^')[0]}",
        "PatientBirthName": patient.mother,
        "PatientMotherBirthName": patient.mother,
        "PatientAddress": patient.address,
        "PatientTelephoneNumbers": patient.phone,
        "PatientBirthTime": f"{patient.number % 24:02d}4127",
        "Occupation": patient.employer,
        "MedicalRecordLocator": patient.other_id,
        "CountryOfResidence": "Ruritania",
        "RegionOfResidence": patient.town,
        "ResponsiblePerson": patient.relative.replace(" ", "^"),
        "MilitaryRank": "Squadron Leader",
        "PatientReligiousPreference": "Zoroastrian",
        "InstitutionAddress": f"1 Infirmary Road, {patient.town}",
        "InstitutionalDepartmentName": visit.department,
        "ReferringPhysicianAddress": f"Surgery at {patient.street}",
        "ReferringPhysicianTelephoneNumbers": patient.phone,
        "PhysiciansOfRecord": visit.reader,
        "PerformingPhysicianName": visit.performer,
        "NameOfPhysiciansReadingStudy": visit.reader,
        "RequestingPhysician": visit.referrer,
        "ScheduledPerformingPhysicianName": visit.performer,
        "PerformedStationName": visit.station,
        "PerformedStationAETitle": visit.station,
        "PerformedLocation": visit.room,
        "PerformedProcedureStepID": f"PPS{visit.order}",
        "CurrentPatientLocation": f"{visit.department} {visit.room}",
        "AdmissionID": visit.admission,
        "OrderEnteredBy": visit.operator,
        "OrderCallbackPhoneNumber": patient.phone,
        "PlacerOrderNumberImagingServiceRequest": visit.order,
        "FillerOrderNumberImagingServiceRequest": f"F{visit.order}",
        "NamesOfIntendedRecipientsOfResults": visit.referrer,
        "GantryID": visit.serial,
        "ClinicalTrialSubjectID": f"TRIAL-{patient.other_id}",
        "ClinicalTrialSiteName": patient.hospital,
        "InterpretationRecorder": visit.operator,
    }


def _texts(
    dataset: Dataset, kind: str, patient: Patient, visit: Visit, rng: random.Random, share: float
) -> list[Planted]:
    known, found = fields(patient, visit), []
    for keyword in f"{_SHORT_TEXTS} {_LONG_TEXTS}".split():
        long = keyword in _LONG_TEXTS
        if keyword not in ("StudyDescription", "SeriesDescription") and rng.random() > share / 2:
            continue
        phrases = _phrases(kind, rng, "SERIES" if keyword == "SeriesDescription" else "")
        # Most short descriptions name nobody.
        if long or rng.random() < 0.35:
            longest = 1024 if long else 64
            text = choose(words.LONG if long else words.SHORT, known, phrases, rng, longest)
        else:
            text = Text(phrases["science"], phrases["science"])
        _set(dataset, keyword, text.text)
        found.append((_path(keyword), text))
    return found


def _nested(
    dataset: Dataset, kind: str, patient: Patient, visit: Visit, rng: random.Random
) -> list[Planted]:
    """Plant in sequences, one to three deep."""

    def other_ids() -> None:
        made = Dataset()
        made.PatientID, made.TypeOfPatientID = patient.other_id, "TEXT"
        made.IssuerOfPatientID = patient.hospital
        second = Dataset()
        second.PatientID, second.TypeOfPatientID = patient.national_id, "TEXT"
        dataset.OtherPatientIDsSequence = Items([made, second])
        add("00101002[0] > 00100020", patient.other_id)
        add("00101002[0] > 00100021", patient.hospital)
        add("00101002[1] > 00100020", patient.national_id)

    def referrer() -> None:
        made = Dataset()
        made.PersonIdentificationCodeSequence = Items(
            [code(f"GP{visit.order}", visit.referrer.replace("^", " "), "99PENHALLOW")]
        )
        made.PersonAddress, made.PersonTelephoneNumbers = patient.town, patient.phone
        made.InstitutionName = patient.hospital
        dataset.ReferringPhysicianIdentificationSequence = Items([made])
        add("00080096[0] > 00401101[0] > 00080100", f"GP{visit.order}")
        add("00080096[0] > 00401101[0] > 00080104", visit.referrer.replace("^", " "))
        add("00080096[0] > 00401102", patient.town)
        add("00080096[0] > 00080080", patient.hospital)

    def request() -> None:
        made = Dataset()
        made.RequestedProcedureID, made.ScheduledProcedureStepID = visit.order, f"S{visit.order}"
        made.AccessionNumber = visit.accession
        text = choose(words.SHORT, fields(patient, visit), _phrases(kind, rng, ""), rng, 64)
        made.ScheduledProcedureStepDescription = text.text
        dataset.RequestAttributesSequence = Items([made])
        add("00400275[0] > 00401001", visit.order)
        add("00400275[0] > 00400009", f"S{visit.order}")
        add("00400275[0] > 00080050", visit.accession)
        found.append(("00400275[0] > 00400007", Text("", lose=text.lose)))

    def history() -> None:
        before = Dataset()
        before.PatientName, before.PatientID = patient.mother, patient.other_id
        before.AccessionNumber = visit.accession
        made = Dataset()
        made.ModifiedAttributesSequence = Items([before])
        made.AttributeModificationDateTime = visit.day.strftime("%Y%m%d") + visit.clock
        made.ModifyingSystem, made.SourceOfPreviousValues = visit.station, patient.hospital
        made.ReasonForTheAttributeModification = "CORRECT"
        dataset.OriginalAttributesSequence = Items([made])
        add("04000561[0] > 04000550[0] > 00100010", patient.mother)
        add("04000561[0] > 04000550[0] > 00100020", patient.other_id)
        add("04000561[0] > 04000563", visit.station)
        add("04000561[0] > 04000564", patient.hospital)

    def operator() -> None:
        made = Dataset()
        made.PersonIdentificationCodeSequence = Items(
            [code(f"RT{visit.admission}", visit.operator.replace("^", " "), "99CALDERBROOK")]
        )
        dataset.OperatorIdentificationSequence = Items([made])
        add("00081072[0] > 00401101[0] > 00080104", visit.operator.replace("^", " "))

    def add(path: str, value: str) -> None:
        found.append((path, Text(value, lose=(value,))))

    found: list[Planted] = []
    for place in rng.sample((other_ids, referrer, request, history, operator), 2):
        place()
    return found


def _private(
    dataset: Dataset, patient: Patient, visit: Visit, rng: random.Random, share: float
) -> list[Planted]:
    known = fields(patient, visit)
    values = (patient.plain, patient.mrn, visit.accession, patient.national_id, known["iso_date"])
    found: list[Planted] = []
    for group, creator, element, vr in _PRIVATE:
        if rng.random() > share / 3:
            continue
        value = rng.choice(values)
        if vr == "CS":
            value = visit.accession
        if vr == "SH":
            value = value[:16]
        if vr == "PN":
            value = patient.latin
        block = dataset.private_block(group, creator, create=True)
        block.add_new(element, vr, value)
        found.append((f"{group:04X}[{creator}]{element:02X}", Text(value, lose=(value,))))
    if rng.random() < share / 2:
        found += list(_private_bytes(dataset, patient, visit))
    return found


def _private_bytes(dataset: Dataset, patient: Patient, visit: Visit) -> Iterable[Planted]:
    """Plant in bytes: UTF-16 as Windows consoles write it, and a nested private sequence."""
    block = dataset.private_block(0x0099, "Penhallow Console", create=True)
    block.add_new(0x01, "OB", f"user={patient.plain}".encode("utf-16-le") + b"\0\0")
    block.add_new(0x02, "UN", f"MRN:{patient.mrn};ACC:{visit.accession} ".encode())
    inner = Dataset()
    inner.PatientName, inner.PatientID = patient.name, patient.mrn
    block.add_new(0x03, "SQ", Items([inner]))
    if patient.plain.isascii():
        yield "0099[Penhallow Console]01", Text("", lose=(patient.plain,))
    yield "0099[Penhallow Console]02", Text("", lose=(patient.mrn, visit.accession))
    inside = "0099[Penhallow Console]03"
    if dataset.file_meta.TransferSyntaxUID.is_implicit_VR:  # there it is read back as bytes
        yield inside, Text("", lose=(patient.mrn,))
        return
    yield f"{inside}[0] > 00100010", Text("", lose=(patient.name,))
    yield f"{inside}[0] > 00100020", Text("", lose=(patient.mrn,))


def _phrases(kind: str, rng: random.Random, where: str) -> dict[str, str]:
    science = words.SERIES[kind] if where else words.STUDIES[kind]
    return {
        "science": rng.choice(science),
        "finding": rng.choice(words.FINDINGS),
        "complaint": rng.choice(words.COMPLAINTS),
    }


def _set(dataset: Dataset, keyword: str, value: str) -> None:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    vr = dictionary_VR(tag)
    if vr in ("PN", "LO", "SH"):
        value = value[:64] if vr != "SH" else value[:16]
    dataset[tag] = DataElement(tag, vr, value)


def _path(keyword: str) -> str:
    return f"{tag_for_keyword(keyword):08X}"
