"""What of the real material names somebody, and where it is found."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError
from tests.pipeline.demo.search import Search, everything, files
from tests.pipeline.real.build import CELL_DONOR_IDS, Real
from tests.pipeline.real.dicom import uids

#: Synthea's columns whose every value names one person.
DIRECT = ("Id", "SSN", "DRIVERS", "PASSPORT", "FIRST", "LAST", "MAIDEN", "ADDRESS", "LAT", "LON")
_LONG = 8


@dataclass(frozen=True)
class Finder:
    """Finds identifiers by kind in bytes and in what the bytes mean, in any case."""

    kinds: dict[str, set[str]]

    def in_tree(self, root: Path) -> dict[str, set[str]]:
        """Return which identifiers lie below ``root``; kinds without any are left out."""
        every = {value for values in self.kinds.values() for value in values}
        search = Search.of(value for value in every if len(value) >= _LONG)
        short = {value.lower(): value for value in every if len(value) < _LONG}
        longest_first = sorted(short, key=len, reverse=True)  # Pre_P12 before Pre_P1
        pattern = re.compile(b"|".join(re.escape(value.encode()) for value in longest_first))
        found: set[str] = set()
        for path in files(root):
            content = b"\0".join([path.relative_to(root).as_posix().encode(), *everything(path)])
            found |= search.bytes.in_bytes(content)
            found |= {short[hit.decode()] for hit in pattern.findall(content.lower())}
        hits = {kind: values & found for kind, values in self.kinds.items()}
        return {kind: values for kind, values in hits.items() if values}


def identifiers(real: Real) -> Finder:
    """Return Synthea's direct identifiers, the donors' numbers and every original UID, by kind."""
    kinds = {
        name: _values(row[name] for row in real.table("clinical/patients.csv")) for name in DIRECT
    }
    donors = {row["donor_id"] for row in real.table("bulk/samples.csv")}
    kinds["donors of bulk"] = _values(donors)
    kinds["donors of cells"] = _values(CELL_DONOR_IDS)
    kinds["encounters"] = _values(row["Id"] for row in real.table("clinical/encounters.csv"))
    kinds["UIDs"] = _values(uid for path in files(real.raw / "imaging") for uid in _uids(path))
    return Finder(kinds)


def _values(values: Iterable[str]) -> set[str]:
    return {value for value in values if value}


def _uids(path: Path) -> list[str]:
    """Return an object's UIDs; of those who wrote ``1.1`` there is nothing to find."""
    try:
        found = list(uids(pydicom.dcmread(path, stop_before_pixels=True)))
    except (InvalidDicomError, ValueError, TypeError, KeyError):
        return []  # one of the broken files, which nobody reads
    return [uid for uid in found if len(uid) >= _LONG]
