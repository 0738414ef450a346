"""Words that no list has seen, and their letters in many faces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
FACES = (
    *("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSerif.ttf"),
    *("STIXGeneral.ttf", "STIXGeneralBolIta.ttf", "cmr10.ttf", "cmss10.ttf", "cmtt10.ttf"),
    *("pillow", "bitmap", "hershey", "hershey_complex"),
)
_SYLLABLES = (
    *("ba", "ce", "dro", "fi", "gul", "hem", "ji", "kor", "la", "mu", "nep", "ost", "pra"),
    *("qui", "rav", "sel", "tor", "ul", "vik", "wen", "xa", "yor", "zin"),
)


def written(rng: np.random.Generator) -> str:
    """Return what stands on a line of a picture: a name, a day or a number."""

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


def typeset(
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
