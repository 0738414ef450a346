"""What happens to each element and each content item: PS3.15 Tables E.1-1 and E.3.4-1.

Codes are resolved for the options of a profile and the attribute's type in the object's
definition. Everything that no table and no dictionary knows is removed. The shipped tables are
read once; a test may build :class:`Rules` from changed rows to show that a rule is what holds a
leak back.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from sluice.dicom.dictionary import has_tag
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
# The answer (element, sequence) to a conditional code where the attribute's type is unknown:
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
# The same among content items: coding scheme and code.
SHIFT_REVEALING_CODES = frozenset({("DCM", "113723")})  # Calibration DateTime
# Bulk elements whose bytes are samples or indices and nothing else. Any other OB, OW or UN goes.
SAMPLES = frozenset(
    {
        *range(0x00281201, 0x00281205),  # palettes
        *range(0x00281221, 0x00281225),  # segmented palettes
        0x00281408,  # Blending Lookup Table Data
        0x00283006,  # LUT Data
        0x54000110,  # Channel Minimum Value
        0x54000112,  # Channel Maximum Value
        0x5400100A,  # Waveform Padding Value
        0x54001010,  # Waveform Data
        *(0x7FE00008, 0x7FE00009, 0x7FE00010),  # Pixel Data
    }
)
#: Pixels and what tells of their frames.
PIXEL_GROUP = 0x7FE0
# Bulk elements of one kind of object only, by the start of its SOP class.
_SURFACES = "1.2.840.10008.5.1.4.1.1.66."
_SAMPLES_OF = dict.fromkeys((0x00660016, 0x00660021, *range(0x00660023, 0x0066002A)), _SURFACES)
_SAMPLES_OF |= dict.fromkeys((0x00660124, 0x00660125, 0x00660129), _SURFACES)  # tracks
_SAMPLES_OF[0x56000020] = "1.2.840.10008.5.1.4.1.1.4.2"  # Spectroscopy Data
DATES = frozenset({"DA", "DT", "TM"})
_DATED = frozenset({"DATE", "DATETIME", "TIME"})  # value types of content items
TEXT = frozenset({"LO", "SH", "LT", "ST", "UC", "UT"})
_CODED = frozenset({"CODE", "NUM"})
# Elements outside the table, by VR; any other VR is kept where its values are what the VR says.
UNLISTED: dict[str, Action] = {"PN": "D", "AE": "D", "UR": "X", "UI": "U"}
UNLISTED.update(dict.fromkeys(DATES | TEXT, "C"))
_BULK = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_BULK |= {"OB or OW", "US or OW", "US or SS or OW"}


@dataclass(frozen=True)
class Rule:
    """One row of Table E.1-1: the Basic Profile's action and what each option makes of it."""

    tag: int
    basic: str
    options: dict[str, Action]


@dataclass(frozen=True)
class FixedValues:
    """Values of a text attribute that the standard fixes: which stay, and which stands in (D)."""

    allowed: frozenset[str]
    dummy: str


@dataclass(frozen=True)
class ContentRule:
    """One row of Table E.3.4-1: what happens to a content item of a structured report."""

    value_type: str
    basic: str
    options: dict[str, Action]


@dataclass(frozen=True)
class PrivateRule:
    """A private element that may stay: numbers in a range, or words of a closed list.

    Parameters
    ----------
    vr
        Its only VR. ``SQ``: the element may stay as a sequence, whose items are cleaned like any
        other part of the object.
    count
        Fewest and most values.
    ranges
        Numbers lie within one of these (inclusive).
    words
        Coded strings are one of these.
    """

    vr: str
    count: tuple[int, int]
    ranges: tuple[tuple[float, float], ...] = ()
    words: frozenset[str] = frozenset()

    def admits(self, vr: str, values: Sequence[float | str]) -> bool:
        """Say whether VR, multiplicity and every value (a number, or the text of a CS) fit."""
        low, high = self.count
        return vr == self.vr and low <= len(values) <= high and all(map(self._admits, values))

    def _admits(self, value: float | str) -> bool:
        if isinstance(value, str):
            return value in self.words
        return any(low <= value <= high for low, high in self.ranges)


