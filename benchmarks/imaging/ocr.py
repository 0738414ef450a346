"""Burned-in text over real images: how much is found, and whether any leaves legible."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from pydicom.dataset import FileDataset
from pydicom.pixels.utils import pixel_array

from benchmarks.imaging.burned import Planted, Word, plant, untouched
from sluice.dicom.burned_in.clean import clean
from sluice.dicom.burned_in.find import Box


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
