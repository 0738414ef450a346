"""Writing a DICOM object anew, without its participant, by way of pydicom's objects.

Nothing is filtered in place: a new dataset is built from the values that the rules let pass, at
every depth, with its own file meta information and an empty preamble. Samples (pixels, waveforms)
are copied bit by bit. What stays is text of closed lists, coded strings, checked numbers, moved
dates and mapped UIDs.

:mod:`sluice.dicom.rewrite` does the same to a file's bytes, faster; this way reads every encoding,
and is what the other is compared with.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pydicom
from pydicom import config as pydicom_config
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import UID

from sluice.dicom import values
from sluice.dicom.assemble import assemble, own_elements, write
from sluice.dicom.charset import STRINGS
from sluice.dicom.cleaner import (
    CODE_TAGS,
    CODE_VALUES,
    CONTENT,
    REMOVED_CODE,
    TOP,
    UNCHANGED,
    ZEROS,
    Cleaner,
    Code,
    Place,
    Verdict,
    own_tags,
    time_tag,
)
from sluice.dicom.elements import NUMBERS
from sluice.dicom.pixels import SAMPLES, needs_pixels
from sluice.dicom.profile import ImageIdentity, Profile
from sluice.dicom.reader import UNREADABLE
from sluice.dicom.rules import Action, Rules, load_rules
from sluice.errors import SluiceError

__all__ = ["ImageIdentity", "Profile", "deidentify", "write"]


def deidentify(
    dataset: FileDataset,
    profile: Profile,
    identity: ImageIdentity,
    rules: Rules | None = None,
    done: frozenset[str] = frozenset(),
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
    done
        Options that were applied to the dataset before: they are stated too.

    Returns
    -------
    tuple
        The new object, and how many elements each rule changed (names of rules, never values).

    Raises
    ------
    SluiceError
        If the SOP class is private, or the pixels are of a wrong VR or of no readable size.
    """
    sop_class = standard_class(dataset)
    writer = _Writer(Cleaner(profile, identity, rules or load_rules(), sop_class))
    new = writer.dataset(dataset, TOP)
    if needs_pixels(dataset) and not any(new.get(keyword) for keyword in SAMPLES):
        raise SluiceError(
            "An image's pixels are of a VR that pixels do not have",
            where="(7FE0,0010)",
            mend="exclude the file",
        )
    new.update(own_elements(profile.name, identity, done | writer.used))
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    return assemble(new, syntax, writer.counts), writer.counts


def standard_class(dataset: FileDataset) -> str:
    """Return the SOP class of an object.

    Raises
    ------
    SluiceError
        If it is a private one.
    """
    sop_class = str(dataset.SOPClassUID)
    if not values.is_standard_uid(sop_class):
        raise SluiceError(
            "The object is of a private SOP class, which no rule covers",
            where="(0008,0016)",
            mend="exclude the file",
        )
    return sop_class


