"""Something unique beside the picture in frames of every coding: shown, then gone; same pixels."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate, generate_frames
from tests.dicom.corpus import BUNDLED, CONTROLLED, identity

from sluice.dicom import renew
from sluice.dicom.burned_in import Risk
from sluice.dicom.codestream import Span, joined, rewritten
from sluice.dicom.deidentify import deidentify, write
from sluice.dicom.layout import UncommonError
from sluice.dicom.reader import read
from sluice.dicom.renew import Renewer
from sluice.errors import SluiceError

CANARY = b"KESTRELOVA^BRUNHILDE "
JPEG, JPEG_LS = "SC_rgb_dcmtk_+eb+cy+n1.dcm", "MR_small_jpeg_ls_lossless.dcm"
J2K, RLE, LOSSLESS = "JPEG2000.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_gdcm.dcm"
Plant = Callable[[bytes], bytes]


def segment(code: int, body: bytes) -> bytes:
    return struct.pack(">HH", 0xFF00 | code, len(body) + 2) + body


def behind(start: bytes, code: int, body: bytes = CANARY) -> Plant:
    """Plant a segment behind the stream's start (and, in JPEG 2000, the size that must follow)."""

    def plant(frame: bytes) -> bytes:
        at = len(start) if len(start) == 2 else 4 + int.from_bytes(frame[4:6], "big")
        return frame[:at] + segment(code, body) + frame[at:]

    return plant


def before_the_end(plant: bytes) -> Plant:
    def planted(frame: bytes) -> bytes:
        at = frame.rindex(b"\xff\xd9")
        return frame[:at] + plant + frame[at:]

    return planted


def in_a_tile(frame: bytes) -> bytes:
    """Plant a comment in the header of the first tile-part, which tells its length."""
    at, comment = frame.index(b"\xff\x90\0\x0a"), segment(0x64, b"\0\x01" + CANARY)
    (length,) = struct.unpack_from(">L", frame, at + 6)
    longer = struct.pack(">L", length + len(comment) if length else 0)
    return frame[: at + 6] + longer + frame[at + 10 : at + 12] + comment + frame[at + 12 :]


def in_a_box(frame: bytes) -> bytes:
    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">L", len(body) + 8) + kind + body

    size, colour = struct.pack(">LLHBBBB", 1024, 256, 1, 7, 7, 0, 0), b"\1\0\0" + b"\0\0\0\x11"
    head = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    head += box(b"jp2h", box(b"ihdr", size) + box(b"colr", colour))
    return head + box(b"xml ", CANARY) + box(b"jp2c", frame) + box(b"uuid", CANARY)


def between_segments(frame: bytes) -> bytes:
    """Plant bytes behind the first plane's run lengths, where a decoder no longer looks."""
    count, *starts = struct.unpack_from("<16L", frame)
    at, filler = starts[1], CANARY + b"\0" * (len(CANARY) % 2)
    moved = [start + len(filler) * (number > 0) for number, start in enumerate(starts[:count])]
    head = struct.pack("<16L", count, *moved, *[0] * (15 - count))
    return head + frame[64:at] + filler + frame[at:]


def in_unused_offsets(frame: bytes) -> bytes:
    return frame[:16] + CANARY.ljust(48, b".") + frame[64:]


