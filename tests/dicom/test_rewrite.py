"""Two ways through a file, one result: by its bytes, and by pydicom's objects."""

from __future__ import annotations

import contextlib
import hashlib
import struct
from collections import Counter
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import private_dictionary_VR
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from tests.dicom.corpus import BUNDLED, CONTROLLED, REGISTERED, canaries, identity

from sluice.dicom.codestream import joined
from sluice.dicom.deidentify import deidentify, write
from sluice.dicom.layout import UncommonError
from sluice.dicom.profile import Profile
from sluice.dicom.reader import read
from sluice.dicom.renew import Renewer
from sluice.dicom.rewrite import OTHER_VRS, Rewriter
from sluice.dicom.rules import load_rules
from sluice.errors import SluiceError

WHO = identity(own_tokens=frozenset({"CompressedSamples^CT1", "Doe^Jane", "12345"}))


def by_bytes(data: bytes, profile: Profile) -> tuple[FileDataset, Counter[str]]:
    new = Rewriter(profile, WHO, load_rules()).rewrite(data)
    samples = joined(data, new.samples)
    return pydicom.dcmread(BytesIO(new.head + samples + new.tail)), new.counts


def by_objects(path: Path, profile: Profile) -> tuple[FileDataset, Counter[str]]:
    new, counts = deidentify(read(path), profile, WHO)
    stored = BytesIO()
    write(new, stored)
    return pydicom.dcmread(BytesIO(stored.getvalue())), counts


