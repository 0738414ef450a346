"""The frame of a DICOM file: prefix, file meta information, transfer syntax (PS3.10 7.1).

No value is read but the transfer syntax; the walk shows that the file is complete, how deep it is
and how much of it is header.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

from sluice.dicom.dictionary import is_transfer_syntax
from sluice.dicom.elements import (
    BIG,
    EXPLICIT,
    IMPLICIT,
    LONG,
    SHORT,
    Bytes,
    Element,
    Form,
    cut_short,
    scan_group,
    scan_object,
)
from sluice.errors import SluiceError

IMPLICIT_SYNTAX, EXPLICIT_SYNTAX = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_BIG, _DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
#: Transfer syntaxes whose bytes are not little endian as they stand.
OTHER_FORMS: Final = frozenset({_BIG, _DEFLATED})
_FORMS: Final = {IMPLICIT_SYNTAX: IMPLICIT, _BIG: BIG}
#: Bytes of a data set that is held in memory as a whole: a deflated one grows a thousandfold.
MAX_WHOLE: Final = 2**29
#: Most bytes outside pixel data.
MAX_HEADER: Final = 64 * 2**20
#: Programs that an operating system would start if the file were run (PS3.15 notes the risk; the
#: TIFF mark of a dual-personality file is harmless, and is zeroed like every preamble on writing).
PROGRAMS: Final = (
    *(b"MZ", b"\x7fELF", b"#!"),
    *(b"\xfe\xed\xfa", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"),
)


class UncommonError(Exception):
    """The file is not of the common kind that is read by its bytes; pydicom must read it."""


@dataclass(frozen=True)
class Layout:
    """What the walk found.

    ``header_bytes`` counts everything outside group 7FE0. Behind ``end`` lies nothing of the
    object; a deflated file is taken whole.
    """

    transfer_syntax: str
    has_prefix: bool
    header_bytes: int
    end: int


def form_of(syntax: str) -> Form:
    """Return how a data set of a transfer syntax is written, once it is inflated."""
    return _FORMS.get(syntax, EXPLICIT)


def walk(data: Bytes) -> Layout:
    """Walk a whole file.

    Raises
    ------
    SluiceError
        If it is not DICOM, ends early, or nests sequences of undefined length too deep.
    """
    has_prefix = data[128:132] == b"DICM"
    syntax, at = meta(data, 132 if has_prefix else 0)
    if not syntax:
        syntax = _guess(data[at : at + 8])
    if not is_transfer_syntax(syntax):
        raise SluiceError(
            "A DICOM file has an unknown transfer syntax",
            where="(0002,0010)",
            mend="convert it or exclude it",
        )
    body = data
    if syntax == _DEFLATED:
        body, at = _inflate(data[at:]), 0
    found, end = scan_object(body, at, len(body), form_of(syntax))
    return Layout(syntax, has_prefix, header_bytes(found), end if body is data else len(data))


def header_bytes(found: list[Element]) -> int:
    """Return how many bytes lie outside group 7FE0."""
    return sum(end - at for tag, _, at, _, end in found if tag >> 16 != 0x7FE0)


def meta(data: Bytes, at: int) -> tuple[str, int]:
    """Return the transfer syntax of the file meta information (or ``""``) and where it ends."""
    found, at = scan_group(data, at, 0x0002)
    syntax = ""
    for tag, _, _, value, end in found:
        if tag == 0x00020010:
            syntax = data[value:end].rstrip(b"\0 ").decode("latin-1")
    return syntax, at


def _guess(head: bytes) -> str:
    """Tell the transfer syntax of a data set without file meta information from its first bytes."""
    if len(head) < 8:
        raise _not_dicom()
    explicit = head[4:6] in SHORT | LONG
    little_group = int.from_bytes(head[:2], "little")
    big_group = int.from_bytes(head[:2], "big")
    if explicit and big_group in (2, 8, 16):
        return _BIG
    if little_group not in (2, 8, 16):
        raise _not_dicom()
    return EXPLICIT_SYNTAX if explicit else IMPLICIT_SYNTAX


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = inflater.decompress(data, MAX_WHOLE)
    except zlib.error:
        raise cut_short() from None
    if len(body) >= MAX_WHOLE:
        raise too_large()
    if not inflater.eof:
        raise cut_short()
    return body


def too_large() -> SluiceError:
    """Return the error of a file of an uncommon kind that memory may not hold."""
    return SluiceError(
        "A DICOM file is too large for its encoding",
        mend="convert it to explicit little endian with file meta information",
    )


def _not_dicom() -> SluiceError:
    return SluiceError("A file is not DICOM", mend="exclude it from the source")