SOI, SOC = b"\xff\xd8", b"\xff\x4f\xff\x51"
PLANTED = [
    ("a comment in JPEG", JPEG, behind(SOI, 0xFE)),
    ("EXIF in JPEG", JPEG, behind(SOI, 0xE1, b"Exif\0\0" + CANARY)),
    ("a thumbnail's segment", JPEG, behind(SOI, 0xE0, b"JFXX\0\x10" + CANARY)),
    ("JFIF that is too long", JPEG, behind(SOI, 0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0" + CANARY)),
    ("a photo editor's segment", JPEG, behind(SOI, 0xED)),
    ("Adobe's name without its form", JPEG, behind(SOI, 0xEE, b"Adobe" + CANARY)),
    ("a comment behind the scans", JPEG, before_the_end(segment(0xFE, CANARY))),
    ("bytes behind JPEG's end", JPEG, lambda frame: frame + CANARY),
    ("a comment in lossless JPEG", LOSSLESS, behind(SOI, 0xFE)),
    ("a comment in JPEG-LS", JPEG_LS, behind(SOI, 0xFE)),
    ("application data in JPEG-LS", JPEG_LS, behind(SOI, 0xE8, b"SPIFF\0" + CANARY)),
    ("bytes behind JPEG-LS's end", JPEG_LS, lambda frame: frame + CANARY),
    ("a comment in JPEG 2000", J2K, behind(SOC, 0x64, b"\0\x01" + CANARY)),
    ("a comment in a tile", J2K, in_a_tile),
    ("boxes around JPEG 2000", J2K, in_a_box),
    ("bytes behind JPEG 2000's end", J2K, lambda frame: frame + CANARY),
    ("bytes between run lengths", RLE, between_segments),
    ("unused offsets of run lengths", RLE, in_unused_offsets),
    ("bytes behind run lengths", RLE, lambda frame: frame + CANARY + b"."),
]


def spoilt(name: str, plant: Plant, path: Path, fragments: int = 1) -> FileDataset:
    """Write a bundled image of one frame with something planted in the frame."""
    dataset = pydicom.dcmread(BUNDLED / name)
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = encapsulate([plant(frame)], fragments_per_frame=fragments)
    dataset.save_as(path)
    return dataset


def both_ways(source: Path, folder: Path) -> list[Path]:
    """Write a file's successor by its bytes, and by pydicom's objects."""
    who = identity()
    fast = Renewer(CONTROLLED, who).renew(source, lambda *_: folder / "fast.dcm").path
    new, _ = deidentify(read(source), CONTROLLED, who)
    write(new, folder / "slow.dcm")
    return [fast, folder / "slow.dcm"]


@pytest.fixture(autouse=True)
def only_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise UncommonError

    monkeypatch.setattr(renew.Renewer, "_by_objects", refused)
    # The bundled frames are secondary captures, which are held back whatever they hide.
    monkeypatch.setattr(renew, "assess", lambda _: Risk("clear", "no_picture"))


# Run lengths are never divided into fragments (PS3.5 A.4.2).
@pytest.mark.parametrize(
    ("place", "name", "plant", "fragments"),
    [(*row, count) for row in PLANTED for count in ((1,) if row[1] == RLE else (1, 3))],
)
def test_what_hides_in_a_frame_is_gone_and_the_pixels_are_the_same(
    place: str, name: str, plant: Plant, fragments: int, tmp_path: Path
) -> None:
    clean = pydicom.dcmread(BUNDLED / name).pixel_array
    spoilt(name, plant, tmp_path / "in.dcm", fragments)
    if fragments == 1:
        assert CANARY in (tmp_path / "in.dcm").read_bytes()
    for new in both_ways(tmp_path / "in.dcm", tmp_path):
        assert b"KESTREL" not in new.read_bytes(), place
        dataset = pydicom.dcmread(new)
        assert (dataset.pixel_array == clean).all()
        assert len(dataset.PixelData) % 2 == 0


@pytest.mark.parametrize(
    "name", [JPEG, JPEG_LS, RLE, LOSSLESS, "SC_rgb_rle_16bit_2frame.dcm", "examples_ybr_color.dcm"]
)
def test_frames_without_anything_beside_the_picture_keep_every_bit(
    name: str, tmp_path: Path
) -> None:
    old = pydicom.dcmread(BUNDLED / name)
    for new in both_ways(BUNDLED / name, tmp_path):
        assert pydicom.dcmread(new).PixelData == old.PixelData


def test_what_decoders_ask_of_application_segments_is_written_anew(tmp_path: Path) -> None:
    adobe = segment(0xEE, b"Adobe\0\x65ABCD\x00")
    spoilt(JPEG, lambda f: SOI + segment(0xE0, b"JFIF\0\1\2\1JKLM\0\0") + adobe + f[2:],
           tmp_path / "in.dcm")  # fmt: skip
    for new in both_ways(tmp_path / "in.dcm", tmp_path):
        content = new.read_bytes()
        assert b"ABCD" not in content and b"JKLM" not in content
        assert b"JFIF\0\1\1\0\0\1\0\1\0\0\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0" in content


def test_offsets_are_made_anew_when_frames_become_shorter(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(BUNDLED / "examples_ybr_color.dcm")
    count = int(dataset.NumberOfFrames)
    frames = [*generate_frames(dataset.PixelData, number_of_frames=count)]
    longer = [behind(SOI, 0xFE, CANARY * number)(frame) for number, frame in enumerate(frames)]
    clean = dataset.pixel_array
    dataset.PixelData = encapsulate(longer)
    dataset.ExtendedOffsetTable = CANARY.ljust(8 * count, b" ")
    dataset.save_as(tmp_path / "in.dcm")
    for path in both_ways(tmp_path / "in.dcm", tmp_path):
        new = pydicom.dcmread(path)
        assert b"KESTREL" not in path.read_bytes() and "ExtendedOffsetTable" not in new
        assert new.PixelData == encapsulate(frames)
        assert (new.pixel_array == clean).all()


def test_a_table_of_offsets_that_tells_something_else_is_made_anew(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(BUNDLED / JPEG)
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    table = b"\xfe\xff\0\xe0" + struct.pack("<L", 24) + CANARY.ljust(24)
    dataset.PixelData = table + encapsulate([frame], has_bot=False)[8:]
    dataset.save_as(tmp_path / "in.dcm")
    for new in both_ways(tmp_path / "in.dcm", tmp_path):
        assert pydicom.dcmread(new).PixelData == encapsulate([frame])


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        (JPEG, lambda frame: frame[:-400]),
        (JPEG, lambda frame: frame.replace(b"\xff\xd9", b"\xff\x00")),
        (JPEG, behind(SOI, 0xF3)),
        (JPEG, behind(SOI, 0xDD, b"\0\0" + CANARY)),
        (JPEG, behind(SOI, 0xDB, b"\0" + CANARY * 4)),
        (JPEG, behind(SOI, 0xC4, b"\0" + CANARY)),
        (JPEG, lambda _: SOI),
        (JPEG, lambda _: CANARY),
        (J2K, lambda frame: frame[:-20]),
        (J2K, behind(SOC, 0x40)),
        (J2K, lambda frame: in_a_tile(behind(SOC, 0x55, b"\0\0")(frame))),
        (J2K, lambda frame: in_a_box(frame).replace(b"ihdr", b"pclr")),
        (RLE, lambda frame: frame[:100]),
        (RLE, lambda frame: b"\x10" + frame[1:]),
        (RLE, lambda frame: frame[:40]),
    ],
)
def test_a_frame_that_cannot_be_followed_is_refused(
    name: str, spoil: Plant, tmp_path: Path
) -> None:
    spoilt(name, spoil, tmp_path / "in.dcm")
    for way in (lambda: both_ways(tmp_path / "in.dcm", tmp_path),
                lambda: deidentify(read(tmp_path / "in.dcm"), CONTROLLED, identity())):  # fmt: skip
        with pytest.raises(SluiceError, match="compressed frame") as refusal:
            way()
        assert "KESTREL" not in str(refusal.value)


@pytest.mark.parametrize("frames", [1, 3])
def test_frames_more_or_fewer_than_the_object_says_are_refused(frames: int) -> None:
    items = encapsulate([SOI + b"\xff\xd9"] * 2)
    with pytest.raises(SluiceError, match="one too many"):
        rewritten(items, 0, len(items), "1.2.840.10008.1.2.4.50", frames, 1)


@pytest.mark.parametrize("number", ["4.100", "4.102", "4.107", "4.110", "1.98", "8.1"])
def test_video_and_codings_without_a_rule_are_refused(number: str) -> None:
    items = encapsulate([b"\0\0\1\xb2" + CANARY])
    with pytest.raises(SluiceError, match="no rule covers"):
        rewritten(items, 0, len(items), f"1.2.840.10008.1.2.{number}", 1, 1)


@pytest.mark.parametrize("name", [JPEG, JPEG_LS, J2K, RLE])
@given(where=st.floats(0, 1), new=st.binary(min_size=1, max_size=4))
def test_bytes_changed_anywhere_are_followed_or_refused(
    name: str, where: float, new: bytes
) -> None:
    dataset = pydicom.dcmread(BUNDLED / name)
    items, syntax = bytearray(dataset.PixelData), dataset.file_meta.TransferSyntaxUID
    at = int(where * (len(items) - len(new)))
    items[at : at + len(new)] = new
    length = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated // 8
    try:
        found = rewritten(bytes(items), 0, len(items), syntax, 1, length)
    except SluiceError:
        return
    whole = joined(bytes(items), found.pieces)
    again = rewritten(whole, 0, len(whole), syntax, 1, length)
    assert again.changed == 0 and again.pieces == (Span(0, len(whole)),)