class _Writer:
    """Builds one object; remembers what it did."""

    def __init__(self, cleaner: Cleaner) -> None:
        self.cleaner = cleaner
        self.counts: Counter[str] = Counter()
        self.used: set[str] = set()

    def dataset(self, source: Dataset, place: Place) -> Dataset:
        """Return the part of ``source`` that may stay."""
        new = Dataset()
        code = self._code(source, place)
        own = own_tags(place)
        for tag in sorted(source.keys()):
            if int(tag) in own or (code and int(tag) in CODE_TAGS):
                continue
            element = self._read(source, tag)
            if element is None:
                continue
            if tag.is_private:
                self._private(source, element, place, new)
            elif element.VR == "SQ":
                self._sequence(element, place, new)
            else:
                self._element(source, element, place, new)
        new.update(code)
        return new

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

    def _element(self, source: Dataset, element: DataElement, place: Place, new: Dataset) -> None:
        vr = element.VR
        texts = _texts(element)
        time = ""
        if vr == "DA" and (partner := time_tag(int(element.tag))) is not None:
            time = _one(source, partner)
        verdict = self.cleaner.element(int(element.tag), vr, texts, place, time, _raw(element))
        self._note(verdict)
        if verdict.value is UNCHANGED:
            new.add(_element(element, element.value))
        elif verdict.value is ZEROS:
            new.add(_element(element, [0] * element.VM))
        elif verdict.value is not None:
            new.add(_element(element, verdict.value))

    def _sequence(self, element: DataElement, place: Place, new: Dataset) -> None:
        action, option = self.cleaner.sequence(int(element.tag), place)
        if action == "X":
            self.counts["removed"] += 1
            return
        if option:
            self.used.add(option)
        self.counts["emptied" if action == "Z" else "rewritten"] += 1
        found = element.value if action != "Z" else []
        items = self._items(int(element.tag), found, place, dummy=action == "D")
        new.add(DataElement(element.tag, "SQ", items))

    def _items(
        self, tag: int, found: Iterable[Dataset], place: Place, dummy: bool = False
    ) -> Sequence:
        items = []
        for item in found:
            action, option = self._content_item(item) if tag == CONTENT else ("C", "")
            if action == "X":
                self.counts["removed: content item"] += 1
                continue
            if option:
                self.used.add(option)
            items.append(self.dataset(item, place.inside(tag, dummy, action == "D")))
        return Sequence(items)

    def _content_item(self, item: Dataset) -> tuple[Action, str]:
        concept = (item.get("ConceptNameCodeSequence") or [Dataset()])[0]
        code, scheme = (_one(concept, word) for word in ("CodeValue", "CodingSchemeDesignator"))
        return self.cleaner.content_item(code, scheme, _one(item, "ValueType"))

    def _code(self, source: Dataset, place: Place) -> Dataset:
        """Return the item's code, if it has one."""
        kind = next((word for word in CODE_VALUES if _one(source, word)), None)
        new = Dataset()
        if kind is None:
            return new
        words = (kind, "CodingSchemeDesignator", "CodeMeaning")
        old = Code(*(_one(source, word) for word in words))
        code = self.cleaner.code(kind, old, place)
        if code == REMOVED_CODE:
            self.counts["dummy code"] += 1
        new.CodeValue, new.CodingSchemeDesignator, new.CodeMeaning = code
        return new

    def _private(self, source: Dataset, element: DataElement, place: Place, new: Dataset) -> None:
        creator = _creator(source, element.tag)
        if element.VR == "UN" and self.cleaner.knows_private(creator, int(element.tag)):
            element = _as(element, self.cleaner.private_vr(creator, int(element.tag)))
        tag, vr = element.tag, element.VR
        raw = element.value if isinstance(element.value, bytes) else None
        verdict = self.cleaner.private(creator, int(tag), vr, raw, _private_values(element))
        self._note(verdict)
        if verdict.value is None:
            return
        value = element.value if verdict.value is UNCHANGED else verdict.value
        if vr == "SQ":
            value = self._items(int(tag), element.value, place)
        block = new.private_block(tag.group, creator, create=True)
        block.add_new(tag.element & 0xFF, vr, value)

    def _note(self, verdict: Verdict) -> None:
        self.counts.update(verdict.counts)
        self.used.update(verdict.options)


def _creator(source: Dataset, tag: BaseTag) -> str:
    """Return the private creator of a private element, ``""`` if it has none."""
    block = BaseTag(tag.group << 16 | tag.element >> 8)
    return "" if tag.element <= 0xFF else _one(source, block).strip(" \0")


def _one(source: Dataset, key: str | int) -> str:
    """Return an element's value as text, ``""`` if it has none that can be read."""
    try:
        return str(source[key].value or "") if key in source else ""
    except UNREADABLE:
        return ""


def _texts(element: DataElement) -> list[str] | None:
    """Return an element's values as text, none if it has no value, ``None`` if it is no text."""
    if element.is_empty:
        return []
    return [str(value) for value in _many(element.value)] if element.VR in STRINGS else None


def _raw(element: DataElement) -> bytes:
    """Return the bytes of an element that holds bytes or numbers, in little-endian order."""
    if isinstance(element.value, bytes):
        return element.value
    if element.is_empty or element.VR not in (*NUMBERS, "AT"):
        return b""
    found = _many(element.value)
    if element.VR == "AT":
        return b"".join(struct.pack("<2H", tag >> 16, tag & 0xFFFF) for tag in found)
    return struct.pack(f"<{len(found)}{NUMBERS[element.VR]}", *found)


def _many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, pydicom.multival.MultiValue)) else [value]


def _element(old: DataElement, value: Any) -> DataElement:
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else value or old.empty_value
    new = DataElement(old.tag, old.VR, value, validation_mode=pydicom_config.IGNORE)
    new.is_undefined_length = old.is_undefined_length
    return new


def _as(element: DataElement, vr: str) -> DataElement:
    """Return an element of unknown VR as one of a known VR, if its bytes can be read so."""
    value = element.value
    if vr == "SQ" or not isinstance(value, bytes):
        return element
    stored = RawDataElement(element.tag, vr, len(value), value, 0, True, True)
    try:
        return convert_raw_data_element(stored)
    except UNREADABLE:
        return element


def _private_values(element: DataElement) -> list[float | str] | None:
    if element.VR not in (*NUMBERS, "CS", "DS", "IS"):
        return None
    found = [] if element.is_empty else _many(element.value)
    if element.VR == "CS":
        return [str(value).strip() for value in found]
    if element.VR in ("DS", "IS") and not all(values.is_number(element.VR, str(v)) for v in found):
        return None
    return [float(value) for value in found]


def _fits(vr: str, expected: str) -> bool:
    """Say whether a file's VR is one that the dictionary gives (``US or SS`` gives two)."""
    return bool(set(vr.split(" or ")) & set(expected.split(" or ")))
