"""The objects of a study, linked as a hospital's are: built on real headers, not yet planted in."""

from __future__ import annotations

import copy
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from benchmarks.imaging import headers

_CT, _SR, _PDF = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.88.33",
    "1.2.840.10008.5.1.4.1.1.104.1",
)
_NM, _MG, _CR, _DX, _SC = (
    "1.2.840.10008.5.1.4.1.1.20",
    "1.2.840.10008.5.1.4.1.1.1.2",
    "1.2.840.10008.5.1.4.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.7",
)
_PT = "1.2.840.10008.5.1.4.1.1.128"
_ROIS = ("Liver", "Heart", "Lung left", "Spinal cord", "PTV 50 Gy")


@dataclass
class Study:
    """A study under construction: its UIDs are the patient's root and counters."""

    root: str
    day: date
    clock: str
    rng: random.Random
    series: int = 0
    made: list[FileDataset] = field(default_factory=list)

    @property
    def uid(self) -> str:
        """Return the study instance UID."""
        return f"{self.root}.0"

    @property
    def frame(self) -> str:
        """Return the frame of reference UID."""
        return f"{self.root}.9"

    def open_series(self) -> int:
        """Start a series and return its number."""
        self.series += 1
        return self.series

    def name(self, dataset: FileDataset, series: int, instance: int) -> FileDataset:
        """Give an object its place in the study, and remember it."""
        dataset.StudyInstanceUID = self.uid
        dataset.SeriesInstanceUID = f"{self.root}.{series}.0"
        dataset.SOPInstanceUID = f"{self.root}.{series}.{instance}"
        dataset.SeriesNumber, dataset.InstanceNumber = series, instance
        meta = dataset.file_meta
        meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        self._own_everything(dataset)
        self.made.append(dataset)
        return dataset

    def _own_everything(self, dataset: Dataset) -> None:
        """Move the real header's own dates to this study, and its own UIDs below its root."""
        for element in dataset.iterall():
            if element.tag.is_private or element.is_empty:
                continue
            if element.VR == "DA":
                element.value = self.day.strftime("%Y%m%d")
            elif element.VR == "DT":
                element.value = self.day.strftime("%Y%m%d") + self.clock
            elif element.VR == "UI" and element.VM == 1 and not self._known(str(element.value)):
                element.value = f"{self.root}.8.{zlib.crc32(str(element.value).encode())}"

    def _known(self, uid: str) -> bool:
        return uid.startswith(("1.2.840.10008.", self.root.rsplit(".", 1)[0] + "."))


def ct_series(study: Study, slices: int) -> list[FileDataset]:
    """Return a CT series."""
    return _series(study, study.rng.choice(headers.real("CT")), slices, "CHEST")


def mr_series(study: Study, slices: int) -> list[FileDataset]:
    """Return a series of one vendor's real MR headers, with their private blocks."""
    real = headers.real("MR")
    return _series(study, study.rng.choice(real), slices, study.rng.choice(("KNEE", "LIVER")))


def pt_series(study: Study, slices: int) -> list[FileDataset]:
    """Return a PET series; where no real header is there, on a CT's."""
    real = headers.real("PT") or headers.real("CT")[:1]
    made = _series(study, real[0], slices, "CHEST")
    for number, dataset in enumerate(made, start=1):
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID(_PT)
        dataset.Modality, dataset.Units, dataset.DecayCorrection = "PT", "BQML", "START"
        dataset.CountsSource, dataset.SeriesType = "EMISSION", ["STATIC", "IMAGE"]
        dataset.NumberOfSlices, dataset.ImageIndex = slices, number
        dataset.FrameReferenceTime, dataset.ActualFrameDuration = "0", "180000"
        block = dataset.private_block(0x7053, "Philips PET Private Group", create=True)
        block.add_new(0x00, "DS", "0.000551")
        block.add_new(0x09, "DS", "3.91772")
        dose = Dataset()
        dose.Radiopharmaceutical, dose.RadionuclideTotalDose = "FDG", "370000000"
        dose.RadionuclideHalfLife = "6586.2"
        dose.RadiopharmaceuticalStartDateTime = study.day.strftime("%Y%m%d") + "081500"
        dataset.RadiopharmaceuticalInformationSequence = Items([dose])
    return made


