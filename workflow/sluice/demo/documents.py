"""Objects without an image: structured reports and enclosed documents."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from sluice.demo.canaries import Canaries, Canary
from sluice.demo.headers import Slot, Study, reference

_ONLY_IMAGES = (
    "AcquisitionDate",
    "AcquisitionNumber",
    "AcquisitionTime",
    "BodyPartExamined",
    "FrameOfReferenceUID",
    "PatientPosition",
    "PositionReferenceIndicator",
    "ReferencedImageSequence",
)


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _item(value_type: str, concept: Dataset) -> Dataset:
    item = Dataset()
    item.RelationshipType = "CONTAINS"
    item.ValueType = value_type
    item.ConceptNameCodeSequence = Sequence([concept])
    return item


def _without_image(ds: Dataset) -> None:
    """Drop what only images have."""
    for keyword in _ONLY_IMAGES:
        ds.pop(keyword, None)


def put_report(ds: Dataset, study: Study, slot: Slot, path: str) -> Canaries:
    """Make ``ds`` a structured report: coded and numeric items beside text with the name."""
    p = study.person
    _without_image(ds)
    ds.Modality, ds.SeriesDescription = "SR", "report"
    ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "UNVERIFIED"
    ds.ValueType, ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
    ds.ConceptNameCodeSequence = Sequence([_code("18748-4", "LN", "Diagnostic imaging report")])
    observer = _item("PNAME", _code("121008", "DCM", "Person Observer Name"))
    observer.RelationshipType, observer.PersonName = "HAS OBS CONTEXT", study.physician.dicom
    patient = _item("PNAME", _code("121029", "DCM", "Subject Name"))
    patient.RelationshipType, patient.PersonName = "HAS OBS CONTEXT", p.name.dicom
    finding = _item("TEXT", _code("121071", "DCM", "Finding"))
    finding.TextValue = f"{p.name.plain} ({p.mrn}): no nodule, seen {study.day.isoformat()}."
    size = _item("NUM", _code("410668003", "SCT", "Length"))
    measured = Dataset()
    measured.NumericValue = "12.5"
    measured.MeasurementUnitsCodeSequence = Sequence([_code("mm", "UCUM", "mm")])
    size.MeasuredValueSequence = Sequence([measured])
    coded = _item("CODE", _code("121071", "DCM", "Finding"))
    coded.ConceptCodeSequence = Sequence([_code("17621005", "SCT", "Normal")])
    ds.ContentSequence = Sequence([observer, patient, finding, size, coded])
    place = f"{path}:ContentSequence"
    ds.CurrentRequestedProcedureEvidenceSequence = Sequence([_evidence(study, slot)])
    return [
        Canary("physician", study.physician.family, f"{place}[0].PersonName"),
        Canary("family_name", p.name.family, f"{place}[1].PersonName"),
        Canary("family_name", p.name.family, f"{place}[2].TextValue"),
        Canary("mrn", p.mrn, f"{place}[2].TextValue"),
        Canary("event_date", study.day.isoformat(), f"{place}[2].TextValue"),
        *(
            Canary("sop_uid", other.sop_uid, f"{path}:CurrentRequestedProcedureEvidenceSequence[0]")
            for other in slot.previous
        ),
    ]


def _evidence(study: Study, slot: Slot) -> Dataset:
    """Return the study → series → object reference that a report carries."""
    evidence = Dataset()
    evidence.StudyInstanceUID = study.uid
    evidence.ReferencedSeriesSequence = Sequence([])
    for uid in sorted({other.series_uid for other in slot.previous}):
        series = Dataset()
        series.SeriesInstanceUID = uid
        members = [other for other in slot.previous if other.series_uid == uid]
        series.ReferencedSOPSequence = Sequence([reference(other) for other in members])
        evidence.ReferencedSeriesSequence.append(series)
    return evidence


def put_pdf(ds: Dataset, study: Study, path: str) -> Canaries:
    """Make ``ds`` an encapsulated PDF whose title and page show the name."""
    p = study.person
    _without_image(ds)
    page = f"BT /F1 14 Tf 40 80 Td ({p.name.plain} {p.mrn}) Tj ET"
    document = (
        "%PDF-1.4\n1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj\n"
        "2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj\n"
        "3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 300 150] /Contents 4 0 R "
        "/Resources <</Font <</F1 5 0 R>> >> >> endobj\n"
        f"4 0 obj <</Length {len(page)}>> stream\n{page}\nendstream endobj\n"
        "5 0 obj <</Type /Font /Subtype /Type1 /BaseFont /Courier>> endobj\n"
        "trailer <</Root 1 0 R>>\n%%EOF\n"
    ).encode("ascii")
    ds.Modality, ds.SeriesDescription = "DOC", "letter"
    ds.ConversionType, ds.BurnedInAnnotation = "WSD", "YES"
    ds.DocumentTitle = f"Letter to {p.name.plain}"
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    ds.EncapsulatedDocumentLength = len(document)
    ds.EncapsulatedDocument = document + b"\0" * (len(document) % 2)
    return [
        Canary("family_name", p.name.family, f"{path}:DocumentTitle"),
        Canary("family_name", p.name.family, f"{path}:EncapsulatedDocument"),
        Canary("mrn", p.mrn, f"{path}:EncapsulatedDocument"),
    ]
