"""Setting boxes of frames to one value, and leaving every other sample as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from sluice.dicom.burned_in.find import Box
from sluice.dicom.burned_in.frames import frames, in_colour

Boxes = Mapping[int, Sequence[Box]]
# Extended Offset Table and its lengths.
_OFFSETS = (0x7FE00001, 0x7FE00002)


def redact(dataset: FileDataset, boxes: Boxes) -> FileDataset:
    """Return a copy of an object whose boxes are blank.

    Native little-endian pixels keep their transfer syntax. All others come out as Explicit VR
    Little Endian: what was decoded is written as it is, without a second loss and without a codec
    between the redacted samples and whoever checks them. Attributes that tell of an earlier lossy
    compression stay true and stay.

    Parameters
    ----------
    dataset
        Not changed.
    boxes
        By number of frame, from 0.

    Raises
    ------
    SluiceError
        If the pixels cannot be decoded.
    """
    stored, photometric = [], ""
    for number, (frame, photometric) in enumerate(frames(dataset)):
        stored.append(blank(frame, photometric, dataset, boxes.get(number, ())))
    samples = np.stack(stored)
    bits = 8 * samples.dtype.itemsize
    native = samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    redacted = _copy(dataset)
    redacted.add_new(0x7FE00010, "OB" if bits == 8 else "OW", native + bytes(len(native) % 2))
    redacted.add_new(0x00280100, "US", bits)
    # Decoders give colour at full resolution and pixel by pixel.
    redacted.add_new(0x00280004, "CS", photometric.replace("YBR_FULL_422", "YBR_FULL"))
    if samples.shape[-1] > 1:
        redacted.add_new(0x00280006, "US", 0)
    redacted.add_new(0x00280301, "CS", "NO")
    for tag in _OFFSETS:
        redacted.pop(tag, None)
    return redacted


def _copy(dataset: FileDataset) -> FileDataset:
    """Return a copy in a native little-endian syntax whose elements can be replaced."""
    meta = FileMetaDataset({tag: dataset.file_meta[tag] for tag in list(dataset.file_meta.keys())})
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated or not syntax.is_little_endian:
        meta.add_new(0x00020010, "UI", ExplicitVRLittleEndian)
    copied = FileDataset(
        BytesIO(),
        {tag: dataset.get_item(tag) for tag in list(dataset.keys())},
        preamble=bytes(128),
        file_meta=meta,
    )
    implicit, little = dataset.original_encoding
    copied.set_original_encoding(implicit, little, dataset.original_character_set)
    return copied


def blank(
    frame: np.ndarray, photometric: str, dataset: Dataset, boxes: Sequence[Box]
) -> np.ndarray:
    """Return a copy of a frame, (rows, columns, samples), whose boxes have its darkest value."""
    blanked = frame.copy()
    dark = _darkest(frame, photometric, dataset) if boxes else None
    for box in boxes:
        blanked[box.top : box.bottom, box.left : box.right] = dark
    return blanked


def _darkest(frame: np.ndarray, photometric: str, dataset: Dataset) -> np.ndarray:
    """Return the sample values of the darkest pixel of a frame."""
    brightness = frame
    if photometric == "PALETTE COLOR":
        brightness = in_colour(frame, dataset)
    elif photometric.startswith("YBR"):
        brightness = frame[..., :1]
    elif photometric == "MONOCHROME1":
        brightness = -frame.astype(np.int64)
    flat = brightness.reshape(-1, brightness.shape[-1]).sum(axis=1, dtype=np.float64)
    return frame.reshape(-1, frame.shape[-1])[int(flat.argmin())].copy()
