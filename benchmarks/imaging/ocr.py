"""Burned-in text over real images: how much is found, and whether any leaves legible.

The generator shares nothing with the cleaner. It draws words from syllables, so that no list has
seen them, and keeps the pixels that carry the strokes of every word.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import pydicom
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import FileDataset
from pydicom.pixels.utils import pixel_array, set_pixel_data
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

from sluice.dicom.burned_in.clean import clean
from sluice.dicom.burned_in.find import Box
from sluice.dicom.reader import read
from sluice.errors import SluiceError

_FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
FACES = (
    *("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSerif.ttf"),
    *("STIXGeneral.ttf", "STIXGeneralBolIta.ttf", "cmr10.ttf", "cmss10.ttf", "cmtt10.ttf"),
    *("pillow", "bitmap", "hershey", "hershey_complex"),
)
CONTRASTS = ("saturated", "bright", "middle", "faint", "noise")
ENCODINGS = ("native", "inverted", "eight_bit", "jpeg", "rgb", "palette", "rle")
_ENCODING_SHARES = (0.4, 0.15, 0.15, 0.1, 0.1, 0.05, 0.05)
_SYLLABLES = (
    "ba",
    "ce",
    "dro",
    "fi",
    "gul",
    "hem",
    "ji",
    "kor",
    "la",
    "mu",
    "nep",
    "ost",
    "pra",
    "qui",
    "rav",
    "sel",
    "tor",
    "ul",
    "vik",
    "wen",
    "xa",
    "yor",
    "zin",
)
# Folders of the shared data whose pictures hold no text of their own.
_FOLDERS: tuple[str, ...] = (
    "CT",
    "DX",
    "ENHANCED_MULTIFRAME",
    "MR",
    "MR_GE_PRIVATE",
    "MR_PHILIPS_PRIVATE",
)
_FOLDERS += ("MR_SIEMENS_PRIVATE", "NM", "PET", "CR")
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
        "face": str(rng.choice(FACES)),
        "size": int(rng.integers(10, 49)),
        "contrast": str(rng.choice(CONTRASTS)),
        "turns": int(rng.choice([0, 0, 0, 1, 3])),
        "smooth": bool(rng.random() < 0.6),
        "boxed": bool(rng.random() < 0.15),
        "place": str(rng.choice(["corner", "corner", "edge", "centre", "anywhere"])),
        "lines": int(rng.integers(1, 4)),
    }


def _line(rng: np.random.Generator) -> str:
    def name() -> str:
        return "".join(rng.choice(_SYLLABLES, size=int(rng.integers(2, 4)))).capitalize()

    day, month, year = rng.integers(1, 29), rng.integers(1, 13), rng.integers(1925, 2026)
    digits = "".join(str(digit) for digit in rng.integers(0, 10, size=int(rng.integers(5, 11))))
    forms: tuple[Callable[[], str], ...] = (
        lambda: f"{name()} {name()}",
        lambda: f"{name().upper()}^{name().upper()}",
        lambda: f"{name()}, {name()} {name()[0]}.",
        lambda: f"{day:02d}.{month:02d}.{year}",
        lambda: f"{year}-{month:02d}-{day:02d}",
        lambda: f"DOB {month}/{day}/{year}",
        lambda: f"ID {digits}",
        lambda: digits,
        lambda: f"Acc# {name()[:2].upper()}{digits}",
    )
    return forms[int(rng.integers(len(forms)))]()


def _write(
    rng: np.random.Generator, canvas: _Canvas, frame: int, style: dict[str, Any]
) -> tuple[Word, ...]:
    """Draw the lines of a style one below the other; return their words."""
    before = _shown(canvas.frames[frame])
    drawn: list[tuple[str, np.ndarray, np.ndarray]] = []
    size, lines = style["size"], [_line(rng) for _ in range(style["lines"])]
    block, parts = _typeset(lines, style["face"], size, style["smooth"])
    while min(block.shape) == 0 or (
        not _fits(np.rot90(block, style["turns"]), before) and size > 10
    ):
        size -= 1
        block, parts = _typeset(lines, style["face"], size, style["smooth"])
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


def _typeset(
    lines: list[str], face: str, size: int, smooth: bool
) -> tuple[np.ndarray, list[tuple[str, np.ndarray]]]:
    """Return the coverage (0 to 1) of a block of text, and of each of its words alone."""
    height = round(size * 1.3)
    pens = [_pen(line, face, size) for line in lines]
    width = max(pen("").shape[1] for pen in pens)
    block = np.zeros((height * len(lines), width))
    parts = []
    for number, (line, pen) in enumerate(zip(lines, pens, strict=True)):
        start = 0
        for word in line.split():
            at = line.index(word, start)
            start = at + len(word)
            whole, shorter = pen(line[:start]), pen(line[:at])
            only = np.clip(whole - shorter, 0, 1)
            part = np.zeros_like(block)
            part[number * height : (number + 1) * height, : only.shape[1]] = only[:height]
            if not smooth:
                part = (part > 0.4).astype(float)
            block = np.maximum(block, part)
            parts.append((word, part))
    rows, columns = np.flatnonzero(block.any(axis=1)), np.flatnonzero(block.any(axis=0))
    if not len(rows):
        return block[:0], []
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    return block[box], [(word, part[box]) for word, part in parts]


def _pen(line: str, face: str, size: int) -> Callable[[str], np.ndarray]:
    """Return a function that draws the beginning of a line onto a strip as long as the line."""
    if face.startswith("hershey"):
        font = cv2.FONT_HERSHEY_COMPLEX if face.endswith("complex") else cv2.FONT_HERSHEY_SIMPLEX
        scale, thick = size / 30, max(1, size // 16)
        (width, _), _ = cv2.getTextSize(line, font, scale, thick)

        def hershey(text: str) -> np.ndarray:
            strip = np.zeros((round(size * 1.3), width + 8), np.uint8)
            if text:
                cv2.putText(strip, text, (2, size), font, scale, 255, thick, cv2.LINE_AA)
            return strip / 255

        return hershey
    if face == "bitmap":
        bitmap, times = ImageFont.load_default_imagefont(), max(1, round(size / 11))

        def dots(text: str) -> np.ndarray:
            strip = Image.new("L", (round(bitmap.getlength(line)) + 4, 13))
            ImageDraw.Draw(strip).text((1, 1), text, fill=255, font=bitmap)
            drawn = np.kron(np.asarray(strip) / 255, np.ones((times, times)))
            return np.pad(drawn, ((0, max(0, round(size * 1.3) - len(drawn))), (0, 0)))

        return dots
    outline = (
        ImageFont.load_default(size)
        if face == "pillow"
        else ImageFont.truetype(str(_FONTS / face), size)
    )

    def outlines(text: str) -> np.ndarray:
        strip = Image.new("L", (round(outline.getlength(line)) + size, round(size * 1.3)))
        ImageDraw.Draw(strip).text((2, 0), text, fill=255, font=outline)
        return np.asarray(strip) / 255

    return outlines


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


def measure(planted: int = 300, without: int = 100, first_seed: int = 0) -> dict[str, Any]:
    """Clean objects with and without planted text and say what happened to the text.

    Returns
    -------
    dict
        ``recall``: share of legible words of which the boxes cover half the strokes or more,
        whatever the verdict. ``released_legible``: words that left legible. ``false_boxes``: boxes
        a frame without text. ``false_quarantine``: share of objects without text held back.
        ``quarantined``: share of objects with text held back. ``cpu_s_per_512``: CPU seconds for
        512 × 512 pixels without text. ``frames``: frames with text.
    """
    words = covered = released = held = 0
    for seed in range(first_seed, first_seed + planted):
        frame = plant(seed)
        cleaned = clean(frame.dataset)
        held += cleaned.dataset is None
        legible = [word for word in frame.words if word.is_legible]
        words += len(legible)
        covered += sum(
            _covered(word, cleaned.boxes.get(frame.frame, ())) >= 0.5 for word in legible
        )
        if cleaned.dataset is not None:
            released += sum(left(word, frame, cleaned.dataset) >= 0.5 for word in legible)
    boxes = frames = lost = 0
    seconds, area = 0.0, 0
    for seed in range(first_seed, first_seed + without):
        dataset = untouched(seed)
        count = int(dataset.get("NumberOfFrames") or 1)
        started = time.process_time()
        cleaned = clean(dataset)
        seconds += time.process_time() - started
        area += dataset.Rows * dataset.Columns * count
        frames += count
        boxes += sum(len(found) for found in cleaned.boxes.values())
        lost += cleaned.dataset is None
    return {
        "frames": planted,
        "words": words,
        "recall": covered / words,
        "released_legible": released,
        "quarantined": held / planted,
        "false_boxes": boxes / frames,
        "false_quarantine": lost / without,
        "cpu_s_per_512": seconds / area * 512 * 512,
    }


def left(word: Word, planted: Planted, released: FileDataset) -> float:
    """Return the share of a word's strokes that have left, with paper beside them.

    A stroke of the value that a box was filled with is unchanged too, but has nothing around it
    that it could be told from.
    """
    before, after = _frame(planted.dataset, planted.frame), _frame(released, planted.frame)
    same = (before == after).reshape(*before.shape[:2], -1).all(axis=-1)
    paper = same.copy()
    for other in planted.words:
        paper[other.rows, other.columns] = False
    reach = 2 * max(2, planted.style["size"] // 6) + 1
    beside = cv2.dilate(paper.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    return float((same & beside)[word.rows, word.columns].mean())


def _frame(dataset: FileDataset, number: int) -> np.ndarray:
    return pixel_array(dataset, index=number, raw=True)


def _covered(word: Word, boxes: Iterable[Box]) -> float:
    inside = np.zeros(len(word.rows), bool)
    for box in boxes:
        inside |= (
            (word.rows >= box.top)
            & (word.rows < box.bottom)
            & (word.columns >= box.left)
            & (word.columns < box.right)
        )
    return float(inside.mean())
