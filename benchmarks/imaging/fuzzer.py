"""Canaries at random tags, value representations, creators, depths and character sets.

The insertions know no rule of any profile: they ask only what a file can hold. Pixel data and the
attributes that say how to read it are left alone, for a cleaner must keep them bit by bit.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

from pydicom._dicom_dict import DicomDictionary
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)

from benchmarks.imaging import canaries, headers
from benchmarks.imaging.canaries import Canary, Coop

_TEXT = ("LO", "SH", "ST", "LT", "UT", "UC", "PN", "AE", "CS", "UR")
_BYTES = ("OB", "OW", "UN", "OF", "OD", "OL", "OV")
_NUMBERS = ("US", "SS", "UL", "SL", "FL", "FD", "AT", "UV", "SV")
# What a file must keep to remain the object that it is.
_NEEDED = frozenset(
    {0x00080005, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00080060, 0x00100020}
)
_TAGS: dict[str, tuple[int, ...]] = {}
for _tag, _row in DicomDictionary.items():
    if _tag >> 16 not in (0x0000, 0x0002, 0x0028, 0x7FE0, 0xFFFE) and _tag not in _NEEDED:
        _TAGS[_row[0]] = (*_TAGS.get(_row[0], ()), _tag)
# Creators that vendors use, among them those with elements worth keeping, and inventions.
_CREATORS = (
    "SIEMENS MR HEADER",
    "SIEMENS CSA HEADER",
    "GEMS_ACQU_01",
    "GEMS_PARM_01",
    "GEMS_SERS_01",
    "Philips Imaging DD 001",
    "Philips MR Imaging DD 001",
    "Philips PET Private Group",
    "ELSCINT1",
    "AGFA_ADC_Compact",
    "MITRA MARKUP 1.0",
    "ACME 7",
)
_GROUPS = (0x0009, 0x0019, 0x0021, 0x0025, 0x0029, 0x0043, 0x0051, 0x0099, 0x00E1, 0x01F1, 0x2001,
           0x2005, 0x3F01, 0x7053)  # fmt: skip
_BASES = ("CT", "MR", "PT", "DX", "RTSTRUCT", "RTPLAN", "RTDOSE", "SEG", "ECG")

# Insert into a data set; return the place and the needle, or nothing if it does not fit there.
Insertion = Callable[[Dataset, Coop, random.Random, str], tuple[str, str] | None]


def build(folder: Path, key: Path, insertions: int, seed: int, each: int = 60) -> list[Canary]:
    """Write objects with canaries and the list of what was inserted.

    Parameters
    ----------
    insertions
        At least so many.
    each
        Insertions an object.
    """
    rng, coop = random.Random(seed), Coop(seed)
    real = [dataset for kind in _BASES for dataset in headers.real(kind)]
    found: list[Canary] = []
    while len(found) < insertions:
        number = len({canary.file for canary in found})
        name = f"{number:04d}.dcm"
        dataset = _fresh(real[number % len(real)], number)
        inserted = _insert_all(dataset, coop, rng, each)
        content = _file_places(canaries.written(dataset), dataset, coop, inserted)
        canaries.save(content, folder / name)
        found += [Canary(name, place, needle, local) for place, needle, local in inserted]
    with key.open("w", encoding="utf-8") as handle:
        for canary in found:
            handle.write(json.dumps(asdict(canary), ensure_ascii=False) + "\n")
    return found


def _fresh(real: FileDataset, number: int) -> FileDataset:
    dataset = copy.deepcopy(real)
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        setattr(dataset, keyword, generate_uid(entropy_srcs=[keyword, str(number)]))
    dataset.PatientID, dataset.BodyPartExamined = f"FUZZ{number:05d}", "CHEST"
    dataset.preamble = b"\0" * 128
    meta = dataset.file_meta
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    if "TransferSyntaxUID" not in meta:
        meta.TransferSyntaxUID = ImplicitVRLittleEndian
    if number % 20 == 7 and not meta.TransferSyntaxUID.is_compressed:
        meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return dataset


def _insert_all(
    dataset: FileDataset, coop: Coop, rng: random.Random, each: int
) -> list[tuple[str, str, bool]]:
    charset = rng.choice(canaries.CHARSETS)
    _recode(dataset, canaries.term(charset))
    inserted: list[tuple[str, str, bool]] = [_date(dataset, rng)]
    ways, weights = zip(*_WAYS.items(), strict=True)
    while len(inserted) < each:
        way = rng.choices(ways, weights)[0]
        where: Dataset = dataset
        above = ""
        if rng.random() < 0.35:
            where, above = _deeper(dataset, rng)
        done = way(where, coop, rng, charset)
        if done is not None:
            inserted.append((above + done[0], done[1], False))
    return inserted


def _recode(dataset: FileDataset, term: str) -> None:
    """Give an object another character set; what it cannot spell becomes a question mark."""
    encoding = "ascii"
    for element in dataset.iterall():
        if element.VR in _TEXT and isinstance(element.value, str):
            element.value = element.value.encode(encoding, "replace").decode()
        elif element.VR == "PN" and not element.is_empty:
            element.value = str(element.value).encode(encoding, "replace").decode()
    dataset.SpecificCharacterSet = term


def _deeper(dataset: Dataset, rng: random.Random) -> tuple[Dataset, str]:
    """Open a chain of new sequences, public or private, and return the innermost item."""
    above = ""
    for _ in range(rng.randint(1, 5)):
        item = Dataset()
        if rng.random() < 0.25:
            group, block = rng.choice(_GROUPS), 0xA0 + rng.randrange(64)
            tag = group << 16 | block << 8 | rng.randrange(256)
            if Tag(group << 16 | block) in dataset:
                continue
            canaries.put(dataset, group << 16 | block, "LO", rng.choice(_CREATORS).encode())
        else:
            tag = rng.choice(_TAGS["SQ"])
        if Tag(tag) in dataset:
            continue
        dataset.add_new(tag, "SQ", Items([item]))
        above += f"{tag:08X} > "
        dataset = item
    return dataset, above


def _text(dataset: Dataset, coop: Coop, rng: random.Random, charset: str) -> tuple[str, str] | None:
    vr = rng.choice(_TEXT)
    tag = rng.choice(_TAGS[vr])
    foreign = vr not in ("AE", "CS", "UR") and rng.random() < 0.4
    word = coop.foreign(charset) if foreign else coop.word()
    before = {"PN": "A^B=", "UR": "http://", "CS": "ORIGINAL\\"}.get(vr, "")
    if rng.random() < 0.5 and vr != "UR":
        before = ""
    return _put(dataset, tag, vr, before.encode() + word.encode(charset), word)


def _uid(dataset: Dataset, coop: Coop, rng: random.Random, charset: str) -> tuple[str, str] | None:
    uid = coop.uid()
    before = b"1.2.840.10008.1.1\\" if rng.random() < 0.2 else b""
    return _put(dataset, rng.choice(_TAGS["UI"]), "UI", before + uid.encode(), uid)


def _number_text(
    dataset: Dataset, coop: Coop, rng: random.Random, charset: str
) -> tuple[str, str] | None:
    """Plant a word where a number should be, or behind one."""
    vr, word = rng.choice(("IS", "DS", "AS", "TM", "DA", "DT")), coop.word()
    before = rng.choice(("", "12", "1\\", "19" * 12))
    return _put(dataset, rng.choice(_TAGS[vr]), vr, before.encode() + word.encode(), word)


def _wrong_vr(
    dataset: Dataset, coop: Coop, rng: random.Random, charset: str
) -> tuple[str, str] | None:
    expected = rng.choice((*_NUMBERS[:7], "SQ", "OB", "OW"))
    vr, word = rng.choice(("LO", "UT", "UN", "OB", "PN", "CS")), coop.word()
    if not dataset.is_little_endian:
        return None
    return _put(dataset, rng.choice(_TAGS[expected]), vr, word.encode(), word)


def _bytes(
    dataset: Dataset, coop: Coop, rng: random.Random, charset: str
) -> tuple[str, str] | None:
    vr, word = rng.choice(("OB", "OW", "OF", "OD")), coop.word()
    form, value = canaries.disguised(word, rng)
    done = _put(dataset, rng.choice(_TAGS[vr]), vr, value, word)
    return done and (f"{done[0]} {form}", word)


def _private(
    dataset: Dataset, coop: Coop, rng: random.Random, charset: str
) -> tuple[str, str] | None:
    group, block = rng.choice(_GROUPS), rng.randrange(0x10, 0xA0)
    tag = group << 16 | block << 8 | rng.randrange(256)
    if Tag(group << 16 | block) in dataset:
        return None
    creator, word = rng.choice(_CREATORS), coop.word()
    case = rng.random()
    if case < 0.1:
        canaries.put(dataset, group << 16 | block, "LO", word.encode())
        return f"creator {group:04X},{block:04X}", word
    if case < 0.85:
        canaries.put(dataset, group << 16 | block, "LO", creator.encode())
    else:
        creator = "none"
    if rng.random() < 0.5:
        vr = rng.choice(_TEXT)
        if vr not in ("AE", "CS", "UR") and rng.random() < 0.3:
            word = coop.foreign(charset)
        value, form = word.encode(charset), ""
    else:
        vr = rng.choice((*_BYTES, *_NUMBERS))
        form, value = canaries.disguised(word, rng)
        value = value.ljust(-(-len(value) // 8) * 8, b"\0")
    done = _put(dataset, tag, vr, value, word)
    return done and (f"private {done[0]} {creator} {form}", word)


def _unknown(
    dataset: Dataset, coop: Coop, rng: random.Random, charset: str
) -> tuple[str, str] | None:
    """Plant in an element that no dictionary knows, of an even group."""
    tag = rng.choice((0x0008, 0x0010, 0x0018, 0x0020, 0x0040, 0x0112, 0x4F00)) << 16
    tag |= rng.randrange(0xE000, 0xFFF0)
    word = coop.word()
    return _put(dataset, tag, rng.choice(("LO", "UN", "OB", "UT", "CS", "PN")), word.encode(), word)


def _repeating(
    dataset: Dataset, coop: Coop, rng: random.Random, charset: str
) -> tuple[str, str] | None:
    group = rng.choice((0x5000, 0x6000)) + 2 * rng.randrange(16)
    places = {
        0x5000: ((0x3000, "OW"), (0x2500, "LO"), (0x0022, "LO"), (0x0030, "SH"), (0x2600, "LO")),
        0x6000: ((0x3000, "OW"), (0x4000, "LT"), (0x1500, "LO"), (0x0022, "LO"), (0x0040, "CS")),
    }
    element, vr = rng.choice(places[group & 0xF000 & 0xFFFF])
    word = coop.word()
    return _put(dataset, group << 16 | element, vr, word.encode().ljust(32, b"\0"), word)


def _code(dataset: Dataset, coop: Coop, rng: random.Random, charset: str) -> tuple[str, str] | None:
    """Plant in one field of a code, the others looking right."""
    tag = rng.choice(_TAGS["SQ"])
    if Tag(tag) in dataset:
        return None
    item, word = Dataset(), coop.word()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "T-28000", "SRT", "Lung"
    field = rng.choice((0x00080100, 0x00080102, 0x00080103, 0x00080104, 0x00080119))
    if field == 0x00080119:
        del item.CodeValue
    canaries.put(item, field, "UC" if field == 0x00080119 else "LO", word.encode())
    dataset.add_new(tag, "SQ", Items([item]))
    return f"code {tag:08X} > {field:08X}", word


def _put(dataset: Dataset, tag: int, vr: str, value: bytes, word: str) -> tuple[str, str] | None:
    if Tag(tag) in dataset:
        return None
    canaries.put(dataset, tag, vr, value)
    return f"{tag:08X} {vr}", word


def _date(dataset: FileDataset, rng: random.Random) -> tuple[str, str, bool]:
    """Plant one date, far from all others of the object: no shift of those may hit it."""
    day = f"{rng.randrange(1850, 1899)}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}"
    tag = rng.choice([t for t in _TAGS["DA"] if t not in dataset] or _TAGS["DA"])
    canaries.put(dataset, tag, "DA", day.encode())
    return f"{tag:08X} DA", day, True


def _file_places(
    content: bytes, dataset: FileDataset, coop: Coop, inserted: list[tuple[str, str, bool]]
) -> bytes:
    """Plant outside the data set too: before it, after it, in its meta information."""
    places: Iterable[tuple[str, Callable[[bytes, str], bytes]]] = (
        ("preamble", canaries.in_preamble),
        ("group length", canaries.in_group_length),
        ("trailing padding", canaries.after_the_end),
        ("file meta", canaries.in_meta),
    )
    if dataset.file_meta.TransferSyntaxUID.is_deflated or not dataset.is_little_endian:
        places = (("preamble", canaries.in_preamble),)
    for name, change in places:
        word = coop.word()
        content = change(content, word)
        inserted.append((name, word, False))
    return content


_WAYS: dict[Insertion, float] = {
    _text: 30,
    _uid: 8,
    _number_text: 8,
    _wrong_vr: 8,
    _bytes: 6,
    _private: 25,
    _unknown: 6,
    _repeating: 4,
    _code: 6,
}