def projections(study: Study, kind: str, views: Sequence[str]) -> list[FileDataset]:
    """Return CR, DX or MG views, each a series of one image large enough for text."""
    made = []
    for view in views:
        real = headers.real("CR" if kind == "CR" else "DX") or headers.real("CT")
        dataset = copy.deepcopy(real[0])
        _strip(dataset)
        dataset.SOPClassUID = {"CR": _CR, "MG": _MG, "DX": _DX}[kind]
        dataset.Modality, dataset.ViewPosition = kind, view
        dataset.BodyPartExamined = "BREAST" if kind == "MG" else "CHEST"
        if kind == "MG":
            dataset.ImageLaterality = study.rng.choice("LR")
        _film(dataset)
        made.append(study.name(dataset, study.open_series(), 1))
    return made


def nm_image(study: Study) -> list[FileDataset]:
    """Return a nuclear medicine image on a real header."""
    dataset = copy.deepcopy(headers.real("NM")[0])
    _strip(dataset)
    dataset.SOPClassUID, dataset.Modality, dataset.BodyPartExamined = _NM, "NM", "CHEST"
    dataset.BurnedInAnnotation = "NO"
    _film(dataset, side=64)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]
    return [study.name(dataset, study.open_series(), 1)]


def us_images(study: Study, count: int) -> list[FileDataset]:
    """Return ultrasound images whose region is known: the banner above it is none of it."""
    series, made = study.open_series(), []
    for number in range(1, count + 1):
        dataset = copy.deepcopy(headers.real("US")[0])
        _strip(dataset)
        dataset.BodyPartExamined = "ABDOMEN"
        frame = dataset.pixel_array.copy()
        frame[:48] = 0
        dataset.PixelData = frame.tobytes()
        region = Dataset()
        region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
        region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, 48
        region.RegionLocationMaxX1 = dataset.Columns - 1
        region.RegionLocationMaxY1 = dataset.Rows - 1
        region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
        region.PhysicalDeltaX = region.PhysicalDeltaY = 0.042
        dataset.SequenceOfUltrasoundRegions = Items([region])
        made.append(study.name(dataset, series, number))
    return made


def screenshot(study: Study) -> list[FileDataset]:
    """Return a secondary capture: what may be in it nobody knows."""
    dataset = copy.deepcopy(headers.real("CT")[0])
    _strip(dataset)
    dataset.SOPClassUID, dataset.Modality, dataset.ConversionType = _SC, "OT", "WSD"
    _film(dataset)
    return [study.name(dataset, study.open_series(), 1)]


def ecg(study: Study) -> list[FileDataset]:
    """Return a 12-lead ECG on a real header, its samples cut short."""
    dataset = copy.deepcopy(headers.real("ECG")[0])
    _strip(dataset)
    for group in dataset.WaveformSequence:
        group.NumberOfWaveformSamples = 50
        group.WaveformData = group.WaveformData[: 100 * int(group.NumberOfWaveformChannels)]
    return [study.name(dataset, study.open_series(), 1)]


def radiotherapy(study: Study, images: list[FileDataset]) -> list[FileDataset]:
    """Return structure set, plan and dose of a series."""
    structures = copy.deepcopy(headers.real("RTSTRUCT")[0])
    plan, dose = (copy.deepcopy(headers.real(kind)[0]) for kind in ("RTPLAN", "RTDOSE"))
    for dataset in (structures, plan, dose):
        _strip(dataset)
    structures.StructureSetLabel, structures.StructureSetName = "Thorax", "Thorax planning"
    frame = Dataset()
    frame.FrameOfReferenceUID = study.frame
    referenced_series, referenced_study = Dataset(), Dataset()
    referenced_series.SeriesInstanceUID = images[0].SeriesInstanceUID
    referenced_series.ContourImageSequence = Items([_reference(image) for image in images])
    referenced_study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    referenced_study.ReferencedSOPInstanceUID = study.uid
    referenced_study.RTReferencedSeriesSequence = Items([referenced_series])
    frame.RTReferencedStudySequence = Items([referenced_study])
    structures.ReferencedFrameOfReferenceSequence = Items([frame])
    structures.StructureSetROISequence = Items()
    structures.ROIContourSequence, structures.RTROIObservationsSequence = Items(), Items()
    for number, name in enumerate(_ROIS, start=1):
        _add_roi(structures, number, name, study.frame, images)
    made = [study.name(structures, study.open_series(), 1)]
    plan.FrameOfReferenceUID = dose.FrameOfReferenceUID = study.frame
    plan.RTPlanLabel, plan.RTPlanGeometry = "Thorax boost", "PATIENT"
    plan.ReferencedStructureSetSequence = Items([_reference(structures)])
    made.append(study.name(plan, study.open_series(), 1))
    dose.ReferencedRTPlanSequence = Items([_reference(plan)])
    made.append(study.name(dose, study.open_series(), 1))
    return made


