"""What an element is: its role, and whether its value names somebody. Read off PS3.15's table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sluice.dicom.dictionary import has_tag, keyword_of, tags
from sluice.dicom.rules import DATES, TEXT, load_rules
from sluice.dicom.values import is_standard_uid
from sluice.dicom.vocabulary import technical

if TYPE_CHECKING:
    from sluice.config.cohort import Role

_PATIENT_GROUP = 0x0010
_BIRTH_DATE = 0x00100030
_ADDRESS = 0x00101040
_WORD = re.compile(r"[^\W_]+")
# Kinds of every modality that are the participant's own; staff and places are not.
_NOT_WHOLE = frozenset({"staff", "institution"})
# Family, given and middle name: what follows in a PN is a title or an honorific.
_NAME_COMPONENTS = 3


def role(tag: int, vr: str) -> Role:
    """Return the role of an element.

    What no dictionary knows, and every private element, is ``linkage``: nothing is known of it. The
    options of a row of Table E.1-1 tell what its text is: a device's identity (``linkage``), a
    description (``free_text``), a characteristic of the patient (``quasi``); text that no such
    option covers names somebody (``direct``).
    """
    if not has_tag(tag):
        return "linkage"
    if vr == "PN":
        return "direct"
    if vr in DATES or vr == "AS":
        return "quasi"
    rule = load_rules().public.get(tag)
    if rule is None:
        return _unlisted(tag, vr)
    if tag >> 16 == _PATIENT_GROUP and vr not in (*TEXT, "SQ"):
        return "quasi"
    if "retain_device" in rule.options or vr not in (*TEXT, "UR"):
        return "linkage"
    if "clean_descriptors" in rule.options:
        return "free_text"
    return "quasi" if "retain_patient_characteristics" in rule.options else "direct"


def _unlisted(tag: int, vr: str) -> Role:
    if vr in TEXT:
        needs = load_rules().technical.get(tag)
        return "free_text" if needs is None else "safe" if needs == "any" else "linkage"
    names_class = keyword_of(tag).endswith("ClassUID")
    return "linkage" if vr in ("UI", "AE", "UN") and not names_class else "safe"


def identifiers(tag: int, vr: str, values: Sequence[object]) -> list[tuple[str, str]]:
    """Return (kind, value) of the direct identifiers and UIDs among an element's values.

    Kinds are ``name`` (a participant's whole PN and each of its components), ``staff`` (anybody
    else's), ``uid``, ``birth_date``, ``institution``, else the element's keyword. A machine's
    serial number, descriptions and UIDs of the standard are none: a tier may keep them.
    """
    texts = [text for value in values if (text := str(value).strip(" \0"))]
    if vr == "UI":
        return [("uid", text) for text in texts if not is_standard_uid(text)]
    if vr == "PN":
        kind = "name" if tag >> 16 == _PATIENT_GROUP else "staff"
        return [(kind, name) for text in texts for name in _names(text)]
    if tag == _BIRTH_DATE:
        return [("birth_date", text) for text in texts]
    if tag & 0x10000 or role(tag, vr) != "direct":
        return []
    institution = "retain_institution" in load_rules().public[tag].options
    kind = "institution" if institution else keyword_of(tag)
    return [(kind, text) for text in texts]


def _names(text: str) -> list[str]:
    groups = [group.split("^")[:_NAME_COMPONENTS] for group in text.split("=")]
    parts = [part.strip() for group in groups for part in group]
    return [text, *(part for part in parts if len(part) > 1 and part != text)]


def own_tokens(kind: str, text: str) -> list[str]:
    """Return what of an identifier no kept text may contain.

    A participant's own names and numbers go whole. Of an address, an institution or somebody else's
    name, words of the shipped lists (``center``, ``bone``, ``medical``) say nothing of them.
    """
    tag = tags().get(kind)
    patients = tag is not None and tag >> 16 == _PATIENT_GROUP and tag != _ADDRESS
    if patients or (tag is None and kind not in _NOT_WHOLE):
        return [text]
    return [word for word in _WORD.findall(text) if word.casefold() not in technical()]


def other_names(kind: str, text: str) -> list[str]:
    """Return the words of somebody else's name that the lists have (``Hand``)."""
    named = _WORD.findall(text) if kind == "staff" else []
    return [word for word in named if len(word) > 2 and word.casefold() in technical()]
