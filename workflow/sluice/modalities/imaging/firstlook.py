"""What must be known of all files before one is rewritten: whose they are, of which study.

A header is read once by its bytes. An element's bytes that were seen before are not looked at
again, so most of a series costs little more than finding where its elements lie.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, time
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sluice.dicom.charset import codec_of, texts
from sluice.dicom.dictionary import has_tag, vr_of
from sluice.dicom.elements import EXPLICIT, IMPLICIT, Bytes, Element, Form, items, scan_object
from sluice.dicom.eligibility import ObjectFacts, classify
from sluice.dicom.header import Header, Values
from sluice.dicom.layout import IMPLICIT_SYNTAX, OTHER_FORMS, PROGRAMS, UncommonError, meta
from sluice.dicom.values import parse_date, parse_time
from sluice.errors import SluiceError
from sluice.modalities.imaging.roles import identifiers, other_names, own_tokens, role

_CHARSET, _CLASS, _INSTANCE = 0x00080005, 0x00080016, 0x00080018
_DATE, _TIME = 0x00080020, 0x00080030
_PATIENT, _ISSUER, _STUDY = 0x00100020, 0x00100021, 0x0020000D
_WANTED = frozenset({_CHARSET, _CLASS, _INSTANCE, _DATE, _TIME, _PATIENT, _ISSUER, _STUDY})
_BIRTH_DATE = 0x00100030
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Look:
    """One file: its participant (number and issuer), study and instance, and the study's start.

    ``facts`` are what a tier judges the object by.
    """

    participant: tuple[str, str]
    study: str
    instance: str
    start: datetime | None
    facts: ObjectFacts


@dataclass
class FirstLook:
    """Looks at files one by one.

    ``tokens`` gathers each participant's own names and numbers, ``others`` the names of staff that
    are words of a list.
    """

    tokens: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    others: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    _seen: dict[tuple[str, str], set[bytes]] = field(default_factory=dict)
    _known: dict[Any, Any] = field(default_factory=dict)

    def look(self, path: Path) -> Look:
        """Read one header.

        Raises
        ------
        SluiceError
            If the file is no DICOM object, or one that cannot be read.
        """
        with path.open("rb") as stream:
            if not path.stat().st_size:
                raise SluiceError("A DICOM file is empty", mend="bring it again from its source")
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            try:
                look = self._by_bytes(data, *_common(data))
            except UncommonError:
                look = self._by_objects(path)
            return self._shared(look)

    def _shared(self, look: Look) -> Look:
        """Return a look that shares what is equal in earlier files: a folder may hold millions."""
        kept = self._kept
        return Look(
            kept(look.participant), kept(look.study), look.instance, kept(look.start),
            kept(look.facts),
        )  # fmt: skip

    def _kept(self, value: _Value) -> _Value:
        return self._known.setdefault(value, value)

    def _by_bytes(self, data: Bytes, found: list[Element], form: Form) -> Look:
        wanted = [element for element in found if element[0] in _WANTED]
        about = {e[0]: data[e[3] : e[4]].decode("latin-1").strip(" \0") for e in wanted}
        look = _look(about, Header(data, found, form))
        codec = codec_of(about.get(_CHARSET, ""))
        seen = self._seen.setdefault(look.participant, set())
        own = self.tokens.setdefault(look.participant, set())
        others = self.others.setdefault(look.participant, set())
        for tag, vr, value in _naming(data, found, form):
            if (key := tag.to_bytes(4, "big") + value) in seen:
                continue
            for kind, text in identifiers(tag, vr, texts(vr, value, codec)):
                own.update(own_tokens(kind, text))
                others.update(other_names(kind, text))
            seen.add(key)
        return look

    def _by_objects(self, path: Path) -> Look:
        from sluice.dicom.reader import read, values_of, walk_elements  # pydicom; see renew.py

        dataset = read(path)
        about = {tag: str(dataset[tag].value or "") for tag in _WANTED if tag in dataset}
        look = _look(about, dataset)
        own = self.tokens.setdefault(look.participant, set())
        others = self.others.setdefault(look.participant, set())
        for _, element in walk_elements(dataset):
            for kind, text in identifiers(int(element.tag), element.VR, values_of(element)):
                own.update(own_tokens(kind, text) if kind != "uid" else [])
                others.update(other_names(kind, text))
        return look


def _common(data: Bytes) -> tuple[list[Element], Form]:
    """Return the elements of a file in a common encoding."""
    if data[128:132] != b"DICM" or data[:4].startswith(PROGRAMS):
        raise UncommonError
    syntax, at = meta(data, 132)
    if not syntax or syntax in OTHER_FORMS:
        raise UncommonError
    form = IMPLICIT if syntax == IMPLICIT_SYNTAX else EXPLICIT
    return scan_object(data, at, len(data), form)[0], form


def _naming(data: Bytes, found: list[Element], form: Form) -> Iterator[tuple[int, str, bytes]]:
    """Yield tag, VR and value of each element, at any depth, that may name somebody."""
    for element in found:
        tag, stored, _, value, end = element
        vr = _interest(tag)
        if vr == "SQ":
            if not form.implicit and stored != b"SQ":
                continue
            for inside in items(data, element, form):
                yield from _naming(data, inside, form)
        elif vr and end > value:
            yield tag, vr, data[value:end]


@cache
def _interest(tag: int) -> str:
    """Return the VR of a tag that names somebody or holds others, ``""`` of any other."""
    if not has_tag(tag):
        return ""
    vr = vr_of(tag)
    if vr == "SQ" or tag == _BIRTH_DATE or role(tag, vr) == "direct":
        return vr
    return ""


def _look(about: dict[int, str], header: Values) -> Look:
    study, instance = about.get(_STUDY, ""), about.get(_INSTANCE, "")
    if not study or not instance or not about.get(_CLASS):
        raise SluiceError("A DICOM file has no SOP class, SOP instance or study", mend="exclude it")
    day, moment = parse_date(about.get(_DATE, "")), parse_time(about.get(_TIME, ""))
    start = None if day is None else datetime.combine(day, time.min)
    if start is not None and moment is not None:
        start += moment
    number = about.get(_PATIENT, "")
    # Without a number nothing joins two studies of a person.
    participant = (number, about.get(_ISSUER, "")) if number else ("", study)
    return Look(participant, study, instance, start, classify(header))
