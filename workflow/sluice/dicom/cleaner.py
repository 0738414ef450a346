"""What becomes of a single element: the decisions, apart from how a file is read and written.

Both ways through a file (:mod:`sluice.dicom.rewrite` by bytes, :mod:`sluice.dicom.deidentify` by
pydicom's objects) ask here, so they cannot disagree. A decision depends on the element, on where it
stands and on whose file it is, never on another element; the two exceptions (the time that belongs
to a date, the parts of a code) are handed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sluice.dicom import csa, icc, values, vocabulary, words
from sluice.dicom.dictionary import keyword_of, tags, vr_of
from sluice.dicom.elements import NUMBERS
from sluice.dicom.profile import ImageIdentity, Profile
from sluice.dicom.rules import DATES, TEXT, Action, Rules
from sluice.errors import SluiceError

#: Written by Sluice, never copied.
OWN_TAGS: Final = frozenset(
    tags()[word]
    for word in (
        "PatientName",
        "PatientBirthDate",
        "PatientIdentityRemoved",
        "DeidentificationMethod",
        "DeidentificationMethodCodeSequence",
        "LongitudinalTemporalInformationModified",
        "SpecificCharacterSet",
    )
)
CODE_VALUES: Final = ("CodeValue", "LongCodeValue", "URNCodeValue")
#: The elements of a code, which are decided together.
CODE_TAGS: Final = frozenset(
    tags()[word]
    for word in (*CODE_VALUES, "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning")
)
#: Items of a structured report, and the code that says what an item is about.
CONTENT: Final = 0x0040A730
CONCEPT_NAME: Final = 0x0040A043
# Elements that tell how an item belongs to its report or which frame, segment or item it refers to.
# They stay when the values around them go.
_STRUCTURE = frozenset(
    {0x0040A010, 0x0040A040, 0x0040A050}  # relationship, value type, continuity
    | {0x00081160, 0x0040A132, 0x0040A136, 0x0040DB73, 0x0062000B}
)
_DOCUMENTS = "1.2.840.10008.5.1.4.1.1.104."  # classes of encapsulated documents and models
_DOCUMENT, _DOCUMENT_LENGTH = 0x00420011, 0x00420015
_REWRITTEN = frozenset({icc.TAG, _DOCUMENT})
# By SOP class: one empty page, one empty clinical document.
_BLANK = {
    "1.2.840.10008.5.1.4.1.1.104.1": (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\n"
        b"xref\n0 4\n0000000000 65535 f \n0000000009 00000 n \n0000000052 00000 n \n"
        b"0000000101 00000 n \ntrailer<</Size 4/Root 1 0 R>>\nstartxref\n164\n%%EOF\n"
    ),
    "1.2.840.10008.5.1.4.1.1.104.2": (
        b'<?xml version="1.0" encoding="UTF-8"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>'
    ),
}

_PATIENT_GROUP = 0x0010
_PATIENT_ID, _SEX = 0x00100020, 0x00100040
_BODY_PART, _MODALITY = 0x00180015, 0x00080060
# PS3.3 C.7.3.1.1.1, as used by the classes that a policy may keep; a type 1 element stays filled.
_MODALITIES = frozenset(
    {
        *("AR", "AU", "BDUS", "BI", "BMD", "CR", "CT", "DG", "DX", "ECG", "EPS", "ES", "GM", "HD"),
        *("IO", "IVOCT", "IVUS", "KER", "KO", "LEN", "LS", "MG", "MR", "NM", "OAM", "OCT", "OP"),
        *("OPM", "OPT", "OPV", "OT", "DOC", "PLAN", "PR", "PT", "PX", "REG", "RF", "RG", "RTDOSE"),
        *("RTIMAGE", "RTPLAN", "RTRECORD", "RTSTRUCT", "RWV", "SEG", "SM", "SMR", "SR", "TG"),
        *("US", "VA", "XA", "XC"),
    }
)
# Every coded string of the patient group that an option may keep: a closed list.
_PATIENT_CODES = frozenset({"F", "M", "O", "ALTERED", "UNALTERED", "YES", "NO", "UNKNOWN"})
_ISO = "ISO_1"  # ISO_10918_1 is a compression method, no long number
# A participant's own number of this length or more is looked for among numbers too.
_NUMBER = 5
# Seven digits before the point are a record's number or a date, but for what is counted in
# becquerels, milliseconds, microamperes and events.
_LONG_NUMBER = re.compile(r"[+-]?0*[1-9]\d{6}")
_LARGE = frozenset(
    tags()[word]
    for word in (
        *("ActualFrameDuration", "CountRate", "CountsAccumulated", "DoseCalibrationFactor"),
        *("ExposureInuAs", "FrameReferenceTime", "PrimaryPromptsCountsAccumulated"),
        *("RadionuclideTotalDose", "RadiopharmaceuticalSpecificActivity", "RescaleSlope"),
        *("SecondaryCountsAccumulated", "TriggerTime", "WindowCenter", "WindowWidth"),
        *("XRayTubeCurrentInuA",),
    )
)
# Numbers in binary form whose bytes spell a word or a number as text: no measurement does.
_TEXT = re.compile(rb"[A-Za-z0-9^ ._-]{6,}")
_LONGEST = {"SH": 16, "LO": 64}  # PS3.5 Table 6.2-1, in characters


@dataclass(frozen=True)
class Place:
    """Where an element stands.

    Parameters
    ----------
    path
        Tags of the sequences around it, outermost first.
    dummy
        One of them is replaced by the profile, so only structure stays inside.
    dummy_item
        It belongs to a content item of a report whose value is replaced; the item's name and the
        items below it are not.
    """

    path: tuple[int, ...] = ()
    dummy: bool = False
    dummy_item: bool = False

    @property
    def replaced(self) -> bool:
        """Whether values here are replaced."""
        return self.dummy or self.dummy_item

    def inside(self, tag: int, dummy: bool = False, dummy_item: bool = False) -> Place:
        """Return the place of what stands in the items of a sequence here."""
        value = self.dummy_item and tag not in (CONTENT, CONCEPT_NAME)
        return Place((*self.path, tag), self.dummy or dummy or value, dummy_item)


TOP: Final = Place()


def own_tags(place: Place) -> frozenset[int]:
    """Return the elements that Sluice writes itself, and so copies nowhere.

    A reference to a participant keeps the number, which is then the new one.
    """
    return OWN_TAGS if place.path else OWN_TAGS | {_PATIENT_ID}


class Verdict(NamedTuple):
    """What becomes of an element.

    ``value`` is ``None`` (it goes), ``UNCHANGED`` (numbers or bytes stay as they are), ``ZEROS``,
    the new texts (none: it stays without a value), or new bytes. ``counts`` names what was done,
    ``options`` the options of PS3.15 that were used.
    """

    value: object
    counts: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


class Mark:
    """The type of :data:`UNCHANGED` and :data:`ZEROS`."""


UNCHANGED: Final = Mark()
#: As many numbers as before, each of them zero.
ZEROS: Final = Mark()


PrivateValues = Sequence[float | str] | None


class Code(NamedTuple):
    """A coded concept: value, scheme, meaning."""

    value: str
    scheme: str
    meaning: str


REMOVED_CODE: Final = Code("REMOVED", "99SLUICE", "REMOVED")
#: What is counted where a private element is not on the list.
REMOVED_PRIVATE: Final = "removed: private"
_REMOVED = Verdict(None, ("removed",))


class Cleaner:
    """Decides for the objects of one study of one participant.

    Parameters
    ----------
    profile
        What the tier keeps.
    identity
        The participant's new identity.
    rules
        The tables.
    sop_class
        SOP class of the object: it tells which elements may be empty or absent.
    """

    def __init__(
        self, profile: Profile, identity: ImageIdentity, rules: Rules, sop_class: str
    ) -> None:
        self.profile, self.identity, self.rules = profile, identity, rules
        self.sop_class = sop_class
        self.own = words.own_words(identity.own_tokens)
        self.others = words.own_words(identity.other_names)
        moved = "retain_longitudinal_modified_dates" in profile.options
        start = identity.study_start if profile.times == "offset" else None
        shift = identity.shift_days
        self.clock = values.Clock(shift, start) if moved and shift is not None else None

    @property
    def dates_need_times(self) -> bool:
        """Whether a date's new value depends on the time that belongs to it."""
        return self.clock is not None and self.clock.start is not None

    def sequence(self, tag: int, place: Place) -> tuple[Action, str]:
        """Return what to do with a sequence, and the option that says so (or ``""``).

        ``X`` removes it, ``Z`` empties it, ``D`` keeps no more than the structure of its items.
        """
        return self.rules.action(tag, "SQ", self.profile.options, self.sop_class, place.path)

    def content_item(self, code: str, scheme: str, value_type: str) -> tuple[Action, str]:
        """Return what to do with an item of a report, and the option that says so (or ``""``).

        ``X`` removes it, ``D`` replaces its value; otherwise it is cleaned like anything else.
        """
        found = self.rules.content_item(code, scheme, value_type, self.profile.options)
        return found or ("C", "")

    def element(
        self,
        tag: int,
        vr: str,
        texts: Sequence[str] | None,
        place: Place,
        time: str = "",
        value: bytes = b"",
    ) -> Verdict:
        """Decide about a public element that is no sequence.

        Parameters
        ----------
        tag, vr
            VR as in the file; it is one that the dictionary gives.
        texts
            The values of an element with text, ``()`` of one without a value; ``None`` where the
            value is numbers or bytes.
        place
            Where it stands.
        time
            For a date: the TM value that belongs to it, if any.
        value
            The bytes of an element that holds no text.
        """
        where = (self.sop_class, place.path)
        action, option = self.rules.action(tag, vr, self.profile.options, *where)
        if action == "X" or tag == _DOCUMENT_LENGTH:
            return _REMOVED
        if texts is not None and len(texts) == 0:
            return Verdict([])
        if place.replaced and vr not in ("CS", "UI") and tag not in _STRUCTURE:
            action = "D"
        if tag in _REWRITTEN and action != "Z":
            return self._rewritten(tag, value, required=action == "D")
        new, used = self._value(tag, vr, texts, action, time, value)
        counts: tuple[str, ...] = ()
        if new is None and action in ("C", "K", "U"):
            action, option = self.rules.basic(tag, vr, *where), ""
            counts = ("not cleanable",)
            if action not in ("C", "K", "X"):
                new, used = self._value(tag, vr, texts, action, time, value)
        if new is None:
            return Verdict(None, (*counts, "removed"))
        if action == "K" and vr in TEXT and new != [text.strip(" \0") for text in texts or ()]:
            return Verdict(new, ("renamed: device",))  # so the option is not what was used
        done = {"D": "dummy", "Z": "emptied", "K": "kept"}.get(action, "rewritten")
        return Verdict(new, (*counts, done), tuple(filter(None, (option, used))))

    def private(
        self, creator: str, tag: int, vr: str, value: bytes | None, values: PrivateValues
    ) -> Verdict:
        """Decide about a private element.

        Parameters
        ----------
        creator, tag, vr
            Tag as in the file; the creator tells what it means.
        value
            Its bytes, if it holds bytes.
        values
            Its numbers or coded strings, ``None`` if it holds no such. Of a sequence, ``UNCHANGED``
            means that its items are cleaned like any other.
        """
        key = creator, tag >> 16, tag & 0xFF
        option = "retain_safe_private"
        rule = self.rules.private.get(key)
        if option in self.profile.options and key in csa.ELEMENTS and value is not None:
            blob = csa.rebuilt(value)
            return Verdict(blob, (REMOVED_PRIVATE if blob is None else "rebuilt: private",))
        if option not in self.profile.options or rule is None:
            return Verdict(None, (REMOVED_PRIVATE,))
        admitted = values is not None and rule.admits(vr, values)
        if vr == "SQ" == rule.vr or (admitted and not self._has_own_number(values or ())):
            return Verdict(UNCHANGED, ("kept: private",), (option,))
        return Verdict(None, ("removed: private out of range",))

    def knows_private(self, creator: str, tag: int) -> bool:
        """Say whether an element may stay if its value fits; most may not."""
        key = creator, tag >> 16, tag & 0xFF
        return key in self.rules.private or key in csa.ELEMENTS

    def private_vr(self, creator: str, tag: int) -> str:
        """Return the VR that a listed element has where the file does not tell it."""
        rule = self.rules.private.get((creator, tag >> 16, tag & 0xFF))
        return "OB" if rule is None else rule.vr

    def _has_own_number(self, found: Iterable[float | str]) -> bool:
        texts = (str(n) if isinstance(n, str) else f"{n:.0f}" for n in found)
        return any(len(text) >= _NUMBER and text in self.own for text in texts)

    def code(self, kind: str, code: Code, place: Place) -> Code:
        """Decide about a code: public schemes stay, any other is a dummy.

        ``kind`` is the element that holds the value, one of :data:`CODE_VALUES`.
        """
        public = words.is_public_code(code.value, code.scheme, self.own)
        if place.replaced or kind != "CodeValue" or not public:
            return REMOVED_CODE
        meaning: str | None = code.meaning
        if not words.wholly_in_vocabulary(code.meaning, self.own):
            meaning = words.standard_meaning(code.scheme, code.value)
        return code._replace(meaning=meaning or code.value)

    def uid(self, uid: str) -> str:
        """Map a UID; those of the standard stay."""
        uid = uid.strip(" \0")
        return uid if not uid or values.is_standard_uid(uid) else self.identity.uid(uid)

    def _value(
        self,
        tag: int,
        vr: str,
        texts: Sequence[str] | None,
        action: Action,
        time: str,
        raw: bytes,
    ) -> tuple[object, str]:
        """Return the new value (``None``: the action has no safe one) and an option it used."""
        if action == "Z":
            return [], ""
        if texts is not None and (fixed := self.rules.fixed.get(tag)) is not None:
            return [text if text in fixed.allowed else fixed.dummy for text in texts], ""
        if action == "D":
            return self._dummy(tag, vr, texts), ""
        if texts is None:
            spells = vr in (*NUMBERS, "AT") and _TEXT.fullmatch(raw.replace(b"\0", b""))
            return (UNCHANGED if action == "K" and not spells else None), ""
        if vr == "UI":
            return [self.uid(text) for text in texts], ""
        if vr in TEXT:
            return self._text(tag, vr, texts, action)
        if vr in DATES:
            return self._when(vr, texts, time), ""
        if vr == "AS":
            top, band = self.profile.age_top, self.profile.age_band
            return _each(texts, lambda text: values.age(text, top, band)), ""
        if vr in ("CS", "DS", "IS"):
            return _each(texts, lambda text: self._coded(tag, vr, text)), ""
        return None, ""

    def _dummy(self, tag: int, vr: str, texts: Sequence[str] | None) -> object:
        if vr == "UI":
            return [self.uid(text) for text in texts or ()]
        if tag == _PATIENT_ID:
            return [self.identity.person]
        dummy = values.DUMMIES.get(vr)
        if isinstance(dummy, str):
            return [dummy] * len(texts or "1")
        return ZEROS if isinstance(dummy, (int, float)) else dummy

    def _rewritten(self, tag: int, value: bytes, required: bool) -> Verdict:
        """Put something that says nothing of anybody in the place of a profile or a document."""
        if tag == icc.TAG:
            profile = icc.rewritten(value, required)
            return _REMOVED if profile is None else Verdict(profile, ("rewritten",))
        blank = _BLANK.get(self.sop_class)
        if blank is None and not self.sop_class.startswith(_DOCUMENTS):
            return _REMOVED
        if blank is None:
            raise SluiceError(
                "The object holds a document of a kind that cannot be blanked",
                where="(0042,0011)",
                mend="exclude the file",
            )
        return Verdict(blank, ("blanked: document",))

    def _when(self, vr: str, texts: Sequence[str], time: str) -> list[str] | None:
        clock = self.clock
        if clock is None:
            return None
        if vr == "TM":
            return _each(texts, clock.time)
        if vr == "DT":
            return _each(texts, clock.datetime)
        return _each(texts, lambda text: clock.date(text, time))

    def _text(
        self, tag: int, vr: str, texts: Sequence[str], action: Action
    ) -> tuple[list[str] | None, str]:
        needs = self.rules.technical.get(tag)
        if needs is not None:
            return self._setting(texts, needs), ""
        if action == "K" and tag >> 16 != _PATIENT_GROUP:
            return _each(texts, self._device), ""
        if self.profile.text == "drop":
            return None, ""
        cleaned = [vocabulary.clean(text, self.own, self.others) for text in texts]
        if not any(cleaned):
            return None, ""
        return [_whole_words(text, _LONGEST.get(vr)) for text in cleaned], "clean_descriptors"

    def _setting(self, texts: Sequence[str], needs: str) -> list[str] | None:
        device = self.profile.keep_device
        allowed = {"any": True, "manufacturer": device != "none", "device": device == "full"}
        if not allowed.get(needs, False):
            return None
        if needs == "device":
            return _each(texts, self._model)
        return _each(texts, lambda text: text if words.is_setting(text, self.own) else None)

    def _model(self, text: str) -> str | None:
        """Return a model that is known, for another a keyed name; none if it is a person's."""
        return text if words.is_setting(text, self.own) else self._device(text)

    def _device(self, text: str) -> str | None:
        """Return a keyed name in place of a device's own, the same in every object.

        A serial number or a station tells a place, and the field may hold anything. Words of the
        lists stay (a maker); a name with a participant's own words or number goes.
        """
        if words.mentions(text, self.own):
            return None
        if words.is_setting(text, self.own) and not any(map(str.isdigit, text)):
            return text
        return f"DEV{self.identity.uid(f'device {text}')[-10:]}"

    def _coded(self, tag: int, vr: str, text: str) -> str | None:
        if vr in ("IS", "DS"):
            own_number = len(text) >= _NUMBER and text in self.own
            long = tag not in _LARGE and bool(_LONG_NUMBER.match(text))
            return text if values.is_number(vr, text) and not (own_number or long) else None
        code = values.coded(text)
        if tag == _MODALITY:
            return code if code in _MODALITIES else "OT"
        if tag >> 16 == _PATIENT_GROUP:
            hidden = tag == _SEX and not self.profile.sex
            return code if code in _PATIENT_CODES and not hidden else None
        if tag == _BODY_PART:
            return code if code and words.is_body_part(code, self.own) else None
        safe = code and words.is_setting(code.removeprefix(_ISO), self.own)
        return code if safe else str(values.DUMMIES["CS"])


def time_tag(date_tag: int) -> int | None:
    """Return the tag of the time that belongs to a date (StudyTime to StudyDate), if any."""
    keyword = keyword_of(date_tag)
    partner = keyword.replace("Date", "Time")
    tag = tags().get(partner) if partner != keyword else None
    return tag if tag is not None and vr_of(tag) == "TM" else None


def _each(texts: Sequence[str], change: Callable[[str], str | None]) -> list[str] | None:
    """Change every value of an element; ``None`` if one of them is malformed."""
    changed = []
    for value in texts:
        text = value.strip(" \0")
        new = change(text) if text else ""
        if new is None:
            return None
        changed.append(new)
    return changed


def _whole_words(text: str, limit: int | None) -> str:
    while limit is not None and len(text) > limit:
        text = text.rpartition(" ")[0]
    return text
