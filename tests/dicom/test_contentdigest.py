"""The same content has one digest; other content another."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from tests.dicom.corpus import BUNDLED

from sluice.dicom.contentdigest import content_digest


@pytest.mark.parametrize("name", ["MR_small.dcm", "test-SR.dcm", "waveform_ecg.dcm", "rtdose.dcm"])
def test_the_digest_does_not_depend_on_the_encoding(name: str, tmp_path: Path) -> None:
    digests = set()
    for number, syntax in enumerate(
        (ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)
    ):
        dataset = pydicom.dcmread(BUNDLED / name)
        dataset.remove_private_tags()  # their VRs are lost in implicit files
        dataset.file_meta.TransferSyntaxUID = syntax
        path = tmp_path / f"{number}.dcm"
        pydicom.dcmwrite(
            path, dataset, implicit_vr=syntax.is_implicit_VR, little_endian=True,
            force_encoding=True,
        )  # fmt: skip
        digests.add(content_digest(path))
    assert len(digests) == 1


def test_the_digest_does_not_depend_on_the_byte_order() -> None:
    little, big = (pydicom.dcmread(BUNDLED / n) for n in ("MR_small.dcm", "MR_small_bigendian.dcm"))
    assert big.file_meta.TransferSyntaxUID == ExplicitVRBigEndian
    assert (little.pixel_array == big.pixel_array).all()
    assert content_digest(BUNDLED / "MR_small.dcm") == content_digest(
        BUNDLED / "MR_small_bigendian.dcm"
    )


@pytest.mark.parametrize("change", ["text", "number", "pixel", "nested"])
def test_any_change_of_content_changes_the_digest(change: str, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(BUNDLED / "MR_small.dcm")
    match change:
        case "text":
            dataset.StudyDescription = "other"
        case "number":
            dataset.WindowCenter = "601"
        case "pixel":
            dataset.PixelData = b"\1" + dataset.PixelData[1:]
        case "nested":
            dataset.ReferencedImageSequence = [pydicom.Dataset()]
    dataset.save_as(tmp_path / "x.dcm")
    assert content_digest(tmp_path / "x.dcm") != content_digest(BUNDLED / "MR_small.dcm")
