"""Text of an element as its bytes tell it, in the plain character sets (PS3.5 6.1).

Whatever needs more than one codec of Python (code extensions, escapes, bytes that are none of the
set's) raises :class:`UncommonError`, and pydicom reads it.
"""

from __future__ import annotations

from typing import Final

from sluice.dicom.layout import UncommonError
from sluice.dicom.rules import DATES, TEXT

#: VRs whose values are text; all others are numbers or bytes.
STRINGS: Final = TEXT | DATES | {"AE", "AS", "CS", "DS", "IS", "PN", "UI", "UR"}
# Text whose characters depend on the character set (PS3.5 6.1.2.2), and text of one value only.
_ENCODED = TEXT | {"PN"}
_ONE_VALUE = frozenset({"LT", "ST", "UR", "UT"})
# Python's codec by the number of an ISO register; each stands alone or first of several.
_REGISTERS = {
    "6": "latin-1",  # as pydicom reads it: ASCII, and whatever a sloppy writer put beside it
    "100": "latin-1",
    "101": "iso8859-2",
    "109": "iso8859-3",
    "110": "iso8859-4",
    "126": "iso8859-7",
    "127": "iso8859-6",
    "138": "iso8859-8",
    "144": "iso8859-5",
    "148": "iso8859-9",
    "166": "tis-620",
}
_CODECS: Final = {
    "": "latin-1",
    "ISO_IR 192": "utf-8",
    "GB18030": "gb18030",
    "GBK": "gbk",
    **{f"ISO_IR {number}": codec for number, codec in _REGISTERS.items()},
    **{f"ISO 2022 IR {number}": codec for number, codec in _REGISTERS.items()},
}


def codec_of(charset: str) -> str | None:
    """Return Python's codec for the first character set of SpecificCharacterSet.

    Returns
    -------
    str or None
        ``None`` for a set that no single codec reads as pydicom does.
    """
    return _CODECS.get(charset.partition("\\")[0].strip(" \0"))


def texts(vr: str, raw: bytes, codec: str | None) -> list[str]:
    """Return the values of an element with text, as pydicom gives them; none if it has no value.

    Parameters
    ----------
    vr
        One of :data:`STRINGS`.
    raw
        Its bytes.
    codec
        As :func:`codec_of` gives it.

    Raises
    ------
    UncommonError
        If one codec does not tell the text.
    """
    if not raw.strip(b" \0"):
        return []
    if raw.isascii() and b"\x1b" not in raw:
        text = raw.decode("ascii").rstrip(" \0")
        return [text] if vr in _ONE_VALUE else text.split("\\")
    text = _decoded(vr, raw, codec)
    if vr in _ONE_VALUE:
        return [text.rstrip(" \0")]
    if vr == "PN":
        return [name.rstrip("=") for name in text.rstrip(" \0").split("\\")]
    return [one.rstrip(" \0") for one in text.split("\\")]


def _decoded(vr: str, raw: bytes, codec: str | None) -> str:
    if codec is None or vr not in _ENCODED or b"\x1b" in raw:
        raise UncommonError
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        raise UncommonError from None
