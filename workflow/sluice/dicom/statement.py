"""What Sluice writes into every object itself: the new identity and what was done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sluice.dicom.profile import ImageIdentity

# An arbitrary but fixed UID of this program (PS3.5 B.2: 2.25 and a UUID as an integer).
IMPLEMENTATION_UID = "2.25.9427520521028088919077371961476495032"
IMPLEMENTATION_NAME = "SLUICE"
# PS3.16 CID 7050, De-identification Method.
_METHODS = {
    "basic": ("113100", "Basic Application Confidentiality Profile"),
    "clean_pixel_data": ("113101", "Clean Pixel Data Option"),
    "clean_structured_content": ("113104", "Clean Structured Content Option"),
    "clean_descriptors": ("113105", "Clean Descriptors Option"),
    "retain_longitudinal_modified_dates": (
        "113107",
        "Retain Longitudinal Temporal Information Modified Dates Option",
    ),
    "retain_patient_characteristics": ("113108", "Retain Patient Characteristics Option"),
    "retain_device": ("113109", "Retain Device Identity Option"),
    "retain_safe_private": ("113111", "Retain Safe Private Option"),
}


class Statement(NamedTuple):
    """The elements that PS3.15 E.1.1 and PS3.3 C.12.1 ask for.

    Attributes
    ----------
    values
        Values by keyword; none: without a value.
    methods
        The items of DeidentificationMethodCodeSequence, each as value by keyword.
    """

    values: dict[str, tuple[str, ...]]
    methods: list[dict[str, str]]


def statement(profile: str, identity: ImageIdentity, used: frozenset[str]) -> Statement:
    """Return the new identity and what was done.

    Parameters
    ----------
    profile
        Name of the tier's profile.
    identity
        The participant's new identity.
    used
        The options that changed or kept something in this object.
    """
    moved = "retain_longitudinal_modified_dates" in used
    values: dict[str, tuple[str, ...]] = {
        "PatientName": (),
        "PatientID": (identity.person,),
        "PatientBirthDate": (),
        "PatientIdentityRemoved": ("YES",),
        "DeidentificationMethod": ("SLUICE", *(identity.release or (profile,))),
        "LongitudinalTemporalInformationModified": ("MODIFIED" if moved else "REMOVED",),
    }
    stated = sorted({"basic", *used} & _METHODS.keys())
    return Statement(values, [_method(*_METHODS[name]) for name in stated])


def options_of(codes: Iterable[str]) -> frozenset[str]:
    """Return the options that the code values of a statement name."""
    stated = set(codes)
    return frozenset(n for n, (value, _) in _METHODS.items() if value in stated) - {"basic"}


def _method(value: str, meaning: str) -> dict[str, str]:
    return {"CodeValue": value, "CodingSchemeDesignator": "DCM", "CodeMeaning": meaning}
