"""The imaging files: studies of about sixty participants, and the objects that must be refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

from sluice.demo.canaries import Canaries, Canary
from sluice.demo.documents import put_pdf, put_report
from sluice.demo.headers import Reference, Slot, Study, hide, new_object, usual_canaries
from sluice.demo.people import Participant, Staff, Visit
from sluice.demo.templates import burn_in, put_image
from sluice.demo.words import Words

_CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "capture": "1.2.840.10008.5.1.4.1.1.7",
    "report": "1.2.840.10008.5.1.4.1.1.88.33",
    "pdf": "1.2.840.10008.5.1.4.1.1.104.1",
}
_IMAGE_TYPES = {
    "CT": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "MR": ["ORIGINAL", "PRIMARY", "M", "ND"],
    "DX": ["ORIGINAL", "PRIMARY"],
    "US": ["ORIGINAL", "PRIMARY", "SMALL PARTS"],
    "capture": ["DERIVED", "SECONDARY"],
}
_FIRST = ("CT", "CHEST")
_LATER = (*(("MR", "ABDOMEN"),) * 3, ("CT", "ABDOMEN"), ("DX", "CHEST"))
_EXTRA_STUDIES = (("CT", "HEAD"),) * 4 + (("MR", "HEAD"),) * 2 + (("US", "ABDOMEN"), ("CT", ""))
_EXTRA_OBJECTS = ("capture", "capture", "report", "report", "report", "pdf", "pdf", "burned")
_MOST_SLICES = {"CT": 3, "MR": 2, "DX": 1, "US": 1}
_SOURCES = {
    "CT": "CT_small",
    "MR": "examples_overlay",
    "DX": "examples_overlay",
    "US": "examples_rgb_color",
}


@dataclass
class _Shelf:
    """The raw folder being filled, with what every object needs."""

    raw: Path
    staff: Staff
    words: Words
    rng: np.random.Generator
    hidden: Canaries = field(default_factory=list)
    studies: int = 0
    objects: int = 0

    def next_path(self) -> str:
        """Return the next object's path: numbers in order of arrival, nothing else."""
        self.objects += 1
        box = (self.studies - 1) // 20 + 1
        return f"imaging/box{box:02d}/{self.studies:04d}/{self.objects:05d}.dcm"

    def write(
        self, ds: Dataset, study: Study, slot: Slot, planted: Canaries, path: str | None = None
    ) -> None:
        """Write one object and keep what it hides; the first of a series hides the most."""
        path = path or self.next_path()
        self.hidden += [*usual_canaries(ds, study, slot, self.staff, path), *planted]
        if slot.instance_number == 1:
            self.hidden += hide(ds, study, self.staff, path)
        _encode(ds, self.objects)
        target = self.raw / path
        target.parent.mkdir(parents=True, exist_ok=True)
        ds.save_as(target, enforce_file_format=True)


def write_imaging(
    raw: Path, people: list[Participant], staff: Staff, words: Words, rng: np.random.Generator
) -> Canaries:
    """Write ``imaging/`` below ``raw``, in folders that say nothing.

    Everybody's first examination is the same, as in a study that asks for it: what else somebody
    had is more than a tier of so few people can tell.
    """
    shelf = _Shelf(raw, staff, words, rng)
    imaged = [p for p in people if p.in_imaging]
    stride = len(imaged) // max(len(_EXTRA_OBJECTS), len(_EXTRA_STUDIES))
    objects = dict(zip(range(0, len(imaged), stride), _EXTRA_OBJECTS, strict=False))
    for number, person in enumerate(imaged):
        _write_study(shelf, person, person.visits[0], *_FIRST)
        if number % 3 == 2 or number in objects:
            later = _LATER[number % len(_LATER)]
            _write_study(shelf, person, _later_visit(shelf, person), *later, objects.get(number))
    for person, (modality, region) in zip(imaged[::stride], _EXTRA_STUDIES, strict=False):
        _write_study(shelf, person, _later_visit(shelf, person), modality, region)
    return shelf.hidden


