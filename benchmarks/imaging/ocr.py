"""Burned-in text over real images: how much is found, and whether any leaves legible."""

from __future__ import annotations

import tempfile
import time
import zlib
from collections.abc import Iterable
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
        whatever the verdict. ``released_legible``: words that left legible; ``screened``: objects
        that left unread, because a screen saw nothing drawn. ``false_boxes``: boxes a frame
        without text. ``false_quarantine``: share of objects without text held back.
        ``quarantined``: share of objects with text held back. ``cpu_s_per_512``: CPU seconds for
        reading 512 × 512 pixels without text. ``frames``: frames with text.
    """
    words = covered = released = held = screened = 0
    for seed in range(first_seed, first_seed + planted):
        frame = plant(seed)
        new, boxes_of = _renewed(frame.dataset)
        held += new is None
        screened += new is not None and not boxes_of
        legible = [word for word in frame.words if word.is_legible]
        words += len(legible)
        covered += sum(_covered(word, boxes_of.get(frame.frame, ())) >= 0.5 for word in legible)
        if new is not None:
            released += sum(left(word, frame, new) >= 0.5 for word in legible)
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
        "screened": screened,
        "quarantined": held / planted,
        "false_boxes": boxes / frames,
        "false_quarantine": lost / without,
        "cpu_s_per_512": seconds / area * 512 * 512,
    }


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
