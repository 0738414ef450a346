"""Writing a DICOM object anew from its bytes, without building an object of any element.

The elements of a study repeat from file to file, so what became of an element's bytes is remembered
and most of a header is looked up. Samples are streamed from file to file and hashed on the way.

Only the common encodings are read here (explicit and implicit little endian, samples in any
transfer syntax). Whatever is out of the ordinary raises :class:`UncommonError`; then
:mod:`sluice.dicom.deidentify`, which decides by the same :mod:`sluice.dicom.cleaner`, takes the
file or refuses it.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import Final, TypeVar

from sluice.dicom import decode, values
from sluice.dicom.cleaner import (
    CODE_TAGS,
    CODE_VALUES,
    CONCEPT_NAME,
    CONTENT,
    REMOVED_CODE,
    REMOVED_PRIVATE,
    TOP,
    UNCHANGED,
    ZEROS,
    Cleaner,
    Code,
    Place,
    own_tags,
    time_tag,
)
from sluice.dicom.codestream import SEQUENCE_DELIMITER, Piece, Span, rewritten
from sluice.dicom.decode import Decoder, plain, raw_of
from sluice.dicom.dictionary import has_tag, is_transfer_syntax, tags, vr_of
from sluice.dicom.elements import (
    EXPLICIT,
    IMPLICIT,
    LONG,
    MAX_DEPTH,
    Bytes,
    Element,
    Form,
    is_undefined,
    items,
    scan_object,
)
from sluice.dicom.encode import encoded, file_meta, item, stating
from sluice.dicom.header import Header
from sluice.dicom.layout import (
    EXPLICIT_SYNTAX,
    IMPLICIT_SYNTAX,
    MAX_HEADER,
    OTHER_FORMS,
    PROGRAMS,
    UncommonError,
    header_bytes,
    meta,
)
from sluice.dicom.pixels import Size, native_length, samples_expected
from sluice.dicom.profile import ImageIdentity, Profile
from sluice.dicom.rules import Action, Rules
from sluice.dicom.statement import statement

_CLASS, _INSTANCE = 0x00080016, 0x00080018
_STUDY, _SERIES = 0x0020000D, 0x0020000E
_CHARSET = 0x00080005
_SIGNEDNESS = 0x00280103  # Pixel Representation: are "US or SS" signed
_PIXELS = 0x7FE00010
#: Float, double and integer samples; the order in which they would stand.
_SAMPLES: Final = (0x7FE00008, 0x7FE00009, _PIXELS)
_BYTES = frozenset({"OB", "UN"})
_CODE_PARTS = tuple((word, tags()[word]) for word in CODE_VALUES)
_SCHEME, _MEANING, _CODE_VALUE = 0x00080102, 0x00080104, 0x00080100
_VALUE_TYPE = 0x0040A040
#: Listed private elements that pydicom reads by another VR where the file tells none.
OTHER_VRS: Final = frozenset({("ELSCINT1", 0x01F10026)})
# What is larger is not met again; remembering it would only fill the memory.
_MEMORABLE = 2048
_MEMORIES = 50_000

# New bytes of an element (none: it went), what was done, options of PS3.15 that were used.
_Outcome = tuple[bytes, tuple[str, ...], tuple[str, ...]]
# What an outcome is remembered by: the element's bytes, and what else it depends on.
_Key = TypeVar("_Key", tuple[bytes, bytes], tuple[bytes, str, int])


@dataclass(frozen=True)
class NewObject:
    """A de-identified object: its bytes but for the samples, which are still in the source.

    ``old`` is the header that it had, ``compressed`` whether the samples are.
    """

    study: str
    series: str
    instance: str
    head: bytes
    samples: tuple[Piece, ...]
    tail: bytes
    counts: Counter[str]
    used: frozenset[str]
    old: Header
    compressed: bool


@dataclass
class _Writing:
    """What is gathered while one object is written."""

    counts: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)


class Rewriter:
    """Rewrites the objects of one study of one participant.

    Parameters
    ----------
    profile, identity, rules
        As :func:`sluice.dicom.deidentify.deidentify` takes them.
    """

    def __init__(self, profile: Profile, identity: ImageIdentity, rules: Rules) -> None:
        self.profile, self.identity, self.rules = profile, identity, rules
        self._kinds: dict[tuple[str, bytes, bool, bool], _Kind] = {}

    def rewrite(self, data: Bytes) -> NewObject:
        """Decide about every element of a file.

        Raises
        ------
        UncommonError
            If the file is not of the common kind.
        SluiceError
            If it ends early or is damaged.
        """
        if data[:4].startswith(PROGRAMS) or data[128:132] != b"DICM":
            raise UncommonError
        syntax, at = meta(data, 132)
        if syntax in OTHER_FORMS or not is_transfer_syntax(syntax):
            raise UncommonError
        form = IMPLICIT if syntax == IMPLICIT_SYNTAX else EXPLICIT
        found, _ = scan_object(data, at, len(data), form)
        by_tag = {element[0]: element for element in _in_order(found)}
        kind = self._kind(data, by_tag, form)
        return kind.rewrite(data, found, by_tag, syntax)

    def _kind(self, data: Bytes, by_tag: dict[int, Element], form: Form) -> _Kind:
        sop_class = decode.uid(data, by_tag, _CLASS)
        charset = raw_of(data, by_tag.get(_CHARSET))
        key = (sop_class, charset, form.implicit, _SIGNEDNESS in by_tag)
        if key not in self._kinds:
            if not values.is_standard_uid(sop_class):
                raise UncommonError
            cleaner = Cleaner(self.profile, self.identity, self.rules, sop_class)
            decoder = Decoder(form, charset, _SIGNEDNESS in by_tag)
            self._kinds[key] = _Kind(cleaner, form, decoder)
        return self._kinds[key]


class _Kind:
    """Objects of one class, character set and form: the same bytes mean the same in all of them."""

    def __init__(self, cleaner: Cleaner, form: Form, decoder: Decoder) -> None:
        self.cleaner, self.form, self.decoder = cleaner, form, decoder
        self.memory: dict[Place, dict[tuple[bytes, bytes], _Outcome]] = {}
        self.private_memory: dict[Place, dict[tuple[bytes, str, int], _Outcome]] = {}
        self.listed = cache(self._listed)
        self.own: dict[frozenset[str], list[tuple[int, bytes]]] = {}
        self.sizes: dict[tuple[bytes, ...], Size] = {}

    def rewrite(
        self, data: Bytes, found: list[Element], by_tag: dict[int, Element], syntax: str
    ) -> NewObject:
        """Decide about every element of a file of this kind."""
        present = [by_tag[tag] for tag in _SAMPLES if tag in by_tag]
        if len(present) > 1 or (len(data) > MAX_HEADER and header_bytes(found) > MAX_HEADER):
            raise UncommonError
        last = present[0] if present else None
        doing = _Writing()
        new = self._elements(data, [e for e in found if e is not last], TOP, doing, by_tag)
        head_of_samples, where = self._samples(data, last, by_tag, syntax, doing)
        new += self._own(frozenset(doing.used))
        new.sort()
        before = [text for tag, text in new if last is None or tag < last[0]]
        after = [text for tag, text in new if last is not None and tag > last[0]]
        study, series, instance = (
            self.cleaner.uid(decode.uid(data, by_tag, tag)) for tag in (_STUDY, _SERIES, _INSTANCE)
        )
        prefix = file_meta(decode.uid(data, by_tag, _CLASS), instance, syntax)
        return NewObject(
            study=study,
            series=series,
            instance=instance,
            head=b"".join([prefix, *before, head_of_samples]),
            samples=where,
            tail=b"".join(after),
            counts=Counter(doing.counts),
            used=frozenset(doing.used),
            old=Header(data, found, self.form),
            compressed=syntax not in (IMPLICIT_SYNTAX, EXPLICIT_SYNTAX),
        )

    def _elements(
        self,
        data: Bytes,
        found: list[Element],
        place: Place,
        doing: _Writing,
        by_tag: dict[int, Element] | None = None,
    ) -> list[tuple[int, bytes]]:
        """Return tag and new bytes of what stays of one data set."""
        if len(place.path) > MAX_DEPTH:
            raise UncommonError
        by_tag = by_tag or {element[0]: element for element in found}
        new = self._code(data, by_tag, place, doing)
        skipped = own_tags(place) | CODE_TAGS if new else own_tags(place)
        memory = self.memory.setdefault(place, {})
        dated = self.cleaner.dates_need_times
        private = [element for element in found if element[0] & 0x10000]
        for element in found if not private else [e for e in found if not e[0] & 0x10000]:
            tag, _, at, _, end = element
            if tag in skipped:
                continue
            partner = _partner(tag) if dated else None
            key = data[at:end], b"" if partner is None else raw_of(data, by_tag.get(partner))
            outcome = memory.get(key)
            if outcome is None:
                outcome = self._outcome(data, element, place, key[1])
                _remember(memory, key, outcome)
            text, counts, options = outcome
            doing.counts += counts
            if options:
                doing.used.update(options)
            if text:
                new.append((tag, text))
        return new + self._private_elements(data, private, place, doing)

    def _outcome(self, data: Bytes, element: Element, place: Place, time: bytes) -> _Outcome:
        tag, stored, _, value, end = element
        if not has_tag(tag):
            verdict = self.cleaner.element(tag, "UN", None, place)
            return b"", verdict.counts, ()
        vr = self.decoder.vr(element)
        if vr is None:
            return b"", ("removed: wrong VR",), ()
        if vr == "SQ":
            return self._sequence(data, element, place)
        if (self.form.implicit or stored in LONG) and is_undefined(data, value):
            raise UncommonError
        raw = data[value:end]
        texts = self.decoder.texts(vr, raw)
        moment = plain(time)
        verdict = self.cleaner.element(tag, vr, texts, place, moment, raw)
        new = verdict.value
        if new is None:
            text = b""
        elif new is UNCHANGED:
            text = encoded(self.form, tag, vr, raw)
        elif isinstance(new, list):
            text = encoded(self.form, tag, vr, "\\".join(new).encode("ascii"))
        elif new is ZEROS:
            text = encoded(self.form, tag, vr, bytes(len(raw)))
        else:
            assert isinstance(new, bytes)
            text = encoded(self.form, tag, vr, new)
        return text, verdict.counts, verdict.options

    def _sequence(self, data: Bytes, element: Element, place: Place) -> _Outcome:
        tag = element[0]
        action, option = self.cleaner.sequence(tag, place)
        if action == "X":
            return b"", ("removed",), ()
        doing = _Writing(["emptied" if action == "Z" else "rewritten"], {option} - {""})
        content = b""
        if action != "Z":
            content = self._items(data, element, place, doing, dummy=action == "D")
        text = encoded(self.form, tag, "SQ", content)
        return text, tuple(doing.counts), tuple(sorted(doing.used))

    def _items(
        self, data: Bytes, element: Element, place: Place, doing: _Writing, dummy: bool = False
    ) -> bytes:
        tag, new = element[0], []
        for found in items(data, element, self.form):
            action = self._content_item(data, found, doing) if tag == CONTENT else "C"
            if action == "X":
                doing.counts.append("removed: content item")
                continue
            inside = place.inside(tag, dummy, action == "D")
            parts = sorted(self._elements(data, _in_order(found), inside, doing))
            new.append(item([text for _, text in parts]))
        return b"".join(new)

    def _content_item(self, data: Bytes, found: list[Element], doing: _Writing) -> Action:
        by_tag = {element[0]: element for element in found}
        concept: dict[int, Element] = {}
        if (name := by_tag.get(CONCEPT_NAME)) is not None and self.decoder.vr(name) == "SQ":
            concept = {e[0]: e for e in next(items(data, name, self.form), [])}
        code, scheme = (
            self.decoder.one_text(data, concept.get(tag)) for tag in (_CODE_VALUE, _SCHEME)
        )
        value_type = self.decoder.one_text(data, by_tag.get(_VALUE_TYPE))
        action, option = self.cleaner.content_item(code, scheme, value_type)
        if option and action != "X":
            doing.used.add(option)
        return action

    def _code(
        self, data: Bytes, by_tag: dict[int, Element], place: Place, doing: _Writing
    ) -> list[tuple[int, bytes]]:
        """Return the elements of the data set's code, if it has one."""
        if by_tag.keys().isdisjoint(CODE_TAGS):
            return []
        values_of = (
            (word, self.decoder.one_text(data, by_tag.get(tag))) for word, tag in _CODE_PARTS
        )
        keyword, value = next((found for found in values_of if found[1]), ("", ""))
        if not keyword:
            return []
        rest = (self.decoder.one_text(data, by_tag.get(tag)) for tag in (_SCHEME, _MEANING))
        code = self.cleaner.code(keyword, Code(value, *rest), place)
        if code == REMOVED_CODE:
            doing.counts.append("dummy code")
        tags = ((_CODE_VALUE, "SH"), (_SCHEME, "SH"), (_MEANING, "LO"))
        return [
            (tag, encoded(self.form, tag, vr, text.encode("ascii")))
            for (tag, vr), text in zip(tags, code, strict=True)
        ]

    def _private_elements(
        self, data: Bytes, found: list[Element], place: Place, doing: _Writing
    ) -> list[tuple[int, bytes]]:
        """Return tag and new bytes of the private elements that stay, and of their creators."""
        new: list[tuple[int, bytes]] = []
        memory = self.private_memory.setdefault(place, {})
        blocks: dict[tuple[int, str], int] = {}
        may_stay: dict[int, str] = {}
        for element in found:
            if 0x10 <= element[0] & 0xFFFF <= 0xFF:
                creator = plain(raw_of(data, element))
                may_stay.update(self.listed(creator, element[0]))
        kept = [element for element in found if element[0] in may_stay]
        doing.counts += [REMOVED_PRIVATE] * (len(found) - len(kept))
        for element in kept:
            tag, _, at, _, end = element
            group, number, creator = tag >> 16, tag & 0xFFFF, may_stay[tag]
            block = blocks.get((group, creator)) or 0x10 + sum(g == group for g, _ in blocks)
            key = data[at:end], creator, block
            outcome = memory.get(key)
            if outcome is None:
                outcome = self._private(data, element, place, creator, block)
                _remember(memory, key, outcome)
            text, counts, options = outcome
            doing.counts += counts
            doing.used.update(options)
            if not text:
                continue
            if (group, creator) not in blocks:
                blocks[group, creator] = block
                own = group << 16 | block
                new.append((own, encoded(self.form, own, "LO", creator.encode("ascii"))))
            new.append((group << 16 | block << 8 | number & 0xFF, text))
        return new

    def _listed(self, creator: str, tag: int) -> dict[int, str]:
        """Return the creator by tag of what may stay of the block that an element reserves."""
        first = tag & 0xFFFF0000 | (tag & 0xFF) << 8
        block = range(first, first + 0x100)
        return {one: creator for one in block if self.cleaner.knows_private(creator, one)}

    def _private(
        self, data: Bytes, element: Element, place: Place, creator: str, block: int
    ) -> _Outcome:
        tag, stored, _, value, end = element
        vr, raw = self._private_vr(tag, creator, stored), data[value:end]
        undefined = (self.form.implicit or stored in LONG) and is_undefined(data, value)
        if undefined and (vr != "SQ" or stored == b"UN"):
            raise UncommonError
        bulk = raw if vr in _BYTES else None
        verdict = self.cleaner.private(creator, tag, vr, bulk, decode.private_values(vr, raw))
        if verdict.value is None:
            return b"", verdict.counts, ()
        doing = _Writing(list(verdict.counts), set(verdict.options))
        if vr == "SQ":
            raw = self._items(data, element, place, doing)
        elif isinstance(verdict.value, bytes):
            raw = verdict.value
        text = encoded(self.form, tag & 0xFFFF00FF | block << 8, vr, raw)
        return text, tuple(doing.counts), tuple(sorted(doing.used))

    def _private_vr(self, tag: int, creator: str, stored: bytes) -> str:
        if not self.form.implicit and stored != b"UN":
            return stored.decode("ascii")
        if (creator, tag & 0xFFFF00FF) in OTHER_VRS:
            raise UncommonError
        return self.cleaner.private_vr(creator, tag)

    def _samples(
        self,
        data: Bytes,
        element: Element | None,
        by_tag: dict[int, Element],
        syntax: str,
        doing: _Writing,
    ) -> tuple[bytes, tuple[Piece, ...]]:
        """Return the header of the samples, and what they are made of."""
        if element is None:
            if samples_expected(0x00280010 in by_tag, decode.uid(data, by_tag, _CLASS)):
                raise UncommonError
            return b"", ()
        _, _, at, value, end = element
        compressed = syntax not in (IMPLICIT_SYNTAX, EXPLICIT_SYNTAX)
        if self.decoder.vr(element) is None or compressed != is_undefined(data, value):
            raise UncommonError
        doing.counts.append("kept")
        size = self._size(data, by_tag)
        if compressed:
            numbers, count, _ = size
            frames = rewritten(data, value, end, syntax, count, native_length(numbers, 1, ""))
            doing.counts += ["cut: inside a frame"] * frames.changed
            return data[at:value], (*frames.pieces, SEQUENCE_DELIMITER)
        expected = native_length(*size)
        if end - value < expected:
            raise UncommonError
        odd = expected % 2
        if end - value > expected + odd:
            doing.counts.append("cut: after the pixels")
        length = struct.pack("<L", expected + odd)
        return data[at : value - 4] + length, (Span(value, value + expected), bytes(odd))

    def _size(self, data: Bytes, by_tag: dict[int, Element]) -> Size:
        """Return what tells how many bytes the samples take."""
        key = tuple(raw_of(data, by_tag.get(tag)) for tag in decode.SIZE)
        if key not in self.sizes:
            self.sizes[key] = decode.size(*key)
        return self.sizes[key]

    def _own(self, used: frozenset[str]) -> list[tuple[int, bytes]]:
        """Return the new identity and the statement of what was done."""
        if used not in self.own:
            stated = statement(self.cleaner.profile.name, self.cleaner.identity, used)
            self.own[used] = stating(self.form, stated)
        return self.own[used]


def _in_order(found: list[Element]) -> list[Element]:
    """Return the elements, each of which must have a higher tag than the one before."""
    found_tags = [element[0] for element in found]
    if found_tags != sorted(set(found_tags)):
        raise UncommonError
    return found


def _remember(memory: dict[_Key, _Outcome], key: _Key, outcome: _Outcome) -> None:
    if len(key[0]) <= _MEMORABLE:
        if len(memory) >= _MEMORIES:
            memory.clear()
        memory[key] = outcome


@cache
def _partner(tag: int) -> int | None:
    is_date = has_tag(tag) and vr_of(tag) == "DA"
    return time_tag(tag) if is_date else None
