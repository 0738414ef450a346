"""The frames of an object as they are stored, one at a time, and as grey pictures to look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.pixels.processing import apply_color_lut

from sluice.errors import SluiceError

# GDCM ends the whole process on some run lengths that it dislikes, so pydicom reads these alone.
_DECODERS = ("pydicom", "pillow", "pyjpegls", "pylibjpeg", "gdcm")
# Codecs of which it is known that they keep every sample.
_LOSSLESS = frozenset(
    {
        *(uid.RLELossless, uid.JPEGLossless, uid.JPEGLosslessSV1),
        *(uid.JPEGLSLossless, uid.JPEG2000Lossless),
    }
)
# What the decoders raise for a stream that does not fit its header.
_UNDECODABLE = (
    *(ValueError, TypeError, KeyError, AttributeError, RuntimeError, OSError),
    *(NotImplementedError, IndexError, OverflowError, MemoryError, EOFError),
)


def frames(dataset: FileDataset) -> Iterator[tuple[np.ndarray, str]]:
    """Yield each frame as stored, (rows, columns, samples), with its photometric interpretation.

    Nothing is converted or masked: bits above the stored ones, where graphics can hide, count.

    Raises
    ------
    SluiceError
        If a frame cannot be decoded.
    """
    decoder = _decoder(dataset)
    source: dict[str, Any] = {"raw": True, "correct_unused_bits": False}
    for plugin in _plugins(decoder):
        number = 0
        try:
            for frame, told in decoder.iter_array(dataset, decoding_plugin=plugin, **source):
                photometric = str(told["photometric_interpretation"])
                yield frame.reshape(*frame.shape[:2], -1), photometric
                number += 1
            return
        except _UNDECODABLE:
            if number:
                break  # another decoder must not continue what this one began
    raise cannot_be_decoded()


def grey_pictures(frame: np.ndarray, photometric: str, dataset: Dataset) -> list[np.ndarray]:
    """Return what there is to look at in a frame: one picture a channel, without equal ones."""
    if photometric == "PALETTE COLOR":
        frame = in_colour(frame, dataset)
    channels = [frame[..., channel] for channel in range(frame.shape[-1])]
    return [
        channel
        for number, channel in enumerate(channels)
        if not any(np.array_equal(channel, earlier) for earlier in channels[:number])
    ]


def is_lossy(dataset: FileDataset) -> bool:
    """Say whether the samples have lost something, or may have."""
    syntax = dataset.file_meta.TransferSyntaxUID
    told = str(dataset.get("LossyImageCompression") or "00") != "00"
    return told or (syntax.is_compressed and syntax not in _LOSSLESS)


def in_colour(frame: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Return a palette frame as red, green and blue.

    Raises
    ------
    SluiceError
        If the palette is missing or of a kind that cannot be applied.
    """
    try:
        return apply_color_lut(frame[..., 0], dataset)
    except _UNDECODABLE:
        raise cannot_be_decoded() from None


def cannot_be_decoded() -> SluiceError:
    """Return the error for pixels that no installed decoder reads."""
    return SluiceError("The pixels of an image cannot be decoded", mend="convert it or exclude it")


def _decoder(dataset: FileDataset) -> Decoder:
    try:
        return get_decoder(dataset.file_meta.TransferSyntaxUID)
    except _UNDECODABLE:
        raise cannot_be_decoded() from None


def _plugins(decoder: Decoder) -> list[str]:
    if not decoder.is_encapsulated:
        return [""]
    installed = [plugin for plugin in _DECODERS if plugin in decoder.available_plugins]
    return ["pydicom"] if "pydicom" in installed else installed
