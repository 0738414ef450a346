"""What a policy may set for imaging, tier by tier."""

from __future__ import annotations

import csv
from functools import cache
from typing import Any, Literal

from pydantic import Field, field_validator

from sluice.config.loader import Model, parse
from sluice.config.policy import ModalityPolicy
from sluice.resources import resource

_ELIGIBILITY = ("original_primary", "burned_in", "faces", "overlays")
_REWRITING = ("options", "keep_device", "times", "text", "age_top", "age_band", "sex", "pixels")


class ImagingSettings(Model):
    """Settings of an individual-level tier: which objects it holds, and what of their headers."""

    sop_classes: list[str] = Field(
        min_length=1, description="Kinds of resources/dicom/sop_classes.csv, in capitals"
    )
    regions: Literal["any"] | list[str] = Field(
        description="Regions of resources/dicom/body_parts.csv, in capitals, or any; "
        "an unknown region is a head"
    )
    original_primary: bool = Field(description="Only images whose type is ORIGINAL and PRIMARY")
    burned_in: list[Literal["YES", "NO", "UNKNOWN"]] = Field(
        description="Accepted values of BurnedInAnnotation; UNKNOWN where it is absent"
    )
    faces: Literal["exclude", "deface"] = Field(
        description="Objects that may show a face stay out; deface: until they are defaced"
    )
    max_studies: int | None = Field(
        default=None, ge=1, description="Most studies of one person: the earliest"
    )
    overlays: bool = Field(default=False, description="Accept graphics in unused bits of pixels")
    options: list[str] = Field(default_factory=list, description="Options of PS3.15 Table E.1-1")
    keep_device: Literal["full", "manufacturer", "none"] = "none"
    times: Literal["offset", "drop"] = "drop"
    text: Literal["vocabulary", "drop"] = "drop"
    age_top: int = Field(default=90, ge=1, le=90, description="Ages from here on are given as this")
    age_band: int = Field(default=1, ge=1, description="Width of age bands in years")
    sex: bool = Field(default=False, description="Keep PatientSex")
    pixels: Literal["read", "screen"] = Field(
        default="read",
        description="Look for text in every picture; screen: in a scanner's own CT slices "
        "only if something seems drawn into them",
    )

    @field_validator("sop_classes")
    @classmethod
    def _kinds(cls, value: list[str]) -> list[str]:
        return _listed(value, "kind", "sop_classes.csv")

    @field_validator("regions")
    @classmethod
    def _regions(cls, value: str | list[str]) -> str | list[str]:
        return value if isinstance(value, str) else _listed(value, "region", "body_parts.csv")

    @property
    def eligibility(self) -> dict[str, Any]:
        """The rules of :func:`sluice.dicom.eligibility.eligible`."""
        anywhere = isinstance(self.regions, str)
        return {name: getattr(self, name) for name in _ELIGIBILITY} | {
            "kinds": [kind.lower() for kind in self.sop_classes],
            "regions": "any" if anywhere else [region.lower() for region in self.regions],
        }

    def profile(self, name: str) -> dict[str, Any]:
        """Return the section of :meth:`sluice.dicom.profile.Profile.from_policy`."""
        return {"name": name} | {key: getattr(self, key) for key in _REWRITING}


class PublicImagingSettings(Model):
    """The public tier has no settings of its own: its products fix modalities and regions."""


def individual_settings(policy: ModalityPolicy, tier: str) -> ImagingSettings:
    """Check the settings of an individual-level tier.

    Raises
    ------
    SluiceError
        With the key, for anything unknown or missing.
    """
    return parse(ImagingSettings, policy.settings, _place(tier))


def check_public(policy: ModalityPolicy) -> None:
    """Check the settings of the public tier."""
    parse(PublicImagingSettings, policy.settings, _place("public"))


def _place(tier: str) -> str:
    return f"policy, tier {tier}, modality imaging, settings"


def _listed(names: list[str], column: str, file: str) -> list[str]:
    known = _words(column, file)
    if set(names) - known:
        raise ValueError(f"one of {', '.join(sorted(known))}")
    return names


@cache
def _words(column: str, file: str) -> frozenset[str]:
    with resource("dicom").joinpath(file).open(newline="", encoding="utf-8") as stream:
        return frozenset(row[column].upper() for row in csv.DictReader(stream))
