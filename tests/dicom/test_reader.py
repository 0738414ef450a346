"""A file is read whole or refused with one sentence."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from tests.dicom.corpus import BUNDLED, saved, sequences

from sluice.dicom.reader import read, walk_elements
from sluice.errors import SluiceError

SMALL = (BUNDLED / "MR_small.dcm").read_bytes()
# Padding after the pixels and a checksum behind the deflated data: without them a file is whole.
PLAIN = SMALL[: SMALL.rfind(b"\xfc\xff\xfc\xff")]
DEFLATED = (BUNDLED / "image_dfl.dcm").read_bytes()[:-8]
ENCAPSULATED = (BUNDLED / "JPEG2000.dcm").read_bytes()


def stored(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "file.dcm"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "name",
    ["MR_small.dcm", "image_dfl.dcm", "JPEG2000.dcm", "ExplVR_BigEnd.dcm", "rtstruct.dcm",
     "reportsi.dcm", "ExplVR_LitEndNoMeta.dcm", "MR_small_implicit.dcm", "UN_sequence.dcm"],
)  # fmt: skip
def test_good_files_are_read(name: str) -> None:
    path = BUNDLED / name
    if name == "UN_sequence.dcm":
        with pytest.raises(SluiceError):  # a bare data set without a SOP class
            read(path)
    else:
        assert read(path).file_meta.TransferSyntaxUID.is_transfer_syntax


@pytest.mark.parametrize(
    "content", [PLAIN, DEFLATED, ENCAPSULATED], ids=["plain", "deflated", "jpeg"]
)
@given(cut=st.floats(0.0, 0.999))
def test_a_file_that_ends_early_is_refused_wherever_it_ends(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, cut: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.dcm"
    path.write_bytes(content[: int(len(content) * cut)])
    with pytest.raises(SluiceError):
        read(path)


def test_fewer_pixels_than_the_size_needs_are_refused(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(BUNDLED / "MR_small.dcm")
    dataset.Rows += 1
    with pytest.raises(SluiceError, match="fewer pixels"):
        read(stored(tmp_path, saved(dataset)))


@pytest.mark.parametrize("start", [b"MZ", b"\x7fELF", b"#!/bin/sh"])
def test_a_program_in_the_preamble_is_refused(tmp_path: Path, start: bytes) -> None:
    with pytest.raises(SluiceError, match="program"):
        read(stored(tmp_path, start + SMALL[len(start) :]))


def test_a_tiff_preamble_is_read(tmp_path: Path) -> None:
    assert read(stored(tmp_path, b"II*\0" + SMALL[4:])).PatientID


@pytest.mark.parametrize("content", [b"", b"hello", b"%PDF-1.7 " * 40, bytes(200)])
def test_what_is_not_dicom_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SluiceError):
        read(stored(tmp_path, content))


def test_a_header_that_is_too_large_is_refused() -> None:
    with pytest.raises(SluiceError, match="too large"):
        read(BUNDLED / "MR_small.dcm", max_header=1000)


@pytest.mark.parametrize("keyword", ["SOPClassUID", "SOPInstanceUID"])
def test_an_object_without_sop_uids_is_refused(tmp_path: Path, keyword: str) -> None:
    dataset = pydicom.dcmread(BUNDLED / "MR_small.dcm")
    delattr(dataset, keyword)
    with pytest.raises(SluiceError, match=keyword):
        read(stored(tmp_path, saved(dataset)))


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize(("depth", "refused"), [(32, False), (33, True), (200, True)])
def test_sequences_deeper_than_32_are_refused(
    tmp_path: Path, undefined: bool, depth: int, refused: bool
) -> None:
    dataset = pydicom.dcmread(BUNDLED / "MR_small.dcm")
    dataset.update(sequences(Dataset(), depth, undefined))
    path = stored(tmp_path, saved(dataset))
    if refused:
        with pytest.raises(SluiceError, match="deeper than 32"):
            read(path)
    else:
        assert len(list(walk_elements(read(path)))) > depth


def test_no_message_holds_a_value(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(BUNDLED / "MR_small.dcm")
    dataset.PatientName = "KESTREL"
    for content in (saved(dataset)[:500], saved(dataset)[:-300]):
        with pytest.raises(SluiceError) as refusal:
            read(stored(tmp_path, content))
        assert "KESTREL" not in str(refusal.value)


def test_paths_of_elements_tell_sequences_and_private_creators() -> None:
    dataset = Dataset()
    item = Dataset()
    item.TextValue = "x"
    dataset.ContentSequence = Sequence([Dataset(), item])
    dataset.private_block(0x19, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", "5")
    dataset.private_block(0x21, "Jane Doe", create=True).add_new(0x0C, "IS", "5")
    paths = [path for path, _ in walk_elements(dataset)]
    assert "(0040,A730)[1]/(0040,A160)" in paths
    assert '(0019,"SIEMENS MR HEADER",0C)' in paths
    assert '(0021,"?",0C)' in paths
