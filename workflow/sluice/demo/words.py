"""Invented words and codes: unique, found in no dictionary, none inside another."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

_ONSETS = ("Qz", "Xv", "Zk", "Vq", "Jx", "Kz", "Wq", "Gx", "Bq", "Fz", "Px", "Dq")
_CODAS = ("xq", "zj", "vk", "qk", "jz", "wx", "kq", "gz", "vx", "bz")
_VOWELS = "aeiou"
_CODE_LETTERS = list("QXZJKVW23479")


@dataclass(frozen=True)
class Name:
    """A person's name, of two invented words."""

    family: str
    given: str

    @property
    def plain(self) -> str:
        """Return the name as people write it."""
        return f"{self.given} {self.family}"

    @property
    def dicom(self) -> str:
        """Return the name as a DICOM person name."""
        return f"{self.family}^{self.given}"


class Words:
    """A bag of invented words and codes from which each is taken once.

    Words have eight letters and codes of one prefix have one length, so none contains another.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        words = ["".join(parts) for parts in product(_ONSETS, _VOWELS, _CODAS, _VOWELS, _CODAS)]
        self._words = (words[i] for i in rng.permutation(len(words)))
        self._rng = rng
        self._counters: dict[str, int] = {}

    def word(self) -> str:
        """Take a word."""
        return next(self._words)

    def name(self) -> Name:
        """Take two words as a name."""
        return Name(family=self.word(), given=self.word())

    def code(self, prefix: str) -> str:
        """Take the next code of a prefix, e.g. ``MRN7K3Q0042``."""
        number = self._counters[prefix] = self._counters.get(prefix, 0) + 1
        middle = "".join(self._rng.choice(_CODE_LETTERS, size=4))
        return f"{prefix}{middle}{number:04d}"

    def phone(self) -> str:
        """Take a number from the exchange that is kept for fiction."""
        number = self._counters["phone"] = self._counters.get("phone", 0) + 1
        return f"+1-{self._rng.integers(201, 990)}-555-{number:04d}"

    def uid(self) -> str:
        """Take a DICOM UID below the arc for UUIDs, 43 characters."""
        left, right = self._rng.integers(10**16, 10**17, size=2)
        return f"2.25.1893{left}{right}"
