"""One ladder of generalisation for each kind of value: what a value becomes on each level.

Each kind offers ``levels(options)``, the level names from finest to ``*``, and
``labeller(level, options)``, a function that takes one value (raw, or already the label of a finer
level) and returns its label, or ``None`` where the value does not fit. Level i + 1 is a function of
level i, so a recoded table can be coarsened without the raw one.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cache
from itertools import pairwise
from math import floor, inf, isfinite
from typing import Any

from sluice.errors import SluiceError
from sluice.resources import resource

ALL = "*"
"""Label and level of a value that tells nothing."""

Options = Mapping[str, Any]
Label = str | float | None
Labeller = Callable[[object], Label]


@dataclass(frozen=True)
class Kind:
    """A way to generalise: its level names, and what a value becomes on one of them."""

    levels: Callable[[Options], list[str]]
    labeller: Callable[[str, Options], Labeller]


def text(value: object) -> str:
    """Return a value's text; a whole float reads as the integer that it was."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def bad_options(kind: str, what: str) -> SluiceError:
    """Return the refusal of a rule whose options do not make levels."""
    return SluiceError(f"The options of a generalisation {what}", where=f"rule {kind}")


def chosen(kind: str, ladder: Sequence[str], options: Options) -> list[str]:
    """Levels of a fixed ladder that ``options["levels"]`` names (default: all), then ``*``."""
    wanted = [str(level) for level in options.get("levels") or ladder]
    places = [ladder.index(name) if name in ladder else -1 for name in wanted if name != ALL]
    if -1 in places or places != sorted(set(places)):
        raise bad_options(kind, f"name levels other than {', '.join(ladder)}, finest first")
    return [*(ladder[place] for place in places), ALL]


def _steps(kind: str, options: Options) -> list[str]:
    """Numeric ``options["levels"]``, each a multiple of the one before, then ``*``."""
    names = [text(level) for level in options.get("levels", []) if level != ALL]
    try:
        steps = [Decimal(name) for name in names]
    except InvalidOperation:
        raise bad_options(kind, "hold a level that is neither a number nor `*`") from None
    nested = all(wide % fine == 0 and wide > fine > 0 for fine, wide in pairwise(steps))
    if any(step <= 0 for step in steps) or not nested:
        raise bad_options(kind, "need positive levels, each a multiple of the one before")
    return [*names, ALL]


# --- age ------------------------------------------------------------------------------------------

_OLDEST = 130
_AGE = re.compile(r"(\d+)(?:\.\d+)?(?:-(\d+)|(\+))?")


def _age_levels(options: Options) -> list[str]:
    names = _steps("age", options)
    if any(not name.isdigit() for name in names[:-1]):
        raise bad_options("age", "need whole years")
    tops = _tops(options, len(names))
    for width, (before, after) in zip(names, pairwise(tops), strict=False):
        if after > before or (after != before and after % int(width)):
            raise bad_options(
                "age", "need tops that never rise, each at an edge of the bands before it"
            )
    return names


def _tops(options: Options, levels: int) -> list[float]:
    """Age from which each level but ``*`` is top-coded: one for all, or one a level."""
    top = options.get("top")
    if isinstance(top, list | tuple):
        if len(top) != levels - 1:
            raise bad_options("age", "need one top for all levels or one for each")
        return [float(age) for age in top]
    return [inf if top is None else float(top)] * (levels - 1)


def _age_labeller(level: str, options: Options) -> Labeller:
    names = _age_levels(options)
    width, top = int(level), _tops(options, len(names))[names.index(level)]

    def label(value: object) -> Label:
        whole = floor(value) if isinstance(value, float) and isfinite(value) else value
        found = _AGE.fullmatch(text(whole))
        if not found:
            return None
        low = int(found[1])
        high = inf if found[3] else int(found[2] or low)
        if low > _OLDEST or high < low:
            return None
        if low >= top:
            return f"{top:.0f}+"
        first = floor(low / width) * width
        last = min(first + width - 1, top - 1)
        if high > last:
            return None
        return f"{first:.0f}" if first == last else f"{first:.0f}-{last:.0f}"

    return label


# --- place ----------------------------------------------------------------------------------------

_ZIP = re.compile(r"(\d{5})(?:-?\d{4})?")


@cache
def _small_zip3() -> frozenset[str]:
    with resource("geography", "zip3_small.csv").open(encoding="utf-8", newline="") as rows:
        return frozenset(row["zip3"] for row in csv.DictReader(rows))


def _zip3(value: object) -> Label:
    """First three digits; a number, or four digits, has lost the zeros in front of it."""
    digits = text(value)
    if re.fullmatch(r"\d{4}", digits) or (not isinstance(value, str) and digits.isdigit()):
        digits = digits.zfill(5)
    if not re.fullmatch(r"\d{3}", digits) and not _ZIP.fullmatch(digits):
        return None
    area = digits[:3]
    return "000" if area in _small_zip3() else area


# --- date -----------------------------------------------------------------------------------------

