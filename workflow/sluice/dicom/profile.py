"""Who a file belongs to from now on, and what a tier's policy lets it keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from sluice.dicom.rules import OFFERED, OPTIONS
from sluice.errors import SluiceError

_CHOICES: dict[str, tuple[str, ...]] = {
    "keep_device": ("full", "manufacturer", "none"),
    "times": ("offset", "drop"),
    "text": ("drop", "vocabulary"),
    "pixels": ("read", "screen"),
}


@dataclass(frozen=True)
class Profile:
    """What a tier keeps of a DICOM header, beyond PS3.15's Basic Profile.

    Parameters
    ----------
    name
        Written into DeidentificationMethod.
    options
        Options of PS3.15 Table E.1-1, named as in ``resources/dicom/SOURCE.md``.
    keep_device
        ``full`` (needs ``retain_device``), ``manufacturer`` or ``none``.
    times
        ``offset``: times are rewritten as the time since the study's start, so that differences
        within a study stay exact; ``drop``: no times.
    text
        ``vocabulary`` (needs ``clean_descriptors``): descriptions keep the words of the closed
        list; ``drop``: none.
    age_top, age_band
        Ages of ``age_top`` years or more are given as ``age_top``; others are rounded down to a
        multiple of ``age_band`` years (1: kept as they are).
    sex
        Whether PatientSex stays (needs ``retain_patient_characteristics``).
    pixels
        ``read``: text is looked for in every picture; ``screen``: a scanner's own CT
        slices are read only if something seems to be drawn into them.
    """

    name: str
    options: frozenset[str] = frozenset()
    keep_device: Literal["full", "manufacturer", "none"] = "none"
    times: Literal["offset", "drop"] = "drop"
    text: Literal["drop", "vocabulary"] = "drop"
    age_top: int = 90
    age_band: int = 1
    sex: bool = False
    pixels: Literal["read", "screen"] = "read"

    def __post_init__(self) -> None:
        if strange := set(self.options) - set(OPTIONS):
            raise _policy_error("options", f"has {len(strange)} unknown names", OFFERED)
        if refused := set(self.options) - OFFERED:
            raise _policy_error("options", f"asks for {', '.join(sorted(refused))}", OFFERED)
        for key, known in _CHOICES.items():
            if getattr(self, key) not in known:
                raise _policy_error(key, "is unknown", known)
        if (self.keep_device == "full") != ("retain_device" in self.options):
            raise _policy_error("keep_device", "disagrees with retain_device", ("both", "none"))
        if (self.text == "vocabulary") != ("clean_descriptors" in self.options):
            raise _policy_error("text", "disagrees with clean_descriptors", ("both", "none"))
        if self.sex and "retain_patient_characteristics" not in self.options:
            raise _policy_error("sex", "needs its option", ("retain_patient_characteristics",))
        if not (0 < self.age_top <= 90 and self.age_band >= 1):
            raise _policy_error("age_top", "is outside its range", ("1..90", "age_band >= 1"))

    @classmethod
    def from_policy(cls, section: Mapping[str, Any]) -> Profile:
        """Build a profile from the policy's section.

        Raises
        ------
        SluiceError
            If a key, an option or a choice is unknown, or two of them contradict each other.
        """
        known = [field.name for field in fields(cls)]
        if set(section) - set(known) or "name" not in section:
            raise _policy_error("profile", "lacks a name or has an unknown key", known)
        return cls(**{**section, "options": frozenset(section.get("options", ()))})


@dataclass(frozen=True)
class ImageIdentity:
    """One participant's new identity in one tier.

    Parameters
    ----------
    person
        The tier's pseudonym: the new PatientID.
    uid
        Keyed map from an original UID to its replacement, the same for every linked object.
    shift_days
        Days that every date moves by; ``None``: no dates.
    study_start
        Original start of the study (StudyDate and StudyTime), zero of all its times.
    own_tokens
        The participant's own names and numbers: no kept text may contain one.
    other_names
        Words of staff's names that are words of a list too (``Hand``): they go where a text writes
        them with a capital.
    release
        Named in DeidentificationMethod after ``SLUICE``: cohort, version and tier. Without it, the
        profile's name is.
    """

    person: str
    uid: Callable[[str], str]
    shift_days: int | None = None
    study_start: datetime | None = None
    own_tokens: frozenset[str] = frozenset()
    other_names: frozenset[str] = frozenset()
    release: tuple[str, ...] = ()


def _policy_error(key: str, what: str, known: Any) -> SluiceError:
    return SluiceError(
        f"The image profile's {key} {what}",
        where=f"policy key {key}",
        mend=f"use {', '.join(sorted(known))}",
    )