def encoded(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    stored = BytesIO()
    implicit = syntax == ImplicitVRLittleEndian
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.save_as(stored, implicit_vr=implicit, little_endian=True, enforce_file_format=True)
    return stored.getvalue()


def picture(**elements: object) -> FileDataset:
    dataset = read(BUNDLED / "CT_small.dcm")
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def compared(files: list[Path], profile: Profile) -> Counter[str]:
    """Compare both ways on every file; return how many were taken by which."""
    seen: Counter[str] = Counter()
    for path in files:
        try:
            fast, counts = by_bytes(path.read_bytes(), profile)
        except (UncommonError, SluiceError):
            seen["left to pydicom"] += 1
            continue
        slow, expected = by_objects(path, profile)
        assert fast == slow and fast.file_meta == slow.file_meta, path.name
        assert counts == expected, path.name
        seen["rewritten"] += 1
    return seen


@pytest.mark.parametrize("profile", [CONTROLLED, REGISTERED], ids=lambda profile: profile.name)
def test_both_ways_give_the_same_data_set_of_every_bundled_file(profile: Profile) -> None:
    seen = compared([p for p in sorted(BUNDLED.rglob("*")) if p.is_file()], profile)
    assert seen["rewritten"] > 75, "the comparison has lost its files"


@pytest.mark.parametrize("profile", [CONTROLLED, REGISTERED], ids=lambda profile: profile.name)
def test_both_ways_give_the_same_data_set_of_every_shared_file(
    profile: Profile, shared_data: Path
) -> None:
    seen = compared(sorted((shared_data / "dicom").rglob("*.dcm")), profile)
    assert seen["rewritten"] > 150, "the comparison has lost its files"


def test_both_ways_agree_on_every_canary_and_lose_it(tmp_path: Path) -> None:
    taken = 0
    for canary in canaries():
        dataset = picture()
        canary.plant(dataset)
        data = encoded(dataset)
        (tmp_path / "in.dcm").write_bytes(data)
        try:
            fast, counts = by_bytes(data, CONTROLLED)
        except UncommonError:
            continue
        assert (fast, counts) == by_objects(tmp_path / "in.dcm", CONTROLLED), canary.name
        left, needle = encoded(fast), canary.needle.encode()
        assert needle not in left and needle not in left.replace(b"\0", b""), canary.name
        taken += 1
    assert taken > 135, "the comparison has lost its canaries"


@given(
    st.text(max_size=40), st.text(max_size=40), st.floats(-1e6, 1e6), st.integers(0, 9999),
    st.sampled_from([ExplicitVRLittleEndian, ImplicitVRLittleEndian]),
)  # fmt: skip
def test_both_ways_agree_on_whatever_a_header_says(
    description: str, name: str, position: float, number: int, syntax: str
) -> None:
    dataset = picture(
        SpecificCharacterSet="ISO_IR 192",
        PatientName=name.replace("\\", ""),
        SliceLocation=f"{position:.4f}",
        InstanceNumber=number,
    )
    dataset.SeriesDescription = description.encode("utf-8", "ignore").decode()
    data = encoded(dataset, syntax)
    stored = BytesIO()
    try:
        fast, counts = by_bytes(data, CONTROLLED)
    except UncommonError:
        return
    source = pydicom.dcmread(BytesIO(data))
    slow, expected = deidentify(source, CONTROLLED, WHO)
    write(slow, stored)
    assert fast == pydicom.dcmread(BytesIO(stored.getvalue())) and counts == expected


def test_what_is_remembered_of_one_file_is_not_taken_for_another_place() -> None:
    """The same bytes mean nothing to a person in one sequence, and are replaced in another."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "T-D3000", "SRT", "Chest"
    outside = picture(AnatomicRegionSequence=Sequence([item]))
    inside = picture(PersonIdentificationCodeSequence=Sequence([item]))
    rewriter = Rewriter(CONTROLLED, WHO, load_rules())
    for dataset in (outside, inside, outside):
        data = encoded(dataset)
        new = rewriter.rewrite(data)
        again = Rewriter(CONTROLLED, WHO, load_rules()).rewrite(data)
        assert (new.head, new.counts) == (again.head, again.counts)


def test_a_date_moves_with_the_time_that_belongs_to_it_not_with_a_remembered_one() -> None:
    rewriter = Rewriter(CONTROLLED, WHO, load_rules())
    days = []
    for clock in ("030000", "050000"):
        data = encoded(picture(AcquisitionDate="19310318", AcquisitionTime=clock))
        new = rewriter.rewrite(data)
        assert new.samples is not None
        head = pydicom.dcmread(BytesIO(new.head), stop_before_pixels=True)
        days.append(head.AcquisitionDate)
    assert days == ["19310625", "19310626"], "a study that starts at 04:05 ends its first day then"


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("a lying length", lambda data: data.replace(b"SH\x10\x00CT01", b"SH\xff\x7fCT01")),
        ("a cut in the header", lambda data: data[:700]),
        ("a cut in the pixels", lambda data: data[:-100]),
        ("an executable preamble", lambda data: b"MZ" + data[2:]),
    ],
)
def test_spoilt_bytes_are_never_written(name: str, spoil: object, tmp_path: Path) -> None:
    assert callable(spoil)
    spoilt = spoil(encoded(picture(StationName="CT01".ljust(16, "X"))))
    (tmp_path / "in.dcm").write_bytes(spoilt)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(SluiceError):
        Renewer(CONTROLLED, WHO).renew(tmp_path / "in.dcm", lambda *_: out / "new.dcm")
    assert not list(out.iterdir())


def test_a_file_of_many_megabytes_is_streamed(tmp_path: Path) -> None:
    """Larger than what is read at once: the samples come out bit by bit, and odd ones padded."""
    dataset = picture(Rows=2201, Columns=1001, BitsAllocated=8, BitsStored=8, HighBit=7)
    dataset.NumberOfFrames = 3
    samples = bytes(range(251)) * (2201 * 1001 * 3 // 251 + 1)
    dataset.PixelData = samples[: 2201 * 1001 * 3] + b"\0"
    dataset["PixelData"].VR = "OB"
    (tmp_path / "in.dcm").write_bytes(encoded(dataset) + b"\0" * 10)
    done = Renewer(CONTROLLED, WHO).renew(tmp_path / "in.dcm", lambda *_: tmp_path / "new.dcm")
    new = pydicom.dcmread(done.path)
    assert new.PixelData == dataset.PixelData
    assert done.sha256 == hashlib.sha256(done.path.read_bytes()).hexdigest()


def test_an_instance_that_is_there_already_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "in.dcm").write_bytes(encoded(picture()))
    (tmp_path / "new.dcm").write_bytes(b"another")
    with pytest.raises(SluiceError, match="same SOP instance"):
        Renewer(CONTROLLED, WHO).renew(tmp_path / "in.dcm", lambda *_: tmp_path / "new.dcm")
    assert (tmp_path / "new.dcm").read_bytes() == b"another"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.dcm", "new.dcm"]


def test_a_value_of_an_implicit_file_that_hides_its_length_is_left_to_pydicom() -> None:
    data = encoded(picture(), ImplicitVRLittleEndian)
    at = data.index(struct.pack("<HH", 0x0008, 0x0070))
    broken = data[: at + 4] + b"\xff\xff\xff\xff" + data[at + 8 :]
    with pytest.raises((UncommonError, SluiceError)):
        by_bytes(broken, CONTROLLED)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_what_follows_the_pixels_is_left_behind(syntax: str, tmp_path: Path) -> None:
    trailing = b"KESTREL was here, and this is no element"
    (tmp_path / "in.dcm").write_bytes(encoded(picture(), syntax) + trailing)
    done = Renewer(CONTROLLED, WHO).renew(tmp_path / "in.dcm", lambda *_: tmp_path / "new.dcm")
    assert b"KESTREL" not in done.path.read_bytes()
    new, _ = deidentify(read(tmp_path / "in.dcm"), CONTROLLED, WHO)
    assert new.PixelData == pydicom.dcmread(done.path).PixelData == picture().PixelData


def test_pydicom_reads_every_listed_private_element_by_the_lists_vr_or_gets_the_file() -> None:
    """A file of implicit form tells no VR, and pydicom's dictionary has some of its own."""
    other = set()
    for (creator, group, number), rule in load_rules().private.items():
        for block in range(0x10, 0x100):
            with contextlib.suppress(KeyError):
                tag = group << 16 | block << 8 | number
                if private_dictionary_VR(tag, creator) != rule.vr:
                    other.add((creator, group << 16 | number))
    assert other == OTHER_VRS


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_private_element_of_two_vrs_is_read_from_bytes_only_if_the_file_tells_which(
    syntax: str, tmp_path: Path
) -> None:
    dataset = picture()
    dataset.add_new((0x01F1, 0x10), "LO", "ELSCINT1")
    dataset.add_new((0x01F1, 0x1026), "DS", "0.95")  # pitch
    (tmp_path / "in.dcm").write_bytes(encoded(dataset, syntax))
    seen = compared([tmp_path / "in.dcm"], CONTROLLED)
    told = syntax == ExplicitVRLittleEndian
    assert seen == {"rewritten" if told else "left to pydicom": 1}
