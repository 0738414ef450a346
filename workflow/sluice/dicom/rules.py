"""What happens to each element: PS3.15 Table E.1-1, resolved for the options of a profile.

Everything that no table and no dictionary knows is removed. The shipped tables are read once; a
test may build :class:`Rules` from changed rows to show that a rule is what holds a leak back.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from pydicom.datadict import dictionary_has_tag

from sluice.resources import resource

Action = Literal["X", "Z", "D", "K", "C", "U"]

OPTIONS = (
    "retain_safe_private",
    "retain_uids",
    "retain_device",
    "retain_institution",
    "retain_patient_characteristics",
    "retain_longitudinal_full_dates",
    "retain_longitudinal_modified_dates",
    "clean_descriptors",
    "clean_structured_content",
    "clean_graphics",
)
# What Sluice offers; the others would leave original UIDs, dates, places or drawings in a release.
OFFERED = frozenset(OPTIONS) - {
    "retain_uids",
    "retain_institution",
    "retain_longitudinal_full_dates",
    "clean_graphics",
}
# The answer to a conditional code that is valid whatever the attribute's type in the object:
# an element is emptied only where it may be empty, a sequence is removed or emptied rather than
# filled with invented items. resources/dicom/SOURCE.md tells the choice.
CONDITIONAL: dict[str, tuple[Action, Action]] = {
    "X/Z": ("Z", "Z"),
    "X/D": ("D", "X"),
    "Z/D": ("D", "D"),
    "X/Z/D": ("D", "Z"),
    "X/Z/U*": ("Z", "U"),
}
# Dates that someone outside can know to the day or bound (a machine's calibration, a migration of
# the archive, a signature) would give the shift away, so no option keeps them (decision 10).
SHIFT_REVEALING = frozenset(
    {
        0x00080012,  # Instance Creation Date
        0x00080013,  # Instance Creation Time
        0x00080015,  # Instance Coercion DateTime
        0x0014407C,  # Calibration Time
        0x0014407E,  # Calibration Date
        0x00181200,  # Date of Last Calibration
        0x00181201,  # Time of Last Calibration
        0x00181202,  # DateTime of Last Calibration
        0x00181203,  # Calibration DateTime
        0x00181204,  # Date of Manufacture
        0x00181205,  # Date of Installation
        0x0018700C,  # Date of Last Detector Calibration
        0x0018700E,  # Time of Last Detector Calibration
        0x0040A030,  # Verification DateTime
        0x04000105,  # Digital Signature DateTime
        0x04000562,  # Attribute Modification DateTime
    }
)
# Bulk elements whose bytes are samples or indices and nothing else. Any other OB, OW or UN goes.
SAMPLES = frozenset(
    {
        *range(0x00281201, 0x00281205),  # palettes
        *range(0x00281221, 0x00281225),  # segmented palettes
        0x00281408,  # Blending Lookup Table Data
        0x00283006,  # LUT Data
        *range(0x00660023, 0x0066002A),  # point index lists
        0x54000110,  # Channel Minimum Value
        0x54000112,  # Channel Maximum Value
        0x5400100A,  # Waveform Padding Value
        0x54001010,  # Waveform Data
        0x7FE00010,  # Pixel Data
    }
)
DATES = frozenset({"DA", "DT", "TM"})
TEXT = frozenset({"LO", "SH", "LT", "ST", "UC", "UT"})
# Elements outside the table, by VR; any other VR is kept where its values are what the VR says.
UNLISTED: dict[str, Action] = {"PN": "D", "AE": "D", "UR": "X", "UI": "U"}
UNLISTED.update(dict.fromkeys(DATES | TEXT, "C"))
_BULK = frozenset({"OB", "OW", "UN", "OB or OW", "US or OW", "US or SS or OW"})


@dataclass(frozen=True)
class Rule:
    """One row of Table E.1-1: the Basic Profile's action and what each option makes of it."""

    tag: int
    basic: str
    options: dict[str, Action]


