"""One digest for the same content, however it is encoded."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.filewriter import correct_ambiguous_vr

from sluice.dicom.reader import read

# Belong to the encoding: character set (text is decoded) and padding.
_ENCODING = frozenset({0x00080005, 0xFFFCFFFC})
_WORD = {"OW": "u2", "OF": "u4", "OL": "u4", "OD": "u8", "OV": "u8"}
_PIXELS = 0x7FE00010


def content_digest(path: Path) -> str:
    """Return the canonical content digest of a DICOM file.

    sha256 over the elements of the data set in tag order, each as tag, VR and value, with text in
    UTF-8 and samples in little-endian order. File meta information, group lengths, the lengths of
    sequences and the byte order do not count, so a writer's upgrade does not change it. Compressed
    pixels count as their fragments, together with the transfer syntax.

    Raises
    ------
    SluiceError
        If the file cannot be read.
    """
    return dataset_digest(read(path))


def dataset_digest(dataset: FileDataset) -> str:
    """Return the canonical content digest of an object that :func:`sluice.dicom.reader.read` gave.

    VRs that depend on the image are settled in ``dataset``.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    correct_ambiguous_vr(dataset, syntax.is_little_endian)
    digest = hashlib.sha256()
    if syntax.is_encapsulated:
        digest.update(str(syntax).encode())
    _feed(digest, dataset, syntax.is_little_endian)
    return digest.hexdigest()


def _feed(digest: Any, dataset: Dataset, little_endian: bool) -> None:
    for element in dataset:
        if element.tag in _ENCODING or element.tag.element == 0:
            continue
        # Explicit files may call 8-bit pixels OB, implicit ones always call them OW.
        vr = "OW" if element.tag == _PIXELS else element.VR
        digest.update(f"{int(element.tag):08x}{vr}".encode())
        if element.VR == "SQ":
            digest.update(b"%d[" % len(element.value))
            for item in element.value:
                _feed(digest, item, little_endian)
                digest.update(b";")
        else:
            value = _canonical(element, little_endian)
            digest.update(b"%d:" % len(value))
            digest.update(value)


def _canonical(element: DataElement, little_endian: bool) -> bytes:
    value = element.value
    if isinstance(value, bytes):
        word = None if little_endian else _WORD.get(element.VR)
        if word is None or len(value) % int(word[1]):
            return value
        return np.frombuffer(value, dtype=word).byteswap().tobytes()
    if value is None:
        return b""
    many = value if element.VM > 1 else [value]
    return "\\".join(_text(one) for one in many).encode("utf-8", errors="surrogateescape")


def _text(value: Any) -> str:
    return repr(value) if type(value) is float else str(value).rstrip(" \0")
