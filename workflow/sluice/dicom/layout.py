"""Walking the bytes of a DICOM file from element to element (PS3.5 7, PS3.10 7.1).

No value is read but the transfer syntax; the walk shows that the file is complete, how deep it is
and how much of it is header.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from dataclasses import dataclass

from pydicom.uid import UID

from sluice.errors import SluiceError

Bytes = bytes | mmap.mmap

_UNDEFINED = 0xFFFFFFFF
_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_SHORT = frozenset(
    {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS"}
    | {"LO", "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"}
)
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_BIG, _DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
# A deflated data set larger than this many times its file is a bomb, not an image.
_MOST_INFLATION = 1100
_AGAIN = "bring it again from its source"


@dataclass(frozen=True)
class Layout:
    """What the walk found. ``header_bytes`` counts everything outside group 7FE0."""

    transfer_syntax: str
    has_prefix: bool
    header_bytes: int


@dataclass
class _Walker:
    data: Bytes
    implicit: bool
    little: bool
    max_depth: int

    def element(self, at: int, depth: int) -> tuple[int, int]:
        """Return the tag of the element at ``at`` and where the next one starts."""
        tag, vr, length, value = self._head(at)
        if length == _UNDEFINED:
            return tag, self._items(value, depth + 1, vr)
        if value + length > len(self.data):
            raise _cut_short(tag)
        return tag, value + length

    def _head(self, at: int) -> tuple[int, str, int, int]:
        order = "<" if self.little else ">"
        data = self.data[at : at + 12]
        if len(data) < 8:
            raise _cut_short()
        group, number = struct.unpack_from(order + "HH", data)
        tag = group << 16 | number
        if self.implicit or group == 0xFFFE:
            return tag, "", struct.unpack_from(order + "L", data, 4)[0], at + 8
        vr = data[4:6].decode("latin-1")
        if vr in _SHORT:
            return tag, vr, struct.unpack_from(order + "H", data, 6)[0], at + 8
        if vr not in _LONG:
            raise _unreadable(tag)
        if len(data) < 12:
            raise _cut_short(tag)
        return tag, vr, struct.unpack_from(order + "L", data, 8)[0], at + 12

    def _items(self, at: int, depth: int, vr: str) -> int:
        """Walk the items of a sequence or of encapsulated pixel data up to its delimiter."""
        if depth > self.max_depth:
            raise SluiceError(
                f"A DICOM file has sequences nested deeper than {self.max_depth}", mend="exclude it"
            )
        # The items of an element of unknown VR are implicit (PS3.5 6.2.2).
        inner = _Walker(self.data, True, True, self.max_depth) if vr == "UN" else self
        while True:
            tag, _, length, value = inner._head(at)
            if tag == _SEQUENCE_END:
                return value
            if tag != _ITEM:
                raise _unreadable(tag)
            if length != _UNDEFINED:
                at = value + length
                if at > len(self.data):
                    raise _cut_short(tag)
                continue
            at = value
            while inner._head(at)[0] != _ITEM_END:
                _, at = inner.element(at, depth)
            at += 8


def walk(data: Bytes, *, max_depth: int) -> Layout:
    """Walk a whole file.

    Raises
    ------
    SluiceError
        If it is not DICOM, ends early, or nests sequences of undefined length deeper than
        ``max_depth``.
    """
    has_prefix = data[128:132] == b"DICM"
    start = 132 if has_prefix else 0
    syntax, at = _meta(data, start)
    if not syntax:
        syntax = _guess(data[at : at + 8])
    if not UID(syntax).is_transfer_syntax or UID(syntax).is_private:
        raise SluiceError(
            "A DICOM file has an unknown transfer syntax",
            where="(0002,0010)",
            mend="convert it or exclude it",
        )
    body = data
    if syntax == _DEFLATED:
        body, at = _inflate(data[at:]), 0
    walker = _Walker(body, syntax == _IMPLICIT, syntax != _BIG, max_depth)
    header = at
    while at < len(body):
        if not any(body[at : at + 8]) and not any(body[at:]):
            break  # zeros after the last element
        tag, after = walker.element(at, 0)
        header += after - at if tag >> 16 != 0x7FE0 else 0
        at = after
    return Layout(syntax, has_prefix, header)


def _meta(data: Bytes, at: int) -> tuple[str, int]:
    """Return the transfer syntax of the file meta information (or ``""``) and where it ends."""
    walker = _Walker(data, implicit=False, little=True, max_depth=1)
    syntax = ""
    while data[at : at + 2] == b"\x02\x00":
        tag, _, length, value = walker._head(at)
        _, at = walker.element(at, 0)
        if tag == 0x00020010:
            syntax = data[value : value + length].rstrip(b"\0 ").decode("latin-1")
    return syntax, at


def _guess(head: bytes) -> str:
    """Tell the transfer syntax of a data set without file meta information from its first bytes."""
    if len(head) < 8:
        raise _not_dicom()
    explicit = head[4:6].decode("latin-1") in _SHORT | _LONG
    little_group, big_group = struct.unpack("<H", head[:2])[0], struct.unpack(">H", head[:2])[0]
    if explicit and big_group in (2, 8, 16):
        return _BIG
    if little_group not in (2, 8, 16):
        raise _not_dicom()
    return _EXPLICIT if explicit else _IMPLICIT


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = inflater.decompress(data, len(data) * _MOST_INFLATION + 1)
    except zlib.error:
        raise _cut_short() from None
    if not inflater.eof:
        raise _cut_short()
    return body


def _not_dicom() -> SluiceError:
    return SluiceError("A file is not DICOM", mend="exclude it from the source")


def _unreadable(tag: int) -> SluiceError:
    where = f"after tag ({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return SluiceError("A DICOM file is damaged", where=where, mend=_AGAIN)


def _cut_short(tag: int | None = None) -> SluiceError:
    where = "" if tag is None else f"in tag ({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return SluiceError("A DICOM file ends early", where=where, mend=_AGAIN)