PrivateKey = tuple[str, int, int]
Path = tuple[int, ...]
# Type (1, 2 or 3; 1C and 2C count as 1 and 2) by enclosing sequences and tag.
Types = dict[tuple[Path, int], str]


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
    content
        Rules, one for each value type that is listed, by (coding scheme, code) of a content item's
        concept name.
    types
        Type of an attribute in the object's definition, by SOP class.
    fixed
        What may stand in an attribute whose values the standard fixes, by tag.
    """

    public: dict[int, Rule]
    private: dict[PrivateKey, PrivateRule]
    technical: dict[int, str]
    unlisted: dict[str, Action] = field(default_factory=lambda: dict(UNLISTED))
    content: dict[tuple[str, str], tuple[ContentRule, ...]] = field(default_factory=dict)
    types: dict[str, Types] = field(default_factory=dict)
    fixed: dict[int, FixedValues] = field(default_factory=dict)

    def action(
        self, tag: int, vr: str, options: Iterable[str], sop_class: str = "", path: Path = ()
    ) -> tuple[Action, str]:
        """Return what to do with a public element, and the option that says so (or ``""``).

        Where options disagree, cleaning wins over keeping. A date is never kept as it is, and a
        date that would give the shift away is treated as the Basic Profile says.

        Parameters
        ----------
        tag, vr
            The element.
        options
            Options of the profile.
        sop_class
            Of the object; ``""`` if unknown.
        path
            Tags of the sequences that enclose the element, the outermost first.
        """
        # Commands, file meta and group lengths. Curves and overlays (50xx, 60xx), of which the
        # table names some elements, go whole: the dictionary lists no element of such groups. An
        # image inside an item is an icon or none of the standard's.
        foreign = tag >> 16 < 8 or tag % 0x10000 == 0 or (tag >> 16 == PIXEL_GROUP and path)
        if foreign or not has_tag(tag):
            return "X", ""
        rule = self.public.get(tag)
        if rule is None:
            if vr in _BULK and tag not in SAMPLES:
                return _resolved("X", False, self._type(tag, sop_class, path)), ""
            return self.unlisted.get(vr, "K"), ""
        action, option = _asked(rule.options, options) if tag not in SHIFT_REVEALING else ("", "")
        if not action:
            return self.basic(tag, vr, sop_class, path), ""
        return ("C" if vr in DATES else action), option

    def basic(self, tag: int, vr: str, sop_class: str = "", path: Path = ()) -> Action:
        """Return the Basic Profile's action, conditional codes resolved; dummy where unlisted.

        What the object must have is never removed, and what must have a value is never emptied.
        """
        rule = self.public.get(tag)
        if rule is None:
            return "D"
        return _resolved(rule.basic, vr == "SQ", self._type(tag, sop_class, path))

    def content_item(
        self, code: str, scheme: str, value_type: str, options: Iterable[str]
    ) -> tuple[Action, str] | None:
        """Return what to do with a content item of a report, and the option that says so.

        Parameters
        ----------
        code, scheme
            Code value and coding scheme designator of the concept name.
        value_type
            As in ValueType (0040,A040). With one that the table does not list for this concept, the
            item gets the strictest of the concept's actions, and no option applies.
        options
            Options of the profile.

        Returns
        -------
        tuple or None
            ``None`` where the table has no such concept. ``X/D`` is a dummy: the type of an item
            is a matter of templates, of which an object need not tell all.
        """
        rules = self.content.get((scheme, code), ())
        if not rules:
            return None
        rule = next((rule for rule in rules if rule.value_type == value_type), None)
        if rule is None and value_type in _CODED:
            # A code or a number says less than the text that may be cleaned in its place.
            asked = [_asked(rule.options, options) for rule in rules]
            if all(action == "C" for action, _ in asked):
                return "C", asked[0][1]
        if rule is None:
            return ("X" if any(rule.basic == "X" for rule in rules) else "D"), ""
        if (scheme, code) not in SHIFT_REVEALING_CODES:
            action, option = _asked(rule.options, options)
            if action:
                return ("C" if value_type in _DATED else action), option
        return ("X" if rule.basic == "X" else "D"), ""

    def _type(self, tag: int, sop_class: str, path: Path) -> str:
        types = self.types.get(sop_class)
        return "" if types is None else types.get((path, tag), "")


def _is_sample(tag: int, sop_class: str) -> bool:
    return tag in SAMPLES or (tag in _SAMPLES_OF and sop_class.startswith(_SAMPLES_OF[tag]))


def _asked(offers: dict[str, Action], options: Iterable[str]) -> tuple[Action | Literal[""], str]:
    """Return what the options ask for and the one that does; cleaning wins over keeping."""
    asked = {name: offers[name] for name in sorted(options) if name in offers}
    wanted = sorted(asked, key=lambda name: asked[name] != "C")
    return (asked[wanted[0]], wanted[0]) if wanted else ("", "")


def _resolved(code: str, sequence: bool, kind: str) -> Action:
    """Resolve a code of Table E.1-1 for an attribute of type ``kind`` (``""``: unknown)."""
    # References to other objects keep their place whatever the type: only their UIDs change.
    if code in CONDITIONAL and (not kind or code == "X/Z/U*"):
        return CONDITIONAL[code][sequence]
    first: Action = code[0]  # type: ignore[assignment]  # X/Z is X where the type is 3, and so on
    if first in ("X", "Z") and kind in ("1", "2"):
        return "D" if kind == "1" else "Z"
    return first


def parse_tag(text: str) -> int:
    """Return the number of a tag written ``(gggg,eeee)``."""
    return int(text[1:5] + text[6:10], 16)


def parse_rule(row: dict[str, str]) -> PrivateRule:
    """Return the rule of a row with ``vr``, ``vm``, ``ranges`` and ``words``."""
    words = frozenset(filter(None, row["words"].split(";")))
    return PrivateRule(row["vr"], _count(row["vm"]), _ranges(row["ranges"]), words)


def _rows(name: str) -> Iterator[dict[str, str]]:
    with resource("dicom", name).open(newline="", encoding="utf-8") as stream:
        yield from csv.DictReader(stream)


def _ranges(text: str) -> tuple[tuple[float, float], ...]:
    pairs = (part.split("..") for part in filter(None, text.split(";")))
    return tuple((float(low), float(high)) for low, high in pairs)


def _count(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    return int(low), int(high or low)


def _parse_path(text: str) -> Path:
    return tuple(parse_tag(text[start : start + 11]) for start in range(0, len(text), 11))


def _options(row: dict[str, str]) -> dict[str, Action]:
    return {name: row[name] for name in OPTIONS if row.get(name)}  # type: ignore[misc]


def _public() -> dict[int, Rule]:
    rules = {}
    for row in _rows("ps3.15-2026d.csv"):
        # Masks and "private" need no rule: see `Rules.action`.
        if row["tag"] != "private" and "x" not in row["tag"]:
            tag = parse_tag(row["tag"])
            rules[tag] = Rule(tag, row["basic"], _options(row))
    return rules


def _private() -> dict[PrivateKey, PrivateRule]:
    return {
        (row["creator"], int(row["group"], 16), int(row["element"], 16)): parse_rule(row)
        for row in _rows("private_allow.csv")
    }


def _fixed() -> dict[int, FixedValues]:
    return {
        parse_tag(row["tag"]): FixedValues(
            frozenset(filter(None, row["allowed"].split(";"))), row["dummy"]
        )
        for row in _rows("fixed_values.csv")
    }


def _content() -> dict[tuple[str, str], tuple[ContentRule, ...]]:
    rules: dict[tuple[str, str], tuple[ContentRule, ...]] = {}
    for row in _rows("ps3.15-sr-2026d.csv"):
        key = row["scheme"], row["code"]
        rule = ContentRule(row["value_type"], row["basic"], _options(row))
        rules[key] = (*rules.get(key, ()), rule)
    return rules


def _types() -> dict[str, Types]:
    """Merge the modules of each SOP class; where two name an attribute, the stricter type wins."""
    modules: dict[str, Types] = {}
    for row in _rows("attribute_types.csv"):
        key = _parse_path(row["path"]), parse_tag(row["tag"])
        types = modules.setdefault(row["module"], {})
        types[key] = min(types.get(key, "3"), row["type"][0])
    by_class: dict[str, Types] = {}
    by_iod: dict[str, Types] = {}
    for row in _rows("iod_modules.csv"):
        if row["iod"] not in by_iod:
            merged = by_iod[row["iod"]] = {}
            for name in row["modules"].split():
                for key, kind in modules[name].items():
                    merged[key] = min(merged.get(key, "3"), kind)
        by_class[row["sop_class"]] = by_iod[row["iod"]]
    return by_class


@cache
def load_rules() -> Rules:
    """Read the shipped tables (``resources/dicom``)."""
    technical = {parse_tag(row["tag"]): row["needs"] for row in _rows("technical_text.csv")}
    return Rules(
        _public(), _private(), technical, content=_content(), types=_types(), fixed=_fixed()
    )
