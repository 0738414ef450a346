"""Write a BagIt 1.0 bag (RFC 8493) whose bytes depend on nothing but its content.

The library ``bagit`` moves files under the working directory and lists tag files in the order of
the file system; ours is sorted. The tests validate what is written here with that library.
"""

from __future__ import annotations

from pathlib import Path

from sluice.files import sha256_file, write_text
from sluice.release.verify import MANIFEST, TAG_MANIFEST


def write_bag(folder: Path, info: dict[str, str]) -> None:
    """Turn a folder that holds ``data/`` and tag files into a bag.

    Parameters
    ----------
    folder
        The bundle. Its other files must be complete: they are listed with their digests.
    info
        Fields of ``bag-info.txt``; ``Payload-Oxum`` is added.
    """
    payload = sorted(p for p in (folder / "data").rglob("*") if p.is_file())
    size = sum(p.stat().st_size for p in payload)
    fields = {**info, "Payload-Oxum": f"{size}.{len(payload)}"}
    lines = [f"{key}: {' '.join(fields[key].split())}\n" for key in sorted(fields)]
    write_text(folder / "bag-info.txt", "".join(lines))
    write_text(folder / "bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    _write_manifest(folder, MANIFEST, payload)
    files = {p for p in folder.rglob("*") if p.is_file()}
    _write_manifest(folder, TAG_MANIFEST, sorted(files - set(payload)))


def _write_manifest(folder: Path, name: str, files: list[Path]) -> None:
    lines = (f"{sha256_file(p)}  {p.relative_to(folder).as_posix()}\n" for p in files)
    write_text(folder / name, "".join(lines))
