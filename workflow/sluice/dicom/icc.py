"""Colour profiles (ICC.1), written anew.

A profile tells its maker, its date and free text beside the few numbers that give colours their
meaning. From a matrix profile those numbers are read and written into a new one; a profile of any
other kind is not, and where an object must have one, sRGB (IEC 61966-2-1) stands in.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Final

#: ICC Profile (0028,2000).
TAG: Final = 0x00282000

_HEADER, _ENTRY = 128, 12
_COLOURS = (b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"wtpt")
_KEPT = frozenset({*_COLOURS, b"bkpt", b"chad"})
_TEXTS = (b"cprt", b"desc")
_CLASSES = frozenset({b"scnr", b"mntr", b"prtr", b"spac"})
_D50 = struct.pack(">3i", 63190, 65536, 54061)  # s15Fixed16, the illuminant of every profile
# Numbers of a parametric curve, by its kind (ICC.1:2022, 10.18).
_PARAMETERS = (1, 3, 4, 5, 7)
_MOST_POINTS = 4096


def rewritten(profile: bytes, required: bool) -> bytes | None:
    """Return a profile with the same colours and no other byte of the source.

    Parameters
    ----------
    profile
        The source.
    required
        Whether the object must have a profile.

    Returns
    -------
    bytes or None
        ``None`` if the source is no matrix profile and none is required.
    """
    try:
        return _built(*_read(profile))
    except (struct.error, ValueError):
        return _srgb() if required else None


def _read(profile: bytes) -> tuple[int, bytes, dict[bytes, bytes]]:
    """Return major version, class and numbers of a matrix profile."""
    major, kind, space = profile[8:9], profile[12:16], profile[16:24]
    if profile[36:40] != b"acsp" or kind not in _CLASSES or space != b"RGB XYZ ":
        raise ValueError("not a matrix profile")
    tags = {}
    for number in range(struct.unpack_from(">I", profile, _HEADER)[0]):
        name, offset, size = struct.unpack_from(">4s2I", profile, _HEADER + 4 + number * _ENTRY)
        if name.startswith((b"A2B", b"D2B")):
            raise ValueError("colours by a table")
        if name in _KEPT:
            tags[name] = _numbers(name, profile[offset : offset + size])
    if major not in (b"\2", b"\4") or not tags.keys() >= set(_COLOURS):
        raise ValueError("an incomplete profile")
    return major[0], kind, tags


def _numbers(name: bytes, data: bytes) -> bytes:
    """Return a tag's data, cut to its numbers and padded with zeros."""
    kind = data[:4]
    if name == b"chad":
        length = 8 + 9 * 4 if kind == b"sf32" else 0
    elif name.endswith(b"TRC"):
        length = _curve(kind, data)
    else:
        length = 8 + 3 * 4 if kind == b"XYZ " else 0
    if not 0 < length <= len(data):
        raise ValueError("a tag of an unexpected type")
    return _padded(kind + bytes(4) + data[8:length])


def _curve(kind: bytes, data: bytes) -> int:
    if kind == b"curv":
        points = struct.unpack_from(">I", data, 8)[0]
        if points > _MOST_POINTS or (points > 1 and not _rises(data[12 : 12 + 2 * points])):
            return 0
        return 12 + 2 * points
    form, reserved = struct.unpack_from(">2H", data, 8)
    if kind != b"para" or form >= len(_PARAMETERS) or reserved:
        return 0
    return 12 + 4 * _PARAMETERS[form]


def _rises(points: bytes) -> bool:
    return all(a <= b for a, b in pairwise(struct.unpack(f">{len(points) // 2}H", points)))


def _srgb() -> bytes:
    def xyz(*numbers: float) -> bytes:
        return b"XYZ " + bytes(4) + _fixed(numbers)

    curve = b"para" + bytes(4) + struct.pack(">2H", 3, 0)
    curve += _fixed((2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
    adapted = (1.04791, 0.02293, -0.05019, 0.02960, 0.99046, -0.01707, -0.00924, 0.01506, 0.75179)
    tags = {
        b"chad": b"sf32" + bytes(4) + _fixed(adapted),
        b"rXYZ": xyz(0.43607, 0.22249, 0.01392),
        b"gXYZ": xyz(0.38515, 0.71687, 0.09708),
        b"bXYZ": xyz(0.14307, 0.06061, 0.71410),
        b"wtpt": b"XYZ " + bytes(4) + _D50,
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    return _built(4, b"mntr", tags)


def _fixed(numbers: tuple[float, ...]) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def _built(major: int, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {**tags, **dict.fromkeys(_TEXTS, _text(major)), b"cprt": _copyright(major)}
    place = _HEADER + 4 + _ENTRY * len(tags)
    entries, body = b"", b""
    written: dict[bytes, int] = {}  # the three curves are often one
    for name, data in sorted(tags.items()):
        if data not in written:
            written[data] = place + len(body)
            body += _padded(data)
        entries += struct.pack(">4s2I", name, written[data], len(data))
    size = place + len(body)
    head = struct.pack(">I4x4B", size, major, 0x10 if major == 2 else 0x20, 0, 0)
    # A fixed date: the first of January 2000.
    head += kind + b"RGB XYZ " + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp"
    head = head.ljust(68, b"\0") + _D50
    return head.ljust(_HEADER, b"\0") + struct.pack(">I", len(tags)) + entries + body


def _text(major: int) -> bytes:
    if major == 4:
        return _localised()
    return b"desc" + struct.pack(">4xI", 7) + b"Sluice\0" + bytes(78)


def _copyright(major: int) -> bytes:
    return _localised() if major == 4 else b"text" + bytes(4) + b"Sluice\0"


def _localised() -> bytes:
    text = "Sluice".encode("utf-16-be")
    return b"mluc" + struct.pack(">4x2I4s2I", 1, 12, b"enUS", len(text), 28) + text


def _padded(data: bytes) -> bytes:
    return data.ljust((len(data) + 3) // 4 * 4, b"\0")
