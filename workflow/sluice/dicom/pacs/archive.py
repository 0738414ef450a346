"""What an archive is to the rest of this room, whichever protocol it speaks."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from sluice.dicom.pacs.worklist import Key
from sluice.errors import SluiceError

T = TypeVar("T")

_UID = re.compile(r"[0-9.]{1,64}")


class UnreachableError(SluiceError):
    """The connection failed or broke: trying again may help."""


class RefusedError(SluiceError):
    """The archive answered, and the answer is no. ``reason`` is short, for counting."""

    def __init__(self, reason: str, mend: str = "ask those who run the PACS") -> None:
        self.reason = reason
        super().__init__("The PACS did not do what it was asked", where=reason, mend=mend)


@dataclass(frozen=True)
class Study:
    """A study as the archive names it. ``issuer``: who gave out the patient's number."""

    uid: str
    accession: str = field(repr=False)
    patient: str = field(repr=False)
    issuer: str = field(repr=False)


@dataclass(frozen=True)
class Instance:
    """One object of a study. ``sop_class`` is empty where the archive does not tell it."""

    study: str
    series: str
    uid: str
    sop_class: str = ""


@dataclass(frozen=True)
class Listing:
    """What the archive says a study holds: each object, and how many it claims to have."""

    instances: tuple[Instance, ...]
    declared: int

    @property
    def expected(self) -> int:
        """The larger of both: a list cut short by a limit of the archive must not look whole."""
        return max(self.declared, len(self.instances))


Keep = Callable[[Instance, bytes], None]


class Archive(Protocol):
    """An archive that studies can be fetched from.

    Every method raises :class:`UnreachableError` when the connection fails, :class:`RefusedError`
    when the archive declines this one request, and another :class:`SluiceError` when it
    declines us.
    """

    def find(self, key: Key, value: str) -> list[Study]:
        """Return the studies that the archive finds for an accession or patient number."""

    def listing(self, study: str) -> Listing:
        """Return what the archive holds of a study now."""

    def fetch(self, wanted: Sequence[Instance], keep: Keep, whole: bool) -> Counter[str]:
        """Hand each wanted object of one series to ``keep``, as the bytes of a DICOM file.

        ``whole``: they are all of the series. Returns how many did not come, by reason.
        """


def checked_uid(text: str) -> str:
    """Return a UID that an archive sent.

    Raises
    ------
    RefusedError
        If it is none: it would be sent back as a wildcard, a list or a part of an address.
    """
    if not _UID.fullmatch(text):
        raise RefusedError("an answer without a valid UID")
    return text


class Patience:
    """Repeats what a broken connection interrupted, waiting twice as long each time.

    The first contact is not repeated: a wrong address should say so at once.

    Parameters
    ----------
    attempts
        Most tries of one action.
    wait
        Seconds before the second try.
    say
        Told of each repetition.
    """

    def __init__(self, attempts: int, wait: float, say: Callable[[str], None]) -> None:
        self._attempts, self._wait, self._say = attempts, wait, say
        self._met = False

    def __call__(self, action: Callable[[], T]) -> T:
        """Return what ``action`` returns; it must be safe to run again."""
        for attempt in range(1, self._attempts + 1):
            try:
                result = action()
            except UnreachableError:
                if not self._met or attempt == self._attempts:
                    raise
                pause = self._wait * 2 ** (attempt - 1)
                self._say(f"the connection broke; trying again in {pause:g} s")
                time.sleep(pause)
            else:
                self._met = True
                return result
        raise AssertionError("attempts is at least 1")


def quiet(library: str) -> None:
    """Keep a library from logging: its lines hold numbers, UIDs and whole answers."""
    logging.getLogger(library).setLevel(logging.CRITICAL + 1)
