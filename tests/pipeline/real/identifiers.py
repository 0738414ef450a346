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
        """Return which identifiers of each kind lie below ``root``."""
        every = {value for values in self.kinds.values() for value in values}
        search = Search.of(value for value in every if len(value) >= _LONG)
        short = {value for value in every if len(value) < _LONG}
        pattern = re.compile(b"|".join(re.escape(v.lower().encode()) for v in sorted(short)))
        found: set[str] = set()
        folded = {value.lower(): value for value in short}
        for path in files(root):
            found |= search.in_file(path)
            content = b"\0".join([path.as_posix().encode(), *everything(path)]).lower()
            found |= {folded[match.decode()] for match in pattern.findall(content)}
        return {kind: values & found for kind, values in self.kinds.items()}


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
    try:
        return list(uids(pydicom.dcmread(path, stop_before_pixels=True)))
    except (InvalidDicomError, ValueError, TypeError, KeyError):
        return []  # one of the broken files, which nobody reads
