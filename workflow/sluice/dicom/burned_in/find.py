"""Where text may be in a grey picture, and how sure that is.

A network marks what looks like a line of text; a second one reads it. What is read with
confidence, or alike in two renderings of the picture, is text; what is read badly is doubtful; what
cannot be read at all is anatomy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import combinations

import cv2
import numpy as np

from sluice.dicom.burned_in.ocr import NOTHING, Reading, read_line, text_map

# Half the side of the neighbourhood whose mean and spread a pixel is compared with, in pixels.
# Looking takes a small one, about two strokes, in which a body is no longer one large letter;
# reading takes one as large as the letters (10 to 48 pixels).
_STROKE, _LETTER = 6, 24
# Sides of the squares whose median strokes are compared with, in pixels, and what is far from it,
# as a part of 255.
_SQUARES, _MUCH = (7, 15), 25.5
# Spread that is added, in stored values, so that a flat region stays flat.
_FLAT = 0.5
# Of the picture as the network sees it: the long side that is aimed at, the enlargements that are
# right for the letters of most pictures, and those of a picture so small that its letters are, too.
_LONG_SIDE = 1024
_LEAST_ENLARGED, _MOST_ENLARGED = 1.0, 2.5
_SMALL_SIDE, _SMALL_ENLARGED = 384, 6.0
_EDGE, _CORE = 0.2, 0.4  # likelihood at the rim of a candidate, and somewhere in it
# The network marks the core of a line, 0.4 times as high; this share of the core's height is
# given back on each side (Liao et al. 2020, Real-time scene text detection with differentiable
# binarization, section 3.4).
_UNSHRINK = 0.8
# A mark that is fainter on average, or whose sides differ less, is no line of three letters. On
# generated frames every word was found in a stronger and longer one.
_LIKELY, _LONG = 0.45, 1.3
_SAME = 0.7  # overlap from which two looks have found the same place
_PLENTY, _CERTAIN = 4, 0.97  # letters and confidence from which no other reading is tried
_MOST_COMMON = 10  # letters in common beyond which two readings do not agree better


@dataclass(frozen=True)
class Box:
    """Pixels of a frame: rows ``top`` to ``bottom`` and columns ``left`` to ``right``, ends out."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def thin(self) -> int:
        """The shorter side: of a line, its height."""
        return min(self.bottom - self.top, self.right - self.left)

    @property
    def long(self) -> int:
        """The longer side."""
        return max(self.bottom - self.top, self.right - self.left)


@dataclass(frozen=True)
class Candidate:
    """A place that looks like text: how much (0 to 1), and what came of reading it.

    ``letters`` counts letters and digits of the surest reading, ``different`` those that differ,
    ``confidence`` is their mean probability. ``agreement`` is, of the two most similar readings in
    one direction and different renderings, the number of letters in common, at most ten, times
    their share of the longer one. What was read is not kept.
    """

    box: Box
    likeness: float
    letters: int
    different: int
    confidence: float
    agreement: float


def candidates(picture: np.ndarray) -> list[Candidate]:
    """Return all places of a picture that look like text.

    Parameters
    ----------
    picture
        Grey, in stored values, (rows, columns).
    """
    ways = [evened(picture, _LETTER), stretched(picture), evened(picture, _STROKE)]
    places = _distinct([place for look in _looks(picture) for place in _regions(look)])
    return [_read(ways, box, likeness) for box, likeness in places]


def evened(picture: np.ndarray, reach: int) -> np.ndarray:
    """Return the picture with the same mean and contrast within ``reach`` pixels of each pixel.

    Values are 0 to 255. Faint text in the dark and bright text on bone come out alike, whatever
    the window.
    """
    values, side = picture.astype(np.float64), (2 * reach + 1,) * 2
    mean = cv2.blur(values, side)
    spread = np.sqrt(np.maximum(cv2.blur(values * values, side) - mean * mean, 0))
    return np.clip((values - mean) / (spread + _FLAT) * 40 + 128, 0, 255)


def stretched(picture: np.ndarray) -> np.ndarray:
    """Return the picture with all but its extreme values spread over 0 to 255."""
    low, high = np.percentile(picture, (0.5, 99.5))
    return np.clip((picture - low) / max(high - low, 1e-9), 0, 1) * 255


def equalised(picture: np.ndarray) -> np.ndarray:
    """Return the picture with each value replaced by its mean rank, as a share of 255."""
    values = np.sort(picture, axis=None)
    below, up_to = (values.searchsorted(picture, side) for side in ("left", "right"))
    return (below + up_to) * (255 / 2 / picture.size)


