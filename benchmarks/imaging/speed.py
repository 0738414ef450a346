"""What an instance costs: processor time beside a plain copy and the peers, and peak memory."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, ExplicitVRLittleEndian

from benchmarks.imaging import headers, tools
from benchmarks.imaging.objects import code

_SIDE, _ROUNDS = 512, 3
_ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
_ROOT = "1.2.826.0.1.3680043.10.515151"


def measure(home: Path, instances: int = 1000, frames: int = 1000) -> dict[str, Any]:
    """Time every tool on the same CT instances, and Sluice on one large multi-frame file.

    Parameters
    ----------
    home
        An empty folder with room for twice the instances of 531 KB, or for two files of
        ``frames`` × 524 KB; in memory, if the time of a disk is not to be counted.
    """
    raw = home / "raw"
    write_series(raw, instances)
    ours: list[float] = []
    plain: list[float] = []
    rows: list[dict[str, Any]] = []
    for _ in range(_ROUNDS):
        for name, times in (("copy", plain), ("sluice", ours)):
            outcome = _run(name, raw, home / "run", instances)
            times.append(outcome.cpu_s)
            rows.append(_row(outcome))
    peers = {}
    for name in tools.PEERS:
        outcome = _run(name, raw, home / "run", instances)
        peers[name] = outcome.cpu_s
        rows.append(_row(outcome))
    shutil.rmtree(raw)
    write_series(raw, 1)
    start = _run("sluice", raw, home / "run", 1)
    shutil.rmtree(raw)
    write_multiframe(raw / "large.dcm", frames)
    large = _run("sluice", raw, home / "run", 1)
    rows += [_row(start), _row(large)]
    shutil.rmtree(raw)
    cpu = median(ours)
    return {
        "cpu_ms_per_instance": round(1000 * cpu / instances, 3),
        "start_cpu_s": round(start.cpu_s, 2),
        "ratio_to_copy": round(cpu / median(plain), 2),
        "ratio_to": {name: round(used / cpu, 1) for name, used in peers.items()},
        "peak_mb_500mb": round(large.peak_mb, 1),
        "peak_mb_start": round(start.peak_mb, 1),
        "raw_times": rows,
    }


def write_series(folder: Path, instances: int) -> None:
    """Write CT instances of 512 × 512 × 16 bit under a real header of some 250 elements."""
    folder.mkdir(parents=True)
    dataset = _header()
    rng = np.random.default_rng(1)
    for number in range(1, instances + 1):
        dataset.InstanceNumber = number
        dataset.SOPInstanceUID = f"{_ROOT}.3.{number}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.PixelData = np.roll(_samples(), rng.integers(_SIDE), axis=0).tobytes()
        pydicom.dcmwrite(folder / f"{number:05d}.dcm", dataset)


def write_multiframe(path: Path, frames: int) -> None:
    """Write one enhanced CT object; 1,000 frames are 524 MB."""
    path.parent.mkdir(parents=True)
    dataset = _enhanced(frames)
    stream = BytesIO()
    pydicom.dcmwrite(stream, dataset)
    length = frames * _SIDE * _SIDE * 2
    with path.open("wb") as handle:
        handle.write(stream.getvalue())
        handle.write(b"\xe0\x7f\x10\x00OW\0\0" + length.to_bytes(4, "little"))
        frame = _samples().tobytes()
        for _ in range(frames):
            handle.write(frame)


def _run(name: str, raw: Path, home: Path, expected: int) -> tools.Outcome:
    """Run a tool and throw away what it wrote.

    Raises
    ------
    RuntimeError
        If not every file came out: the time would be of something else.
    """
    runs: dict[str, Callable[[Path, Path], tools.Outcome]] = {
        "copy": tools.copy,
        "sluice": partial(tools.sluice, processes=1),  # as the copy and the peers
    }
    shutil.rmtree(home, ignore_errors=True)
    outcome = runs[name](raw, home) if name in runs else tools.peer(name, raw, home)
    shutil.rmtree(home)
    if len(outcome.files) != expected:
        raise RuntimeError(f"{name}: {len(outcome.files)} of {expected} files came out")
    return outcome


def _row(outcome: tools.Outcome) -> dict[str, Any]:
    return {
        "tool": outcome.name,
        "files": len(outcome.files),
        "cpu_s": round(outcome.cpu_s, 3),
        "wall_s": round(outcome.wall_s, 3),
        "peak_mb": round(outcome.peak_mb, 1),
    }


def _header() -> FileDataset:
    real = headers.real("CT")
    dataset = copy.deepcopy(real[min(1, len(real) - 1)])
    dataset.Rows = dataset.Columns = _SIDE
    dataset.BodyPartExamined, dataset.ImageType = "CHEST", ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PatientName, dataset.PatientID = "Speed^Test", "SPEED-1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{_ROOT}.1", f"{_ROOT}.2"
    return dataset


@cache
def _samples() -> np.ndarray:
    """Return a real slice, enlarged, with the noise that a slice of this size has."""
    small = headers.real("CT")[0].pixel_array
    large = np.kron(small, np.ones((4, 4)))[:_SIDE, :_SIDE]
    return np.rint(large + np.random.default_rng(2).normal(0, 12, large.shape)).astype(small.dtype)


def _enhanced(frames: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        UID(_ENHANCED_CT),
        UID(f"{_ROOT}.5"),
    )
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = _ENHANCED_CT, f"{_ROOT}.5"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{_ROOT}.1", f"{_ROOT}.4"
    dataset.FrameOfReferenceUID = f"{_ROOT}.6"
    dataset.StudyDate, dataset.StudyTime = "20170503", "101112"
    dataset.ContentDate, dataset.ContentTime = "20170503", "101112"
    dataset.AcquisitionDateTime = "20170503101112"
    dataset.Modality, dataset.Manufacturer = "CT", "GE MEDICAL SYSTEMS"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    dataset.PatientName, dataset.PatientID = "Speed^Test", "SPEED-1"
    dataset.BodyPartExamined, dataset.BurnedInAnnotation = "CHEST", "NO"
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = _SIDE, _SIDE, frames
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation, dataset.InstanceNumber = 1, 1
    anatomy, shared = Dataset(), Dataset()
    anatomy.AnatomicRegionSequence = Items([code("51185008", "Chest", "SCT")])
    anatomy.FrameLaterality = "U"
    shared.FrameAnatomySequence = Items([anatomy])
    dataset.SharedFunctionalGroupsSequence = Items([shared])
    dataset.PerFrameFunctionalGroupsSequence = Items(
        [_frame(number) for number in range(1, frames + 1)]
    )
    return dataset


def _frame(number: int) -> Dataset:
    position, content, made = Dataset(), Dataset(), Dataset()
    position.ImagePositionPatient = ["-250", "-250", str(number)]
    content.FrameAcquisitionDateTime = "20170503101112"
    content.DimensionIndexValues = [1, number]
    made.PlanePositionSequence, made.FrameContentSequence = Items([position]), Items([content])
    return made
