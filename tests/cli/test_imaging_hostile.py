"""Hostile and broken files: one is quarantined with a reason or handled, the others come out."""

from __future__ import annotations

import json
import mmap
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from click.testing import CliRunner
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)
from tests.dicom.corpus import BUNDLED, CONTROLLED, identity, sequences

from sluice.cli import sluice
from sluice.dicom.codestream import Span
from sluice.dicom.rewrite import Rewriter
from sluice.dicom.rules import load_rules
from sluice.dicom.scan import scan_bytes
from sluice.errors import SluiceError

CANARY = "KESTRELOVA"
Spoil = Callable[[], bytes]


def image(**elements: object) -> FileDataset:
    dataset = pydicom.dcmread(BUNDLED / "CT_small.dcm")
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = generate_uid()
    dataset.PatientName = f"{CANARY}^Brunhilde"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def saved(dataset: FileDataset, syntax: str = "") -> bytes:
    stream = BytesIO()
    if syntax:
        dataset.file_meta.TransferSyntaxUID = UID(syntax)
    implicit = syntax == ImplicitVRLittleEndian
    dataset.save_as(stream, implicit_vr=implicit, little_endian=True)
    return stream.getvalue()


def without_meta() -> bytes:
    """A bare data set, as programs of the last century wrote it."""
    content = saved(image())
    return content[144 + int.from_bytes(content[140:144], "little") :]


def lying_length(length: bytes) -> bytes:
    content = saved(image(StationName=CANARY.ljust(16)))
    return content.replace(b"SH\x10\0" + CANARY.encode(), b"SH" + length + CANARY.encode())


def nested(depth: int, undefined: bool, syntax: str = "") -> bytes:
    inner = Dataset()
    inner.TextValue = CANARY
    dataset = image()
    dataset.update(sequences(inner, depth, undefined))
    return saved(dataset, syntax)


def half_an_item() -> bytes:
    """A sequence that ends within its only item, in a data set that pydicom must read."""
    content = without_meta()
    at = content.index(b"\x18\0\x10\0LO")
    sequence = b"\x08\0\x40\x11SQ\0\0\x04\0\0\0\xfe\xff\0\xe0"
    return content[:at] + sequence + content[at:]


def in_charset(charset: str, name: bytes) -> bytes:
    """A name in an encoding that the file does not tell."""
    content = saved(image(SpecificCharacterSet=charset, PatientName="?" * len(name)))
    return content.replace(b"?" * len(name), name)


def private_without_creator() -> bytes:
    dataset = image()
    dataset.add_new(0x00411042, "LO", CANARY)
    return saved(dataset)


def video() -> bytes:
    dataset = image(PixelData=encapsulate([b"\0\0\1\xb3 " + CANARY.encode() + b" "]))
    dataset["PixelData"].is_undefined_length = True
    return saved(dataset, "1.2.840.10008.1.2.4.102")


def without_pixels() -> bytes:
    dataset = image()
    del dataset.PixelData
    return saved(dataset)


