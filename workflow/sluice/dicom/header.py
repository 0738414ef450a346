"""A header's values by keyword, read from its bytes when they are asked for.

What :mod:`sluice.dicom.eligibility` asks a header answers to the same questions as pydicom's data
set does, without an object of any element being built.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, Protocol

from sluice.dicom.dictionary import tags, vr_of
from sluice.dicom.elements import IMPLICIT, Bytes, Element, Form, items

_NUMBERS = {"FD": "d", "FL": "f", "SL": "l", "SS": "h", "UL": "L", "US": "H"}


class Values(Protocol):
    """What a header can be asked: pydicom's data sets can, and :class:`Header`."""

    def get(self, keyword: str, /) -> Any:
        """Return the value of an element, ``None`` where there is none; several as a list."""

    def __contains__(self, keyword: Any, /) -> bool:
        """Say whether there is an element of a keyword or a tag (group, number)."""


class Header:
    """The elements of a data set or of an item, in little-endian form.

    Parameters
    ----------
    data, found, form
        As :func:`sluice.dicom.elements.scan_object` takes and returns them.
    """

    def __init__(self, data: Bytes, found: Iterable[Element], form: Form) -> None:
        self._data, self._form = data, form
        self._elements = {element[0]: element for element in found}

    def __contains__(self, asked: str | tuple[int, int]) -> bool:
        tag = tags()[asked] if isinstance(asked, str) else asked[0] << 16 | asked[1]
        return tag in self._elements

    def get(self, keyword: str) -> Any:
        """Return an element's value: a text, a number, a list of these or of headers.

        Texts are taken as Latin-1: what is asked for here is plain ASCII in valid objects. ``None``
        where there is no value, or one that does not fit its VR.
        """
        element = self._elements.get(tag := tags()[keyword])
        if element is None:
            return None
        _, stored, _, value, end = element
        vr = stored.decode("latin-1") if stored not in (b"", b"UN") else vr_of(tag)
        if vr == "SQ":
            inner = IMPLICIT if stored == b"UN" else self._form
            return [
                Header(self._data, inside, inner) for inside in items(self._data, element, inner)
            ]
        raw = self._data[value:end]
        if (code := _NUMBERS.get(vr)) is not None:
            size = struct.calcsize(f"<{code}")
            fits = raw and not len(raw) % size
            return _one(struct.unpack(f"<{len(raw) // size}{code}", raw)) if fits else None
        text = raw.decode("latin-1")
        return _one([part.strip(" \0") for part in text.split("\\")])


def _one(values: Any) -> Any:
    return values[0] if len(values) == 1 else list(values)
