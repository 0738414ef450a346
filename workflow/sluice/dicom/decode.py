"""Values of elements from their bytes, in the common encodings; :mod:`encode` is the way back.

What one codec or one reading of the standard does not tell raises :class:`UncommonError`.
"""

from __future__ import annotations

import struct
from typing import Final

from sluice.dicom import values
from sluice.dicom.charset import STRINGS, codec_of, texts
from sluice.dicom.dictionary import vr_of
from sluice.dicom.elements import NUMBERS, Bytes, Element, Form
from sluice.dicom.layout import UncommonError
from sluice.dicom.pixels import Size, native_length

#: What tells how many bytes native samples take, in the order of :func:`size`: rows, columns,
#: samples a pixel, bits of each, frames, photometric interpretation.
SIZE: Final = (0x00280010, 0x00280011, 0x00280002, 0x00280100, 0x00280008, 0x00280004)
# What the length of a value is a multiple of, in bytes.
_WIDTH = {"AT": 2, "FD": 8, "FL": 4, "SL": 4, "SS": 2, "SV": 8, "UL": 4, "US": 2, "UV": 8}


class Decoder:
    """Reads public elements of objects that agree in form and character set.

    Parameters
    ----------
    form
        How the objects are written.
    charset
        Their SpecificCharacterSet, as it is stored.
    signedness_known
        Whether they have a PixelRepresentation, without which "US or SS" tells no VR.
    """

    def __init__(self, form: Form, charset: bytes, signedness_known: bool) -> None:
        self._implicit = form.implicit
        self._codec = codec_of(charset.decode("latin-1"))
        self._signedness_known = signedness_known

    def vr(self, element: Element) -> str | None:
        """Return the VR of an element; ``None`` if the dictionary gives another."""
        tag, stored, _, _, _ = element
        expected = vr_of(tag)
        if self._implicit:
            if expected == "US or SS" and not self._signedness_known:
                raise UncommonError
            return expected
        if stored == b"UN":
            raise UncommonError
        vr = stored.decode("ascii")
        return vr if vr in expected.split(" or ") else None

    def texts(self, vr: str, raw: bytes) -> list[str] | None:
        """Return an element's values as text: none if it has no value, ``None`` if no text."""
        if vr not in STRINGS:
            if len(raw) % _WIDTH.get(vr, 1):
                raise UncommonError
            return [] if not raw else None
        found = texts(vr, raw, self._codec)
        if vr in ("DS", "IS"):
            found = [one.strip() for one in found]
            if not _numbers(vr, [one for one in found if one]):
                raise UncommonError
        return found

    def one_text(self, data: Bytes, element: Element | None) -> str:
        """Return an element's only value as text, ``""`` if it has none."""
        if element is None:
            return ""
        vr = self.vr(element)
        found = self.texts(vr, raw_of(data, element)) if vr in STRINGS else None
        if not found:
            return ""
        return found[0] if len(found) == 1 else str(found)


def raw_of(data: Bytes, element: Element | None) -> bytes:
    """Return the bytes of an element's value; none without an element."""
    return b"" if element is None else data[element[3] : element[4]]


def plain(raw: bytes) -> str:
    """Return a value that is plain ASCII in valid objects, without its padding."""
    return raw.decode("latin-1").strip(" \0")


def uid(data: Bytes, by_tag: dict[int, Element], tag: int) -> str:
    """Return a UID of the object's own; without one it is no object."""
    found = plain(raw_of(data, by_tag.get(tag)))
    if not found or "\\" in found:
        raise UncommonError
    return found


def size(
    rows: bytes, columns: bytes, samples: bytes, bits: bytes, frames: bytes, photometric: bytes
) -> Size:
    """Read the elements that tell how many bytes the samples take."""
    numbers = [int.from_bytes(raw, "little") for raw in (rows, columns, samples, bits)]
    text = plain(frames) or "1"
    if not photometric or any(len(raw) != 2 for raw in (rows, columns, samples, bits)):
        raise UncommonError
    if not values.is_number("IS", text):
        raise UncommonError
    found = numbers, int(text) or 1, plain(photometric)
    if native_length(*found) <= 0:
        raise UncommonError
    return found


def private_values(vr: str, raw: bytes) -> list[float | str] | None:
    """Return the numbers or coded strings of a value, ``None`` if it holds no such."""
    if vr in ("CS", "DS", "IS"):
        text = plain(raw)
        found = [one.strip() for one in text.split("\\")] if text else []
        if vr == "CS":
            return list(found)
        return [float(one) for one in found] if _numbers(vr, found) else None
    if vr not in NUMBERS or len(raw) % _WIDTH[vr]:
        return None
    return list(struct.unpack(f"<{len(raw) // _WIDTH[vr]}{NUMBERS[vr]}", raw))


def _numbers(vr: str, found: list[str]) -> bool:
    return all(values.is_number(vr, one) for one in found)