REFUSED: list[tuple[str, Spoil, str]] = [
    ("nothing", lambda: b"", "A DICOM file is empty"),
    ("a text", lambda: b"Dear Mr. " + CANARY.encode(), "A file is not DICOM"),
    ("zeros", lambda: bytes(4096), "A file is not DICOM"),
    ("the prefix alone", lambda: bytes(128) + b"DICM", "A file is not DICOM"),
    ("cut in the meta information", lambda: saved(image())[:200], "A DICOM file ends early"),
    ("cut in the header", lambda: saved(image())[:900], "A DICOM file ends early"),
    ("cut in the pixels", lambda: saved(image())[:-9000], "A DICOM file ends early"),
    ("a length beyond the file", lambda: lying_length(b"\xff\xff"), "A DICOM file ends early"),
    ("a length into the next element", lambda: lying_length(b"\x13\0"), "A DICOM file is damaged"),
    ("200 deep, lengths told", lambda: nested(200, undefined=False), "nested deeper than 32"),
    ("200 deep, lengths open", lambda: nested(200, undefined=True), "nested deeper than 32"),
    ("200 deep, implicit", lambda: nested(200, False, ImplicitVRLittleEndian), "deeper than 32"),
    ("20,000 deep", lambda: deep_by_hand(20_000), "nested deeper than 32"),
    ("a program", lambda: b"MZ" + saved(image())[2:], "starts as a program does"),
    ("no pixels", without_pixels, "is an image without pixels"),
    ("more rows than pixels", lambda: saved(image(Rows=4000)), "has fewer pixels than its size"),
    ("no rows", lambda: saved(image(Rows=0)), "An image does not tell its size"),
    ("a private class", lambda: saved(image(SOPClassUID="1.9.1")), "a private SOP class"),
    ("a strange transfer syntax", lambda: saved(image()).replace(
        b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.9.9\0"), "an unknown transfer syntax"),
    ("half an item", lambda: half_an_item(), "cannot be parsed as DICOM"),
    ("pixels that are floats", lambda: saved(image()).replace(
        b"\xe0\x7f\x10\0OW", b"\xe0\x7f\x10\0OF"), "of a VR that pixels do not have"),
    ("a video", video, "a coding whose comments no rule covers"),
]  # fmt: skip

HANDLED: list[tuple[str, Spoil]] = [
    ("no meta information", without_meta),
    ("31 deep", lambda: nested(31, undefined=True)),
    ("Latin letters said to be UTF-8", lambda: in_charset("ISO_IR 192", b"KESTRELOV\xc1")),
    ("a character set that is none", lambda: in_charset("KLINGON", b"KESTRELOV\xc1")),
    ("an escape into nowhere", lambda: in_charset("ISO 2022 IR 87", b"\x1b$BKESTRELOVA")),
    ("a private block without a creator", private_without_creator),
    ("a TIFF in the preamble", lambda: b"II*\0" + saved(image())[4:]),
    ("a name before the prefix", lambda: CANARY.encode().ljust(128) + saved(image())[128:]),
    ("a name behind the pixels", lambda: saved(image()) + CANARY.encode() * 99),
    ("dates that are none", lambda: saved(image(StudyDate="19311399", PatientAge="KEST"))),
    ("a number that is none", lambda: saved(image()).replace(b"DS\6\0120   ", b"DS\6\0KESTRE")),
]


def deep_by_hand(depth: int) -> bytes:
    """Sequences in sequences; a library that writes them would not get so far."""
    content = saved(image())
    at = content.index(b"\xe0\x7f\x10\0OW")
    opened = b"\x40\0\x30\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"
    closed = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    return content[:at] + opened * depth + closed * depth + content[at:]


@pytest.fixture(autouse=True)
def private_files() -> Iterator[None]:
    before = os.umask(0o077)  # as the console script does
    yield
    os.umask(before)


def run(folder: Path, tier: str = "controlled", processes: int = 1) -> dict[str, object]:
    """Run the command over ``folder/in``; it must end well and tell nobody's name."""
    done = CliRunner().invoke(
        sluice,
        ["imaging", "deidentify", str(folder / "in"), str(folder / "out"), "--tier", tier,
         "--vault", str(folder / "vault"), "--report", str(folder / "report.json"),
         "--processes", str(processes)],
    )  # fmt: skip
    if isinstance(done.exception, SluiceError):
        raise done.exception
    assert done.exit_code == 0, done.output
    report = (folder / "report.json").read_text()
    assert "KEST" not in done.output + report and "Error" not in done.output + report
    found = json.loads(report)
    assert isinstance(found, dict)
    assert found["files_out"] == len(list((folder / "out").iterdir()))
    return found


def place(folder: Path, *contents: bytes) -> None:
    (folder / "in").mkdir()
    (folder / "in" / "good.dcm").write_bytes(saved(image()))
    for number, content in enumerate(contents):
        (folder / "in" / f"{number}.dcm").write_bytes(content)


@pytest.mark.parametrize(("name", "spoil", "reason"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_hostile_file_is_quarantined_with_its_reason(
    name: str, spoil: Spoil, reason: str, tmp_path: Path
) -> None:
    place(tmp_path, spoil())
    report = run(tmp_path)
    assert (report["files_in"], report["files_out"]) == (2, 1)
    quarantined = report["quarantined"]
    assert isinstance(quarantined, dict)
    assert list(quarantined.values()) == [1] and reason in next(iter(quarantined)), name


@pytest.mark.parametrize(("name", "spoil"), HANDLED, ids=[row[0] for row in HANDLED])
def test_an_odd_file_comes_out_without_its_canary(name: str, spoil: Spoil, tmp_path: Path) -> None:
    place(tmp_path, spoil())
    raw = tmp_path / "in" / "0.dcm"
    assert b"KEST" in raw.read_bytes(), "the canary is not there"
    report = run(tmp_path)
    assert report["files_out"] == 2, report["quarantined"]
    for new in (tmp_path / "out").iterdir():
        assert not scan_bytes(new, [b"KEST"]), name


def test_all_of_them_together_stop_nothing(tmp_path: Path) -> None:
    spoilt = [*(spoil() for _, spoil, _ in REFUSED), *(spoil() for _, spoil in HANDLED)]
    place(tmp_path, *spoilt)
    report = run(tmp_path, processes=2)
    assert report["files_in"] == 1 + len(spoilt)
    assert report["files_out"] == 1 + len(HANDLED)


def test_two_gigabytes_of_frames_are_not_read_to_be_rewritten(tmp_path: Path) -> None:
    """A sparse file: only where its samples lie is found out, in a header of a few kilobytes."""
    dataset = image(Rows=1024, Columns=1024, NumberOfFrames=1100)
    content = saved(dataset)
    at = content.index(b"\xe0\x7f\x10\0OW") + 12
    length = 1024 * 1024 * 2 * 1100
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "large.dcm"
    with path.open("wb") as out:
        out.write(content[: at - 4] + struct.pack("<L", length))
        out.truncate(at + length)
    with path.open("rb") as stream:
        data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        new = Rewriter(CONTROLLED, identity(), load_rules()).rewrite(data)
        data.close()
    assert Span(at, at + length) in new.samples and length > 2**31
    os.truncate(path, at + length - 2)
    report = run(tmp_path)
    assert report["quarantined"] == {"A DICOM file ends early": 1}


def endless(unit: bytes, count: int, head: bytes = b"") -> bytes:
    """An object with so many of something that no memory could hold what is known of them."""
    content = saved(image(), ImplicitVRLittleEndian)
    at = content.index(b"\xe0\x7f\x10\0")
    return content[:at] + head + unit * count + content[at:]


@pytest.mark.parametrize(
    ("what", "content"),
    [
        ("elements", lambda: endless(b"\x55\x30\x10\0\0\0\0\0", 2**20 + 1)),
        ("items", lambda: endless(b"\xfe\xff\0\xe0\0\0\0\0", 2**22 + 1,
                                  b"\x40\0\x30\xa7\xff\xff\xff\xff")),
    ],
)  # fmt: skip
def test_an_endless_number_of_parts_is_refused(what: str, content: Spoil, tmp_path: Path) -> None:
    place(tmp_path, content())
    assert run(tmp_path)["quarantined"] == {f"A DICOM file has too many {what}": 1}


def test_a_file_that_grows_beyond_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in ("layout", "reader"):
        monkeypatch.setattr(f"sluice.dicom.{room}.MAX_WHOLE", 2**24)
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    body = b"".join(packer.compress(bytes(2**20)) for _ in range(17)) + packer.flush()
    meta = saved(image(), DeflatedExplicitVRLittleEndian)
    start = 144 + int.from_bytes(meta[140:144], "little")
    place(tmp_path, meta[:start] + body)
    with (tmp_path / "in" / "bare.dcm").open("wb") as out:
        out.write(without_meta())
        out.truncate(2**31)
    assert len(body) < 2**16
    assert run(tmp_path)["quarantined"] == {"A DICOM file is too large for its encoding": 2}


def ended_by_the_system(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_the_system_ends_is_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(tmp_path, saved(image()))
    monkeypatch.setattr("sluice.modalities.imaging.folder._renew", ended_by_the_system)
    with pytest.raises(SluiceError, match="ended from outside"):
        run(tmp_path, processes=2)
    assert not (tmp_path / "report.json").exists()


def test_killed_in_the_middle_nothing_half_written_bears_an_image_s_name(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    study = generate_uid()
    for number in range(600):
        (tmp_path / "in" / f"{number}.dcm").write_bytes(
            saved(image(StudyInstanceUID=study, InstanceNumber=number))
        )
    out = tmp_path / "out"
    started = subprocess.Popen(
        [sys.executable, "-c", "import os; os.umask(0o77); from sluice.cli import main; main()",
         "imaging", "deidentify", str(tmp_path / "in"), str(out), "--tier", "controlled",
         "--vault", str(tmp_path / "vault"), "--report", str(tmp_path / "report.json"),
         "--processes", "2"],
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while started.poll() is None and not (out.is_dir() and len(list(out.glob("*.dcm"))) > 9):
        time.sleep(0.002)
    os.killpg(started.pid, signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL, "it was done before it could be killed"
    before = {path.name: path.read_bytes() for path in out.glob("*.dcm")}
    assert 9 < len(before) < 600 and not (tmp_path / "report.json").exists()
    out.rename(tmp_path / "first")
    assert run(tmp_path)["files_out"] == 600
    after = {path.name: path.read_bytes() for path in out.iterdir()}
    assert before.items() <= after.items(), "whole, and the same when it runs again"
