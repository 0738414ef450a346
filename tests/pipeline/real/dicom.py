"""Real DICOM objects under the headers of Synthea's patients."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import FileDataset
from pydicom.uid import UID

#: Chests, one for everybody; an archive tells no body part, but the pictures do.
CHESTS = (
    "CT/cornerstone3D__CTImage.dcm",
    "CT/dicomParser__CT1_UNC.explicit_big_endian.dcm",
    "CT/cornerstone3D__CTImage.dcm_JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80.dcm",
    "CT/dicomParser__CT1_UNC.fragmented_bot_jpeg_ls.80.dcm",
    "CT/cornerstone3D__CTImage.dcm_JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70.dcm",
)
#: One of each further kind, dealt to some, with the body part where only the picture tells it.
#: Heads carry the vendors' private blocks.
OTHERS = {
    "MR_GE_PRIVATE/dcm_qa_ge__i22.MRDC.1.dcm": "",
    "MR_GE_PRIVATE/dcm_qa_nih__axial_epi_fmri_interleaved_i_to_s-00001.dcm": "",
    "MR_PHILIPS_PRIVATE/dcm_qa_philips__IM_0003.dcm": "",
    "MR_PHILIPS_PRIVATE/dcm_qa_philips__IM_0005.dcm": "",
    "MR_SIEMENS_PRIVATE/dcm_qa__jpg1.dcm": "",
    "CT/dcmqi__02.dcm": "ABDOMEN",
    "CT/pydicom__CT_small.dcm": "LSPINE",
    "CT/pydicom-data__explicit_VR-UN.dcm": "",
    "CT/pydicom__17106.dcm": "",
    "CT/pydicom__2062.dcm": "",
    "CT/pydicom-data__693_UNCR.dcm": "",
    "CT/Tools-for-Health-Data-Anonymization__privateTag.dcm": "",
    "MR/dcmjs__sample-dicom.dcm": "ABDOMEN",
    "MR/orthanc-setup-samples__source.dcm": "KNEE",
    "DX/highdicom__dx_image.dcm": "",
    "CR/pydicom__6247.dcm": "",
    "PSEUDO_PHI_TCIA/presidio__2_ORIGINAL.dcm": "",
    "ENHANCED_MULTIFRAME/pydicom-data__emri_small_RLE.dcm": "",
    "US/pydicom-data__OBXXXX1A_rle_2frame.dcm": "",
    "US/pydicom-data__JPGLosslessP14SV1_1s_1f_8b.dcm": "",
    "US/pydicom__examples_palette.dcm": "",
    "SR/highdicom__sr_document.dcm": "",
    "SR/cornerstone3D__no-pixel-data.dcm": "",
    "SR/pydicom__test-SR.dcm": "",
    "SR/dcmjs__sample-sr.dcm": "",
    "ENCAPSULATED_PDF/orthanc-setup-samples__OT000000.dcm": "",
    "SEG/highdicom__seg_image_ct_binary_overlap.dcm": "",
    "SEG/dcmqi__seg.dcm": "",
    "RTPLAN/pydicom__rtplan.dcm": "",
    "RTDOSE/pydicom__rtdose.dcm": "",
    "SM/highdicom__sm_image_grayscale.dcm": "",
    "PET/Tools-for-Health-Data-Anonymization__lung.dcm": "",
    "WAVEFORM/pydicom__waveform_ecg.dcm": "",
    "NM/dicognito__burned_in_yes.dcm": "",
    "NM/pydicom__JPEG-lossy.dcm": "",
    "CHARSETS/pydicom__chrGerm.dcm": "",
    "CHARSETS/pydicom__chrRuss.dcm": "",
    "OT/pydicom__SC_rgb_small_odd.dcm": "",
}
#: One object with two contents: a fault of an archive.
TWICE = (
    "CT/cornerstone3D__CTImage.dcm_DeflatedExplicitVRLittleEndianTransferSyntax_"
    "1.2.840.10008.1.2.1.99.dcm",
    "CT/cornerstone3D__CTImage.dcm_JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90.dcm",
)
#: Files that come along as they are: broken, without identity, or of somebody unknown here.
AS_THEY_ARE = (
    "OT/pydicom__SC_rgb_jpeg.dcm",
    "CT/pydicom__IM000001.dcm",
    "US/dcmjs__no-meta-length-test.dcm",
    "UNK/pydicom-data__JLSL_RGB_ILV0.dcm",
    "SEG/pydicom-data__liver_nonbyte_aligned_deflate.dcm",
    "RTDOSE/pydicom__badVR.dcm",
    "CHARSETS/pydicom__chrJapMulti.dcm",
    "UNK/pydicom__fall.dcm",
    "MR/pydicom__4981.dcm",
)
_STANDARD = "1.2.840.10008."

Row = dict[str, str]


@dataclass
class _Shelf:
    """The folder being filled: a folder a study, files in order of arrival, no name that tells."""

    out: Path
    studies: int = 0
    objects: int = 0

    def study(self) -> None:
        self.studies += 1

    def next_path(self) -> Path:
        self.objects += 1
        path = self.out / f"{self.studies:04d}" / f"{self.objects:05d}.dcm"
        path.parent.mkdir(exist_ok=True)
        return path


def write_imaging(source: Path, out: Path, patients: list[Row], days: list[str]) -> None:
    """Give each patient a chest and deal out everything else."""
    shelf = _Shelf(out)
    for number, (patient, day) in enumerate(zip(patients, days, strict=True)):
        shelf.study()
        chest = source / CHESTS[number % len(CHESTS)]
        # The scanner of these chests says that it burns nothing in; the others say nothing.
        _reheaded(chest, shelf.next_path(), patient, day, "CHEST", burned_in="NO")
        for name in list(OTHERS)[number :: len(patients)]:
            shelf.study()
            _reheaded(source / name, shelf.next_path(), patient, day, OTHERS[name])
    shelf.study()
    for name in TWICE:
        _reheaded(source / name, shelf.next_path(), patients[1], days[1], "CHEST")
    shelf.study()
    for name in AS_THEY_ARE:
        shutil.copyfile(source / name, shelf.next_path())


def uids(dataset: FileDataset) -> Iterator[str]:
    """Yield every UID of an object that the standard does not define, at any depth."""
    for element in dataset.iterall():
        if element.VR == "UI":
            yield from (uid for uid in _many(element.value) if not uid.startswith(_STANDARD))


def _reheaded(
    source: Path, target: Path, patient: Row, day: str, part: str, burned_in: str = ""
) -> None:
    """Write an object under a patient's identity; what is not named here stays as it was."""
    dataset = pydicom.dcmread(source, force=True)
    _renew(dataset, patient["Id"], day.replace("-", ""))
    age = int(day[:4]) - int(patient["BIRTHDATE"][:4]) - (day[5:] < patient["BIRTHDATE"][5:])
    dataset.PatientName = f"{patient['LAST']}^{patient['FIRST']}^^{patient['PREFIX']}"
    if not str(dataset.PatientName).isascii():
        dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientID, dataset.PatientSex = patient["SSN"], patient["GENDER"]
    dataset.PatientBirthDate = patient["BIRTHDATE"].replace("-", "")
    dataset.PatientAge = f"{age:03d}Y"
    dataset.PatientAddress = f"{patient['ADDRESS']}, {patient['CITY']}"
    dataset.OtherPatientNames = patient["MAIDEN"]
    dataset.AccessionNumber = _number(patient["Id"], day)[:16]
    dataset.StudyDate = day.replace("-", "")
    dataset.StudyDescription = f"asked for {patient['PREFIX']} {patient['LAST']}, {patient['SSN']}"
    if part:
        dataset.BodyPartExamined = part
    if burned_in:
        dataset.BurnedInAnnotation = burned_in
    meta = getattr(dataset, "file_meta", None)
    if meta and "MediaStorageSOPInstanceUID" in meta:
        meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(target, enforce_file_format=bool(meta))


def _renew(dataset: FileDataset, patient: str, day: str) -> None:
    """Renew UIDs, dates, and the patient wherever an item names one."""

    def change(_: Any, element: pydicom.DataElement) -> None:
        if element.VR == "UI" and element.value:
            new = [_uid(patient, uid) for uid in _many(element.value)]
            element.value = new if len(new) > 1 else new[0]
        elif element.VR in ("DA", "DT") and element.value and element.tag.group != 0x0010:
            tail = 8 if element.VR == "DT" else None  # a DA is nothing but a day
            texts = [day + (str(text)[tail:] if tail else "") for text in _many(element.value)]
            element.value = texts if len(texts) > 1 else texts[0]

    dataset.walk(change)


def _uid(patient: str, uid: str) -> str:
    """Return the UID under which a patient's copy knows an object: references stay whole."""
    return uid if uid.startswith(_STANDARD) else UID(f"2.25.{int(_number(patient, uid), 16)}")


def _number(*names: str) -> str:
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:30]


def _many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, pydicom.multival.MultiValue)) else [value]
