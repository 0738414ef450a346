"""The residual scanner finds what others hide."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import encapsulate
from tests.dicom.corpus import BUNDLED

from sluice.dicom.scan import scan_bytes
from sluice.errors import SluiceError


def test_deflated_objects_are_searched(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(BUNDLED / "image_dfl.dcm")
    dataset.private_block(0x29, "ACME", create=True).add_new(1, "OB", b"KESTREL\0")
    dataset.save_as(tmp_path / "x.dcm")
    assert b"KESTREL" not in (tmp_path / "x.dcm").read_bytes()
    assert (0, "inflated") in scan_bytes(tmp_path / "x.dcm", [b"KESTREL"])


def test_a_text_split_between_two_fragments_is_found(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(BUNDLED / "JPEG2000.dcm")
    dataset.PixelData = encapsulate([b"....KES", b"TREL...."], has_bot=False)
    dataset.save_as(tmp_path / "x.dcm")
    hits = scan_bytes(tmp_path / "x.dcm", [b".KES\0TREL.", b"KES"])
    assert (0, "fragments") in hits or (1, "fragments") in hits


@pytest.mark.parametrize(
    ("charset", "name"),
    [("ISO_IR 100", "Müller^Jörg"), ("ISO_IR 192", "Грозный^Иван"), ("ISO_IR 144", "Грозный^Иван")],
)
def test_names_are_found_in_their_character_set_in_any_case(
    tmp_path: Path, charset: str, name: str
) -> None:
    dataset = pydicom.dcmread(BUNDLED / "MR_small.dcm")
    dataset.SpecificCharacterSet = charset
    dataset.PatientName = name
    dataset.save_as(tmp_path / "x.dcm")
    for needle in (name, name.split("^")[0].upper(), name.replace("^", " ")):
        assert (0, "(0010,0010)") in scan_bytes(tmp_path / "x.dcm", [needle.encode()])


def test_a_file_that_is_no_dicom_is_searched_as_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc KESTREL" + "Müller".encode("utf-16-le"))
    assert scan_bytes(tmp_path / "x", [b"KESTREL", "Müller".encode(), b"absent"]) == [
        (0, "raw"),
        (1, "raw"),
    ]


def test_thousands_of_needles_take_one_pass_and_each_is_told_apart(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(BUNDLED / "MR_small.dcm")
    dataset.PatientID = "MRN0004711"
    dataset.save_as(tmp_path / "x.dcm")
    hits = scan_bytes(tmp_path / "x.dcm", [b"MRN%07d" % i for i in range(20_000)])
    assert {i for i, _ in hits} == {4711}


@given(st.binary(max_size=60), st.binary(min_size=1, max_size=9), st.binary(max_size=60))
def test_whatever_was_planted_is_found(
    tmp_path_factory: pytest.TempPathFactory, before: bytes, needle: bytes, after: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "planted"
    path.write_bytes(before + needle + after)
    assert (0, "raw") in scan_bytes(path, [needle])


@given(st.binary(max_size=60), st.binary(min_size=1, max_size=9))
def test_what_is_not_there_is_not_found(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, needle: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "planted"
    path.write_bytes(content)
    found = any(where == "raw" for _, where in scan_bytes(path, [b"\xff" + needle]))
    assert found == (b"\xff" + needle in content)


def test_an_empty_needle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SluiceError, match="empty"):
        scan_bytes(tmp_path, [b"x", b""])
