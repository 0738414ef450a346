"""Elements, items and meta information as bytes of a file, in the common encodings."""

from __future__ import annotations

import struct

from sluice.dicom.charset import STRINGS
from sluice.dicom.dictionary import tags, vr_of
from sluice.dicom.elements import LONG, Form
from sluice.dicom.layout import UncommonError
from sluice.dicom.statement import IMPLEMENTATION_NAME, IMPLEMENTATION_UID, Statement

_METHODS = 0x00120064  # De-identification Method Code Sequence


def encoded(form: Form, tag: int, vr: str, value: bytes) -> bytes:
    """Return the bytes of an element, padded to an even length.

    Raises
    ------
    UncommonError
        If the value is longer than its VR can tell.
    """
    if len(value) % 2:
        value += b" " if vr in STRINGS and vr != "UI" else b"\0"
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if form.implicit:
        return head + struct.pack("<L", len(value)) + value
    name = vr.encode("ascii")
    if name in LONG:
        return head + name + b"\0\0" + struct.pack("<L", len(value)) + value
    if len(value) > 0xFFFF:
        raise UncommonError
    return head + name + struct.pack("<H", len(value)) + value


def item(parts: list[bytes]) -> bytes:
    """Return an item of a sequence."""
    content = b"".join(parts)
    return b"\xfe\xff\x00\xe0" + struct.pack("<L", len(content)) + content


def stating(form: Form, stated: Statement) -> list[tuple[int, bytes]]:
    """Return tag and bytes of each element of a statement."""

    def element(keyword: str, *found: str) -> tuple[int, bytes]:
        tag = tags()[keyword]
        return tag, encoded(form, tag, vr_of(tag), "\\".join(found).encode("ascii"))

    methods = [sorted(element(*row) for row in method.items()) for method in stated.methods]
    content = b"".join(item([text for _, text in method]) for method in methods)
    return [
        *(element(keyword, *found) for keyword, found in stated.values.items()),
        (_METHODS, encoded(form, _METHODS, "SQ", content)),
    ]


def file_meta(sop_class: str, instance: str, syntax: str) -> bytes:
    """Return prefix and file meta information (PS3.10 7.1), as :mod:`assemble` makes them."""
    rows = (
        (0x02, b"UI", sop_class.encode()),
        (0x03, b"UI", instance.encode()),
        (0x10, b"UI", syntax.encode()),
        (0x12, b"UI", IMPLEMENTATION_UID.encode()),
        (0x13, b"SH", IMPLEMENTATION_NAME.encode()),
    )
    body = b"\x02\x00\x01\x00OB\0\0\x02\0\0\0\x00\x01"
    for number, vr, value in rows:
        value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
        body += struct.pack("<HH2sH", 2, number, vr, len(value)) + value
    return bytes(128) + b"DICM" + struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(body)) + body
