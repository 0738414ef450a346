"""Real images with text drawn into them, as hospitals and machines do, and without.

The generator shares nothing with the cleaner, and keeps the pixels that carry each word's strokes.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset
from pydicom.pixels.utils import set_pixel_data
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

from benchmarks.imaging import lettering
from sluice.dicom.reader import read
from sluice.errors import SluiceError

CONTRASTS = ("saturated", "bright", "middle", "faint", "noise")
ENCODINGS = ("native", "inverted", "eight_bit", "jpeg", "rgb", "palette", "rle")
_ENCODING_SHARES = (0.4, 0.15, 0.15, 0.1, 0.1, 0.05, 0.05)
# Folders of the shared data whose pictures hold no text of their own.
_FOLDERS = (
    *("CT", "DX", "ENHANCED_MULTIFRAME", "MR", "MR_GE_PRIVATE", "MR_PHILIPS_PRIVATE"),
    *("MR_SIEMENS_PRIVATE", "NM", "PET", "CR"),
)
_BUNDLED = ("CT_small.dcm", "MR_small.dcm", "examples_jpeg2k.dcm")
_SMALLEST = 64
_LARGEST = 1200  # a larger radiograph is cropped, which also loses its marker
_CLASSES = {
    **{"CT": "1.2.840.10008.5.1.4.1.1.2", "MR": "1.2.840.10008.5.1.4.1.1.4"},
    **{"NM": "1.2.840.10008.5.1.4.1.1.20", "CR": "1.2.840.10008.5.1.4.1.1.1"},
    "photo": "1.2.840.10008.5.1.4.1.1.77.1.4",
}


@dataclass(frozen=True)
class Word:
    """A word as it was drawn.

    ``rows`` and ``columns`` are the pixels of its strokes. ``contrast`` is the median distance of
    these pixels from what was there before, in standard deviations of what was there before at
    the scale of the strokes; ``shown`` is the same as a share of the usual window, the middle 99 %
    of the frame's values.
    """

    text: str
    rows: np.ndarray
    columns: np.ndarray
    contrast: float
    shown: float

    @property
    def is_legible(self) -> bool:
        """Whether somebody could read it who looks at the picture with its usual window.

        A difference of less than a fiftieth of the window is invisible, whatever the noise: five
        grey levels of a screen.
        """
        return self.contrast >= 1 and self.shown >= 0.02


@dataclass(frozen=True)
class Planted:
    """An object with text in one of its frames, and what was drawn how."""

    dataset: FileDataset
    words: tuple[Word, ...]
    frame: int
    style: dict[str, Any]


@dataclass(frozen=True)
class _Canvas:
    """Frames of a real image, (frame, row, column, channel), before they are encoded."""

    dataset: FileDataset
    frames: np.ndarray
    encoding: str
    lowest: int
    highest: int


@cache
def sources() -> tuple[tuple[Path, ...], ...]:
    """Return real files without text by folder: of the shared data if there, and of pydicom."""
    shared = Path(os.environ.get("SLUICE_SHARED", Path(__file__).parents[3] / "shared"))
    bundled = Path(pydicom.__file__).parent / "data" / "test_files"
    folders = [sorted((shared / "data" / "dicom" / name).glob("*.dcm")) for name in _FOLDERS]
    folders.append([bundled / name for name in _BUNDLED])
    usable = [tuple(path for path in folder if _usable(path)) for folder in folders]
    return tuple(folder for folder in usable if folder)


def plant(seed: int) -> Planted:
    """Draw text into one frame of a real image; the same seed gives the same object."""
    rng = np.random.default_rng([seed, 1])
    for _ in range(100):
        canvas = _canvas(rng)
        frame = int(rng.integers(len(canvas.frames)))
        style = _style(rng)
        words = _write(rng, canvas, frame, style)
        if any(word.is_legible for word in words):
            style |= {"encoding": canvas.encoding, "source": canvas.dataset.get("Modality")}
            return Planted(_encoded(rng, canvas), words, frame, style)
    raise AssertionError("no place for a legible word")


def untouched(seed: int) -> FileDataset:
    """Return a real image in one of the same encodings, without text."""
    rng = np.random.default_rng([seed, 2])
    return _encoded(rng, _canvas(rng))


def _usable(path: Path) -> bool:
    try:
        dataset = read(path)
        pixels = dataset.pixel_array
    except (SluiceError, ValueError, AttributeError, RuntimeError, NotImplementedError, OSError):
        return False
    small = min(dataset.Rows, dataset.Columns) < _SMALLEST
    return not small and dataset.SamplesPerPixel == 1 and bool(pixels.min() < pixels.max())


def _canvas(rng: np.random.Generator) -> _Canvas:
    folders = sources()
    folder = folders[rng.integers(len(folders))]
    dataset = read(folder[rng.integers(len(folder))])
    frames = dataset.pixel_array
    frames = frames[None] if frames.ndim == 2 else frames[:4]
    frames = frames[:, :_LARGEST, -_LARGEST - 300 : -300 if frames.shape[2] > _LARGEST else None]
    encoding = str(rng.choice(ENCODINGS, p=_ENCODING_SHARES))
    kind = {"rgb": "photo", "palette": "photo", "native": "", "rle": ""}.get(encoding, "CR")
    if "ConversionType" in dataset:
        del dataset.ConversionType
        kind = kind or str(dataset.Modality)
    if kind:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID(_CLASSES[kind])
    if encoding in ("eight_bit", "jpeg", "rgb", "palette"):
        low, high = np.percentile(frames, (0.5, 99.8))
        top = 239 if encoding == "palette" else 255
        frames = np.clip((frames - low) / max(high - low, 1) * top, 0, top).astype(np.uint8)
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation = 7, 0
        for name in ("RescaleSlope", "RescaleIntercept", "PixelPresentation"):
            if name in dataset:
                delattr(dataset, name)
    signed, bits = dataset.PixelRepresentation, dataset.BitsStored
    lowest, highest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if encoding == "inverted":
        frames = (int(frames.min()) + int(frames.max()) - frames.astype(np.int64)).astype(
            frames.dtype
        )
        frames = np.clip(frames, lowest, highest)
    channels = 3 if encoding == "rgb" else 1
    frames = np.repeat(frames[..., None], channels, axis=-1).copy()
    return _Canvas(dataset, frames, encoding, lowest, highest)


def _style(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "face": str(rng.choice(lettering.FACES)),
        "size": int(rng.integers(10, 49)),
        "contrast": str(rng.choice(CONTRASTS)),
        "turns": int(rng.choice([0, 0, 0, 1, 3])),
        "smooth": bool(rng.random() < 0.6),
        "boxed": bool(rng.random() < 0.15),
        "place": str(rng.choice(["corner", "corner", "edge", "centre", "anywhere"])),
        "lines": int(rng.integers(1, 4)),
    }


def _write(
    rng: np.random.Generator, canvas: _Canvas, frame: int, style: dict[str, Any]
) -> tuple[Word, ...]:
    """Draw the lines of a style one below the other; return their words."""
    before = _shown(canvas.frames[frame])
    drawn: list[tuple[str, np.ndarray, np.ndarray]] = []
    size, lines = style["size"], [lettering.written(rng) for _ in range(style["lines"])]
    block, parts = lettering.typeset(lines, style["face"], size, style["smooth"])
    while min(block.shape) == 0 or (
        not _fits(np.rot90(block, style["turns"]), before) and size > 10
    ):
        size -= 1
        block, parts = lettering.typeset(lines, style["face"], size, style["smooth"])
    style["size"] = size
    turned = np.rot90(block, style["turns"])
    if not _fits(turned, before):
        return ()
    top, left = _place(rng, style["place"], before.shape, turned.shape)
    area = canvas.frames[frame, top : top + turned.shape[0], left : left + turned.shape[1]]
    paper = before[top : top + turned.shape[0], left : left + turned.shape[1]]
    if canvas.encoding == "palette":
        turned = (turned > 0.5).astype(float)
    if style["boxed"]:
        area[:] = np.percentile(canvas.frames, 1)
        paper = _shown(area)
    noise = max(_noise(paper, size), 1e-6)
    ink = _ink(rng, canvas, style["contrast"], paper[turned > 0.5], noise)
    if canvas.encoding == "palette":
        area[turned > 0.5] = 240 + int(rng.integers(16))
    else:
        blend = area * (1 - turned[..., None]) + turned[..., None] * ink
        area[:] = np.clip(np.rint(blend), canvas.lowest, canvas.highest).astype(area.dtype)
    after, window = _shown(area), max(float(np.ptp(np.percentile(before, (0.5, 99.5)))), 1.0)
    for text, part in parts:
        strokes = np.rot90(part, style["turns"]) > 0.5
        rows, columns = np.nonzero(strokes)
        drawn.append((text, rows, columns))
    return tuple(
        Word(
            text,
            rows + top,
            columns + left,
            *(
                float(np.median(np.abs(after[rows, columns] - paper[rows, columns])) / unit)
                for unit in (noise, window)
            ),
        )
        for text, rows, columns in drawn
        if len(text) >= 3 and len(rows)
    )


def _fits(block: np.ndarray, picture: np.ndarray) -> bool:
    return block.shape[0] + 4 <= picture.shape[0] and block.shape[1] + 4 <= picture.shape[1]


def _place(
    rng: np.random.Generator, place: str, picture: tuple[int, ...], block: tuple[int, ...]
) -> tuple[int, int]:
    room = [picture[axis] - block[axis] for axis in (0, 1)]
    margin = int(rng.integers(0, 5))
    ends = [
        min(margin, room[axis]) if rng.random() < 0.5 else room[axis] - min(margin, room[axis])
        for axis in (0, 1)
    ]
    free = [int(rng.integers(room[axis] + 1)) for axis in (0, 1)]
    if place == "corner":
        return ends[0], ends[1]
    if place == "edge":
        return (ends[0], free[1]) if rng.random() < 0.5 else (free[0], ends[1])
    if place == "centre":
        return room[0] // 2, room[1] // 2
    return free[0], free[1]


def _ink(
    rng: np.random.Generator, canvas: _Canvas, contrast: str, paper: np.ndarray, noise: float
) -> np.ndarray:
    """Return the value of the strokes, one number a channel."""
    low, high = np.percentile(canvas.frames, (1, 99.5))
    middle, span = float(np.median(paper)), max(float(high - low), 8.0)
    sign = 1 if middle < (low + high) / 2 or rng.random() < 0.2 else -1
    value = {
        "saturated": canvas.highest if sign > 0 else canvas.lowest,
        "bright": high if sign > 0 else low,
        "middle": middle + sign * span * rng.uniform(0.25, 0.6),
        "faint": middle + sign * span * rng.uniform(0.08, 0.2),
        "noise": middle + sign * max(noise * rng.uniform(1.5, 4), 2),
    }[contrast]
    tint = np.ones(canvas.frames.shape[-1])
    if canvas.encoding == "rgb" and sign > 0:
        tint = np.array([(1, 1, 1), (1, 1, 0), (0, 1, 0), (0, 1, 1)][int(rng.integers(4))])
    return np.clip(value, canvas.lowest, canvas.highest) * tint


def _noise(paper: np.ndarray, size: int) -> float:
    """Return the SD of the picture at the scale of strokes: without what is smoother than these."""
    paper = paper.astype(np.float64)
    return float(np.std(paper - cv2.GaussianBlur(paper, (0, 0), max(size / 4, 2))))


def _shown(frame: np.ndarray) -> np.ndarray:
    return frame.astype(np.float64).mean(axis=-1)


def _encoded(rng: np.random.Generator, canvas: _Canvas) -> FileDataset:
    dataset, frames = canvas.dataset, canvas.frames
    photometric = {"inverted": "MONOCHROME1", "rgb": "RGB", "palette": "PALETTE COLOR"}.get(
        canvas.encoding, str(dataset.PhotometricInterpretation)
    )
    if canvas.encoding == "jpeg":
        quality = int(rng.integers(60, 96))
        frames = np.stack([_through_jpeg(frame[..., 0], quality)[..., None] for frame in frames])
        dataset.LossyImageCompression = "01"
    if frames.shape[-1] == 1:
        frames = frames[..., 0]
    if canvas.encoding == "palette":
        _put_palette(dataset)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    set_pixel_data(
        dataset,
        (frames if len(frames) > 1 else frames[0]).astype(frames.dtype.newbyteorder("=")),
        photometric,
        dataset.BitsStored,
        generate_instance_uid=False,
    )
    if canvas.encoding == "rle":
        dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    return dataset


def _through_jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def _put_palette(dataset: FileDataset) -> None:
    """Grey up to 239, then sixteen loud colours, as ultrasound and workstations have them."""
    ramp = np.linspace(0, 255, 240)
    colours = np.random.default_rng(7).integers(100, 256, size=(16, 3))
    for channel, name in enumerate(("Red", "Green", "Blue")):
        table = np.concatenate([ramp, colours[:, channel]]).astype(np.uint16) * 257
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"{name}PaletteColorLookupTableData", table.astype("<u2").tobytes())