def segmentation(study: Study, images: list[FileDataset]) -> list[FileDataset]:
    """Return a segmentation of a slice."""
    dataset = copy.deepcopy(headers.real("SEG")[0])
    _strip(dataset)
    dataset.FrameOfReferenceUID = study.frame
    dataset.ContentLabel, dataset.ContentDescription = "LIVER", "Liver segmentation"
    series = Dataset()
    series.SeriesInstanceUID = images[0].SeriesInstanceUID
    series.ReferencedInstanceSequence = Items([_reference(image) for image in images])
    dataset.ReferencedSeriesSequence = Items([series])
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        for derivation in frame.get("DerivationImageSequence", []):
            for source, image in zip(
                derivation.get("SourceImageSequence", []), images, strict=False
            ):
                source.ReferencedSOPClassUID = image.SOPClassUID
                source.ReferencedSOPInstanceUID = image.SOPInstanceUID
    return [study.name(dataset, study.open_series(), 1)]


def report(study: Study, images: list[FileDataset]) -> list[FileDataset]:
    """Return a structured report of a measurement on a slice; the people in it come later."""
    dataset = _new(_SR, "SR", study)
    dataset.CompletionFlag, dataset.VerificationFlag = "COMPLETE", "VERIFIED"
    dataset.ContentDate, dataset.ContentTime = study.day.strftime("%Y%m%d"), study.clock
    dataset.ValueType, dataset.ContinuityOfContent = "CONTAINER", "SEPARATE"
    dataset.ConceptNameCodeSequence = Items([code("126000", "Imaging Measurement Report")])
    length = item("NUM", "CONTAINS", ("410668003", "Length", "SCT"))
    measured = Dataset()
    measured.NumericValue = f"{study.rng.uniform(3, 40):.1f}"
    measured.MeasurementUnitsCodeSequence = Items([code("mm", "millimeter", "UCUM")])
    length.MeasuredValueSequence = Items([measured])
    picture = item("IMAGE", "CONTAINS", ("260753009", "Source", "SCT"))
    picture.ReferencedSOPSequence = Items([_reference(images[0])])
    site = item("CODE", "CONTAINS", ("363698007", "Finding Site", "SCT"))
    site.ConceptCodeSequence = Items([code("39607008", "Lung", "SCT")])
    tracking = item("UIDREF", "HAS OBS CONTEXT", ("112040", "Tracking Unique Identifier"))
    tracking.UID = f"{study.root}.7.{study.series}"
    group = item("CONTAINER", "CONTAINS", ("125007", "Measurement Group"))
    group.ContinuityOfContent = "SEPARATE"
    group.ContentSequence = Items([tracking, site, length, picture])
    measurements = item("CONTAINER", "CONTAINS", ("126010", "Imaging Measurements"))
    measurements.ContinuityOfContent = "SEPARATE"
    measurements.ContentSequence = Items([group])
    dataset.ContentSequence = Items([measurements])
    evidence_series, evidence = Dataset(), Dataset()
    evidence_series.SeriesInstanceUID = images[0].SeriesInstanceUID
    evidence_series.ReferencedSOPSequence = Items([_reference(images[0])])
    evidence.StudyInstanceUID = study.uid
    evidence.ReferencedSeriesSequence = Items([evidence_series])
    dataset.CurrentRequestedProcedureEvidenceSequence = Items([evidence])
    return [study.name(dataset, study.open_series(), 1)]


def document(study: Study, lines: Sequence[str]) -> list[FileDataset]:
    """Return an encapsulated PDF whose page shows some lines of text."""
    dataset = _new(_PDF, "DOC", study)
    dataset.ConversionType, dataset.BurnedInAnnotation = "WSD", "YES"
    dataset.ContentDate, dataset.ContentTime = study.day.strftime("%Y%m%d"), study.clock
    dataset.AcquisitionDateTime = study.day.strftime("%Y%m%d") + study.clock
    dataset.DocumentTitle = "Radiology report"
    dataset.ConceptNameCodeSequence = Items([code("18748-4", "Diagnostic imaging study", "LN")])
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    content = pdf(lines)
    dataset.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    dataset.EncapsulatedDocumentLength = len(content)
    return [study.name(dataset, study.open_series(), 1)]


def pdf(lines: Sequence[str]) -> bytes:
    """Return a one-page PDF, its text in a deflated stream and its metadata in clear."""
    shown = "".join(f"({_escaped(line)}) Tj T* " for line in lines)
    page = zlib.compress(f"BT /F1 11 Tf 14 TL 50 780 Td {shown}ET".encode("latin-1", "replace"))
    info = _escaped(lines[0]).encode("latin-1", "replace")
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
        b"/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(page), page),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Title(%s)/Author(%s)>>" % (info, info),
    ]
    content, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(content))
        content += b"%d 0 obj%s endobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return content + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R/Info 6 0 R>>\n"
        b"startxref\n%d\n%%%%EOF" % (len(objects) + 1, table, len(objects) + 1, len(content))
    )


