"""A folder of DICOM files, de-identified without a cohort: the same rules, presets for the tiers.

All headers are looked at first, because a participant's own names and the start of a study may
stand in another file. Then each file is written anew; one that cannot be is quarantined, with a
reason and a count.
"""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.dicom.eligibility import eligible
from sluice.dicom.profile import ImageIdentity, Profile
from sluice.dicom.renew import Renewer
from sluice.errors import SluiceError
from sluice.files import replacing_file, sha256_file
from sluice.identity import Pseudonyms, Vault
from sluice.modalities.imaging.firstlook import FirstLook, Look
from sluice.resources import resource

if TYPE_CHECKING:
    from sluice.dicom.burned_in.clean import Mask

#: The tiers that have a preset: what the shipped default policy says of them.
TIERS = ("controlled", "registered")
#: Tiers whose exclusions nobody may waive: regions, faces and kinds of object (policy decision 15).
#: In any other, whether an object may show a face is counted and for a person to decide.
STRICT = frozenset({"registered"})
# Files that one process takes at a time: enough for what it remembers of a study to pay.
_BATCH = 256
_CROSSWALK = ["source", "sop_old", "sop_new", "person_old", "person"]

Progress = Callable[[str, int, int], None]


@dataclass
class Report:
    """What became of a folder: counts and names of rules, no value of anybody.

    ``masks`` are what was blanked of the pixels, by new SOP instance
    (:class:`sluice.dicom.renew.Renewed`).
    """

    files_in: int = 0
    files_out: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    options: Counter[str] = field(default_factory=Counter)
    faces: int = 0
    masks: dict[str, tuple[Mask, ...]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the report for writing, counters sorted by name."""
        return {
            "files_in": self.files_in,
            "files_out": self.files_out,
            "quarantined": dict(sorted(self.quarantined.items())),
            "actions": dict(sorted(self.actions.items())),
            "options": dict(sorted(self.options.items())),
            "may_show_a_face": self.faces,
            "masks": dict(sorted(self.masks.items())),
        }


@dataclass(frozen=True)
class _Batch:
    """Files of one study, with all that their rewriting needs."""

    files: list[Path]
    profile: Profile
    identity: ImageIdentity
    target: Path


@dataclass
class _Done:
    """What became of a batch: new SOP instance by file, and why the others have none."""

    renewed: dict[Path, str] = field(default_factory=dict)
    refused: dict[Path, str] = field(default_factory=dict)
    actions: Counter[str] = field(default_factory=Counter)
    options: Counter[str] = field(default_factory=Counter)
    masks: dict[str, tuple[Mask, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Preset:
    """What the default policy says of a tier's images.

    Attributes
    ----------
    profile
        What stays of a header.
    eligibility
        The rules of :func:`sluice.dicom.eligibility.eligible`.
    """

    profile: Profile
    eligibility: dict[str, Any]


def preset(tier: str) -> Preset:
    """Return a tier's preset: a table, because reading a policy takes longer than many images."""
    text = resource("dicom", "presets.json").read_text(encoding="utf-8")
    found = json.loads(text)[tier]
    return Preset(Profile.from_policy(found["profile"]), found["eligibility"])


def deidentify_folder(
    source: Path, target: Path, tier: str, vault: Vault, progress: Progress, processes: int
) -> Report:
    """Write the successor of every DICOM file below ``source`` to ``target``.

    Parameters
    ----------
    source
        Any tree of files; links are not followed.
    target
        Gets ``<new SOP instance UID>.dcm``. It may hold other files.
    tier
        One of :data:`TIERS`. Those of :data:`STRICT` quarantine what they may not hold.
    vault
        Its keys make the new identities; it gets ``crosswalk.csv``.
    progress
        Is told the step, how many files are done and how many there are.
    processes
        How many work at once.
    """
    rules = preset(tier)
    profile = rules.profile
    files = sorted(p for p in source.rglob("*") if p.is_file() and not p.is_symlink())
    report = Report(files_in=len(files))
    first = FirstLook()
    looks, refused = _look_at_all(files, first, progress)
    refused |= _conflicts(looks)
    if tier in STRICT:
        refused |= _excluded(looks, rules.eligibility, refused)
    report.quarantined.update(refused.values())
    pseudonyms = vault.pseudonyms("folder", tier, "series")
    batches = list(_batches(looks, refused, first, profile, vault, pseudonyms, target))
    rows, done = [], len(refused)
    for batch, result in _renewed(batches, processes):
        done += len(batch.files)
        progress("written", done, len(files))
        report.files_out += len(result.renewed)
        report.faces += sum(looks[path].facts.face for path in result.renewed)
        report.quarantined.update(result.refused.values())
        report.actions.update(result.actions)
        report.options.update(result.options)
        report.masks |= result.masks
        person = batch.identity.person
        rows += [
            (str(f.relative_to(source)), looks[f].instance, new, looks[f].participant[0], person)
            for f, new in result.renewed.items()
        ]
    _keep(vault.place(vault.folder / "crosswalk.csv"), sorted(rows))
    return report


def _keep(crosswalk: Path, rows: list[tuple[str, ...]]) -> None:
    """Write the crosswalk whole or not at all, for its owner's eyes only."""
    with replacing_file(crosswalk) as fresh:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        # A file's name need not be UTF-8.
        with open(handle, "w", newline="", encoding="utf-8", errors="surrogateescape") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(_CROSSWALK)
            writer.writerows(rows)


def _look_at_all(
    files: list[Path], first: FirstLook, progress: Progress
) -> tuple[dict[Path, Look], dict[Path, str]]:
    """Return what is known of each readable file, and why each other one is refused."""
    looks: dict[Path, Look] = {}
    refused: dict[Path, str] = {}
    for number, path in enumerate(files, 1):
        try:
            looks[path] = first.look(path)
        except SluiceError as error:
            refused[path] = error.what
        except Exception as error:  # one odd file must not stop the others
            refused[path] = f"A DICOM file cannot be read ({type(error).__name__})"
        if number % _BATCH == 0 or number == len(files):
            progress("read", number, len(files))
    return looks, refused


def _conflicts(looks: dict[Path, Look]) -> dict[Path, str]:
    """Return why files are refused that contradict each other."""
    people: dict[str, set[tuple[str, str]]] = {}
    instances: dict[str, list[Path]] = {}
    for path, look in looks.items():
        people.setdefault(look.study, set()).add(look.participant)
        instances.setdefault(look.instance, []).append(path)
    refused: dict[Path, str] = {}
    for paths in instances.values():
        if len(paths) == 1:
            continue
        same = len({sha256_file(path) for path in paths}) == 1
        reason = "a copy of another file" if same else "one SOP instance with two contents"
        refused |= dict.fromkeys(paths[1:] if same else paths, reason)
    shared = {study for study, found in people.items() if len(found) > 1}
    mixed = [path for path, look in looks.items() if look.study in shared]
    return refused | dict.fromkeys(mixed, "two participants in one study")


def _excluded(
    looks: dict[Path, Look], rules: dict[str, Any], refused: dict[Path, str]
) -> dict[Path, str]:
    """Return why the tier may not hold files that nothing else speaks against."""
    return {
        path: f"the tier does not hold it: {reason}"
        for path, look in looks.items()
        if path not in refused and (reason := eligible(look.facts, rules))
    }


def _batches(
    looks: dict[Path, Look],
    refused: dict[Path, str],
    first: FirstLook,
    profile: Profile,
    vault: Vault,
    pseudonyms: Pseudonyms,
    target: Path,
) -> Iterator[_Batch]:
    studies: dict[tuple[tuple[str, str], str], list[Path]] = {}
    for path, look in looks.items():
        if path not in refused:
            studies.setdefault((look.participant, look.study), []).append(path)
    dated = "retain_longitudinal_modified_dates" in profile.options
    for (participant, _), paths in sorted(studies.items()):
        subject = vault.subject("\0".join(participant))
        starts: list[datetime] = [s for p in paths if (s := looks[p].start) is not None]
        identity = ImageIdentity(
            person=pseudonyms.person(subject),
            uid=pseudonyms.uid,
            shift_days=pseudonyms.shift(subject) if dated else None,
            study_start=min(starts, default=None),
            own_tokens=frozenset(first.tokens[participant]),
            other_names=frozenset(first.others[participant]),
        )
        for at in range(0, len(paths), _BATCH):
            yield _Batch(paths[at : at + _BATCH], profile, identity, target)


def _renewed(batches: list[_Batch], processes: int) -> Iterator[tuple[_Batch, _Done]]:
    if processes == 1 or len(batches) <= 1:
        yield from ((batch, _renew(batch)) for batch in batches)
        return
    try:
        with ProcessPoolExecutor(min(processes, len(batches))) as pool:
            yield from zip(batches, pool.map(_renew, batches), strict=True)
    except BrokenProcessPool:
        raise SluiceError(
            "A process was ended from outside, perhaps for want of memory",
            mend="run it again into a new folder, with fewer --processes",
        ) from None


def _renew(batch: _Batch) -> _Done:
    renewer, done = Renewer(batch.profile, batch.identity), _Done()
    for path in batch.files:
        try:
            new = renewer.renew(path, lambda _study, _series, i: batch.target / f"{i}.dcm")
        except SluiceError as error:
            done.refused[path] = error.what
        except Exception as error:  # one odd file must not stop the others
            done.refused[path] = f"A DICOM file cannot be written ({type(error).__name__})"
        else:
            done.renewed[path] = new.instance
            done.actions.update(new.counts)
            done.options.update(new.used)
            if new.masks:
                done.masks[new.instance] = new.masks
    return done
