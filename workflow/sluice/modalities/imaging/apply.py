"""Released DICOM objects, written anew.

``DeidentificationMethod`` (0012,0063) of each object names this program and the release in four
values: ``SLUICE``, cohort, version, tier. So an object that turns up somewhere tells where it is
from, without a new element that another tool might strip.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from sluice.dicom.contentdigest import content_digest
from sluice.dicom.profile import ImageIdentity, Profile
from sluice.dicom.renew import Renewed, Renewer
from sluice.errors import SluiceError
from sluice.files.tables import read_table, write_table
from sluice.identity import Pseudonyms
from sluice.jobs import Job
from sluice.modalities.imaging.headers import UNREADABLE
from sluice.modalities.imaging.propose import PRODUCT
from sluice.modalities.imaging.roles import other_names, own_tokens
from sluice.modalities.imaging.settings import individual_settings
from sluice.modalities.imaging.sources import object_paths, require_unchanged
from sluice.modalities.shared.plan import kept_subjects, product_is_on, read_plan

_CROSSWALK_COLUMNS = ["subject", "person", "kind", "original", "new"]
_MASK_COLUMNS = ["instance", "frame", "top", "left", "bottom", "right"]
# UIDs are mapped wherever they stand; no text is cleaned of them.
_NO_TOKENS = frozenset({"uid"})
_Tokens = dict[str, frozenset[str]]


@dataclass
class _Links:
    """Maps UIDs and remembers which were met, for the crosswalk."""

    maps: Pseudonyms
    found: dict[str, str] = field(default_factory=dict)

    def uid(self, original: str) -> str:
        return self.found.setdefault(original, self.maps.uid(original))


def apply(job: Job, out: Path) -> None:
    """Write ``<person>/<study>/<series>/<instance>.dcm`` of the kept people; note links and masks.

    Dates move by the participant's one shift and times count from the study's start. An object that
    cannot be written is counted and left out. Without the product, nothing is written.
    """
    folder = job.layout.minimize(job.tier, "imaging", job.part)
    instances = job.read(folder / "instances.parquet")
    if not product_is_on(job, PRODUCT):
        instances = instances.iloc[:0]
    instances = instances[instances["subject"].isin(kept_subjects(job))]
    late = instances["study"].isin(read_plan(job)["modalities"]["imaging"]["left_out"])
    job.counts["instances beyond a person's most studies left out"] += int(late.sum())
    instances = instances[~late]
    profile, maps, paths = _profile(job), job.pseudonyms(), object_paths(job)
    dated = "retain_longitudinal_modified_dates" in profile.options
    starts = instances.groupby("study")["date"].min().to_dict()
    tokens, others = _names(job, set(instances["subject"]))
    crosswalk: set[tuple[str, str, str, str, str]] = set()
    masks: list[tuple[str | int, ...]] = []
    ordered = instances.sort_values(["subject", "study", "series", "instance_id"])
    for (subject, study), rows in ordered.groupby(["subject", "study"], sort=False):
        links, start = _Links(maps), starts[str(study)]
        identity = ImageIdentity(
            person=maps.person(str(subject)),
            uid=links.uid,
            shift_days=maps.shift(str(subject)) if dated else None,
            study_start=None if pd.isna(start) else start.to_pydatetime(),
            own_tokens=tokens.get(str(subject), frozenset()),
            other_names=others.get(str(subject), frozenset()),
            release=_release(job),
        )
        renewer = Renewer(profile, identity)
        person, written = identity.person, 0
        for row in rows.itertuples():
            path = paths[str(row.file_id)]
            require_unchanged(path, str(row.sha256))
            new = _written(job, renewer, path, out)
            written += new is not None
            masks += [(new.instance, *mask) for mask in new.masks] if new else []
        if written:
            crosswalk.add((str(subject), person, "person", str(subject), person))
            crosswalk |= {(str(subject), person, "uid", *pair) for pair in links.found.items()}
    table = pd.DataFrame(sorted(crosswalk), columns=_CROSSWALK_COLUMNS).astype(object)
    write_table(job.vault.place(job.layout.crosswalk(job.tier, "imaging", job.part)), table)
    blanked = pd.DataFrame(sorted(masks), columns=_MASK_COLUMNS)
    write_table(job.vault.place(job.layout.masks(job.tier, job.part)), blanked)


def _profile(job: Job) -> Profile:
    assert job.settings.modality is not None
    settings = individual_settings(job.settings.modality, job.tier)
    return Profile.from_policy(settings.profile(job.tier))


def _names(job: Job, subjects: set[str]) -> tuple[_Tokens, _Tokens]:
    """Return each participant's own names, numbers and dates, and the names of others.

    They are taken from whatever modality they stand in.

    A tier that starts from controlled knows nothing of raw, and keeps no text that could hold one.
    """
    if job.settings.source == "controlled" or not subjects:
        return {}, {}
    tables = []
    for modality in job.config.modalities:
        job.note_input(job.layout.people(modality))
        table = read_table(job.layout.people(modality))
        tables.append(table[table["subject"].isin(subjects) & ~table["kind"].isin(_NO_TOKENS)])
    own: dict[str, set[str]] = {}
    others: dict[str, set[str]] = {}
    for row in pd.concat(tables, ignore_index=True).itertuples():
        subject, kind, value = str(row.subject), str(row.kind), str(row.value)
        own.setdefault(subject, set()).update(own_tokens(kind, value))
        others.setdefault(subject, set()).update(other_names(kind, value))
    return _frozen(own), _frozen(others)


def _frozen(found: dict[str, set[str]]) -> _Tokens:
    return {subject: frozenset(tokens) for subject, tokens in found.items()}


def _written(job: Job, renewer: Renewer, path: Path, out: Path) -> Renewed | None:
    """Write one object below ``out``; count why not, if it cannot be."""

    def place(study: str, series: str, instance: str) -> Path:
        folder = out / renewer.identity.person / study / series
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{instance}.dcm"

    try:
        new = renewer.renew(path, place)
        digest = content_digest(new.path)
    except (SluiceError, *UNREADABLE) as error:
        reason = error.what if isinstance(error, SluiceError) else "it cannot be written"
        job.counts[f"instances quarantined: {reason}"] += 1
        return None
    job.contents[new.path.relative_to(out).as_posix()] = digest
    job.counts["instances released"] += 1
    job.counts.update({f"elements {rule}": n for rule, n in new.counts.items()})
    return new


def _release(job: Job) -> tuple[str, str, str]:
    release = job.config.release
    return release.cohort, release.version, job.tier
