"""Storing a released set of objects in an archive, and counting them there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pydicom
from pydicom.errors import InvalidDicomError

from sluice.dicom.pacs.archive import Listing, Patience, RefusedError
from sluice.dicom.reader import UNREADABLE
from sluice.errors import SluiceError

_BATCH, _BATCH_BYTES = 50, 64 * 2**20
_TAGS = ["SOPInstanceUID", "StudyInstanceUID", "PatientIdentityRemoved"]


class Store(Protocol):
    """An archive that objects can be stored in."""

    def listing(self, study: str) -> Listing:
        """Return what the archive holds of a study now."""

    def store(self, files: list[Path]) -> Counter[str]:
        """Store files; return how many were not taken, by reason."""


@dataclass
class Stored:
    """How a study went. ``already``: objects that were there before."""

    instances: int
    already: int = 0
    stored: int = 0
    failures: dict[str, int] = field(default_factory=dict)


@dataclass
class Report:
    """What a push stored. ``other_files``: no DICOM objects; ``copies``: of an object sent once."""

    files: int = 0
    other_files: int = 0
    copies: int = 0
    studies: list[Stored] = field(default_factory=list)
    finished: bool = False

    @property
    def missing(self) -> int:
        """Objects that the archive does not list."""
        return sum(study.instances - study.stored for study in self.studies)

    def as_json(self) -> dict[str, Any]:
        """Return the report with its totals."""
        names = ("instances", "already", "stored")
        totals = {name: sum(getattr(study, name) for study in self.studies) for name in names}
        return asdict(self) | totals | {"missing": self.missing}


def push(
    source: Path, store: Store, patience: Patience, report: Report, say: Callable[[str], None]
) -> None:
    """Store every object below a folder; run again, it stores what the archive lacks.

    Parameters
    ----------
    source
        A folder of released objects, in any structure.
    store
        Where they go.
    patience
        Repeats what a broken connection interrupted.
    report
        Filled in while the work goes on, so that a failure leaves what is known.
    say
        Told of the progress, line by line.

    Raises
    ------
    SluiceError
        If an object does not say that its patient's identity was removed: then nothing is sent.
        If the folder has no objects. If the archive cannot be reached any more, or declines us.
    """
    studies = _survey(source, report)
    for ordinal, (uid, files) in enumerate(studies.items(), 1):
        stored = Stored(len(files))
        report.studies.append(stored)
        _study(uid, files, stored, store, patience)
        say(f"study {ordinal} of {len(studies)}: {stored.stored} of {stored.instances} instances")
    report.finished = True


def _survey(source: Path, report: Report) -> dict[str, dict[str, Path]]:
    """Return each study's objects by UID; only headers are read."""
    if not source.is_dir():
        raise SluiceError("There is no such folder to push", mend="check the path")
    studies: dict[str, dict[str, Path]] = {}
    identified = 0
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        report.files += 1
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
            uid, study = str(header.SOPInstanceUID), str(header.StudyInstanceUID)
        except (InvalidDicomError, AttributeError, *UNREADABLE):
            report.other_files += 1
            continue
        identified += header.get("PatientIdentityRemoved") != "YES"
        known = studies.setdefault(study, {})
        report.copies += uid in known
        known.setdefault(uid, path)
    if identified:
        raise SluiceError(
            f"{identified} objects do not say that their patient's identity was removed",
            where="(0012,0062)",
            mend="push only what was de-identified; nothing was sent",
        )
    if not studies:
        raise SluiceError("The folder has no DICOM objects", mend="check the path")
    return studies


def _study(
    uid: str, files: dict[str, Path], stored: Stored, store: Store, patience: Patience
) -> None:
    seen: set[str] | None = None

    def there() -> set[str]:
        return {instance.uid for instance in store.listing(uid).instances} & files.keys()

    def send() -> Counter[str]:
        nonlocal seen
        have = there()
        seen = have if seen is None else seen
        lacking = [path for name, path in files.items() if name not in have]
        return sum((store.store(batch) for batch in _batches(lacking)), Counter())

    try:
        stored.failures = dict(patience(send))
    except RefusedError as refusal:
        stored.failures = {refusal.reason: 1}
    stored.already = len(seen or ())
    stored.stored = len(patience(there))


def _batches(files: list[Path]) -> Iterator[list[Path]]:
    """Split so that no request holds more than a number of objects or of bytes."""
    batch: list[Path] = []
    size = 0
    for file in files:
        length = file.stat().st_size
        if batch and (len(batch) == _BATCH or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += length
    if batch:
        yield batch
