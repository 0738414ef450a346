"""Burned-in text over real images: how much is found, and whether any leaves legible."""

from __future__ import annotations

import os
import tempfile
import time
import zlib
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
from pydicom.dataset import FileDataset
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.pixels.utils import pixel_array

from benchmarks.imaging.burned import Planted, Word, plant, untouched
from sluice.dicom.burned_in.clean import clean
from sluice.dicom.burned_in.find import Box
from sluice.dicom.profile import ImageIdentity
from sluice.dicom.renew import Renewer
from sluice.errors import SluiceError
from sluice.modalities.imaging.folder import preset

# Lower ones have been looked at while the reader and the screen were made.
_FIRST_SEED = 310_000


def measure(
    planted: int = 300, without: int = 100, first_seed: int = _FIRST_SEED
) -> dict[str, Any]:
    """De-identify objects with and without planted text as the controlled tier does.

    Returns
    -------
    dict
        ``recall``: share of legible words of which the boxes cover half the strokes or more,
        whatever the verdict. ``released_legible``: words that left legible, from the frames of
        ``seeds_released``; ``screened``: objects that left unread, because a screen saw nothing
        drawn. ``false_boxes``: boxes a frame
        without text. ``false_quarantine``: share of objects without text held back.
        ``quarantined``: share of objects with text held back. ``cpu_s_per_512``: CPU seconds for
        reading 512 × 512 pixels without text. ``frames``: frames with text.
    """
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        texts = list(pool.map(_with_text, range(first_seed, first_seed + planted)))
        others = list(pool.map(_without_text, range(first_seed, first_seed + without)))
    words, frames = sum(text.words for text in texts), sum(other.frames for other in others)
    seconds, area = sum(other.seconds for other in others), sum(other.area for other in others)
    return {
        "frames": planted,
        "words": words,
        "recall": sum(text.covered for text in texts) / words,
        "released_legible": sum(text.released for text in texts),
        "seeds_released": [text.seed for text in texts if text.released],
        "screened": sum(text.screened for text in texts),
        "quarantined": sum(text.held for text in texts) / planted,
        "false_boxes": sum(other.boxes for other in others) / frames,
        "false_quarantine": sum(other.held for other in others) / without,
        "cpu_s_per_512": seconds / area * 512 * 512,
    }


@dataclass(frozen=True)
class _WithText:
    """What became of an object with text: legible words, those covered, those that left."""

    seed: int
    words: int
    covered: int
    released: int
    held: bool
    screened: bool


@dataclass(frozen=True)
class _WithoutText:
    """What became of an object without text, and what looking at its pixels took."""

    frames: int
    boxes: int
    held: bool
    seconds: float
    area: int


def _with_text(seed: int) -> _WithText:
    frame = plant(seed)
    new, boxes = _renewed(frame.dataset)
    legible = [word for word in frame.words if word.is_legible]
    return _WithText(
        seed=seed,
        words=len(legible),
        covered=sum(_covered(word, boxes.get(frame.frame, ())) >= 0.5 for word in legible),
        released=0 if new is None else sum(left(word, frame, new) >= 0.5 for word in legible),
        held=new is None,
        screened=new is not None and not boxes,
    )


def _without_text(seed: int) -> _WithoutText:
    dataset = untouched(seed)
    frames = int(dataset.get("NumberOfFrames") or 1)
    started = time.process_time()
    cleaned = clean(dataset)
    return _WithoutText(
        frames=frames,
        boxes=sum(len(found) for found in cleaned.boxes.values()),
        held=cleaned.dataset is None,
        seconds=time.process_time() - started,
        area=dataset.Rows * dataset.Columns * frames,
    )


def _renewed(dataset: FileDataset) -> tuple[FileDataset | None, dict[int, list[Box]]]:
    """Return what becomes of a file, ``None`` if it is held back, and the boxes by frame."""
    identity = ImageIdentity("P1", lambda uid: f"2.25.{zlib.crc32(uid.encode())}", 100, None)
    boxes: dict[int, list[Box]] = {}
    with tempfile.TemporaryDirectory() as name:
        raw, new = Path(name, "raw.dcm"), Path(name, "new.dcm")
        # Of a file that told no VRs, some are only known from the rest of the image.
        pydicom.dcmwrite(raw, correct_ambiguous_vr(dataset, is_little_endian=True))
        try:
            renewed = Renewer(preset("controlled").profile, identity).renew(raw, lambda *_: new)
        except SluiceError:
            return None, {k: [*found] for k, found in clean(dataset).boxes.items()}
        for frame, *edges in renewed.masks:
            boxes.setdefault(frame, []).append(Box(*edges))
        return pydicom.dcmread(new), boxes


def left(word: Word, planted: Planted, released: FileDataset) -> float:
    """Return the share of a word's strokes that have left, with paper beside them.

    A stroke of the value that a box was filled with is unchanged too, but has nothing around it
    that it could be told from; nor has one over paper of its own value.
    """
    before, after = _frame(planted.dataset, planted.frame), _frame(released, planted.frame)
    same = (before == after).reshape(*before.shape[:2], -1).all(axis=-1)
    ink = np.median(after[word.rows, word.columns], axis=0)
    paper = same & (after != ink).reshape((*same.shape, -1)).any(axis=-1)
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