def code(value: str, meaning: str, scheme: str = "DCM") -> Dataset:
    """Return a code item."""
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = value, scheme, meaning
    return made


def item(kind: str, relation: str, concept: tuple[str, ...]) -> Dataset:
    """Return a content item of a structured report, its value still missing."""
    made = Dataset()
    made.RelationshipType, made.ValueType = relation, kind
    made.ConceptNameCodeSequence = Items([code(*concept)])
    return made


def _series(study: Study, header: FileDataset, slices: int, region: str) -> list[FileDataset]:
    series = study.open_series()
    return list(_slices(study, header, slices, region, series))


def _slices(
    study: Study, header: FileDataset, slices: int, region: str, series: int
) -> Iterator[FileDataset]:
    for number in range(1, slices + 1):
        dataset = copy.deepcopy(header)
        _strip(dataset)
        dataset.FrameOfReferenceUID = study.frame
        dataset.BodyPartExamined = region
        if "ImagePositionPatient" in dataset:
            x, y, z = dataset.ImagePositionPatient
            dataset.ImagePositionPatient = [x, y, f"{float(z) + 5 * number:.4f}"[:16]]
        if not dataset.file_meta.TransferSyntaxUID.is_compressed:
            _noise(dataset, study.rng)
        yield study.name(dataset, series, number)


def _noise(dataset: FileDataset, rng: random.Random) -> None:
    """Make an image unlike any other: the lowest bit of some samples changes."""
    data = bytearray(dataset.PixelData)
    for _ in range(8):
        data[rng.randrange(len(data) // 2) * 2] ^= 1
    dataset.PixelData = bytes(data)


def _film(dataset: FileDataset, side: int = 384) -> None:
    """Give an image the samples of a real one, enlarged: textured, native, 16 bit."""
    samples = headers.real("CT")[0].pixel_array
    step = -(-side // samples.shape[0])
    large = np.kron(samples, np.ones((step, step), samples.dtype))[:side, :side]
    for keyword in ("NumberOfFrames", "FrameIncrementPointer", "PlanarConfiguration",
                    "LossyImageCompression", "LossyImageCompressionRatio"):  # fmt: skip
        if keyword in dataset:
            del dataset[keyword]
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = side, side, 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.PixelData = np.clip(large, 0, 4095).astype("<u2").tobytes()
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OW", False


def _strip(dataset: FileDataset) -> None:
    """Take out the person that the real header came with."""
    for tag in list(dataset.keys()):
        if tag.group == 0x0010:
            del dataset[tag]
    for keyword in ("ReferencedStudySequence", "ReferencedPerformedProcedureStepSequence",
                    "ReferencedImageSequence", "SourceImageSequence", "RequestAttributesSequence",
                    "ImageComments", "StudyComments", "AccessionNumber"):  # fmt: skip
        if keyword in dataset:
            del dataset[keyword]
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.preamble = b"\0" * 128


def _reference(image: Dataset) -> Dataset:
    made = Dataset()
    made.ReferencedSOPClassUID = image.SOPClassUID
    made.ReferencedSOPInstanceUID = image.SOPInstanceUID
    return made


def _add_roi(
    structures: Dataset, number: int, name: str, frame: str, images: list[FileDataset]
) -> None:
    roi, contours, contour, observation = Dataset(), Dataset(), Dataset(), Dataset()
    roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name, frame
    roi.ROIGenerationAlgorithm = "MANUAL"
    contour.ContourImageSequence = Items([_reference(images[0])])
    contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", 3
    contour.ContourData = ["-10.5", "20.25", "5", "11", "20.5", "5", "0", "-8", "5"]
    contours.ReferencedROINumber = number
    contours.ContourSequence = Items([contour])
    observation.ObservationNumber = observation.ReferencedROINumber = number
    observation.RTROIInterpretedType, observation.ROIInterpreter = "ORGAN", ""
    structures.StructureSetROISequence.append(roi)
    structures.ROIContourSequence.append(contours)
    structures.RTROIObservationsSequence.append(observation)


def _new(sop_class: str, modality: str, study: Study) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = study.rng.choice((ExplicitVRLittleEndian, ImplicitVRLittleEndian))
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.Modality, made.Manufacturer = sop_class, modality, "GE MEDICAL SYSTEMS"
    return made


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
