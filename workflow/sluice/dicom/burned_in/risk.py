"""What the header alone says about text in the pixels.

The rules are a table (``resources/dicom/burned_in_risk.csv``). The header is not believed when it
says that all is well: ``BurnedInAnnotation`` NO lowers no risk.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from sluice.dicom.header import Values
from sluice.dicom.pixels import SAMPLES, kind_of
from sluice.resources import resource

Level = Literal["clear", "screen", "read", "never"]
_SEVERITY: tuple[Level, ...] = ("clear", "screen", "read", "never")
_WORD = re.compile(r"[A-Z]+")
# Kinds whose pictures are grey: colour comes from a workstation that drew onto them.
_GREY = frozenset({"ct", "mr", "cr", "dx", "mg", "dental", "rtimage"})


@dataclass(frozen=True)
class Risk:
    """Whether pixels need to be read, and the name of the reason.

    ``clear``: there is no picture, or a grid that was computed, not seen. ``screen``: a scanner's
    own slice, in which drawn strokes stand out from the noise. ``read``: a picture, to be looked
    at. ``never``: text is so likely, or so many-formed, that no reader is trusted.
    """

    level: Level
    reason: str


_PICTURE = Risk("read", "picture")


def assess(header: Values) -> Risk:
    """Say from the header whether the pixels of an object need to be read.

    Of all rules that apply the most severe one counts. An object with pixels that no rule knows
    is never released.
    """
    if not any(keyword in header for keyword in SAMPLES):
        return Risk("clear", "no_picture")
    kind, risks = kind_of(header), []
    by_kind, others = _rules()
    risks.append(by_kind.get(kind, Risk("never", "unknown_kind")))
    for attribute, rules in others.items():
        told = _text(header.get(attribute))
        words = {*_WORD.findall(told), "*"} if told else ()
        risks += [rules[word] for word in words if word in rules]
    if kind == "us" and not header.get("SequenceOfUltrasoundRegions"):
        risks.append(Risk("never", "ultrasound_without_regions"))
    if kind in _GREY and header.get("SamplesPerPixel") != 1:
        risks.append(Risk("never", "colour_where_grey_is_due"))
    # What the kind alone says comes last among rules of one level.
    worst = max(risks[::-1], key=lambda risk: _SEVERITY.index(risk.level))
    if worst == _PICTURE and kind == "ct" and _is_slice(header):
        return Risk("screen", "slice")
    return worst


def _is_slice(header: Values) -> bool:
    types = header.get("ImageType")
    original = isinstance(types, Iterable) and [*types][:2] == ["ORIGINAL", "PRIMARY"]
    depth = header.get("BitsAllocated"), header.get("SamplesPerPixel")
    stored = header.get("BitsStored")
    return original and depth == (16, 1) and isinstance(stored, int) and stored > 8


@cache
def _rules() -> tuple[dict[str, Risk], dict[str, dict[str, Risk]]]:
    """Return the risk by kind of object, and by word (``*``: any) of each other attribute."""
    levels: dict[str, Level] = {level: level for level in _SEVERITY}
    rules: dict[str, dict[str, Risk]] = {}
    with resource("dicom", "burned_in_risk.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            found = rules.setdefault(row["attribute"], {})
            found[row["value"]] = Risk(levels[row["risk"]], row["reason"])
    return rules.pop("kind"), rules


def _text(value: Any) -> str:
    several = isinstance(value, Iterable) and not isinstance(value, str | bytes)
    parts = value if several else [value]
    return " ".join(str(part) for part in parts if part is not None).strip().upper()
