"""Where the objects of a tier come from: raw files, or controlled's released ones."""

from __future__ import annotations

from pathlib import Path

from sluice.errors import SluiceError
from sluice.files import sha256_file
from sluice.files.tables import read_table
from sluice.jobs import Job


def object_paths(job: Job) -> dict[str, Path]:
    """Return the path of each object by ``file_id``.

    For a tier that starts from controlled, a ``file_id`` is the path below controlled's data.
    """
    if job.settings.source == "controlled":
        folder = job.layout.data("controlled", "imaging", job.part)
        return {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*.dcm"))}
    return raw_paths(job)


def raw_paths(job: Job) -> dict[str, Path]:
    """Return the path of each raw object that intake took, by ``file_id``, from the vault."""
    manifest = read_table(job.layout.manifest("imaging"), ["file_id", "path", "status"])
    taken = manifest[manifest["status"] == "taken"]
    root = job.layout.raw_cohort
    return {file: root / path for file, path in zip(taken["file_id"], taken["path"], strict=True)}


def require_unchanged(path: Path, sha256: str) -> None:
    """Refuse an object that is not the one which the earlier stages saw.

    Raises
    ------
    SluiceError
        If it is gone or its bytes have changed.
    """
    if not path.is_file() or sha256_file(path) != sha256:
        raise SluiceError(
            "An image file has changed since intake",
            where="source imaging",
            mend="run the release again from intake",
        )
