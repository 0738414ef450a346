"""Looking in released objects for everything that the vault knows of their people.

In a person's own objects each of the person's identifiers is looked for, in the bytes and in all
that can be decoded (:mod:`sluice.dicom.scan`); what is so short that pixels hold it by chance, and
plain numbers and birth dates, must be a whole word of the header's text. In everybody's objects
each UID, and each name or number with letters that is one word, is looked for as such. The last
scan of the finished candidate looks for all of it everywhere.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from sluice.dicom.scan import scan_bytes
from sluice.dicom.vocabulary import listed

_WORD = re.compile(r"[^\W_]+")
_UID_IN_BYTES = 20  # characters; a shorter UID is the beginning of some other one by chance
_IN_BYTES = 6  # characters; shorter text is found in pixels by chance
_LEAST = {True: 5, False: 3}  # characters that anything is looked for from, by "is a number"
_NUMBERS = frozenset({"AT", "DS", "FD", "FL", "SL", "SQ", "SS", "SV", "UL", "US", "UV"})


@dataclass
class Needles:
    """What to look for.

    Parameters
    ----------
    parts
        By subject: anywhere in bytes or text of the subject's own objects.
    words
        By subject, as whole words of headers; under ``""`` in everybody's objects.
    too_short
        How many are too short, or too ordinary, to be looked for.
    """

    parts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    words: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    too_short: int = 0

    def add(self, subject: str, kind: str, value: str) -> None:
        """Add one identifier where it belongs by its kind and spelling."""
        folded = value.casefold()
        plain = "".join(_WORD.findall(folded))
        number = plain.isdigit()
        if len(plain) < _LEAST[number] or plain in listed():
            self.too_short += 1
        elif kind == "uid":
            if len(value) >= _UID_IN_BYTES:
                self.parts[subject].add(value)
            self.words[""].add(value)
        elif kind == "birth_date" or (number and plain == folded):
            self.words[subject].add(plain)
        else:
            if len(value) >= _IN_BYTES:
                self.parts[subject].add(value)
            if plain == folded:
                self.words[""].add(plain)

    def __len__(self) -> int:
        return sum(map(len, (*self.parts.values(), *self.words.values())))

    def hits(self, path: Path, subject: str) -> int:
        """Return how many of the needles an object of ``subject`` holds."""
        parts = sorted(self.parts[subject])
        found = {index for index, _ in scan_bytes(path, [part.encode() for part in parts])}
        return len(found) + len(_words(path) & (self.words[""] | self.words[subject]))


def gather(rows: Iterable[tuple[str, str, str]]) -> Needles:
    """Return the needles of ``subject, kind, value`` rows."""
    needles = Needles()
    for subject, kind, value in rows:
        needles.add(subject, kind, value)
    return needles


def _words(path: Path) -> set[str]:
    """Return the case-folded words of a header and its UIDs; numbers are no words."""
    found: set[str] = set()
    for element in pydicom.dcmread(path, stop_before_pixels=True).iterall():
        if element.VR in _NUMBERS or isinstance(element.value, bytes) or element.value is None:
            continue
        many = element.value if element.VM > 1 else [element.value]
        for text in map(str, many):
            found.update([text] if element.VR == "UI" else _WORD.findall(text.casefold()))
    return found