def _later_visit(shelf: _Shelf, person: Participant) -> Visit:
    return person.visits[int(shelf.rng.integers(1, len(person.visits)))]


def _write_study(
    shelf: _Shelf,
    person: Participant,
    visit: Visit,
    modality: str,
    region: str,
    extra: str | None = None,
) -> None:
    """Write one study of one or two series and, behind them, an object of another kind."""
    rng, staff = shelf.rng, shelf.staff
    shelf.studies += 1
    hour, minute, second = rng.integers((7, 0, 0), (18, 60, 60))
    study = Study(
        person=person,
        physician=visit.physician,
        operator=staff.operators[int(rng.integers(len(staff.operators)))],
        uid=shelf.words.uid(),
        accession=shelf.words.code("ACC"),
        study_id=shelf.words.code("STU"),
        frame_of_reference=shelf.words.uid(),
        day=visit.day,
        time=f"{hour:02d}{minute:02d}{second:02d}",
        body_part=region,
        modality=modality,
    )
    done: list[Reference] = []
    for series in range(1, int(rng.choice([1, 1, 2])) + 1):
        _write_series(shelf, study, series, done)
    if extra:
        _write_extra(shelf, study, extra, done)


def _write_series(shelf: _Shelf, study: Study, number: int, done: list[Reference]) -> None:
    """Write the slices of one series; each refers to the object before it."""
    rng, modality = shelf.rng, study.modality
    series_uid, size = shelf.words.uid(), int(rng.choice([208, 224, 256]))
    for instance in range(1, int(rng.integers(1, _MOST_SLICES[modality] + 1)) + 1):
        slot = _slot(shelf, modality, series_uid, number, instance, done[-1:])
        ds = new_object(study, slot, shelf.staff)
        ds.ImageType = _IMAGE_TYPES[modality]
        if modality == "DX":
            _project(ds)
        if modality != "US":
            ds.BurnedInAnnotation = "NO"
        put_image(ds, _SOURCES[modality], size, instance - 1, modality in ("CT", "MR"), rng)
        shelf.write(ds, study, slot, [])
        done.append(Reference(slot.sop_class, slot.sop_uid, series_uid))


def _project(ds: Dataset) -> None:
    """Give a radiograph what tells how it was projected."""
    ds.PresentationIntentType, ds.ViewPosition = "FOR PRESENTATION", "PA"
    ds.PatientOrientation, ds.ImageLaterality = ["L", "F"], "U"
    ds.ImagerPixelSpacing = [0.8, 0.8]
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", -1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    ds.PresentationLUTShape, ds.LossyImageCompression = "IDENTITY", "00"


def _write_extra(shelf: _Shelf, study: Study, kind: str, done: list[Reference]) -> None:
    """Write an object that no tier takes as it is, in a series of its own."""
    sop_kind = study.modality if kind == "burned" else kind
    slot = _slot(shelf, sop_kind, shelf.words.uid(), 9, 1, done)
    ds, path = new_object(study, slot, shelf.staff), shelf.next_path()
    planted: Canaries = []
    if kind == "report":
        planted = put_report(ds, study, slot, path)
    elif kind == "pdf":
        planted = put_pdf(ds, study, path)
    else:
        ds.ImageType = _IMAGE_TYPES[sop_kind]
        source = _SOURCES[study.modality]
        put_image(ds, source, 256, 0, kind == "burned", shelf.rng)
        burn_in(ds, study.person.name.plain)
        planted = [Canary("burned_in", study.person.name.family, f"{path}:PixelData")]
        ds.BurnedInAnnotation = "YES" if kind == "burned" else "NO"
    shelf.write(ds, study, slot, planted, path)


def _slot(
    shelf: _Shelf, kind: str, series_uid: str, series: int, instance: int, done: list[Reference]
) -> Slot:
    return Slot(_CLASSES[kind], shelf.words.uid(), series_uid, series, instance, tuple(done))


def _encode(ds: Dataset, number: int) -> None:
    """Vary the transfer syntax: some objects implicit, some MR compressed without loss."""
    if number % 11 == 0:
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    elif number % 7 == 0 and ds.Modality == "MR":
        ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