@dataclass(frozen=True)
class PrivateRule:
    """A private element that may stay: numbers only, each within one of ``ranges`` (inclusive)."""

    vr: str
    count: int
    ranges: tuple[tuple[float, float], ...]

    def admits(self, vr: str, values: list[float]) -> bool:
        """Say whether VR, multiplicity and every value are as declared."""
        return (
            vr == self.vr
            and len(values) == self.count
            and all(any(low <= v <= high for low, high in self.ranges) for v in values)
        )


PrivateKey = tuple[str, int, int]


@dataclass(frozen=True)
class Rules:
    """Every table that decides about an element.

    Parameters
    ----------
    public
        Rule by tag.
    private
        Rule by (creator, group, element without its block).
    technical
        What the profile must allow (``any``, ``manufacturer``, ``device``, ``never``) by tag, for
        text outside the table that describes a machine's settings.
    unlisted
        Action by VR for known elements outside the table.
    """

    public: dict[int, Rule]
    private: dict[PrivateKey, PrivateRule]
    technical: dict[int, str]
    unlisted: dict[str, Action] = field(default_factory=lambda: dict(UNLISTED))

    def action(self, tag: int, vr: str, options: Iterable[str]) -> tuple[Action, str]:
        """Return what to do with a public element, and the option that says so (or ``""``).

        Where options disagree, cleaning wins over keeping. A date is never kept as it is, and a
        date that would give the shift away is treated as the Basic Profile says.
        """
        # Commands, file meta and group lengths. Curves and overlays (50xx, 60xx), of which the
        # table names some elements, go whole: the dictionary lists no element of such groups.
        foreign = tag >> 16 < 8 or tag % 0x10000 == 0
        if foreign or not dictionary_has_tag(tag):
            return "X", ""
        rule = self.public.get(tag)
        if rule is None:
            if vr in _BULK and tag not in SAMPLES:
                return "X", ""
            return self.unlisted.get(vr, "K"), ""
        if tag not in SHIFT_REVEALING:
            asked = {name: rule.options[name] for name in sorted(options) if name in rule.options}
            for wanted in ("C", "K"):
                for name, action in asked.items():
                    if action == wanted:
                        return ("C" if vr in DATES else action), name
        return self.basic(tag, vr), ""

    def basic(self, tag: int, vr: str) -> Action:
        """Return the Basic Profile's action, conditional codes resolved; dummy where unlisted."""
        rule = self.public.get(tag)
        if rule is None:
            return "D"
        if rule.basic in CONDITIONAL:
            return CONDITIONAL[rule.basic][vr == "SQ"]
        return rule.basic  # type: ignore[return-value]  # one of the plain codes


def parse_tag(text: str) -> int:
    """Return the number of a tag written ``(gggg,eeee)``."""
    return int(text[1:5] + text[6:10], 16)


def _rows(name: str) -> Iterator[dict[str, str]]:
    with resource("dicom", name).open(newline="", encoding="utf-8") as stream:
        yield from csv.DictReader(stream)


def _ranges(text: str) -> tuple[tuple[float, float], ...]:
    pairs = (part.split("..") for part in text.split(";"))
    return tuple((float(low), float(high)) for low, high in pairs)


@cache
def load_rules() -> Rules:
    """Read the shipped tables (``resources/dicom``). Masks need no row: see ``Rules.action``."""
    public = {}
    for row in _rows("ps3.15-2026d.csv"):
        if row["tag"] == "private" or "x" in row["tag"]:
            continue
        tag = parse_tag(row["tag"])
        options = {name: row[name] for name in OPTIONS if row[name]}
        public[tag] = Rule(tag, row["basic"], options)  # type: ignore[arg-type]
    private = {
        (row["creator"], int(row["group"], 16), int(row["element"], 16)): PrivateRule(
            row["vr"], int(row["vm"]), _ranges(row["ranges"])
        )
        for row in _rows("private_allow.csv")
    }
    technical = {parse_tag(row["tag"]): row["needs"] for row in _rows("technical_text.csv")}
    return Rules(public, private, technical)
