"""What a tier's ``minimize`` starts from, and which version of it."""

from __future__ import annotations

from pathlib import Path

from sluice.config import Layout
from sluice.files import read_json, write_json
from sluice.jobs import Job


def upstream_folder(job: Job) -> Path:
    """Return the curated folder, or controlled's released one where the tier starts from it."""
    if job.settings.source == "controlled":
        return job.layout.data("controlled", job.modality, "all")
    return job.layout.curate(job.modality, "all")


def write_pointer(job: Job, out: Path, name: str) -> None:
    """Write which matrix the minimized tables select from, as its digest.

    The matrix stays where it is. The pointer makes whatever reads it through these tables run
    again when only values changed.
    """
    folder = upstream_folder(job)
    files = read_json(Layout.index(folder))["files"]
    digests = {file["path"]: file["sha256"] for file in files if file["path"].endswith(name)}
    write_json(out / "matrix.json", {"files": digests})
