"""Strings that occur nowhere else, in the forms that a DICOM value may take."""

from __future__ import annotations

import base64
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import BaseTag, Tag

_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_SCRIPTS = {
    "iso8859_5": "бвгджзклмнпрстфхцчшщ",
    "iso8859_7": "βγδζθκλμνξπρστφχψαεη",
    "iso8859_6": "بتثجحخدذرزسشصضطظعغفق",
    "utf-8": "žčřšťďňľĺŕąęćłńśźżűő",
    "gb18030": "安柏成德恩芳国汉嘉凯兰明宁培青荣淑天文玉",
}
_TERMS = {
    "iso8859_5": "ISO_IR 144",
    "iso8859_7": "ISO_IR 126",
    "iso8859_6": "ISO_IR 127",
    "utf-8": "ISO_IR 192",
    "gb18030": "GB18030",
    "latin-1": "ISO_IR 100",
}
CHARSETS = tuple(_TERMS)


@dataclass(frozen=True)
class Canary:
    """What was put where.

    Attributes
    ----------
    file
        Name of the object.
    place
        In words and tags, for the developer.
    needle
        The string that must be found nowhere afterwards.
    local
        It is sought in its own object's successor only: a date may rightly arise in another.
    """

    file: str
    place: str
    needle: str
    local: bool = False


class Coop:
    """Where canaries come from: each is new."""

    def __init__(self, seed: int) -> None:
        self._next = 0
        self._rng = random.Random(seed)

    def word(self) -> str:
        """Return a word of ten capital letters: fit for any text, even a code string."""
        return "ZQ" + self._spelled(_LETTERS, 8)

    def foreign(self, charset: str) -> str:
        """Return a word in a character set's own letters."""
        letters = _SCRIPTS.get(charset)
        return self._spelled(letters, 8) if letters else self.word()

    def uid(self) -> str:
        """Return a UID below a root that nobody else uses."""
        self._next += 1
        return f"1.2.826.0.1.3680043.10.{7700000 + self._next}.4"

    def _spelled(self, letters: str, count: int) -> str:
        self._next += 1
        # Multiplying by a number prime to 20**8 scatters neighbours.
        number, word = self._next * 7919999983 % 20**8, ""
        for _ in range(count):
            number, digit = divmod(number, 20)
            word += letters[digit]
        return word


def term(charset: str) -> str:
    """Return what Specific Character Set says of a charset."""
    return _TERMS[charset]


def raw(tag: int, vr: str, value: bytes) -> RawDataElement:
    """Return an element of just these bytes, whatever the dictionary thinks of them."""
    pad = b"\0" if vr in ("UI", "OB", "UN") else b" "
    value += pad * (len(value) % 2)
    return RawDataElement(BaseTag(tag), vr, len(value), value, 0, False, True)


def put(dataset: Dataset, tag: int, vr: str, value: bytes) -> None:
    """Set an element to just these bytes."""
    # Past the setter, which would decode private values as ASCII.
    dataset._dict[Tag(tag)] = raw(tag, vr, value)


def disguised(word: str, rng: random.Random) -> tuple[str, bytes]:
    """Return a word in one of the forms in which bytes hide text, with the form's name."""
    plain = word.encode()
    forms: dict[str, Callable[[], bytes]] = {
        "ASCII": lambda: plain.ljust(rng.randrange(10, 60), b"\0"),
        "UTF-16": lambda: word.encode("utf-16-le"),
        "UTF-16, big end first": lambda: word.encode("utf-16-be"),
        "UTF-32": lambda: word.encode("utf-32-le"),
        "deflated": lambda: zlib.compress(b"user=" + plain * 4),
        "base64": lambda: base64.b64encode(b"name:" + plain + b"; "),
        "hexadecimal": lambda: plain.hex().encode(),
        "lower case": lambda: b"{" + plain.lower() + b"}",
    }
    name = rng.choice(tuple(forms))
    return name, forms[name]()


def written(dataset: FileDataset) -> bytes:
    """Return a file's bytes, those of :func:`put` as they are."""
    syntax = dataset.file_meta.TransferSyntaxUID
    _as_read(dataset, syntax.is_implicit_VR, syntax.is_little_endian)
    stream = BytesIO()
    pydicom.dcmwrite(stream, dataset)
    return stream.getvalue()


def _as_read(dataset: Dataset, implicit: bool, little: bool) -> None:
    """Let pydicom take the data set for one read in this encoding: then it writes raw bytes."""
    dataset.set_original_encoding(implicit, little, dataset._character_set)
    for tag in dataset.keys():  # noqa: SIM118 - iterating would parse
        element = dataset.get_item(tag)
        if element is not None and element.VR == "SQ" and not element.is_raw:
            for item in element.value:
                _as_read(item, implicit, little)


def in_preamble(content: bytes, word: str) -> bytes:
    """Return a file that says a word before it begins."""
    return word.encode().ljust(128, b"\0") + content[128:]


def in_group_length(content: bytes, word: str) -> bytes:
    """Return a file whose first group's length is a list of numbers that spell a word."""
    start = 144 + int.from_bytes(content[140:144], "little")
    value = word.encode().ljust(12, b"\0")
    element = b"\x08\0\0\0" + (b"UL\x0c\0" if _explicit(content) else b"\x0c\0\0\0") + value
    return content[:start] + element + content[start:]


def after_the_end(content: bytes, word: str) -> bytes:
    """Return a file with trailing padding that says a word."""
    value = word.encode().ljust(32, b"\0")
    head = b"OB\0\0\x20\0\0\0" if _explicit(content) else b"\x20\0\0\0"
    return content + b"\xfc\xff\xfc\xff" + head + value


def in_meta(content: bytes, word: str) -> bytes:
    """Return a file whose meta information names a source, and holds an element nobody knows."""
    end = 144 + int.from_bytes(content[140:144], "little")
    source = b"\x02\0\x16\0AE\x10\0" + word.encode().ljust(16)
    unknown = b"\x02\0\x99\x01LO\x0a\0" + word.encode()
    extra = unknown if b"\x02\0\x16\0AE" in content[132:end] else source + unknown
    length = (end - 144 + len(extra)).to_bytes(4, "little")
    return content[:140] + length + content[144:end] + extra + content[end:]


def save(content: bytes, path: Path) -> None:
    """Write a file, its folder made first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _explicit(content: bytes) -> bool:
    start = 144 + int.from_bytes(content[140:144], "little")
    return content[start + 4 : start + 6].isalpha()
