"""Raw files: which there are, which are refused, and their digests."""

from __future__ import annotations

import os
import stat
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from sluice.config import Settings
from sluice.config.cohort import Source
from sluice.errors import SluiceError
from sluice.files import sha256_file
from sluice.files.tables import write_table
from sluice.jobs import Job

_REFUSED_ENDINGS = {
    "archive": (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar", ".bz2", ".xz", ".zst"),
    "pickle": (".pkl", ".pickle", ".rds", ".rdata", ".joblib", ".npy"),
    "raw reads": (".fastq", ".fastq.gz", ".fq", ".fq.gz", ".bam", ".cram", ".sam", ".bcl"),
    "variants": (".vcf", ".vcf.gz", ".bcf", ".bed", ".bim", ".fam", ".pgen", ".pvar", ".gen"),
}
_HEADS = {
    "archive": (b"PK\x03\x04", b"Rar!", b"7z\xbc\xaf", b"BZh", b"\xfd7zXZ"),
    "pickle": (b"\x80\x02", b"\x80\x03", b"\x80\x04\x95", b"\x80\x05\x95"),
}
_ENDINGS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "tsv",
    ".xlsx": "xlsx",
    ".parquet": "parquet",
    ".gct": "gct",
    ".h5ad": "h5ad",
}


@dataclass(frozen=True)
class RawFile:
    """One file of the manifest."""

    file_id: str
    path: str
    bytes: int
    mtime_ns: int
    sha256: str
    status: str
    reason: str


def source_format(source: Source) -> str:
    """Return the format of a source, from ``format`` or its ending."""
    if source.format:
        return source.format
    ending = Path(source.file.removesuffix(".gz")).suffix.lower()
    if ending not in _ENDINGS:
        raise SluiceError(
            "The format of a source is not clear from its ending",
            where=f"source {source.file}",
            mend="write `format:` for it",
        )
    return _ENDINGS[ending]


def refusal(path: Path) -> str | None:
    """Return why a path is not taken as release content, or ``None``."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "symlink"
    if not stat.S_ISREG(mode):
        return "device or special file"
    if _shown(path.name) != path.name:
        return "name that is not UTF-8"
    name = path.name.lower()
    for reason, endings in _REFUSED_ENDINGS.items():
        if name.endswith(endings):
            return reason
    if not name.endswith(".xlsx"):
        with path.open("rb") as handle:
            head = handle.read(8)
        for reason, heads in _HEADS.items():
            if head.startswith(heads):
                return reason
    return None


def _shown(name: str) -> str:
    """Return a file name as text that can be written; bytes that are not UTF-8 are spelled out."""
    return os.fsencode(name).decode(errors="backslashreplace")


def source_path(root: Path, source_file: str) -> Path:
    """Return the path of a named source after refusing what must not be followed.

    Raises
    ------
    SluiceError
        If it is missing, empty, a link, an archive, a pickle, raw reads or variants.
    """
    path = root / source_file
    where = f"source {source_file}"
    for place in (path, *path.parents):
        if place == root:
            break
        if place.is_symlink():
            raise SluiceError(
                "A source is reached through a symbolic link", where=where, mend="copy the file in"
            )
    if not path.exists():
        raise SluiceError(
            "A source is missing", where=where, mend="put it there or mend the cohort file"
        )
    if path.is_dir():
        return path
    reason = refusal(path)
    if reason:
        raise SluiceError(
            f"A source is refused: {reason}", where=where, mend="name a plain data file instead"
        )
    if path.stat().st_size == 0:
        raise SluiceError("A source is empty", where=where, mend="export it again")
    return path


def _other_inputs(settings: Settings) -> set[str]:
    named = {alias.file for alias in settings.aliases or []} | set(settings.attack_inputs or [])
    return named | ({settings.consent.file} if settings.consent else set())


def manifest(job: Job) -> list[RawFile]:
    """List every file in the folders of a modality's sources; refused ones are counted.

    Files that no source names are `unlisted`: they are never read.
    """
    settings = job.settings
    assert settings.raw is not None
    root = job.layout.raw_cohort
    named = {source.file for source in settings.raw.sources}
    folders = {file for file in named if source_path(root, file).is_dir()}
    places = {(root / file) if file in folders else (root / file).parent for file in named}
    others = _other_inputs(settings)
    files: list[RawFile] = []
    found = {p for place in places for p in place.rglob("*") if p.is_symlink() or not p.is_dir()}
    for path in sorted(found):
        relative = _shown(path.relative_to(root).as_posix())
        inside = any(relative.startswith(folder + "/") for folder in folders)
        reason = refusal(path)
        if reason:
            status = "refused"
        elif relative in named or inside:
            status, reason = "taken", ""
        else:
            status, reason = "unlisted", "attack or consent input" if relative in others else ""
        info = path.lstat()
        digest = sha256_file(path) if status == "taken" else ""
        job.counts[f"files {status}" + (f": {reason}" if reason else "")] += 1
        files.append(
            RawFile(
                file_id=f"f{len(files):06d}",
                path=relative,
                bytes=info.st_size,
                mtime_ns=info.st_mtime_ns,
                sha256=digest,
                status=status,
                reason=reason or "",
            )
        )
    return files


def manifest_table(files: list[RawFile]) -> pd.DataFrame:
    """Return the manifest as a table."""
    return pd.DataFrame([asdict(file) for file in files])


def write_lists(job: Job, out: Path, files: list[RawFile]) -> None:
    """Write the list of a modality that has one part: taken files and their digests."""
    taken = [f for f in files if f.status == "taken"]
    write_table(job.vault.place(job.layout.manifest(job.modality)), manifest_table(files))
    write_table(
        out / "all.list.parquet",
        pd.DataFrame({"file_id": [f.file_id for f in taken], "sha256": [f.sha256 for f in taken]}),
    )
