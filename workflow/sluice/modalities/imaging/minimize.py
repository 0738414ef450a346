"""Only the objects that a tier may hold, of people who consented, and what it must know of them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sluice.config import Layout
from sluice.dicom.reader import read
from sluice.files import read_json
from sluice.files.tables import write_table
from sluice.jobs import Job
from sluice.modalities.imaging.headers import PATHS, header, long_table, wide_table
from sluice.modalities.imaging.instances import instance_table
from sluice.modalities.imaging.selection import exclusions
from sluice.modalities.imaging.settings import check_public, individual_settings
from sluice.modalities.imaging.sources import object_paths
from sluice.modalities.shared.consent import permitted

_DEVICE = {
    "full": ["Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "StationName"],
    "manufacturer": ["Manufacturer"],
    "none": [],
}


def minimize(job: Job, out: Path) -> None:
    """Write ``instances`` and ``tags`` of the selected objects; every exclusion is counted.

    Controlled and public start from the curated tables; registered reads the headers of
    controlled's released objects, whose ``person`` is its ``subject``. Public keeps no more than
    each participant's pairs of imaging modality and region.
    """
    assert job.settings.modality is not None
    derived = job.settings.source == "controlled"
    instances, tags = _released(job) if derived else _curated(job)
    consenting = instances["subject"].isin(permitted(job))
    job.counts["instances without consent dropped"] += int((~consenting).sum())
    instances = instances[consenting]
    headers = wide_table(tags).reindex(instances["instance_id"])
    if job.tier == "public":
        check_public(job.settings.modality)
        write_table(out / "instances.parquet", _pairs(instances, headers))
        return
    settings = individual_settings(job.settings.modality, job.tier)
    reasons = exclusions(headers, settings, job.settings.waived or ())
    for reason, n in reasons.value_counts().sort_index().items():
        job.counts[f"instances excluded: {reason}"] += int(n)
    chosen = instances[reasons.isna().to_numpy()]
    job.counts["instances selected"] += len(chosen)
    kept = [PATHS[name] for name in ("kind", "region", *_DEVICE[settings.keep_device])]
    wanted = tags["instance_id"].isin(chosen["instance_id"]) & tags["tag_path"].isin(kept)
    write_table(out / "instances.parquet", chosen)
    write_table(out / "tags.parquet", tags[wanted])


def _curated(job: Job) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = job.layout.curate("imaging", job.part)
    return job.read(folder / "instances.parquet"), job.read(folder / "tags.parquet")


def _released(job: Job) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the tables anew from controlled's released objects: nothing of raw is known here."""
    index = Layout.index(job.layout.data("controlled", "imaging", job.part))
    job.note_input(index)
    digests = {file["path"]: file["sha256"] for file in read_json(index)["files"]}
    rows, headers = [], {}
    for file_id, path in object_paths(job).items():
        dataset = read(path)
        person, study, series, name = Path(file_id).parts
        instance = name.removesuffix(".dcm")
        sop_class = str(dataset.SOPClassUID)
        rows.append((instance, file_id, digests[file_id], person, study, series, sop_class, None))
        headers[instance] = header(dataset)
    return instance_table(rows), long_table(headers)


def _pairs(instances: pd.DataFrame, headers: pd.DataFrame) -> pd.DataFrame:
    """Return ``subject, image_modality, region, instances``: how much a participant has of each."""
    table = pd.DataFrame(
        {
            "subject": instances["subject"].to_numpy(),
            "image_modality": headers["kind"].to_numpy(),
            "region": headers["region"].to_numpy(),
        }
    )
    return table.value_counts().rename("instances").reset_index().sort_values(list(table.columns))
