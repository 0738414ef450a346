"""Where the elements of a data set lie in its bytes (PS3.5 7). No value is read.

An element is ``(tag, vr, at, value, end)``: its tag and VR (``b""`` in implicit form) and the
positions of its header, its value and what follows it.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from sluice.errors import SluiceError

Bytes = bytes | mmap.mmap
Element = tuple[int, bytes, int, int, int]

UNDEFINED = 0xFFFFFFFF
LONG = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
SHORT = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT"}
    | {b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)
#: VRs of numbers in binary form, and their format in :mod:`struct`.
NUMBERS: Final = {
    **{"FD": "d", "FL": "f", "SL": "l", "SS": "h", "SV": "q", "UL": "L", "US": "H", "UV": "Q"}
}
PIXELS = 0x7FE00010
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
#: Deeper nesting, more elements beside each other, or more items or fragments in one element are no
#: object but an attack on its reader.
MAX_DEPTH = 32
MAX_ELEMENTS = 2**20
MAX_ITEMS = 2**22


class Form(NamedTuple):
    """How a data set is written."""

    implicit: bool
    head: struct.Struct
    item: struct.Struct
    length: struct.Struct


EXPLICIT = Form(False, struct.Struct("<HH2sH"), struct.Struct("<HHL"), struct.Struct("<L"))
IMPLICIT = Form(True, struct.Struct("<HHL"), struct.Struct("<HHL"), struct.Struct("<L"))
BIG = Form(False, struct.Struct(">HH2sH"), struct.Struct(">HHL"), struct.Struct(">L"))


def scan(data: Bytes, at: int, end: int, form: Form) -> list[Element]:
    """Return the elements between two positions, which end where ``end`` is.

    Zeros after the last element are left out.

    Raises
    ------
    SluiceError
        If an element reaches beyond the end, cannot be one, or holds sequences of undefined length
        deeper than :data:`MAX_DEPTH`; if there are too many of them or of their items.
    """
    found, stop = _scan(data, at, end, form, 0)
    if stop < end and any(data[stop:end]):
        raise unreadable(found[-1][0] if found else None)
    return found


def scan_object(data: Bytes, at: int, end: int, form: Form) -> tuple[list[Element], int]:
    """Return the elements of an object and where they end.

    What follows the pixels is left out, whatever it is: the standard has signatures and padding
    there, which are never copied, and a file may have anything.

    Raises
    ------
    SluiceError
        As :func:`scan` does.
    """
    found, stop = _scan(data, at, end, form, 0, last=PIXELS)
    complete = bool(found) and found[-1][0] == PIXELS
    if stop < end and not complete and any(data[stop:end]):
        raise unreadable(found[-1][0] if found else None)
    return found, stop


def scan_group(data: Bytes, at: int, group: int) -> tuple[list[Element], int]:
    """Return the explicit elements of one group from ``at`` on, and where they end."""
    return _scan(data, at, len(data), EXPLICIT, 0, group)


def items(data: Bytes, element: Element, form: Form) -> Iterator[list[Element]]:
    """Yield the elements of each item of a sequence."""
    _, _, _, at, end = element
    while at < end:
        tag, length, value = _item(data, at, form)
        if tag == SEQUENCE_END:
            return
        if tag != ITEM:
            raise unreadable(tag)
        if length == UNDEFINED:
            inside, at = _scan(data, value, end, form, 1)
        else:
            at = value + length
            if at > end:
                raise cut_short(tag)
            inside = scan(data, value, at, form)
        yield inside


def is_undefined(data: Bytes, value: int) -> bool:
    """Say whether the element with its value at ``value`` has no length of its own."""
    return data[value - 4 : value] == b"\xff\xff\xff\xff"


def _scan(
    data: Bytes, at: int, end: int, form: Form, depth: int, only: int = -1, last: int = -1
) -> tuple[list[Element], int]:
    """Walk to ``end``, to the delimiter of the item that is walked, or as far as is asked for.

    ``only``: the group to stay in; ``last``: the tag to stop behind.
    """
    found: list[Element] = []
    implicit, head, long = form.implicit, form.head.unpack_from, form.length.unpack_from
    vr = b""
    try:
        while at < end:
            if implicit:
                group, number, length = head(data, at)
                value = at + 8
            else:
                group, number, vr, length = head(data, at)
                value = at + 8
                if vr in LONG:
                    length = long(data, value)[0]
                    value += 4
                elif vr not in SHORT and group != 0xFFFE and only < 0:
                    if group == 0 and number == 0:
                        return found, at
                    raise unreadable(group << 16 | number)
            if group != only and only >= 0:
                return found, at
            tag = group << 16 | number
            if group == 0xFFFE:
                if tag == ITEM_END and depth:
                    return found, at + 8
                raise unreadable(tag)
            if implicit and not tag and not length:
                return found, at
            stop = value + length
            if length == UNDEFINED and (implicit or vr in LONG):
                # The items of an element of unknown VR are implicit (PS3.5 6.2.2).
                inner = IMPLICIT if vr == b"UN" else form
                stop = _after_items(data, value, end, inner, depth + 1)
            if stop > end:
                raise cut_short(tag)
            found.append((tag, vr, at, value, stop))
            if len(found) > MAX_ELEMENTS:
                raise _too_many("elements")
            at = stop
            if tag == last:
                break
    except struct.error:
        raise cut_short(found[-1][0] if found else None) from None
    if depth:
        raise cut_short(found[-1][0] if found else None)  # no delimiter
    return found, at


def _after_items(data: Bytes, at: int, end: int, form: Form, depth: int) -> int:
    """Walk the items of a sequence or of encapsulated samples up to behind their delimiter."""
    if depth > MAX_DEPTH:
        raise SluiceError(
            f"A DICOM file has sequences nested deeper than {MAX_DEPTH}", mend="exclude it"
        )
    for _ in range(MAX_ITEMS):
        tag, length, value = _item(data, at, form)
        if tag == SEQUENCE_END:
            return value
        if tag != ITEM:
            raise unreadable(tag)
        at = value + length if length != UNDEFINED else _scan(data, value, end, form, depth)[1]
        if at > end:
            raise cut_short(tag)
    raise _too_many("items")


def _item(data: Bytes, at: int, form: Form) -> tuple[int, int, int]:
    try:
        group, number, length = form.item.unpack_from(data, at)
    except struct.error:
        raise cut_short() from None
    return group << 16 | number, length, at + 8


def _too_many(what: str) -> SluiceError:
    return SluiceError(f"A DICOM file has too many {what}", mend="exclude it")


def unreadable(tag: int | None = None) -> SluiceError:
    """Return the error of bytes that are no element."""
    where = "" if tag is None else f"after tag ({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return SluiceError("A DICOM file is damaged", where=where, mend=AGAIN)


def cut_short(tag: int | None = None) -> SluiceError:
    """Return the error of a file that ends early."""
    where = "" if tag is None else f"in tag ({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return SluiceError("A DICOM file ends early", where=where, mend=AGAIN)


AGAIN = "bring it again from its source"
