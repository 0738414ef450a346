"""Writing a DICOM object anew, without its participant.

Nothing is filtered in place: a new dataset is built from the values that the rules let pass, at
every depth, with its own file meta information and an empty preamble. Samples (pixels, waveforms)
are copied bit by bit. What stays is text of closed lists, coded strings, checked numbers, moved
dates and mapped UIDs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pydicom
from pydicom import config as pydicom_config
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import UID

from sluice.dicom import values, words
from sluice.dicom.assemble import assemble, write
from sluice.dicom.profile import ImageIdentity, Profile
from sluice.dicom.reader import UNREADABLE
from sluice.dicom.rules import DATES, TEXT, Action, Rules, load_rules
from sluice.errors import SluiceError

__all__ = ["ImageIdentity", "Profile", "deidentify", "write"]

# PS3.16 CID 7050, De-identification Method.
_METHODS = {
    "basic": ("113100", "Basic Application Confidentiality Profile"),
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
# Written by this module, never copied.
_OWN = {
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
    "SpecificCharacterSet",
}
_NEVER = {tag_for_keyword(word) for word in _OWN} - {tag_for_keyword("PatientID")}
_CODE_VALUES = ("CodeValue", "LongCodeValue", "URNCodeValue")
_CODE_TAGS = {
    tag_for_keyword(word)
    for word in (*_CODE_VALUES, "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning")
}
_STRINGS = TEXT | {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "PN", "TM", "UI", "UR"}
_PATIENT_GROUP = 0x0010
_SEX, _BODY_PART, _MODALITY = 0x00100040, 0x00180015, 0x00080060
# PS3.3 C.7.3.1.1.1, as used by the classes that a policy may keep; a type 1 element stays filled.
_MODALITIES = frozenset(
    {
        *("AR", "AU", "BDUS", "BI", "BMD", "CR", "CT", "DG", "DX", "ECG", "EPS", "ES", "GM", "HD"),
        *("IO", "IVOCT", "IVUS", "KER", "KO", "LEN", "LS", "MG", "MR", "NM", "OAM", "OCT", "OP"),
        *("OPM", "OPT", "OPV", "OT", "PLAN", "PR", "PT", "PX", "REG", "RF", "RG", "RTDOSE"),
        *("RTIMAGE", "RTPLAN", "RTRECORD", "RTSTRUCT", "RWV", "SEG", "SM", "SMR", "SR", "TG"),
        *("US", "VA", "XA", "XC"),
    }
)
# Every coded string of the patient group that an option may keep: a closed list.
_PATIENT_CODES = frozenset({"F", "M", "O", "ALTERED", "UNALTERED", "YES", "NO", "UNKNOWN"})
_ISO = "ISO_1"  # ISO_10918_1 is a compression method, no long number
# A participant's own number of this length or more is looked for among numbers too.
_NUMBER = 5


def deidentify(
    dataset: FileDataset, profile: Profile, identity: ImageIdentity, rules: Rules | None = None
) -> tuple[FileDataset, Counter[str]]:
    """Build the de-identified object.

    Parameters
    ----------
    dataset
        As :func:`sluice.dicom.reader.read` gives it. It is not changed.
    profile
        What the tier keeps.
    identity
        The participant's new identity.
    rules
        The tables; by default the shipped ones.

    Returns
    -------
    tuple
        The new object, and how many elements each rule changed (names of rules, never values).

    Raises
    ------
    SluiceError
        If the SOP class is private, or the pixel data has no readable size.
    """
    if not values.is_standard_uid(str(dataset.SOPClassUID)):
        raise SluiceError(
            "The object is of a private SOP class, which no rule covers",
            where="(0008,0016)",
            mend="exclude the file",
        )
    writer = _Writer(profile, identity, rules or load_rules())
    new = writer.dataset(dataset)
    writer.identify(new)
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    return assemble(new, syntax, writer.counts), writer.counts


class _Writer:
    """Builds one object; remembers what it did."""

    def __init__(self, profile: Profile, identity: ImageIdentity, rules: Rules) -> None:
        self.profile, self.identity, self.rules = profile, identity, rules
        self.own = words.own_words(identity.own_tokens)
        self.counts: Counter[str] = Counter()
        self.used = {"basic"}
        moved = "retain_longitudinal_modified_dates" in profile.options
        start = identity.study_start if profile.times == "offset" else None
        shift = identity.shift_days
        self.clock = values.Clock(shift, start) if moved and shift is not None else None

    def dataset(self, source: Dataset, dummy: bool = False) -> Dataset:
        """Return the part of ``source`` that may stay.

        ``dummy``: it lies in a sequence that the profile replaces, so only its structure stays.
        """
        new = Dataset()
        code = self._code(source, dummy)
        for tag in sorted(source.keys()):
            if int(tag) in _NEVER or (code and int(tag) in _CODE_TAGS):
                continue
            element = self._read(source, tag)
            if element is None:
                continue
            if tag.is_private:
                self._private(source, element, new)
                continue
            kept = self._element(source, element, dummy)
            if kept is not None:
                new.add(kept)
        new.update(code)
        return new

    def identify(self, new: Dataset) -> None:
        """Set the new identity, and say what was done (PS3.15 E.1.1, PS3.3 C.12.1)."""
        new.PatientName = ""
        new.PatientID = self.identity.person
        new.PatientBirthDate = ""
        new.PatientIdentityRemoved = "YES"
        new.DeidentificationMethod = f"SLUICE {self.profile.name}"
        new.DeidentificationMethodCodeSequence = Sequence(
            [_code(*_METHODS[name], "DCM") for name in sorted(self.used & _METHODS.keys())]
        )
        moved = "retain_longitudinal_modified_dates" in self.used
        new.LongitudinalTemporalInformationModified = "MODIFIED" if moved else "REMOVED"

    def _read(self, source: Dataset, tag: BaseTag) -> DataElement | None:
        try:
            element = source[tag]
        except UNREADABLE:
            self.counts["removed: unreadable"] += 1
            return None
        if tag.is_private or not dictionary_has_tag(tag):
            return element
        if not _fits(element.VR, dictionary_VR(tag)):
            self.counts["removed: wrong VR"] += 1
            return None
        return element

    def _element(self, source: Dataset, element: DataElement, dummy: bool) -> DataElement | None:
        tag, vr = int(element.tag), element.VR
        action, option = self.rules.action(tag, vr, self.profile.options)
        if vr == "SQ":
            return self._sequence(element, action, option, dummy)
        if action == "X":
            self.counts["removed"] += 1
            return None
        if element.is_empty:
            return DataElement(tag, vr, element.empty_value)
        if dummy and vr not in ("CS", "UI"):
            action = "D"
        new = self._value(source, element, action)
        if new is None and action in ("C", "K", "U"):
            action, option = self.rules.basic(tag, vr), ""
            self.counts["not cleanable"] += 1
            new = None if action in ("C", "K", "X") else self._value(source, element, action)
        if new is None:
            self.counts["removed"] += 1
            return None
        if option:
            self.used.add(option)
        self.counts[{"D": "dummy", "Z": "emptied", "K": "kept"}.get(action, "rewritten")] += 1
        return _element(element, new)

    def _sequence(
        self, element: DataElement, action: Action, option: str, dummy: bool
    ) -> DataElement | None:
        if action == "X":
            self.counts["removed"] += 1
            return None
        if option:
            self.used.add(option)
        inside = dummy or action == "D"
        items = [] if action == "Z" else [self.dataset(item, inside) for item in element.value]
        self.counts["emptied" if action == "Z" else "rewritten"] += 1
        return DataElement(element.tag, "SQ", Sequence(items))

    def _value(self, source: Dataset, element: DataElement, action: Action) -> Any:
        """Return the new value, or ``None`` if the action cannot give a safe one."""
        tag, vr = int(element.tag), element.VR
        if action == "Z":
            return "" if vr in _STRINGS else []
        if action == "D":
            return self._dummy(tag, vr, element)
        if vr == "UI":
            return [self._uid(str(uid)) for uid in _many(element.value)]
        if vr in DATES:
            return self._when(source, element)
        if vr == "AS":
            top, band = self.profile.age_top, self.profile.age_band
            return _each(element, lambda text: values.age(text, top, band))
        if vr in TEXT:
            return self._text(element, action)
        if vr in ("CS", "DS", "IS"):
            return _each(element, lambda text: self._coded(tag, vr, text))
        if vr in _STRINGS:
            return None
        return element.value if action == "K" else None

    def _dummy(self, tag: int, vr: str, element: DataElement) -> Any:
        if vr == "UI":
            return [self._uid(str(uid)) for uid in _many(element.value)]
        if tag == tag_for_keyword("PatientID"):
            return self.identity.person
        return values.DUMMIES.get(vr)

    def _uid(self, uid: str) -> str:
        uid = uid.strip(" \0")
        return uid if not uid or values.is_standard_uid(uid) else self.identity.uid(uid)

    def _when(self, source: Dataset, element: DataElement) -> list[str] | None:
        clock = self.clock
        if clock is None:
            return None
        if element.VR == "TM":
            return _each(element, clock.time)
        if element.VR == "DT":
            return _each(element, clock.datetime)
        partner = keyword_for_tag(element.tag).replace("Date", "Time")
        time = str(source.get(partner) or "") if partner.endswith("Time") else ""
        return _each(element, lambda text: clock.date(text, time))

    def _text(self, element: DataElement, action: Action) -> list[str] | None:
        needs = self.rules.technical.get(int(element.tag))
        if needs is not None:
            return self._setting(element, needs)
        if action == "K" and element.tag.group != _PATIENT_GROUP:
            return _each(element, lambda t: t if words.is_device_name(t, self.own) else None)
        if self.profile.text == "drop":
            return None
        cleaned = [words.in_vocabulary(str(text), self.own) for text in _many(element.value)]
        if not any(cleaned):
            return None
        self.used.add("clean_descriptors")
        limit = 16 if element.VR == "SH" else 64 if element.VR == "LO" else None
        return [text if limit is None else _whole_words(text, limit) for text in cleaned]

    def _setting(self, element: DataElement, needs: str) -> list[str] | None:
        device = self.profile.keep_device
        allowed = {"any": True, "manufacturer": device != "none", "device": device == "full"}
        if not allowed.get(needs, False):
            return None
        return _each(element, lambda text: text if words.is_setting(text, self.own) else None)

    def _coded(self, tag: int, vr: str, text: str) -> str | None:
        if vr in ("IS", "DS"):
            own_number = len(text) >= _NUMBER and text in self.own
            return text if values.is_number(vr, text) and not own_number else None
        code = values.coded(text) if vr == "CS" else None
        if tag == _MODALITY:
            return code if code in _MODALITIES else "OT"
        if tag >> 16 == _PATIENT_GROUP:
            hidden = tag == _SEX and not self.profile.sex
            return code if code in _PATIENT_CODES and not hidden else None
        if tag == _BODY_PART:
            return code if code and words.is_body_part(code, self.own) else None
        safe = code and words.is_setting(code.removeprefix(_ISO), self.own)
        return code if safe else str(values.DUMMIES["CS"])

    def _code(self, source: Dataset, dummy: bool) -> Dataset:
        """Return the item's code, if it has one: public schemes stay, any other is a dummy."""
        kind = next((word for word in _CODE_VALUES if source.get(word)), None)
        if kind is None:
            return Dataset()
        value, scheme = str(source[kind].value), str(source.get("CodingSchemeDesignator") or "")
        if dummy or kind != "CodeValue" or not words.is_public_code(value, scheme, self.own):
            self.counts["dummy code"] += 1
            return _code("REMOVED", "REMOVED", "99SLUICE")
        meaning = str(source.get("CodeMeaning") or "")
        known = words.wholly_in_vocabulary(meaning, self.own)
        return _code(value, meaning if known else value, scheme)

    def _private(self, source: Dataset, element: DataElement, new: Dataset) -> None:
        tag = element.tag
        creator = _creator(source, tag)
        rule = self.rules.private.get((creator, tag.group, tag.element & 0xFF))
        numbers = _numbers(element)
        option = "retain_safe_private"
        if option not in self.profile.options or rule is None or numbers is None:
            self.counts["removed: private"] += 1
        elif not rule.admits(element.VR, numbers):
            self.counts["removed: private out of range"] += 1
        else:
            block = new.private_block(tag.group, creator, create=True)
            block.add_new(tag.element & 0xFF, element.VR, element.value)
            self.used.add(option)
            self.counts["kept: private"] += 1