_GRAINS = ["day", "month", "quarter", "year"]
_DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:[T ].*)?")
_PERIOD = re.compile(r"(\d{4})(?:-(?:(0[1-9]|1[0-2])|Q([1-4])))?")


def _date_labels(value: object) -> list[str] | None:
    """Labels by grain from year to the finest that the value has."""
    written = text(value)
    if found := _DAY.fullmatch(written):
        try:
            day = date(int(found[1]), int(found[2]), int(found[3]))
        except ValueError:
            return None
        return [*_month_labels(day.year, day.month), day.isoformat()]
    found = _PERIOD.fullmatch(written)
    if not found:
        return None
    if found[2]:
        return _month_labels(int(found[1]), int(found[2]))
    return [found[1], f"{found[1]}-Q{found[3]}"] if found[3] else [found[1]]


def _month_labels(year: int, month: int) -> list[str]:
    return [f"{year:04d}", f"{year:04d}-Q{(month + 2) // 3}", f"{year:04d}-{month:02d}"]


def _date_labeller(level: str, options: Options) -> Labeller:
    place = len(_GRAINS) - 1 - _GRAINS.index(level)

    def label(value: object) -> Label:
        labels = _date_labels(value)
        return labels[place] if labels and place < len(labels) else None

    return label


# --- number ---------------------------------------------------------------------------------------


def _number_labeller(level: str, options: Options) -> Labeller:
    """Round half up to the first step, then to each coarser one, within bottom and top.

    Rounding step by step, not at once, is what makes the levels nest; the error is at most half
    the sum of the steps.
    """
    names = _steps("number", options)
    steps = [Decimal(name) for name in names[: names.index(level) + 1]]
    bottom, top = (
        None if options.get(end) is None else Decimal(text(options[end]))
        for end in ("bottom", "top")
    )

    def label(value: object) -> Label:
        try:
            number = Decimal(text(value))
        except InvalidOperation:
            return None
        if not number.is_finite():
            return None
        for step in steps:
            number = (number / step).to_integral_value(ROUND_HALF_UP) * step
            number = number if bottom is None else max(number, bottom)
            number = number if top is None else min(number, top)
        return float(number) + 0.0  # no negative zero

    return label


# --- ICD-10 ---------------------------------------------------------------------------------------

_ICD10 = re.compile(r"([A-Z]\d[0-9A-Z])\.?([0-9A-Z]{0,4})")
# First category of each chapter, in the order of the codes (WHO ICD-10, 2019); the ranges of
# ICD-10-CM lie within the same starts.
_CHAPTERS = {
    "A00": "I", "C00": "II", "D50": "III", "E00": "IV", "F00": "V", "G00": "VI", "H00": "VII",
    "H60": "VIII", "I00": "IX", "J00": "X", "K00": "XI", "L00": "XII", "M00": "XIII",
    "N00": "XIV", "O00": "XV", "P00": "XVI", "Q00": "XVII", "R00": "XVIII", "S00": "XIX",
    "U00": "XXII", "V00": "XX", "Z00": "XXI",
}  # fmt: skip
_STARTS = list(_CHAPTERS)
_ICD_LEVELS = ["full", "category", "chapter"]


def _code_labeller(level: str, options: Options) -> Labeller:
    def label(value: object) -> Label:
        written = text(value).upper()
        if written in _CHAPTERS.values():
            return written if level == "chapter" else None
        found = _ICD10.fullmatch(written)
        if not found:
            return None
        category, rest = found[1], found[2]
        if level == "full":
            return f"{category}.{rest}" if rest else category
        if level == "category":
            return category
        return _CHAPTERS[_STARTS[bisect_right(_STARTS, category) - 1]]

    return label


# --- mask -----------------------------------------------------------------------------------------


def _mask_levels(options: Options) -> list[str]:
    names = [text(level) for level in options.get("levels", []) if level != ALL]
    counts = [int(name) if name.isdigit() else 0 for name in names]
    if 0 in counts or counts != sorted(set(counts)):
        raise bad_options("mask", "need as levels how many trailing characters go, fewest first")
    return [*names, ALL]


def _mask_labeller(level: str, options: Options) -> Labeller:
    """Put ``*`` for that many characters at the end; the length of a value stays visible."""
    if level == ALL:
        return lambda value: ALL

    def label(value: object) -> Label:
        written = text(value)
        masked = min(int(level), len(written))
        return (written[: len(written) - masked] + ALL * masked) or None

    return label


def _fixed(kind: str, ladder: Sequence[str]) -> Callable[[Options], list[str]]:
    return lambda options: chosen(kind, ladder, options)


KINDS: dict[str, Kind] = {
    "age": Kind(_age_levels, _age_labeller),
    "zip3": Kind(_fixed("zip3", ["zip3"]), lambda level, options: _zip3),
    "date": Kind(_fixed("date", _GRAINS), _date_labeller),
    "number": Kind(lambda options: _steps("number", options), _number_labeller),
    "code": Kind(_fixed("code", _ICD_LEVELS), _code_labeller),
    "mask": Kind(_mask_levels, _mask_labeller),
}
