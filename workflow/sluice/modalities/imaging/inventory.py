"""Intake of DICOM: which objects there are, whose they are, and what their headers hold."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Hashable
from dataclasses import replace
from pathlib import Path

import pandas as pd
from pydicom.dataset import FileDataset

from sluice.config.cohort import Source
from sluice.dicom.contentdigest import content_digest
from sluice.dicom.reader import read
from sluice.errors import SluiceError
from sluice.files.tables import write_table
from sluice.identity import sample_id
from sluice.jobs import Job
from sluice.modalities.imaging.headers import UNREADABLE
from sluice.modalities.imaging.survey import Survey
from sluice.modalities.shared.participants import Participants
from sluice.modalities.shared.rawfiles import RawFile, manifest, manifest_table, source_format

_OBJECT_COLUMNS = ["file_id", "path", "source", "participant", "study", "series", "sop"]


def inventory(job: Job, out: Path) -> None:
    """Read every header, quarantine what must not go on, deal studies to parts.

    Manifest and identifiers go to the vault; ``out`` gets the inventory and one list a part.
    """
    assert job.settings.raw is not None
    sources = job.settings.raw.sources
    _require_dicom(sources)
    key = job.vault.key("image file")
    # An identifier that depends on the path alone keeps a part's list when other files come.
    files = [replace(file, file_id=f"f{sample_id(key, file.path)[1:]}") for file in manifest(job)]
    survey = Survey()
    objects, refused = _read_all(job, files, sources, survey)
    objects["subject"] = _subjects(job, objects, sources)
    refused |= _quarantined(job, objects)
    for reason in refused.values():
        job.counts["files taken"] -= 1
        job.counts[f"files quarantined: {reason}"] += 1
    table = _manifest(job, files, objects, refused)
    write_table(job.vault.place(job.layout.manifest("imaging")), table)
    write_table(job.vault.place(job.layout.people("imaging")), _people(survey, objects))
    write_table(out / "inventory.parquet", survey.inventory())
    taken = table[table["status"] == "taken"]
    for part in job.config.parts("imaging"):
        listed = taken.loc[taken["part"] == part, ["file_id", "sha256", "subject"]]
        write_table(out / f"{part}.list.parquet", listed.sort_values("file_id").astype(object))


def _require_dicom(sources: list[Source]) -> None:
    for source in sources:
        if source_format(source) != "dicom" or not source.participant_field:
            raise SluiceError(
                "An imaging source is no DICOM folder or names no participant",
                where=f"source {source.file}",
                mend="write `format: dicom` and `participant_field: PatientID` for it",
            )


def _read_all(
    job: Job, files: list[RawFile], sources: list[Source], survey: Survey
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return what can be read, one row an object, and the reason of each file that cannot."""
    rows, refused = [], {}
    for file in files:
        if file.status != "taken":
            continue
        number = _source_of(file.path, sources)
        try:
            dataset = read(job.layout.raw_cohort / file.path)
            names = [str(sources[number].participant_field), "StudyInstanceUID"]
            names += ["SeriesInstanceUID", "SOPInstanceUID"]
            participant, *uids = (_single(dataset, name) for name in names)
            survey.add(file.file_id, dataset)
        except SluiceError as error:
            refused[file.file_id] = error.what
            continue
        except UNREADABLE:
            refused[file.file_id] = "A DICOM header cannot be decoded"
            continue
        rows.append((file.file_id, file.path, number, participant, *uids))
    return pd.DataFrame(rows, columns=_OBJECT_COLUMNS).astype(object), refused


def _source_of(path: str, sources: list[Source]) -> int:
    """Return the number of the source that a file belongs to: the longest path that holds it."""
    holding = [n for n, s in enumerate(sources) if path == s.file or path.startswith(f"{s.file}/")]
    return max(holding, key=lambda n: len(sources[n].file))


def _single(dataset: FileDataset, keyword: str) -> str | None:
    """Return an element's one text; several values are as good as none."""
    value = dataset.get(keyword)
    return value.strip(" \0") or None if isinstance(value, str) else None


def _subjects(job: Job, objects: pd.DataFrame, sources: list[Source]) -> pd.Series:
    participants = Participants(job)
    subjects = pd.Series(None, index=objects.index, dtype=object)
    for number, rows in objects.groupby("source"):
        source = sources[int(str(number))]
        subjects[rows.index] = participants.subjects(source, rows["participant"])
    return subjects


def _quarantined(job: Job, objects: pd.DataFrame) -> dict[str, str]:
    """Return the reason of each readable object that must not go on, by ``file_id``."""
    reasons = pd.Series(None, index=objects.index, dtype=object)

    def set_reason(rows: pd.Series, reason: str) -> None:
        reasons[rows & reasons.isna()] = reason

    set_reason(objects["participant"].isna(), "no participant")
    set_reason(objects["subject"].isna(), "unknown participant")
    set_reason(objects[["study", "series"]].isna().any(axis=1), "no study or series")
    people = objects.groupby("study")["subject"].transform("nunique")
    set_reason(people > 1, "two participants in one study")
    for _, rows in objects[objects["sop"].duplicated(keep=False)].groupby("sop"):
        same = len({content_digest(job.layout.raw_cohort / path) for path in rows["path"]}) == 1
        repeated = objects.index.isin(rows.index[1:] if same else rows.index)
        reason = "a copy of another file" if same else "one SOP instance with two contents"
        set_reason(pd.Series(repeated, index=objects.index), reason)
    given = reasons.notna()
    return dict(zip(objects.loc[given, "file_id"], reasons[given], strict=True))


def _manifest(
    job: Job, files: list[RawFile], objects: pd.DataFrame, refused: dict[str, str]
) -> pd.DataFrame:
    """Return the manifest with subject and part, and with what was quarantined."""
    part_of = _dealer(job)
    known = objects.set_index("file_id")
    parts = {
        file: part_of(row.subject, row.study)
        for file, row in zip(known.index, known.itertuples(), strict=True)
        if file not in refused
    }
    table = manifest_table(files)
    table["subject"] = table["file_id"].map(known["subject"]).astype(object)
    table["part"] = table["file_id"].map(parts).astype(object)
    bad = table["file_id"].isin(list(refused))
    table.loc[bad, "status"] = "quarantined"
    table.loc[bad, "reason"] = table.loc[bad, "file_id"].map(refused)
    return table


def _dealer(job: Job) -> Callable[[Hashable, Hashable], str]:
    """Return what deals a study to a part: a keyed hash of its subject and study, mod parts."""
    key, names = job.vault.key("part"), job.config.parts("imaging")

    def part_of(subject: Hashable, study: Hashable) -> str:
        mac = hmac.digest(key, f"{subject}\0{study}".encode(), "sha256")
        return names[int.from_bytes(mac[:8], "big") % len(names)]

    return part_of


def _people(survey: Survey, objects: pd.DataFrame) -> pd.DataFrame:
    """Return ``subject, kind, value`` of everything that names somebody, for the vault."""
    found = pd.DataFrame(sorted(survey.identifiers()), columns=["file_id", "kind", "value"])
    found["subject"] = found["file_id"].map(objects.set_index("file_id")["subject"])
    found = found.dropna(subset=["subject"])[["subject", "kind", "value"]]
    return found.drop_duplicates().sort_values(["subject", "kind", "value"])
