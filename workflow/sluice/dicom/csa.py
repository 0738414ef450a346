"""The header that Siemens scanners put into private elements as bytes (CSA), written anew.

Such a block holds about a hundred named tags, among them the whole protocol as text, and pieces of
the scanner's memory where a name or a value is shorter than its field. Only tags of an allow-list
stay, each as checked numbers or a listed word; every other byte of the new block is ours.

The layout is public knowledge: a count of tags; for each a name of 64 bytes, multiplicity, VR, type
and number of items; for each item four numbers with its length, then its text, filled up to a
multiple of four bytes. Newer blocks (CSA2) start with ``SV10``, and are what is written; older ones
(CSA1) tell a length as its sum with the number of items of the first tag.
"""

from __future__ import annotations

import csv
import re
import struct
from functools import cache
from typing import Final, NamedTuple

from sluice.dicom.rules import PrivateKey, PrivateRule, parse_rule
from sluice.resources import resource

#: Elements that hold such a block. The series' block (element 20) is mostly text, and goes.
ELEMENTS: Final = frozenset[PrivateKey]({("SIEMENS CSA HEADER", 0x0029, 0x10)})

_MAGIC = b"SV10\x04\x03\x02\x01"
_TAG = struct.Struct("<64si4s3i")
_ITEM = struct.Struct("<4i")
_FULL = 77  # follows the count of tags, and marks what has a value
_MOST_TAGS, _MOST_ITEMS = 1024, 4096
# Syngo's number for a VR.
_TYPES = {"DS": 3, "FD": 4, "IS": 6, "SL": 7, "US": 10, "CS": 16}
_NUMBER = re.compile(r"[+-]?\d{1,6}(\.\d{1,8})?")


class _Tag(NamedTuple):
    name: str
    vr: str
    values: list[str]


@cache
def allowed() -> dict[str, PrivateRule]:
    """Return the rule of each tag that may stay, by name."""
    with resource("dicom", "csa_allow.csv").open(newline="", encoding="utf-8") as stream:
        return {row["tag"]: parse_rule(row) for row in csv.DictReader(stream)}


def rebuilt(blob: bytes) -> bytes | None:
    """Write a block anew with its allowed tags only.

    Returns
    -------
    bytes or None
        A CSA2 block; ``None`` if the source cannot be read to its last tag, or nothing may stay.
    """
    try:
        tags = _read(blob)
    except (struct.error, ValueError):
        return None
    kept = [_written(tag) for tag in tags if _may_stay(tag)]
    return _MAGIC + struct.pack("<2I", len(kept), _FULL) + b"".join(kept) if kept else None


def _may_stay(tag: _Tag) -> bool:
    rule = allowed().get(tag.name)
    if rule is None:
        return False
    if tag.vr == "CS":
        return rule.admits(tag.vr, tag.values)
    numbers = [float(text) for text in tag.values if _NUMBER.fullmatch(text)]
    return len(numbers) == len(tag.values) and rule.admits(tag.vr, numbers)


def _written(tag: _Tag) -> bytes:
    low, high = allowed()[tag.name].count
    count = low if low == high else 0  # 0: as many values as there are items
    items = [
        _ITEM.pack(len(text) + 1, len(text) + 1, _FULL, len(text) + 1) + _padded(text)
        for text in tag.values
    ]
    head = tag.name.encode(), count, tag.vr.encode(), _TYPES[tag.vr], len(items), _FULL
    return _TAG.pack(*head) + b"".join(items)


def _padded(text: str) -> bytes:
    return text.encode().ljust((len(text) + 4) // 4 * 4, b"\0")


def _read(blob: bytes) -> list[_Tag]:
    newer = blob.startswith(_MAGIC[:4])
    place = len(_MAGIC) if newer else 0
    count, mark = struct.unpack_from("<2I", blob, place)
    if mark != _FULL or not 0 < count <= _MOST_TAGS:
        raise ValueError("not a CSA block")
    place += 8
    excess = 0 if newer else _TAG.unpack_from(blob, place)[4]
    tags = []
    for _ in range(count):
        name, multiplicity, vr, _, items, _ = _TAG.unpack_from(blob, place)
        place += _TAG.size
        if not 0 <= items <= _MOST_ITEMS:
            raise ValueError("a tag with an impossible number of items")
        values = []
        for _ in range(items):
            lengths = _ITEM.unpack_from(blob, place)
            place += _ITEM.size
            length = lengths[1] if newer else lengths[0] - excess
            if not 0 <= length <= len(blob) - place:
                raise ValueError("an item longer than the block")
            values.append(_text(blob[place : place + length]))
            place += (length + 3) // 4 * 4
        wanted = multiplicity if multiplicity > 0 else items
        tags.append(_Tag(_text(name), _text(vr), [text for text in values[:wanted] if text]))
    return tags


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("ascii", "replace").strip()
