"""Which objects a tier may hold at all, before anything is rewritten (policy decision 15)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sluice.dicom.header import Values
from sluice.dicom.pixels import kind_of
from sluice.dicom.words import body_parts
from sluice.errors import SluiceError

UNKNOWN = "unknown"
# In-plane or axial extent of a picture from which a region is no longer believed (mm): a face may
# lie in it whatever the header says.
LARGEST_PART_MM = 700.0
# Kinds that show a body surface or a person in three dimensions or in visible light.
_FACE_KINDS = frozenset({"ct", "mr", "pt"})
_WORD = re.compile(r"[A-Z]+")
# Text from which the region is doubted, not believed: only a head or a whole body counts.
_HINTS = (
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "RequestedProcedureDescription",
    "PerformedProcedureStepDescription",
    "ReceiveCoilName",
    "TransmitCoilName",
    "FilterType",
)
# A body coil is no whole body, a lumbar spine no neck.
_VAGUE = frozenset({"BODY", "SPINE"})
_C_SPINE = re.compile(r"\bC[ -]SPINE")
_RULE_KEYS = {"kinds", "regions", "original_primary", "burned_in", "faces", "overlays"}


@dataclass(frozen=True)
class ObjectFacts:
    """What eligibility is decided from. Holds no identifying value.

    ``kind`` and ``region`` come from closed lists (``resources/dicom/sop_classes.csv``,
    ``body_parts.csv``); an unknown region is a head. ``burned_in`` is ``YES``, ``NO`` or
    ``UNKNOWN``. ``face`` tells whether a face may be rebuilt from the picture;
    ``overlay_in_pixels`` of graphics in unused bits of the pixels, which bit-exact copying would
    keep.
    """

    kind: str
    original: bool
    burned_in: Literal["YES", "NO", "UNKNOWN"]
    region: str
    face: bool
    rows: int
    columns: int
    frames: int
    overlay_in_pixels: bool


def classify(dataset: Values) -> ObjectFacts:
    """Read the facts of an object."""
    kind = kind_of(dataset)
    image_type = [str(value).upper() for value in _many(dataset.get("ImageType"))]
    burned_in = str(dataset.get("BurnedInAnnotation") or "").upper()
    region, may_show_face = _region(dataset)
    return ObjectFacts(
        kind=kind,
        original=image_type[:2] == ["ORIGINAL", "PRIMARY"],
        burned_in="YES" if burned_in == "YES" else "NO" if burned_in == "NO" else "UNKNOWN",
        region=region,
        face=may_show_face and kind in _FACE_KINDS,
        rows=_whole(dataset.get("Rows")),
        columns=_whole(dataset.get("Columns")),
        frames=max(1, _whole(dataset.get("NumberOfFrames"))),
        overlay_in_pixels=_overlay_in_pixels(dataset),
    )


def eligible(facts: ObjectFacts, tier_rules: Mapping[str, Any]) -> str | None:
    """Return why a tier may not hold the object, or ``None`` if it may.

    Parameters
    ----------
    facts
        From :func:`classify`.
    tier_rules
        All of: ``kinds`` (kinds that the tier holds), ``regions`` (a list, or ``"any"``),
        ``original_primary`` (must the image be ORIGINAL and PRIMARY), ``burned_in`` (accepted
        values of BurnedInAnnotation), ``faces`` (``exclude``, ``deface``: quarantined until
        defaced, or ``waived``), ``overlays`` (may pixels hold overlays).

    Raises
    ------
    SluiceError
        If a rule is missing or unknown.
    """
    if set(tier_rules) != _RULE_KEYS or tier_rules["faces"] not in ("exclude", "deface", "waived"):
        raise SluiceError(
            "The image rules of a tier are incomplete or unknown",
            where="policy, imaging eligibility",
            mend=f"give exactly {', '.join(sorted(_RULE_KEYS))}",
        )
    if facts.kind not in tier_rules["kinds"]:
        return f"kind_{facts.kind}"
    if tier_rules["original_primary"] and not facts.original:
        return "not_original_primary"
    if facts.rows and facts.burned_in not in tier_rules["burned_in"]:
        return "burned_in_annotation"
    if facts.overlay_in_pixels and not tier_rules["overlays"]:
        return "overlay_in_pixels"
    if tier_rules["regions"] != "any" and facts.region not in tier_rules["regions"]:
        return f"region_{facts.region}"
    if facts.face and tier_rules["faces"] != "waived":
        return "face_needs_defacing" if tier_rules["faces"] == "deface" else "face"
    return None


def _region(dataset: Values) -> tuple[str, bool]:
    """Return region and "a face may be seen"; doubt and ignorance both mean a head."""
    stated = [str(dataset.get("BodyPartExamined") or ""), *_coded_regions(dataset)]
    found = [_look_up(text) for text in stated if text]
    words = [word for text in _hint_texts(dataset) for word in _WORD.findall(text)]
    hints = [_look_up(word) for word in words if word not in _VAGUE]
    shown = [part for part in (*found, *hints) if part and part[1]]
    if shown:
        return shown[0]
    if not found or None in found:
        return "head", True
    if _extent(dataset) > LARGEST_PART_MM:
        return "whole_body", True
    return next(part for part in found if part)


def _look_up(text: str) -> tuple[str, bool] | None:
    return body_parts().get("".join(_WORD.findall(text.upper())))


def _coded_regions(dataset: Values) -> list[str]:
    items = _items(dataset, "AnatomicRegionSequence")
    for group in _items(dataset, "SharedFunctionalGroupsSequence"):
        for frame in _items(group, "FrameAnatomySequence"):
            items += _items(frame, "AnatomicRegionSequence")
    return [str(item.get("CodeMeaning") or "?") for item in items]


def _hint_texts(dataset: Values) -> list[str]:
    texts = [str(dataset.get(keyword) or "").upper() for keyword in _HINTS]
    return [_C_SPINE.sub("CSPINE", text) for text in texts]


def _extent(dataset: Values) -> float:
    """Return the longest side of the picture in mm, 0 where spacing is not told."""
    spacing = [_real(value) for value in _many(dataset.get("PixelSpacing"))] or [0.0]
    sides = (_whole(dataset.get("Rows")), _whole(dataset.get("Columns")))
    depth = _whole(dataset.get("NumberOfFrames")) * _real(dataset.get("SpacingBetweenSlices"))
    return max(*(side * max(spacing) for side in sides), depth)


def _overlay_in_pixels(dataset: Values) -> bool:
    for group in range(0x6000, 0x6020, 2):
        if (group, 0x0102) in dataset and (group, 0x3000) not in dataset:
            return True
    return False


def _many(value: Any) -> list[Any]:
    if value is None or isinstance(value, str):
        return [] if not value else [value]
    return list(value) if isinstance(value, Iterable) else [value]


def _items(dataset: Values, keyword: str) -> list[Any]:
    """Return the items of a sequence; none where a file has something else in its place."""
    return [item for item in _many(dataset.get(keyword)) if hasattr(item, "get")]


def _whole(value: Any) -> int:
    return int(_real(value))


def _real(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0  # absent or malformed: nothing is known, and nothing is allowed for it
    return number if math.isfinite(number) else 0.0
