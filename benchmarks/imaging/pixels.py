"""Burned-in text: drawn into frames, and looked for afterwards."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset

Box = tuple[int, int, int, int]
_PAD, _LINE = 3, 1.25
# A box in which the letters still explain this much of the samples can be read by who seeks them.
_LEGIBLE = 0.3


def digest(dataset: Dataset) -> str:
    """Return the MD5 of the pixel data as it is stored, ``""`` if there is none."""
    return _md5(dataset.PixelData) if "PixelData" in dataset else ""


def samples(dataset: Dataset) -> str:
    """Return the MD5 of the decoded samples, ``""`` if they cannot be decoded."""
    try:
        return _md5(np.ascontiguousarray(dataset.pixel_array).tobytes())
    except Exception:  # no decoder or broken data: nothing to compare
        return ""


def burn(frame: NDArray, text: str, left: int, top: int, size: int) -> Box:
    """Draw a line of text into a frame, in place, and return its box.

    Parameters
    ----------
    frame
        Rows × columns, or rows × columns × 3.
    size
        Height of the letters' em square in pixels.
    """
    font = _font(size)
    height = int(np.ceil(_LINE * size)) + 2 * _PAD
    box = (left, top, left + int(font.getlength(text)) + 2 * _PAD, top + height)
    if box[2] > frame.shape[1] or box[3] > frame.shape[0]:
        raise ValueError("the text does not fit into the frame")
    ink = _letters(text, box)
    part = frame[box[1] : box[3], box[0] : box[2]]
    weight = ink if frame.ndim == 2 else ink[..., None]
    white = float(frame.max())
    part[...] = (part * (1 - weight) + white * weight).astype(frame.dtype)
    return box


def read_box(dataset: Dataset, box: Box) -> str:
    """Return what OCR reads in a box of the first frame, with a margin around it."""
    grey = _grey(dataset)
    if np.ptp(_cut(grey, box)) == 0:
        return ""
    left, top, right, bottom = box
    part = _cut(grey, (left - 8, top - 8, right + 8, bottom + 8))
    low, high = float(part.min()), float(part.max())
    image = Image.fromarray(((part - low) / (high - low) * 255).astype(np.uint8)).convert("RGB")
    image = image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC)
    return " ".join(_engine()(np.asarray(image)).txts or ())


def shines_through(dataset: Dataset, box: Box, text: str) -> bool:
    """Return whether the samples of a box still follow the letters that were burned into it."""
    part = _cut(_grey(dataset), box).ravel()
    if np.ptp(part) == 0:
        return False
    return abs(np.corrcoef(part, _letters(text, box).ravel())[0, 1]) > _LEGIBLE


def _grey(dataset: Dataset) -> NDArray[np.float64]:
    frames = np.asarray(dataset.pixel_array, dtype=float)
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        frames = frames[0]
    return frames.mean(axis=2) if frames.ndim == 3 else frames


def _cut(grey: NDArray, box: Box) -> NDArray:
    left, top, right, bottom = box
    return grey[max(top, 0) : bottom, max(left, 0) : right]


def _letters(text: str, box: Box) -> NDArray[np.float64]:
    """Return how much ink each sample of the box holds, 0 to 1."""
    width, height = box[2] - box[0], box[3] - box[1]
    image = Image.new("L", (width, height))
    size = int((height - 2 * _PAD) / _LINE)
    ImageDraw.Draw(image).text((_PAD, _PAD), text, fill=255, font=_font(size))
    return np.asarray(image, dtype=float) / 255


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / "DejaVuSans.ttf"), size)


@cache
def _engine() -> Any:
    # Loaded only where a box must be read.
    from rapidocr import RapidOCR

    return RapidOCR(params={"Global.log_level": "critical"})


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