def _creator(source: Dataset, tag: BaseTag) -> str:
    """Return the private creator of a private element, ``""`` if it has none."""
    block = source.get(BaseTag(tag.group << 16 | tag.element >> 8))
    return "" if block is None or tag.element <= 0xFF else str(block.value).strip(" \0")


def _many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, pydicom.multival.MultiValue)) else [value]


def _each(element: DataElement, change: Callable[[str], str | None]) -> list[str] | None:
    """Change every value of an element; ``None`` if one of them is malformed."""
    changed = []
    for value in _many(element.value):
        text = str(value).strip(" \0")
        new = change(text) if text else ""
        if new is None:
            return None
        changed.append(new)
    return changed


def _element(old: DataElement, value: Any) -> DataElement:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    new = DataElement(old.tag, old.VR, value, validation_mode=pydicom_config.IGNORE)
    new.is_undefined_length = old.is_undefined_length
    return new


def _whole_words(text: str, limit: int) -> str:
    while len(text) > limit:
        text = text.rpartition(" ")[0]
    return text


def _numbers(element: DataElement) -> list[float] | None:
    if element.VR not in ("DS", "FD", "FL", "IS", "SL", "SS", "UL", "US"):
        return None
    found = _many(element.value)
    if element.VR in ("DS", "IS") and not all(values.is_number(element.VR, str(v)) for v in found):
        return None
    return [float(v) for v in found if v is not None]


def _fits(vr: str, expected: str) -> bool:
    """Say whether a file's VR is one that the dictionary gives (``US or SS`` gives two)."""
    return bool(set(vr.split(" or ")) & set(expected.split(" or ")))


def _code(value: str, meaning: str, scheme: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item
