"""Reading a DICOM file whole, or refusing it with one sentence.

pydicom forgives a file that ends early. So the bytes are walked first, element by element, by
:mod:`sluice.dicom.layout`; pydicom parses only what has been found complete.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, MutableSequence
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.tag import BaseTag
from pydicom.uid import UID

from sluice.dicom.elements import MAX_DEPTH
from sluice.dicom.layout import MAX_HEADER, MAX_WHOLE, PROGRAMS, Layout, too_large, walk
from sluice.dicom.pixels import SAMPLES, native_bytes, needs_pixels
from sluice.dicom.rules import load_rules
from sluice.errors import SluiceError

# A value that doesn't fit its VR is counted and removed, not complained about.
config.settings.reading_validation_mode = config.IGNORE
# What pydicom raises for a value that does not fit its VR.
UNREADABLE = (
    *(ValueError, TypeError, OverflowError, KeyError, NotImplementedError, EOFError),
    *(struct.error, BytesLengthException),
)


def read(path: Path, *, max_header: int = MAX_HEADER) -> FileDataset:
    """Read one DICOM object.

    Parameters
    ----------
    path
        The file. A data set without preamble or file meta information is read too, if it has a
        SOP class.
    max_header
        Most bytes outside pixel data, in bytes.

    Returns
    -------
    FileDataset
        With ``file_meta.TransferSyntaxUID`` set in any case.

    Raises
    ------
    SluiceError
        If the file is not DICOM, is a program, ends early, is too deep or too large, has no SOP
        class or instance UID, an unknown transfer syntax, or fewer samples than its size needs.
    """
    data = _bytes(path)
    if data[:4].startswith(PROGRAMS):
        raise _refused("starts as a program does", "quarantine it")
    if len(data) > MAX_WHOLE:
        raise too_large()
    found = walk(data)
    if found.header_bytes > max_header:
        raise _refused("has a header that is too large", "raise the limit or exclude it")
    dataset = _parse(data, found)
    for keyword in ("SOPClassUID", "SOPInstanceUID"):
        if not isinstance(dataset.get(keyword), str) or not dataset.get(keyword):
            raise _refused(f"has no {keyword}", "exclude it: it is no DICOM object")
    _check_depth(dataset)
    _check_pixels(dataset)
    return dataset


def walk_elements(dataset: Dataset, prefix: str = "") -> Iterator[tuple[str, DataElement]]:
    """Yield every readable element below a dataset with its path, depth first, in tag order.

    Paths look like ``(0040,A730)[0]/(0040,A160)`` and ``(0019,"SIEMENS MR HEADER",0C)``. A creator
    that Sluice doesn't know is written ``?``: it is free text.
    """
    for tag in sorted(dataset.keys()):
        try:
            element = dataset[tag]
        except UNREADABLE:
            element = DataElement(tag, "UN", b"")
        path = prefix + _name(dataset, tag)
        yield path, element
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from walk_elements(item, f"{path}[{number}]/")


def values_of(element: DataElement) -> list[object]:
    """Return the values of an element; none where it is empty, binary or a sequence."""
    value = element.value
    if value is None or isinstance(value, bytes) or element.VR == "SQ":
        return []
    return list(value) if isinstance(value, MutableSequence) else [value]


def _name(dataset: Dataset, tag: BaseTag) -> str:
    if not tag.is_private or tag.element <= 0xFF:
        return f"({tag.group:04X},{tag.element:04X})"
    block = dataset.get(BaseTag(tag.group << 16 | tag.element >> 8))
    creator = "" if block is None else str(block.value).strip()
    known = {name for name, _, _ in load_rules().private}
    return f'({tag.group:04X},"{creator if creator in known else "?"}",{tag.element & 0xFF:02X})'


def _bytes(path: Path) -> bytes | mmap.mmap:
    with path.open("rb") as stream:
        if path.stat().st_size == 0:
            raise _refused("is empty", "bring it again from its source")
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _parse(data: bytes | mmap.mmap, found: Layout) -> FileDataset:
    try:
        dataset = pydicom.dcmread(BytesIO(data[: found.end]), force=not found.has_prefix)
    except (InvalidDicomError, RecursionError, OSError, *UNREADABLE):
        raise _refused("cannot be parsed as DICOM", "exclude it") from None
    if not isinstance(dataset, FileDataset):
        raise _refused("is a directory of files, no object", "exclude it")
    meta = getattr(dataset, "file_meta", None) or FileMetaDataset()
    meta.TransferSyntaxUID = UID(found.transfer_syntax)
    dataset.file_meta = meta
    return dataset


def _check_depth(dataset: Dataset) -> None:
    level: list[Dataset] = [dataset]
    for _ in range(MAX_DEPTH + 1):
        level = [
            item
            for parent in level
            for _, element in _readable(parent)
            if element.VR == "SQ"
            for item in element.value
        ]
        if not level:
            return
    raise _refused(f"has sequences nested deeper than {MAX_DEPTH}", "exclude it")


def _readable(dataset: Dataset) -> Iterator[tuple[BaseTag, DataElement]]:
    for tag in list(dataset.keys()):
        try:
            yield tag, dataset[tag]
        except UNREADABLE:
            continue  # deidentify counts and removes it
        except OSError:  # so pydicom calls a sequence's item that ends early
            raise _refused("cannot be parsed as DICOM", "exclude it") from None


def _check_pixels(dataset: FileDataset) -> None:
    if needs_pixels(dataset) and not any(dataset.get(keyword) for keyword in SAMPLES):
        raise _refused("is an image without pixels", "bring it again from its source")
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return  # the walk has seen the closing delimiter
    for keyword in SAMPLES:
        if dataset.get(keyword) and len(dataset[keyword].value) < native_bytes(dataset):
            raise _refused("has fewer pixels than its size needs", "bring it again from its source")


def _refused(what: str, mend: str) -> SluiceError:
    return SluiceError(f"A DICOM file {what}", mend=mend)
