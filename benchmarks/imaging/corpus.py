"""One participant's linked objects with a canary in every place where a person may hide.

CT series, structure set, segmentation, structured report and encapsulated PDF refer to each other.
What is asked of a cleaner: no canary and no original UID anywhere, every object out, and every
reference still pointing at the object that it pointed at.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as Items

from benchmarks.imaging import canaries, objects, scanner
from benchmarks.imaging.answers import text_of
from benchmarks.imaging.canaries import Canary, Coop

_TEXTS = """
PatientName PatientID OtherPatientNames PatientBirthName PatientMotherBirthName PatientAddress
PatientTelephoneNumbers PatientComments AdditionalPatientHistory Occupation MilitaryRank EthnicGroup
MedicalRecordLocator PatientReligiousPreference IssuerOfPatientID CountryOfResidence AccessionNumber
StudyID StudyDescription SeriesDescription ProtocolName InstitutionName InstitutionAddress
InstitutionalDepartmentName ReferringPhysicianName ReferringPhysicianAddress OperatorsName
PerformingPhysicianName NameOfPhysiciansReadingStudy PhysiciansOfRecord RequestingPhysician
StationName DeviceSerialNumber GantryID PlateID DetectorID ImageComments DerivationDescription
ContrastBolusAgent AdmissionID CurrentPatientLocation PerformedProcedureStepID
PerformedProcedureStepDescription RequestedProcedureDescription ClinicalTrialSubjectID
ClinicalTrialSponsorName RetrieveAETitle PerformedStationName InterpretationText ReasonForStudy
PersonNamesToUse PatientState Allergies ScheduledPerformingPhysicianName TextString
"""
_DATES = """
PatientBirthDate DateOfLastCalibration AcquisitionDate InstanceCreationDate AdmittingDate
LastMenstrualDate
"""
_UIDS = "InstanceCreatorUID IrradiationEventUID DeviceUID SynchronizationFrameOfReferenceUID"
# Where an object names another.
_REFERENCES = frozenset(
    {"ReferencedSOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
     "ReferencedFrameOfReferenceUID", "SOPInstanceUID"}
)  # fmt: skip


@dataclass(frozen=True)
class Corpus:
    """The raw objects with what is in them.

    Attributes
    ----------
    files
        Raw path → file.
    canaries
        What must be gone; one a hiding place.
    """

    files: Mapping[str, Path]
    canaries: tuple[Canary, ...]


@dataclass(frozen=True)
class Verdict:
    """What a cleaner made of the corpus."""

    leaks: int
    places: tuple[str, ...]
    original_uids: int
    objects_in: int
    objects_out: int
    references: int
    references_intact: int

    def summary(self) -> dict[str, object]:
        """Return the numbers as they are printed and kept; places are of our own corpus."""
        return {**self.__dict__, "places": sorted(self.places)}


def build(folder: Path, seed: int = 7) -> Corpus:
    """Write the corpus below a folder."""
    rng, coop = random.Random(seed), Coop(seed)
    study = objects.Study("1.2.826.0.1.3680043.10.424242.1", date(1931, 4, 17), "061718", rng)
    images = objects.ct_series(study, 3)
    structures = objects.radiotherapy(study, images)[0]
    objects.segmentation(study, images)
    report = objects.report(study, images)[0]
    document = objects.document(study, ["Letter about", coop.word()])[0]
    named = {"CT": images[0], "CT2": images[1], "SR": report, "RTSTRUCT": structures}
    named |= {"SEG": study.made[6], "PDF": document}
    found = list(_planted(named, study.made, coop))
    contents = {made.SOPInstanceUID: _saved(made) for made in study.made}
    for place, change in _FILE_PLACES.items():
        word = coop.word()
        target = str(rng.choice([image.SOPInstanceUID for image in images]))
        contents[target] = change(contents[target], word)
        found.append(Canary(target, place, word))
    files = {}
    for number, content in enumerate(contents.values()):
        files[f"{number:02d}.dcm"] = folder / f"{number:02d}.dcm"
        canaries.save(content, folder / f"{number:02d}.dcm")
    return Corpus(files, tuple(found))


def judge(files: Mapping[str, Path], needles: list[Canary], out: Mapping[str, Path]) -> Verdict:
    """Search a cleaner's files and follow their references.

    Parameters
    ----------
    files
        Raw path → raw file: the linked objects.
    needles
        What must be found nowhere.
    out
        Raw path → new file, of those that came out.
    """
    sought = scanner.needles({canary.needle for canary in needles})
    found = scanner.search_files(out.values(), sought)
    places = tuple(canary.place for canary in needles if canary.needle in found)
    edges = {name: list(_edges(path)) for name, path in files.items()}
    uids = {uid for some in edges.values() for _, uid in some}
    leaked = scanner.search_files(out.values(), scanner.needles(uids))
    total, intact = _followed(edges, out)
    return Verdict(len(places), places, len(leaked), len(files), len(out), total, intact)


def _followed(
    edges: Mapping[str, list[tuple[str, str]]], out: Mapping[str, Path]
) -> tuple[int, int]:
    """Count the mentions of objects of the corpus, and those that still name what they named.

    A UID's new name is taken where an object names itself; a mention is intact if the same place
    holds that new name, and it is not the old one.
    """
    own = {uid for some in edges.values() for place, uid in some if " > " not in place}
    new = {name: dict(_edges(path)) for name, path in out.items()}
    names: dict[str, str] = {}
    for name, some in edges.items():
        for place, uid in some:
            if " > " not in place and place in new.get(name, {}):
                names.setdefault(uid, new[name][place])
    total = intact = 0
    for name, some in edges.items():
        for place, uid in some:
            if uid not in own:
                continue
            total += 1
            after = new.get(name, {}).get(place)
            intact += after is not None and after == names.get(uid) and after != uid
    return total, intact


def _edges(path: Path) -> Iterator[tuple[str, str]]:
    """Yield place and UID of every mention of an object, series, study or frame of reference."""
    try:
        dataset = pydicom.dcmread(path, force=True)
        yield from _mentions(dataset, "")
    except Exception:  # an unreadable file mentions nothing
        return


def _mentions(dataset: Dataset, above: str) -> Iterator[tuple[str, str]]:
    counted: dict[str, int] = {}
    for element in dataset:
        if element.VR == "SQ" and not element.tag.is_private:
            for item in element.value:
                # Counted by what they mention, so that an item without mention may go.
                inner = list(_mentions(item, ""))
                if inner:
                    nth = counted[element.keyword] = counted.get(element.keyword, -1) + 1
                    for place, uid in inner:
                        yield f"{above}{element.keyword}[{nth}] > {place}", uid
        elif element.keyword in _REFERENCES:
            uid = text_of(element)
            if uid and not uid.startswith("1.2.840.10008."):
                yield above + element.keyword, uid


def _planted(
    named: dict[str, FileDataset], everything: list[FileDataset], coop: Coop
) -> Iterator[Canary]:
    """Plant in the data sets; the objects take turns for what any object may hold."""
    turns = ("CT", "CT2", "SR", "RTSTRUCT", "SEG", "PDF")
    for number, keyword in enumerate(_TEXTS.split()):
        tag = tag_for_keyword(keyword)
        if tag is None:
            continue
        kind, word = turns[number % len(turns)], coop.word()
        if keyword in ("PatientName", "PatientID", "IssuerOfPatientID"):  # one participant
            for dataset in everything:
                canaries.put(dataset, tag, dictionary_VR(tag), word.encode())
        canaries.put(named[kind], tag, dictionary_VR(tag), word.encode())
        yield Canary(kind, keyword, word)
    for number, keyword in enumerate(_DATES.split()):
        kind, day = turns[number % len(turns)], f"18{number + 51}0{number + 1}17"
        canaries.put(named[kind], tag_for_keyword(keyword) or 0, "DA", day.encode())
        yield Canary(kind, keyword, day)
    for number, keyword in enumerate(_UIDS.split()):
        kind, uid = turns[number % len(turns)], coop.uid()
        canaries.put(named[kind], tag_for_keyword(keyword) or 0, "UI", uid.encode())
        yield Canary(kind, keyword, uid)
    for place, (kind, plant) in _PLACES.items():
        word = coop.word()
        plant(named[kind], word)
        yield Canary(kind, place, word)


def _nested(tags: str, vr: str) -> Callable[[Dataset, str], None]:
    """Return a planter below new items of sequences: hexadecimal tags, outermost first."""
    *outer, leaf = (int(tag, 16) for tag in tags.split())

    def plant(dataset: Dataset, word: str) -> None:
        for tag in outer:
            item = Dataset()
            if tag in dataset:
                dataset[tag].value.append(item)
            else:
                dataset.add_new(tag, "SQ", Items([item]))
            dataset = item
        canaries.put(dataset, leaf, vr, word.encode())

    return plant


def _element(tag: int, vr: str, before: bytes = b"") -> Callable[[Dataset, str], None]:
    return lambda dataset, word: canaries.put(dataset, tag, vr, before + word.encode())


def _private(creator: str, tag: int, vr: str, encoding: str = "ascii") -> Callable[..., None]:
    def plant(dataset: Dataset, word: str) -> None:
        block = tag & 0xFFFF0000 | (tag & 0xFFFF) >> 8
        canaries.put(dataset, block, "LO", creator.encode())
        canaries.put(dataset, tag, vr, word.encode(encoding))

    return plant


def _first_item(keyword: str, tag: int, vr: str) -> Callable[[Dataset, str], None]:
    """Return a planter in the first item of a sequence that the object needs."""
    return lambda dataset, word: canaries.put(dataset[keyword].value[0], tag, vr, word.encode())


def _content(kind: str, value: str, meaning: str, tag: int, vr: str) -> Callable[..., None]:
    def plant(dataset: Dataset, word: str) -> None:
        made = objects.item(kind, "CONTAINS", (value, meaning))
        canaries.put(made, tag, vr, word.encode())
        dataset.ContentSequence.append(made)

    return plant


def _in_document(dataset: Dataset, word: str) -> None:
    content = objects.pdf(["Letter", word])
    dataset.EncapsulatedDocument = content + b"\0" * (len(content) % 2)


_PLACES: dict[str, tuple[str, Callable[[Dataset, str], None]]] = {
    "other IDs": ("CT", _nested("00101002 00100020", "LO")),
    "request": ("CT", _nested("00400275 00401001", "SH")),
    "referrer's code": ("CT2", _nested("00080096 00401101 00080104", "LO")),
    "original attributes": ("CT2", _nested("04000561 04000550 00100010", "PN")),
    "patient of a reference": ("CT", _nested("00081120 00100010", "PN")),
    "meaning of a public code": ("CT", _nested("00082218 00080104", "LO")),
    "five deep": ("CT", _nested("00081115 00081199 00089215 00082112 00400275 00400007", "LO")),
    "private text": ("CT", _private("ACME 1", 0x00291010, "LO")),
    "private creator": ("CT", _element(0x00310010, "LO")),
    "private UTF-16": ("CT2", _private("ACME 2", 0x00331011, "OB", "utf-16-le")),
    "private UN": ("CT", _private("ACME 3", 0x00351012, "UN")),
    "private without creator": ("CT2", _element(0x00411042, "LO")),
    "vendor's block, other element": ("CT", _private("SIEMENS MR HEADER", 0x0051100F, "LO")),
    "safe element, wrong kind": ("CT", _private("SIEMENS MR HEADER", 0x0019100C, "LO")),
    "private below a sequence": ("CT2", _nested("00081140 00431001", "LO")),
    "private sequence": ("CT", _nested("00371010 00100010", "PN")),
    "overlay data": ("CT", _element(0x60003000, "OW")),
    "overlay comments": ("CT", _element(0x60004000, "LT")),
    "overlay label": ("CT2", _element(0x60021500, "LO")),
    "overlay description": ("CT2", _element(0x601E0022, "LO")),
    "curve data": ("CT", _element(0x50003000, "OW")),
    "curve label": ("CT2", _element(0x50022500, "LO")),
    "unknown even element": ("CT", _element(0x0010F123, "LO")),
    "unknown even group": ("CT2", _element(0x01120010, "UT")),
    "icon": ("CT", _nested("00880200 7FE00010", "OB")),
    "colour profile": ("CT2", _element(0x00282000, "OB")),
    "certificate": ("CT", _nested("04000561 04000115", "OB")),
    "wrong representation": ("CT", _element(0x00280054, "LO")),
    "number that is none": ("CT2", _element(0x00180050, "DS")),
    "second value of a code string": ("CT", _element(0x00080008, "CS", b"ORIGINAL\\PRIMARY\\")),
    "second value of a name": ("CT2", _element(0x0008009C, "PN", b"A^B\\")),
    "finding": ("SR", _content("TEXT", "121071", "Finding", 0x0040A160, "UT")),
    "person of a report": ("SR", _content("PNAME", "121008", "Observer", 0x0040A123, "PN")),
    "verifying observer": ("SR", _nested("0040A073 0040A075", "PN")),
    "verifying organisation": ("SR", _nested("0040A073 0040A027", "LO")),
    "structure's name": ("RTSTRUCT", _first_item("StructureSetROISequence", 0x30060026, "LO")),
    "structure's description": (
        "RTSTRUCT", _first_item("StructureSetROISequence", 0x30060028, "ST")),
    "structure's interpreter": (
        "RTSTRUCT", _first_item("RTROIObservationsSequence", 0x300600A6, "PN")),
    "structure set's label": ("RTSTRUCT", _element(0x30060002, "SH")),
    "segment's label": ("SEG", _first_item("SegmentSequence", 0x00620005, "LO")),
    "segment's description": ("SEG", _first_item("SegmentSequence", 0x00620006, "ST")),
    "creator of a segmentation": ("SEG", _element(0x00700084, "PN")),
    "document": ("PDF", _in_document),
    "title of a document": ("PDF", _element(0x00420010, "ST")),
}  # fmt: skip
_FILE_PLACES = {
    "preamble": canaries.in_preamble,
    "group length": canaries.in_group_length,
    "trailing padding": canaries.after_the_end,
    "file meta": canaries.in_meta,
}


def _saved(dataset: FileDataset) -> bytes:
    return canaries.written(dataset)
