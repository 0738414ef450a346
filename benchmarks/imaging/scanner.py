"""A separate search for planted strings: in raw bytes and in whatever can be decoded out of them.

It knows nothing of DICOM's rules and nothing of the cleaner. Of every file it makes views: the
bytes, the bytes without NULs (UTF-16 and UTF-32), the text of each character set in which a string
may have been written, what inflates, what base64 and hexadecimal runs decode to, and the fragments
of encapsulated data joined.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# A needle's first bytes, packed into a number, are sought at all places at once.
_KEY = 6
CHARSETS = (
    "utf-8",
    "latin-1",
    "iso8859_2",
    "iso8859_5",
    "iso8859_6",
    "iso8859_7",
    "iso8859_9",
    "iso2022_jp",
    "shift_jis",
    "euc_jp",
    "euc_kr",
    "iso2022_kr",
    "gb18030",
    "cp1252",
)
_DEPTH = 3
_ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08")
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4}){2,}(?:[A-Za-z0-9+/]{2,3}={0,2})?")
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}){8,}")
_ITEM = re.compile(rb"\xfe\xff\x00\xe0|\xff\xfe\xe0\x00")
_ESCAPES = re.compile(rb"\x1b[\x24-\x2f][\x20-\x7e]{1,2}|\x1b[\x24-\x2f][\x40-\x7e]")


@dataclass(frozen=True)
class Needles:
    """Strings in every form in which they may be found.

    Attributes
    ----------
    forms
        Bytes to seek → the string that they stand for.
    keys
        The sorted first bytes of the forms, packed.
    """

    forms: Mapping[bytes, str]
    keys: NDArray[np.uint64]
    by_key: Mapping[int, tuple[bytes, ...]]


def needles(strings: Iterable[str | bytes]) -> Needles:
    """Prepare strings of at least six bytes for the search.

    Raises
    ------
    ValueError
        If a string is too short to be told from chance.
    """
    forms: dict[bytes, str] = {}
    for string in strings:
        name = string if isinstance(string, str) else string.hex()
        for form in _forms(string):
            forms[_folded(form)] = name
    by_key: dict[int, tuple[bytes, ...]] = {}
    for form in forms:
        if len(form) < _KEY:
            raise ValueError("a needle is too short")
        key = int(_packed(form[:_KEY])[0])
        by_key[key] = (*by_key.get(key, ()), form)
    return Needles(forms, np.array(sorted(by_key), dtype=np.uint64), by_key)


def search(content: bytes, sought: Needles) -> set[str]:
    """Return the strings found in a file's bytes or in a view of them."""
    found: set[str] = set()
    for view in views(content):
        found |= _search(_folded(view), sought)
    return found


def search_files(paths: Iterable[Path], sought: Needles) -> dict[str, list[Path]]:
    """Return each string that was found with the files that hold it, names of files included."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        content = path.read_bytes() + b"\n" + str(path.name).encode()
        for string in search(content, sought):
            found.setdefault(string, []).append(path)
    return found


def views(content: bytes, depth: int = _DEPTH) -> Iterator[bytes]:
    """Yield the bytes and everything that can be decoded out of them."""
    yield content
    if b"\0" in content:
        yield content.replace(b"\0", b"")
    if b"\x1b" in content:
        yield _ESCAPES.sub(b"", content)
    joined = _joined(content)
    if joined is not None:
        yield joined
    if depth:
        for inner in (*_inflated(content), *_armoured(content)):
            yield from views(inner, depth - 1)


def unfolded(content: bytes) -> str:
    """Return everything that can be read in some bytes, as one text."""
    seen = list(views(content))
    read = {view.decode("latin-1") for view in seen}
    if not content.isascii():
        read |= {view.decode(name, "replace") for view in seen for name in CHARSETS}
    return "\n".join(sorted(read))


def _forms(string: str | bytes) -> set[bytes]:
    if isinstance(string, bytes):
        return {string}
    found = set()
    for charset in CHARSETS:
        try:
            found.add(string.encode(charset))
        except UnicodeEncodeError:
            continue
    for wide in ("utf-16-le", "utf-16-be"):
        # ASCII in UTF-16 is seen once the NULs are gone.
        if not string.isascii():
            found.add(string.encode(wide))
    return {_ESCAPES.sub(b"", form) for form in found} | found


def _search(content: bytes, sought: Needles) -> set[str]:
    if len(content) < _KEY or not len(sought.keys):
        return set()
    packed = _packed(content)
    places = np.searchsorted(sought.keys, packed)
    places[places == len(sought.keys)] = 0
    hits = np.flatnonzero(sought.keys[places] == packed)
    found = set()
    for hit in hits:
        for form in sought.by_key[int(packed[hit])]:
            if content.startswith(form, int(hit)):
                found.add(sought.forms[form])
    return found


def _packed(content: bytes) -> NDArray[np.uint64]:
    data = np.frombuffer(content, dtype=np.uint8)
    count = len(data) - _KEY + 1
    packed = np.zeros(count, dtype=np.uint64)
    for place in range(_KEY):
        packed = packed << np.uint64(8) | data[place : place + count]
    return packed


def _folded(content: bytes) -> bytes:
    """Return the bytes with ASCII letters in upper case."""
    return content.upper()


def _inflated(content: bytes) -> Iterator[bytes]:
    for match in _ZLIB.finditer(content):
        inner = _inflate(content[match.start() :], 47)
        if len(inner) >= _KEY:
            yield inner
    # Deflated data sets have no header of their own; the meta group ends where they begin.
    if content[128:132] == b"DICM" and len(content) > 144:
        start = 144 + int.from_bytes(content[140:144], "little")
        inner = _inflate(content[start:], -15)
        if len(inner) > 64:
            yield inner


def _inflate(content: bytes, bits: int) -> bytes:
    engine = zlib.decompressobj(bits)
    try:
        return engine.decompress(content, 1 << 28)
    except zlib.error:
        return b""


def _armoured(content: bytes) -> Iterator[bytes]:
    for match in _HEX.finditer(content):
        for shift in range(2):
            digits = match.group()[shift:]
            yield binascii.unhexlify(digits[: len(digits) // 2 * 2])
    for match in _BASE64.finditer(content):
        run = match.group()
        # Where letters before it belong to the run by chance, another alignment decodes.
        for shift in range(4):
            part = run[shift:].rstrip(b"=")
            if len(part) % 4 == 1:
                part = part[:-1]
            yield base64.b64decode(part + b"=" * (-len(part) % 4))


def _joined(content: bytes) -> bytes | None:
    """Return the bytes without item headers, so that what lies across fragments is whole."""
    if not _ITEM.search(content):
        return None
    parts, start = [], 0
    for match in _ITEM.finditer(content):
        parts.append(content[start : match.start()])
        start = match.end() + 4
    return b"".join([*parts, content[start:]])
