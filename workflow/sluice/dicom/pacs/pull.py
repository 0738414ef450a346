"""Fetching the studies of a worklist, and saying what lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any

from sluice.dicom.pacs.archive import Archive, Instance, Listing, Patience, RefusedError, Study
from sluice.dicom.pacs.landing import Landing
from sluice.dicom.pacs.worklist import Key, Worklist

# How often a study that changes while it is fetched is listed anew.
_MOST_ROUNDS = 10


@dataclass
class Fetched:
    """How a study came. ``rows``: of the worklist; ``expected`` is ``None`` if it is unknown."""

    rows: list[int]
    folder: str
    expected: int | None = None
    received: int = 0
    new: int = 0
    changed: bool = False
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Objects that lack; of a study that could not be listed, at least one."""
        return 1 if self.expected is None else self.expected - self.received


@dataclass
class Report:
    """What a pull found and fetched: numbers and ordinals, no value of the worklist.

    ``unmatched`` and ``ambiguous`` are rows: the latter found studies of more than one patient.
    ``not_asked_for``: answers of the archive to another number than the one that was sent.
    ``not_listed``: objects in the folder that the archive does not list for this worklist.
    """

    rows: int = 0
    duplicates: int = 0
    unmatched: list[int] = field(default_factory=list)
    ambiguous: list[int] = field(default_factory=list)
    not_asked_for: int = 0
    not_listed: int = 0
    studies: list[Fetched] = field(default_factory=list)
    finished: bool = False

    @property
    def missing(self) -> int:
        """Objects that lack."""
        return sum(study.missing for study in self.studies)

    def as_json(self) -> dict[str, Any]:
        """Return the report with its totals."""
        totals = {
            name: sum(getattr(study, name) for study in self.studies)
            for name in ("received", "new")
        }
        expected = sum(study.expected or 0 for study in self.studies)
        return asdict(self) | totals | {"expected": expected, "missing": self.missing}


def pull(
    worklist: Worklist,
    landing: Landing,
    archive: Archive,
    patience: Patience,
    report: Report,
    say: Callable[[str], None],
) -> None:
    """Fetch every study of a worklist into a folder; run again, it fetches what lacks.

    Parameters
    ----------
    worklist
        The numbers to look for.
    landing
        The folder.
    archive
        Where the studies are.
    patience
        Repeats what a broken connection interrupted.
    report
        Filled in while the work goes on, so that a failure leaves what is known.
    say
        Told of the progress, line by line.

    Raises
    ------
    SluiceError
        If the archive cannot be reached any more, or declines us.
    """
    landing.sweep()
    report.rows, report.duplicates = len(worklist.rows), worklist.duplicates
    found: dict[str, list[int]] = {}
    for value, row in worklist.rows.items():
        answers = patience(partial(archive.find, worklist.key, value))
        for uid in _meant(answers, worklist.key, value, row, report):
            found.setdefault(uid, []).append(row)
    say(f"{report.rows} numbers, {len(found)} studies")
    for ordinal, (uid, rows) in enumerate(found.items(), 1):
        fetched = Fetched(rows, landing.study(uid).name)
        report.studies.append(fetched)
        _study(uid, fetched, landing, archive, patience)
        say(
            f"study {ordinal} of {len(found)}: {fetched.received} of "
            f"{'?' if fetched.expected is None else fetched.expected} instances, "
            f"{fetched.new} of them new"
        )
    report.not_listed = landing.count() - sum(study.received for study in report.studies)
    report.finished = True


def _meant(answers: list[Study], key: Key, value: str, row: int, report: Report) -> list[str]:
    """Return the studies of a row; none if they may not all be the patient's that was meant.

    Archives compare in their own way (without case, by prefix, or not at all if they do not
    know the attribute), so each answer is held against what was asked.
    """
    studies = [study for study in answers if getattr(study, key) == value]
    report.not_asked_for += len(answers) - len(studies)
    if not studies:
        report.unmatched.append(row)
    elif _patients(studies) > 1:
        report.ambiguous.append(row)
        return []
    return list(dict.fromkeys(study.uid for study in studies))


def _patients(studies: Iterable[Study]) -> int:
    """Count the patients; where no issuer is told, the number speaks for itself."""
    issuers: dict[str, set[str]] = {}
    for study in studies:
        issuers.setdefault(study.patient, set()).add(study.issuer)
    return sum(max(1, len(known - {""})) for known in issuers.values())


def _study(
    uid: str, fetched: Fetched, landing: Landing, archive: Archive, patience: Patience
) -> None:
    """List and fetch until a fresh listing lacks nothing, or fetching changes nothing."""
    lacked: list[Instance] | None = None
    listed: Listing | None = None
    for _ in range(_MOST_ROUNDS):
        try:
            listing = patience(partial(archive.listing, uid))
        except RefusedError as refusal:
            fetched.expected, fetched.failures = None, {refusal.reason: 1}
            return
        lacking = landing.lacking(listing.instances)
        fetched.changed |= listed is not None and set(listed.instances) != set(listing.instances)
        fetched.expected = listing.expected
        fetched.received = len(listing.instances) - len(lacking)
        # An archive that is busy may list fewer objects than it counts; it is asked again.
        complete = listing.expected is None or len(listing.instances) >= listing.expected
        unchanged = listed is not None and set(listed.instances) == set(listing.instances)
        if (not lacking and complete) or (lacking == lacked and unchanged):
            return
        listed, lacked = listing, lacking
        try:
            fetched.failures = dict(_instances(listing, landing, archive, patience))
        finally:
            came = len(lacking) - len(landing.lacking(lacking))
            fetched.new += came
            fetched.received += came


def _instances(
    listing: Listing, landing: Landing, archive: Archive, patience: Patience
) -> Counter[str]:
    """Fetch what lacks of a study, series by series; return the failures by reason."""
    failures: Counter[str] = Counter()
    by_series = sorted(listing.instances, key=attrgetter("series"))
    for _, group in groupby(by_series, key=attrgetter("series")):
        series = list(group)
        failures += patience(partial(_series, series, landing, archive))
    return failures


def _series(series: list[Instance], landing: Landing, archive: Archive) -> Counter[str]:
    lacking = landing.lacking(series)
    if not lacking:
        return Counter()
    return archive.fetch(lacking, landing.keep, whole=len(lacking) == len(series))
