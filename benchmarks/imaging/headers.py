"""Real headers to plant in: pydicom's own test files, and the shared ones where they are there."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset
from pydicom.uid import ExplicitVRLittleEndian

BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"
# An image keeps its size up to twice this side. With fewer samples it would be no picture any more,
# and what is found in it would say nothing of pictures.
_SIDE = 512
_KINDS = {
    "CT": ("CT_small.dcm", "dicom/CT/cornerstone3D__CTImage.dcm", "dicom/CT/dcmqi__02.dcm"),
    "MR": (
        "MR_small.dcm",
        "MR_small_implicit.dcm",
        "MR_small_RLE.dcm",
        "MR_small_jp2klossless.dcm",
        "dicom/MR_SIEMENS_PRIVATE/*.dcm",
        "dicom/MR_GE_PRIVATE/*.dcm",
        "dicom/MR_PHILIPS_PRIVATE/*.dcm",
    ),
    "PT": ("dicom/PET/*.dcm",),
    "NM": ("JPEG-lossy.dcm",),
    "DX": ("dicom/DX/highdicom__dx_image.dcm",),
    "CR": ("dicom/CR/pydicom__6247.dcm", "dicom/CR/pydicom__6278.dcm"),
    "US": ("examples_rgb_color.dcm",),
    "RTSTRUCT": ("rtstruct.dcm",),
    "RTPLAN": ("rtplan.dcm",),
    "RTDOSE": ("rtdose.dcm",),
    "SEG": ("liver_1frame.dcm",),
    "ECG": ("waveform_ecg.dcm",),
}


def shared() -> Path | None:
    """Return the folder of the shared data, ``None`` where it is not there."""
    beside = Path(__file__).resolve().parents[3] / "shared"
    folder = Path(os.environ.get("SLUICE_SHARED", beside)) / "data"
    return folder if folder.is_dir() else None


@cache
def real(kind: str) -> tuple[FileDataset, ...]:
    """Return the real objects of a kind, images made small; maybe none."""
    return tuple(_small(_read(path)) for path in _paths(kind))


def _paths(kind: str) -> list[Path]:
    found = []
    for name in _KINDS[kind]:
        if "/" not in name:
            found.append(BUNDLED / name)
        elif (folder := shared()) is not None:
            found.extend(sorted(folder.glob(name)))
    return found


def _read(path: Path) -> FileDataset:
    with pydicom.config.disable_value_validation():
        dataset = pydicom.dcmread(path, force=True)
        dataset.walk(lambda _, element: element.value)  # values parsed once, here
    if dataset.get("Manufacturer") == "Manufacturer name here":  # a blank of a form, no maker
        dataset.Manufacturer = "Varian Medical Systems"
    return dataset


def _small(dataset: FileDataset) -> FileDataset:
    """Take every n-th row and column of a native image that is larger than need be."""
    rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    step = max(rows, columns) // _SIDE
    if "PixelData" not in dataset or dataset.Modality in ("SEG", "US") or step < 2:
        return dataset
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        try:
            samples = dataset.pixel_array
        except Exception:  # without a decoder it stays as large as it is
            return dataset
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset["PixelData"].is_undefined_length = False
    else:
        samples = dataset.pixel_array
    small = np.ascontiguousarray(samples[..., ::step, ::step])
    dataset.Rows, dataset.Columns = small.shape[-2:]
    dataset.PixelData = small.tobytes() + b"\0" * (small.nbytes % 2)
    return dataset
