"""DICOM headers of one part into instances and the few facts that later stages need."""

from __future__ import annotations

from datetime import datetime, time
from pathlib import Path

from pydicom.dataset import FileDataset

from sluice.dicom.reader import read
from sluice.dicom.values import parse_date, parse_time
from sluice.errors import SluiceError
from sluice.files.tables import write_table
from sluice.identity import sample_id
from sluice.jobs import Job
from sluice.modalities.imaging.headers import header, long_table
from sluice.modalities.imaging.instances import instance_table
from sluice.modalities.imaging.sources import raw_paths, require_unchanged


def curate(job: Job, out: Path) -> None:
    """Write ``instances`` and ``tags`` of the part.

    Study, series and instance have keyed identifiers; ``date`` is the study's start, to the second
    where its time can be read. An object whose header cannot be judged is left out and counted.
    """
    path = job.layout.part_list("imaging", job.part)
    listed, paths = job.read(path), raw_paths(job)
    key = job.vault.key("image")
    rows, headers = [], {}
    for file_id, sha256, subject in listed.itertuples(index=False):
        require_unchanged(paths[file_id], sha256)
        try:
            dataset = read(paths[file_id])
            found = header(dataset)
        except SluiceError as error:
            job.counts[f"instances left out: {error.what}"] += 1
            continue
        levels = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
        instance, study, series = (
            sample_id(key, f"{level} {str(dataset[level].value).strip()}") for level in levels
        )
        sop_class, start = str(dataset.SOPClassUID), _start(job, dataset)
        rows.append((instance, file_id, sha256, subject, study, series, sop_class, start))
        headers[instance] = found
    write_table(out / "instances.parquet", instance_table(rows))
    write_table(out / "tags.parquet", long_table(headers))
    job.counts["instances"] += len(rows)


def _start(job: Job, dataset: FileDataset) -> datetime | None:
    """Return when the study started, ``None`` where its day is unreadable or impossible."""
    calendar = job.settings.calendar
    assert calendar is not None
    day = parse_date(str(dataset.get("StudyDate") or "").strip(" \0"))
    if day is None or not calendar.earliest <= day <= calendar.latest:
        job.counts["instances without a possible study date"] += 1
        return None
    since_midnight = parse_time(str(dataset.get("StudyTime") or "").strip(" \0"))
    midnight = datetime.combine(day, time.min)
    return midnight + since_midnight if since_midnight is not None else midnight
