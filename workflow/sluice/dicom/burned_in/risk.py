"""What the header alone says about text in the pixels.

The rules are a table (``resources/dicom/burned_in_risk.csv``). The header is not believed when it
says that all is well: ``BurnedInAnnotation`` NO lowers no risk.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from sluice.dicom.pixels import SAMPLES, kind_of
from sluice.resources import resource

Level = Literal["clear", "read", "never"]
_SEVERITY: tuple[Level, ...] = ("clear", "read", "never")
_WORD = re.compile(r"[A-Z]+")
# Kinds whose pictures are grey: colour comes from a workstation that drew onto them.
_GREY = frozenset({"ct", "mr", "cr", "dx", "mg", "dental", "rtimage"})


@dataclass(frozen=True)
class Risk:
    """Whether pixels need to be read, and the name of the reason.

    ``clear``: there is no picture, or a grid that was computed, not seen. ``read``: a picture, to
    be looked at. ``never``: text is so likely, or so many-formed, that no reader is trusted.
    """

    level: Level
    reason: str


@dataclass(frozen=True)
class _Rule:
    attribute: str
    value: str
    risk: Risk

    def applies(self, dataset: Dataset, kind: str) -> bool:
        if self.attribute == "kind":
            return kind == self.value
        told = _text(dataset.get(self.attribute))
        return bool(told) if self.value == "*" else self.value in _WORD.findall(told)


def assess(dataset: Dataset) -> Risk:
    """Say from the header whether the pixels of an object need to be read.

    Of all rules that apply the most severe one counts. An object with pixels that no rule knows
    is never released.
    """
    if not any(keyword in dataset for keyword in SAMPLES):
        return Risk("clear", "no_picture")
    kind = kind_of(dataset)
    risks = [rule.risk for rule in _rules() if rule.applies(dataset, kind)]
    if not any(rule.attribute == "kind" and rule.value == kind for rule in _rules()):
        risks.append(Risk("never", "unknown_kind"))
    if kind == "us" and not dataset.get("SequenceOfUltrasoundRegions"):
        risks.append(Risk("never", "ultrasound_without_regions"))
    if kind in _GREY and dataset.get("SamplesPerPixel") != 1:
        risks.append(Risk("never", "colour_where_grey_is_due"))
    return max(risks, key=lambda risk: _SEVERITY.index(risk.level))


@cache
def _rules() -> tuple[_Rule, ...]:
    levels: dict[str, Level] = {level: level for level in _SEVERITY}
    with resource("dicom", "burned_in_risk.csv").open(newline="", encoding="utf-8") as stream:
        return tuple(
            _Rule(row["attribute"], row["value"], Risk(levels[row["risk"]], row["reason"]))
            for row in csv.DictReader(stream)
        )


def _text(value: Any) -> str:
    parts = value if isinstance(value, MultiValue | list | tuple) else [value]
    return " ".join(str(part) for part in parts if part is not None).strip().upper()
