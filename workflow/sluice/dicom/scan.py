"""Looking for what must not be there: a residual scanner that knows no de-identification rule.

It searches the file as bytes, and then everything that can be decoded from it (strings in their
character sets, name components, undecoded binary as text, inflated data sets, joined fragments). It
shares no table and no code with the rules that it checks.
"""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import generate_fragments
from pydicom.tag import BaseTag

from sluice.errors import SluiceError

_GRAM = 4
_NAME_PARTS = re.compile(r"[\^=\\\s]+")
_PIXELS = 0x7FE00010
# Stored as fixed-width numbers: whatever text they spell is found in the raw bytes.
_BINARY_NUMBERS = frozenset({"AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"})
_SEPARATOR = b"\n\0\n"
_UNREADABLE = (
    *(ValueError, TypeError, OverflowError, KeyError, NotImplementedError, EOFError),
    *(struct.error, zlib.error),
)


class _Needles:
    """Many byte strings, searched in one pass by their first four bytes."""

    def __init__(self, needles: Iterable[tuple[int, bytes]]) -> None:
        self.by_gram: dict[int, list[tuple[int, bytes]]] = {}
        self.short: list[tuple[int, bytes]] = []
        for index, needle in needles:
            if len(needle) < _GRAM:
                self.short.append((index, needle))
            else:
                (gram,) = struct.unpack_from("<L", needle)
                self.by_gram.setdefault(gram, []).append((index, needle))
        self.grams = np.array(sorted(self.by_gram), dtype="<u4")

    def find(self, data: bytes | mmap.mmap) -> Iterator[tuple[int, int]]:
        """Yield (needle index, position), short needles once."""
        for index, needle in self.short:
            if (at := data.find(needle)) >= 0:
                yield index, at
        for shift in range(_GRAM) if len(self.grams) else ():
            count = (len(data) - shift) // _GRAM
            if count <= 0:
                continue
            grams = np.frombuffer(data, dtype="<u4", count=count, offset=shift)
            for place in np.flatnonzero(self._among(grams)):
                at = int(place) * _GRAM + shift
                for index, needle in self.by_gram[int(grams[place])]:
                    if data[at : at + len(needle)] == needle:
                        yield index, at

    def _among(self, grams: np.ndarray) -> np.ndarray:
        nearest = np.minimum(np.searchsorted(self.grams, grams), len(self.grams) - 1)
        return self.grams[nearest] == grams


def scan_bytes(path: Path, needles: Iterable[bytes]) -> list[tuple[int, str]]:
    """Search a DICOM file for byte strings.

    Parameters
    ----------
    path
        The file; also one that is no DICOM is searched as bytes.
    needles
        UTF-8 texts (names, numbers, dates, UIDs) or any bytes. Those of fewer than four bytes cost
        a pass each, and are found by chance in pixels.

    Returns
    -------
    list of (int, str)
        Index of each needle found and where: ``raw`` (as given, or in UTF-16), ``inflated``,
        ``fragments`` or the path of an element. Sorted, without repeats. Texts of elements are
        compared without regard to case.

    Raises
    ------
    SluiceError
        If a needle is empty.
    """
    wanted = list(needles)
    if not all(wanted):
        raise SluiceError("The residual scanner was given an empty text", mend="leave it out")
    hits: set[tuple[int, str]] = set()
    raw = _Needles((i, form) for i, needle in enumerate(wanted) for form in _forms(needle))
    content = path.read_bytes()
    hits.update((index, "raw") for index, _ in raw.find(content))
    dataset = _parse(content)
    for where, data in _hidden(content, dataset):
        hits.update((index, where) for index, _ in raw.find(data))
    folded = _Needles((i, _fold(needle)) for i, needle in enumerate(wanted))
    places, text = _texts(dataset)
    starts = [start for start, _ in places]
    for index, at in folded.find(text):
        hits.add((index, places[bisect_right(starts, at) - 1][1]))
    return sorted(hits)


def _forms(needle: bytes) -> set[bytes]:
    """Return the needle in the encodings that header text may be stored in."""
    forms = {needle}
    try:
        text = needle.decode("utf-8")
    except UnicodeDecodeError:
        return forms
    for encoding in ("latin-1", "utf-16-le", "utf-16-be"):
        try:
            forms.add(text.encode(encoding))
        except UnicodeEncodeError:
            continue  # this encoding cannot hold the text, so no file has it so
    return forms


def _fold(needle: bytes) -> bytes:
    text = needle.decode("utf-8", errors="replace")
    return text.casefold().encode("utf-8") or needle


def _hidden(content: bytes, dataset: FileDataset | None) -> Iterator[tuple[str, bytes]]:
    """Yield what a search of the file's bytes cannot see: deflated data and split fragments."""
    if dataset is None:
        return
    syntax = str(getattr(dataset.file_meta, "TransferSyntaxUID", ""))
    if syntax == "1.2.840.10008.1.2.1.99":
        start = 144 + int(dataset.file_meta.get("FileMetaInformationGroupLength", 0))
        yield "inflated", zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[start:])
    if _PIXELS in dataset and dataset[_PIXELS].is_undefined_length:
        yield "fragments", b"".join(generate_fragments(dataset[_PIXELS].value))


def _parse(content: bytes) -> FileDataset | None:
    try:
        return pydicom.dcmread(BytesIO(content), force=True)
    except (pydicom.errors.InvalidDicomError, *_UNREADABLE):
        return None  # searched as bytes only


def _texts(dataset: FileDataset | None) -> tuple[list[tuple[int, str]], bytes]:
    """Return all decoded text, case-folded and joined, and where each element's text starts."""
    places: list[tuple[int, str]] = [(0, "text")]
    joined = bytearray()
    elements = [] if dataset is None else [*_walk(dataset.file_meta, ""), *_walk(dataset, "")]
    for where, text in elements:
        places.append((len(joined), where))
        joined += text.casefold().encode("utf-8", errors="replace") + _SEPARATOR
    return places, bytes(joined)


def _walk(dataset: Dataset, prefix: str) -> Iterator[tuple[str, str]]:
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except _UNREADABLE:
            stored = dataset.get_item(tag).value
            element = DataElement(tag, "UN", stored if isinstance(stored, bytes) else b"")
        yield from _element_texts(element, prefix)


def _element_texts(element: DataElement, prefix: str) -> Iterator[tuple[str, str]]:
    where = f"{prefix}({element.tag.group:04X},{element.tag.element:04X})"
    if element.VR == "SQ":
        for number, item in enumerate(element.value):
            yield from _walk(item, f"{where}[{number}]/")
    elif isinstance(element.value, bytes):
        if element.tag != BaseTag(_PIXELS):
            yield where, element.value.decode("latin-1")
            yield where, element.value.decode("utf-16-le", errors="replace")
    elif element.VR not in _BINARY_NUMBERS and element.value is not None:
        for value in element.value if element.VM > 1 else [element.value]:
            text = str(value)
            yield where, text
            if (plain := _NAME_PARTS.sub(" ", text)) != text:
                yield where, plain
