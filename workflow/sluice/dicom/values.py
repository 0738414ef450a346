"""Rewriting single values: dates and times, ages, numbers, UIDs, dummies.

Each function returns ``None`` for a value that is not what its VR says; the caller removes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sluice.dicom.dictionary import is_registered

# Non-empty values that mean nothing (action D), by VR.
DUMMIES: dict[str, str | int | float | bytes] = {
    "AE": "REMOVED",
    "AS": "000Y",
    "CS": "REMOVED",
    "DA": "19000101",
    "DS": "0",
    "DT": "19000101000000",
    "IS": "0",
    "LO": "REMOVED",
    "LT": "REMOVED",
    "PN": "REMOVED",
    "SH": "REMOVED",
    "ST": "REMOVED",
    "TM": "000000",
    "UC": "REMOVED",
    "UR": "urn:removed",
    "UT": "REMOVED",
    **dict.fromkeys(("AT", "SL", "SS", "SV", "UL", "US", "UV", "US or SS"), 0),
    **dict.fromkeys(("FD", "FL"), 0.0),
    **dict.fromkeys(("OB", "OD", "OF", "OL", "OV", "OW", "UN"), bytes(8)),
}
_DAY = timedelta(days=1)
_DA = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")  # dots: ACR-NEMA's form, still met
_TM = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?")
_DT = re.compile(r"(\d{4})(\d{2})(\d{2})(\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)?([+-]\d{4})?")
_AS = re.compile(r"(\d{3})([DWMY])")
_NUMBER = {
    "IS": re.compile(r"[+-]?\d{1,11}"),
    "DS": re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"),
}
_CODED = re.compile(r"[A-Z0-9_ ]{0,16}")
_PER_YEAR = {"D": 365, "W": 52, "M": 12, "Y": 1}
# A class of objects of the standard; the short numbers leave no room for a person's.
_STANDARD_CLASS = re.compile(r"1\.2\.840\.10008\.5\.1\.4(\.\d{1,3}){1,7}")
# Coding schemes that codes of a header come from (PS3.16 Table 8-1): public, never a person's.
_CODING_SCHEMES = frozenset(
    {
        "2.16.840.1.113883.6.96",  # SNOMED CT
        "2.16.840.1.113883.6.5",  # SNOMED RT
        "2.16.840.1.113883.6.1",  # LOINC
        "2.16.840.1.113883.6.8",  # UCUM
        "2.16.840.1.113883.6.119",  # FMA
        "2.16.840.1.113883.6.256",  # RadLex
        "2.16.840.1.113883.6.88",  # RxNorm
        "2.16.840.1.113883.3.26.1.1",  # NCI thesaurus
    }
)


def parse_date(text: str) -> date | None:
    """Read a DA value."""
    if not (found := _DA.fullmatch(text)):
        return None
    try:
        return date(*map(int, found.groups()))
    except ValueError:  # the thirtieth of February
        return None


def parse_time(text: str) -> timedelta | None:
    """Read a TM value as time since midnight."""
    if not (found := _TM.fullmatch(text)):
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups()[:3])
    micro = int((found[4] or "").ljust(6, "0"))
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    return timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=micro)


def _time_text(moment: timedelta, like: str) -> str:
    """Write a time of day, with a fraction where the original had one."""
    of_day = moment % _DAY
    minutes, seconds = divmod(of_day.seconds, 60)
    whole = f"{minutes // 60:02d}{minutes % 60:02d}{seconds:02d}"
    return f"{whole}.{of_day.microseconds:06d}" if "." in like else whole


def _date_text(moved: date) -> str:
    return f"{moved.year:04d}{moved.month:02d}{moved.day:02d}"


@dataclass(frozen=True)
class Clock:
    """Moves dates by one shift and counts times from the study's start.

    With ``start`` = (day, time), a moment m of the study becomes (day + shift, 00:00) +
    (m - start), so that differences within the study are exact, also across midnight. Without
    ``start`` there are no times, and dates move by whole days.
    """

    shift_days: int
    start: datetime | None = None

    def _since_start(self, time: str) -> timedelta | None:
        if self.start is None or (since_midnight := parse_time(time)) is None:
            return None
        midnight = self.start.replace(hour=0, minute=0, second=0, microsecond=0)
        return since_midnight - (self.start - midnight)

    def date(self, text: str, time: str = "") -> str | None:
        """Move a DA value; ``time`` is the TM value that belongs to it, if any."""
        if (day := parse_date(text)) is None:
            return None
        since_start = self._since_start(time)
        return _moved(day, self.shift_days + (since_start // _DAY if since_start else 0))

    def time(self, text: str) -> str | None:
        """Turn a TM value into the time since the study's start, modulo a day."""
        since_start = self._since_start(text)
        return None if since_start is None else _time_text(since_start, text)

    def datetime(self, text: str) -> str | None:
        """Move a DT value. Its offset from UTC goes; a value without days is malformed."""
        if not (found := _DT.fullmatch(text)):
            return None
        day, time = text[:8], found[4] or ""
        moved = self.date(day, time)
        if moved is None or not time or self.start is None:
            return moved
        new_time = self.time(time)
        return moved + new_time if new_time else None


def _moved(day: date, days: int) -> str | None:
    try:
        return _date_text(day + timedelta(days=days))
    except OverflowError:
        return None


def age(text: str, top: int, band: int) -> str | None:
    """Coarsen an AS value: ``top`` years and more become ``top``, others a multiple of ``band``.

    Ages in days, weeks or months stay as they are if ``band`` is one year, else become years.
    """
    if not (found := _AS.fullmatch(text)):
        return None
    years = int(found[1]) // _PER_YEAR[found[2]]
    if years >= top:
        return f"{top:03d}Y"
    if band == 1 and found[2] != "Y":
        return text
    return f"{years // band * band:03d}Y"


def is_number(vr: str, text: str) -> bool:
    """Say whether the text is an IS or DS value and nothing else."""
    return bool(_NUMBER[vr].fullmatch(text))


def coded(text: str) -> str | None:
    """Return a CS value, in capitals as the VR asks."""
    return text.upper() if _CODED.fullmatch(text.upper()) else None


def is_standard_uid(uid: str) -> bool:
    """Say whether a UID names a thing of the standard, not one instance of somebody's."""
    return is_registered(uid) or uid in _CODING_SCHEMES or bool(_STANDARD_CLASS.fullmatch(uid))
