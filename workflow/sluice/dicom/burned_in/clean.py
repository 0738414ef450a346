"""An object in, an object without text out, or the reason why there is none."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

import numpy as np
from pydicom.dataset import FileDataset

from sluice.dicom.burned_in.find import Box, Candidate, candidates
from sluice.dicom.burned_in.frames import frames, grey_pictures, is_lossy
from sluice.dicom.burned_in.redact import blank, redact
from sluice.dicom.burned_in.regions import outside_regions
from sluice.dicom.burned_in.risk import assess
from sluice.dicom.burned_in.screen import looks_drawn
from sluice.errors import SluiceError

Verdict = Literal["clean", "redacted", "quarantine"]
#: What was blanked: frame from 0, then the box as in :class:`sluice.dicom.burned_in.find.Box`.
Mask = tuple[int, int, int, int, int]

# A line is text if that many different letters of so many were read with that confidence, or if
# two renderings agree so well. It is doubtful if so many letters were read in one of two weaker
# ways: with confidence alone, or with less of it and some agreement. A row of bones or slices reads
# as one letter again and again, two or three letters of so many rows agree by chance (mosaics of
# slices do); and letters as tall as that are read well or are none. All but the reach of a line was
# chosen on generated frames that the benchmark does not use (decision 0012).
_SURE, _SURE_LETTERS, _SURE_DIFFERENT = 0.9, 3, 2
_AGREED, _AGREED_CONFIDENCE = 4.0, 0.6
_DOUBTFUL_LETTERS, _DOUBTFUL = 3, 0.85
_HALF_LETTERS, _HALF_AGREED, _HALF_CONFIDENCE = 4, 2.5, 0.6
_TALL, _TALL_DIFFERENT, _TALL_AGREED = 44, 3, 7.0  # pixels, of them some 32 the letters
# Lines come in blocks, and a line has ends that are read worse: beside a line that many of its
# heights are blanked too, across and along.
_ACROSS, _ALONG = 2.0, 6.0
# Looks at a frame, each after blanking what the one before found.
_MOST_LOOKS = 4
# Boxes over more than this share of a frame have taken a picture's content for text, or have left
# nothing of use.
_MOST_COVERED = 0.25


@dataclass(frozen=True)
class Cleaned:
    """What became of an object.

    ``clean``: nothing was found, or there is nothing to look at; ``dataset`` is the input itself.
    ``redacted``: ``dataset`` is a copy with the boxes blank and BurnedInAnnotation NO; only now
    the Clean Pixel Data Option (113101) has been applied. ``quarantine``: ``dataset`` is ``None``.
    ``boxes`` are by number of frame, from 0; they tell where text was, never what it said.
    """

    verdict: Verdict
    reason: str
    boxes: Mapping[int, tuple[Box, ...]]
    dataset: FileDataset | None


@dataclass(frozen=True)
class _Seen:
    """What is to be blanked in a frame, and why the frame is not to be trusted nevertheless."""

    boxes: tuple[Box, ...]
    doubt: str = ""


def clean(dataset: FileDataset, screened: bool = False) -> Cleaned:
    """Remove burned-in text from an object, or hold the object back.

    Every frame is looked at; frames with the same samples once.

    Parameters
    ----------
    dataset
        As :func:`sluice.dicom.reader.read` gives it. Not changed.
    screened
        Whether a scanner's own CT slices are only read if something seems drawn into one of them.
    """
    risk = assess(dataset)
    if risk.level == "never":
        return Cleaned("quarantine", risk.reason, {}, None)
    if risk.level == "clear":
        return Cleaned("clean", risk.reason, {}, dataset)
    try:
        if screened and risk.level == "screen" and not _seems_drawn(dataset):
            return Cleaned("clean", "nothing_drawn", {}, dataset)
        seen = _look(dataset)
        boxes = {number: frame.boxes for number, frame in enumerate(seen) if frame.boxes}
        doubts = [frame.doubt for frame in seen if frame.doubt]
        if doubts:
            return Cleaned("quarantine", doubts[0], boxes, None)
        if boxes:
            redacted = redact(dataset, boxes)
            if not _same_elsewhere(dataset, redacted, boxes):
                return Cleaned("quarantine", "not_exact", boxes, None)
            return Cleaned("redacted", "text_blanked", boxes, redacted)
    except SluiceError:
        return Cleaned("quarantine", "cannot_be_decoded", {}, None)
    if risk.reason == "header_says_text":
        return Cleaned("quarantine", "text_not_found", {}, None)
    return Cleaned("clean", "no_text_found", {}, dataset)


def cleaned(dataset: FileDataset, screened: bool) -> tuple[FileDataset, tuple[Mask, ...]]:
    """Return an object without burned-in text, and what was blanked for that.

    Parameters
    ----------
    dataset, screened
        As :func:`clean` takes them.

    Raises
    ------
    SluiceError
        If it is held back. The reason is in the message.
    """
    found = clean(dataset, screened)
    if found.dataset is None:
        raise SluiceError(
            f"Text in the pixels cannot be ruled out: {found.reason.replace('_', ' ')}",
            mend="have a person look at the image, or exclude it",
        )
    boxes = found.boxes.items() if found.verdict == "redacted" else ()
    return found.dataset, tuple(
        (frame, box.top, box.left, box.bottom, box.right) for frame, some in boxes for box in some
    )


def _seems_drawn(dataset: FileDataset) -> bool:
    # A lossy codec has taken away the noise that strokes would stand out from.
    return is_lossy(dataset) or any(looks_drawn(frame[..., 0]) for frame, _ in frames(dataset))


def _look(dataset: FileDataset) -> list[_Seen]:
    known: dict[bytes, _Seen] = {}
    seen = []
    for frame, photometric in frames(dataset):
        digest = hashlib.sha256(frame.tobytes()).digest()
        if digest not in known:
            known[digest] = _look_at_frame(frame, photometric, dataset)
        seen.append(known[digest])
    return seen


def _look_at_frame(frame: np.ndarray, photometric: str, dataset: FileDataset) -> _Seen:
    """Look, blank what was found, look again: text that hides beside other text comes out."""
    boxes = outside_regions(dataset, *frame.shape[:2])
    covered = np.zeros(frame.shape[:2], bool)
    rows, columns = frame.shape[:2]
    for _ in range(_MOST_LOOKS):
        blanked = blank(frame, photometric, dataset, boxes)
        pictures = grey_pictures(blanked, photometric, dataset)
        found = [candidate for picture in pictures for candidate in candidates(picture)]
        text = [candidate.box for candidate in found if _is_text(candidate)]
        if not text:
            doubt = any(_is_doubtful(candidate) for candidate in found)
            return _Seen(boxes, "text_like" if doubt else "")
        boxes = (*boxes, *(_with_neighbours(box, rows, columns) for box in text))
        for box in text:
            covered[box.top : box.bottom, box.left : box.right] = True
        if covered.mean() > _MOST_COVERED:
            return _Seen(boxes, "text_over_too_much")
    return _Seen(boxes, "text_remains")


def _is_text(found: Candidate) -> bool:
    tall = found.box.thin >= _TALL
    sure = found.confidence >= _SURE and found.letters >= _SURE_LETTERS
    if sure and found.different >= (_TALL_DIFFERENT if tall else _SURE_DIFFERENT):
        return True
    agreed = found.agreement >= (_TALL_AGREED if tall else _AGREED)
    return agreed and found.confidence >= _AGREED_CONFIDENCE and not _repeats(found)


def _is_doubtful(found: Candidate) -> bool:
    if found.box.thin >= _TALL:
        return False
    half = found.agreement >= _HALF_AGREED and found.confidence >= _HALF_CONFIDENCE
    alone = found.letters >= _DOUBTFUL_LETTERS and found.confidence >= _DOUBTFUL
    return alone or (half and found.letters >= _HALF_LETTERS and not _repeats(found))


def _repeats(found: Candidate) -> bool:
    return 2 * found.different <= found.letters


def _with_neighbours(box: Box, rows: int, columns: int) -> Box:
    """Return the box of a line with what stands beside it, within the frame."""
    lies = box.right - box.left >= box.bottom - box.top
    down, right = (_ACROSS, _ALONG) if lies else (_ALONG, _ACROSS)
    down, right = round(down * box.thin), round(right * box.thin)
    return Box(
        max(0, box.top - down),
        max(0, box.left - right),
        min(rows, box.bottom + down),
        min(columns, box.right + right),
    )


def _same_elsewhere(
    before: FileDataset, after: FileDataset, boxes: Mapping[int, tuple[Box, ...]]
) -> bool:
    """Read back what was written: say whether it differs in the boxes only."""
    for number, (old, new) in enumerate(zip_longest(frames(before), frames(after))):
        if old is None or new is None or old[0].shape != new[0].shape:
            return False
        differs = (old[0] != new[0]).any(axis=-1)
        for box in boxes.get(number, ()):
            differs[box.top : box.bottom, box.left : box.right] = False
        if differs.any():
            return False
    return True