def strokes(picture: np.ndarray, side: int) -> np.ndarray:
    """Return how far each value is from the median of the square around it, 0 to 255.

    What is less than half as wide as the square stands out, dark or bright; edges do not.
    """
    shown = stretched(picture).astype(np.uint8)
    away = cv2.absdiff(shown, cv2.medianBlur(shown, side))
    return 255 * (1 - np.exp(-away.astype(np.float32) / _MUCH))


def _looks(picture: np.ndarray) -> Iterator[np.ndarray]:
    """Yield likelihoods of text: each rendering hides what another one shows.

    Noise drowns a line in one, a body becomes one large letter in another, and letters that two
    tissues cross are whole only as strokes. The network likes dark letters better, and faint ones
    are mostly bright.
    """
    long = max(picture.shape)
    scale = float(np.clip(_LONG_SIDE / long, _LEAST_ENLARGED, _MOST_ENLARGED))
    scale = max(scale, min(_SMALL_SIDE / long, _SMALL_ENLARGED))
    for shown in (255 - evened(picture, _STROKE), equalised(picture)):
        yield text_map(shown, scale)
        yield _turned(shown, scale)
        yield text_map(shown, scale / 2)
    for side in _SQUARES:
        shown = strokes(picture, side)
        yield text_map(shown, scale / 2)
        yield _turned(shown, scale / 2)


def _turned(shown: np.ndarray, scale: float) -> np.ndarray:
    return np.rot90(text_map(np.rot90(shown), scale), -1)


def _regions(likelihood: np.ndarray) -> Iterator[tuple[Box, float]]:
    rows, columns = likelihood.shape
    marked = (likelihood > _EDGE).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(marked, connectivity=8)
    for label, (x, y, width, height, area) in enumerate(stats.tolist()[1:], start=1):
        inside = labels[y : y + height, x : x + width] == label
        values = likelihood[y : y + height, x : x + width][inside]
        if values.max() < _CORE or min(width, height) < 2:
            continue
        margin = int(np.ceil(_UNSHRINK * area / (width + height))) + 1
        box = Box(
            max(0, y - margin),
            max(0, x - margin),
            min(rows, y + height + margin),
            min(columns, x + width + margin),
        )
        if values.mean() >= _LIKELY and box.long >= _LONG * box.thin:
            yield box, float(values.mean())


def _distinct(places: list[tuple[Box, float]]) -> list[tuple[Box, float]]:
    """Drop a place that another look has found nearly the same; keep the likelier one."""
    kept: list[tuple[Box, float]] = []
    for box, likeness in sorted(places, key=lambda place: -place[1]):
        if not any(_overlap(box, other) > _SAME for other, _ in kept):
            kept.append((box, likeness))
    return kept


def _overlap(one: Box, other: Box) -> float:
    """Return the area that two boxes share, as a share of the area that they cover."""
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    width = min(one.right, other.right) - max(one.left, other.left)
    shared = max(0, height) * max(0, width)
    return shared / (_area(one) + _area(other) - shared)


def _area(box: Box) -> int:
    return (box.bottom - box.top) * (box.right - box.left)


def _read(ways: list[np.ndarray], box: Box, likeness: float) -> Candidate:
    """Read a box in all renderings and in the directions that its shape allows."""
    height, width = box.bottom - box.top, box.right - box.left
    turns = (0,) if width > 1.5 * height else (1, 3) if height > 1.5 * width else (0, 1, 3)
    best, readings = NOTHING, list[tuple[int, Reading]]()
    for way in ways:
        for turn in turns:
            reading = read_line(np.rot90(way[box.top : box.bottom, box.left : box.right], turn))
            readings.append((turn, reading))
            best = max(best, reading, key=lambda read: len(read.letters) * read.confidence)
        if len(best.letters) >= _PLENTY and best.confidence >= _CERTAIN:
            break
    return Candidate(
        box,
        likeness,
        len(best.letters),
        len(set(best.letters)),
        best.confidence,
        max((_agreement(a, b) for a, b in combinations(readings, 2)), default=0.0),
    )


def _agreement(one: tuple[int, Reading], other: tuple[int, Reading]) -> float:
    a, b = one[1].letters.casefold(), other[1].letters.casefold()
    if one[0] != other[0] or not a or not b:
        return 0.0
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    common = sum(block.size for block in blocks)
    return common / max(len(a), len(b)) * min(common, _MOST_COMMON)
