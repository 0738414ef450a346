"""A hospital's archive with planted identifiers, and the answer key, written before any tool runs.

Each patient has several visits, each visit a study of linked objects: images with structures, plan
and dose, segmentation, report and letter. What is asked of each place is derived from what was
planted there and from :mod:`benchmarks.imaging.promises`, never from what a tool did.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileDataset

from benchmarks.imaging import answers, objects, pixels, planting, promises
from benchmarks.imaging.answers import Check
from benchmarks.imaging.people import Patient, Visit, patients, visits
from benchmarks.imaging.planting import Planted
from benchmarks.imaging.scorer import words

SEED = 20261122
# Of these a tier promises no more than that nobody is seen: they may be quarantined.
_UNPROMISED = ("1.2.840.10008.5.1.4.1.1.7",)
_VISITS = 4


@dataclass
class Facts:
    """What was generated: counts, and the distinct strings that must be found nowhere."""

    instances: int = 0
    patients: int = 0
    checks: int = 0
    kinds: set[str] = field(default_factory=set)
    identifiers: set[tuple[int, str]] = field(default_factory=set)
    burned: int = 0
    owners: dict[str, int] = field(default_factory=dict)


def build(folder: Path, key: Path, count: int, seed: int = SEED) -> Facts:
    """Write the raw files below ``folder`` and the answer key to ``key``.

    Parameters
    ----------
    count
        Patients; each gives about thirty instances.
    seed
        The same seed gives the same bytes.
    """
    facts, checks = Facts(patients=count), []
    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
    for patient in patients(count, seed):
        for visit in visits(patient, _VISITS, seed):
            for path, dataset, found in _study(patient, visit, seed, facts):
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                pydicom.dcmwrite(target, dataset)
                facts.instances += 1
                facts.kinds.add(dataset.SOPClassUID)
                checks.extend(found)
                facts.owners[path] = patient.number
                _remember(facts, patient, found)
    facts.checks = len(checks)
    answers.write(checks, key)
    return facts


def _study(
    patient: Patient, visit: Visit, seed: int, facts: Facts
) -> Iterator[tuple[str, FileDataset, list[Check]]]:
    """Yield the files of a visit with their checks."""
    rng = random.Random(f"{seed} {patient.number} {visit.number}")
    study = objects.Study(f"{patient.root}.{visit.number + 1}", visit.day, visit.clock, rng)
    turn = (patient.number + visit.number * 3) % 8
    planted: dict[int, list[Planted]] = {}
    boxes: dict[int, list[tuple[str, pixels.Box]]] = {}
    kind = _fill(study, turn, patient, visit, rng)
    share = 0.35
    for number, dataset in enumerate(study.made):
        found = planting.plant(dataset, _kind(dataset, kind), patient, visit, rng, share)
        if dataset.Modality == "SR":
            found += planting.plant_in_report(dataset, patient, visit, rng)
        if dataset.Modality == "RTSTRUCT":
            found += planting.plant_in_structures(dataset, visit)
        planted[number] = found
        if _is_burned(dataset, rng):
            boxes[number] = _burn(dataset, patient, visit)
            facts.burned += 1
        _encode(dataset, patient, visit)
    own = _own_uids(study)
    folder = f"{patient.mrn}_{patient.latin.split('^')[0]}/{visit.accession}"
    for number, dataset in enumerate(study.made):
        path = f"{folder}/{dataset.Modality}{dataset.SeriesNumber}_{dataset.InstanceNumber}.dcm"
        checks = list(_checks(path, dataset, planted[number], boxes.get(number, []), own, patient))
        yield path, dataset, checks


def _fill(
    study: objects.Study, turn: int, patient: Patient, visit: Visit, rng: random.Random
) -> str:
    """Make the objects of a visit; return the kind of examination."""
    if turn == 0:
        objects.radiotherapy(study, objects.ct_series(study, 8))
        return "RT"
    if turn == 1:
        images = objects.ct_series(study, 8)
        objects.segmentation(study, images)
        objects.report(study, images)
        return "CT"
    if turn in (2, 3):
        images = [image for _ in range(2) for image in objects.mr_series(study, 5)]
        if turn == 2:
            objects.report(study, images)
        return "MR"
    if turn == 4:
        objects.pt_series(study, 4)
        objects.report(study, objects.ct_series(study, 4))
        return "PT"
    if turn == 5:
        kind = rng.choice(("CR", "DX", "MG"))
        views = {"MG": ("CC", "MLO"), "CR": ("PA",)}.get(kind, ("PA", "LL"))
        objects.projections(study, kind, views)
        objects.document(study, planting.document_lines(patient, visit, rng))
        if patient.number % 4 == 0:
            objects.screenshot(study)
        return kind
    if turn == 6:
        objects.us_images(study, 2)
        objects.document(study, planting.document_lines(patient, visit, rng))
        return "US"
    objects.nm_image(study)
    objects.ecg(study)
    objects.ct_series(study, 6)
    return "NM"


def _kind(dataset: Dataset, kind: str) -> str:
    modality = str(dataset.Modality)
    if modality in ("RTSTRUCT", "RTPLAN", "RTDOSE"):
        return "RT"
    return {"SR": "OT", "DOC": "OT", "OT": "OT", "SEG": "CT"}.get(modality, modality) or kind


def _is_burned(dataset: Dataset, rng: random.Random) -> bool:
    share = {"US": 0.6, "CR": 0.4, "DX": 0.15, "MG": 0.1, "OT": 1.0}.get(str(dataset.Modality), 0)
    return "PixelData" in dataset and rng.random() < share


def _burn(dataset: Dataset, patient: Patient, visit: Visit) -> list[tuple[str, pixels.Box]]:
    """Burn name, number and date into the frame, above the region where there is one."""
    frame = dataset.pixel_array.copy()
    small = frame.shape[0] < 300
    name = patient.plain if patient.plain.isascii() else patient.mrn
    lines = (name.upper(), f"{patient.mrn} {visit.day:%d.%m.%Y}")
    size = 14 if small else 18
    boxes = [
        (line, pixels.burn(frame, line, 6, 2 + number * (22 if small else 30), size))
        for number, line in enumerate(lines)
    ]
    dataset.PixelData = frame.tobytes()
    dataset.BurnedInAnnotation = "YES"
    return boxes


def _encode(dataset: FileDataset, patient: Patient, visit: Visit) -> None:
    dataset.StudyDate = visit.day.strftime("%Y%m%d")
    dataset.StudyTime = dataset.SeriesTime = visit.clock
    dataset.SpecificCharacterSet = patient.charset.split("\\") if patient.charset else None
    if not patient.charset:
        del dataset.SpecificCharacterSet
    dataset.SeriesDate = dataset.StudyDate


def _own_uids(study: objects.Study) -> set[str]:
    """Return the UIDs that name something of the set, so that every mention must follow."""
    keywords = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
    return {str(made.get(word)) for made in study.made for word in keywords if made.get(word)}


def _checks(
    path: str,
    dataset: FileDataset,
    planted: list[Planted],
    boxes: list[tuple[str, pixels.Box]],
    own: set[str],
    patient: Patient,
) -> Iterator[Check]:
    promised = dataset.SOPClassUID not in _UNPROMISED
    seen: set[tuple[str, str, str]] = set()
    for check in (
        *_planted(path, planted, promised, set(words(patient.name))),
        *_swept(path, dataset, own, promised),
        *_pixels(path, dataset, boxes, promised),
        *([Check(path, "patid_consistent", "00100020", patient.mrn)] if promised else []),
    ):
        same = (check.category, check.path, check.answer)
        if same not in seen:
            seen.add(same)
            yield check


def _planted(path: str, planted: list[Planted], promised: bool, mine: set[str]) -> Iterator[Check]:
    for place, text in planted:
        for answer in text.lose:
            yield Check(path, "text_removed", place, answer)
        # Somebody named Hand keeps no "hand" in a description: so it is promised.
        keep = " ".join(word for word in text.keep.split() if not set(words(word)) & mine)
        if keep and promised:
            yield Check(path, "text_retained", place, keep)


def _pixels(
    path: str, dataset: Dataset, boxes: list[tuple[str, pixels.Box]], promised: bool
) -> Iterator[Check]:
    for text, box in boxes:
        yield Check(path, "pixels_hidden", "7FE00010", text, box)
    if promised and not boxes and "PixelData" in dataset:
        known = f"{pixels.digest(dataset)} {pixels.samples(dataset)}".strip()
        yield Check(path, "pixels_retained", "7FE00010", known)


def _swept(
    path: str, dataset: Dataset, own: set[str], promised: bool, above: str = "", open_: bool = True
) -> Iterator[Check]:
    """Yield what every object of the kind is asked, at every depth."""
    counted: dict[str, int] = {}
    for element in dataset:
        tag, keyword = element.tag, element.keyword
        place = f"{above}{tag:08X}"
        if element.is_empty or tag.is_private:
            if promised and open_ and not element.is_empty:
                yield from _safe_private(path, dataset, element, above)
            continue
        if element.VR == "SQ":
            inner = open_ and keyword in promises.OPEN_SEQUENCES
            for number, item in enumerate(element.value):
                step = _step(place, item, number, counted)
                deeper = inner and not _is_context(item)
                yield from _swept(path, item, own, promised, f"{step} > ", deeper)
            continue
        yield from _changed(path, place, element, own, promised)
        if promised and open_:
            yield from _kept(path, place, element)


def _changed(
    path: str, place: str, element: pydicom.DataElement, own: set[str], promised: bool
) -> Iterator[Check]:
    value = answers.text_of(element)
    if element.VR == "UI":
        for uid in value.split("\\"):
            if not uid.startswith("1.2.840.10008."):
                yield Check(path, "uid_changed", place, uid)
                if uid in own and promised:
                    yield Check(path, "uid_consistent", place, uid)
    elif element.VR in ("DA", "DT") and value[:8].isdigit():
        yield Check(path, "date_shifted", place, value[:8])
    elif element.VR == "PN":
        yield Check(path, "text_removed", place, value)


def _kept(path: str, place: str, element: pydicom.DataElement) -> Iterator[Check]:
    keyword = element.keyword
    if keyword in promises.TYPE_1:
        yield Check(path, "text_notnull", place)
    elif keyword in promises.TYPE_2:
        yield Check(path, "tag_retained", place)
    if keyword in promises.KEPT:
        value = answers.text_of(element)
        # The standard defines the first three values of Image Type; what follows is the maker's.
        kept = "\\".join(value.split("\\")[:3]) if keyword == "ImageType" else value
        yield Check(path, "text_retained", place, kept)
    if keyword in ("CodeValue", "CodeMeaning") and "0040A730" in place:
        yield Check(path, "text_retained", place, answers.text_of(element))


def _safe_private(
    path: str, dataset: Dataset, element: pydicom.DataElement, above: str
) -> Iterator[Check]:
    tag = element.tag
    owner = (
        dataset.get(pydicom.tag.Tag(tag.group, tag.element >> 8)) if tag.element > 0xFF else None
    )
    creator = str(owner.value).strip() if owner is not None else ""
    if (creator, tag.group, tag.element & 0xFF) in promises.SAFE_PRIVATE:
        place = f"{above}{tag.group:04X}[{creator}]{tag.element & 0xFF:02X}"
        yield Check(path, "text_retained", place, answers.text_of(element))


def _step(place: str, item: Dataset, number: int, counted: dict[str, int]) -> str:
    """Return the step to an item: by its concept in a report's content, else by its number."""
    names = item.get("ConceptNameCodeSequence") if place.endswith("0040A730") else None
    if not names:
        return f"{place}[{number}]"
    concept = str(names[0].CodeValue)
    nth = counted[concept] = counted.get(concept, -1) + 1
    return f"{place}[code {concept}#{nth}]"


def _is_context(item: Dataset) -> bool:
    names = item.get("ConceptNameCodeSequence")
    return bool(names) and str(names[0].CodeValue) in promises.CONTEXT_CONCEPTS


def _remember(facts: Facts, patient: Patient, checks: list[Check]) -> None:
    for check in checks:
        if check.category in ("text_removed", "date_shifted", "pixels_hidden"):
            facts.identifiers.add((patient.number, check.answer))
