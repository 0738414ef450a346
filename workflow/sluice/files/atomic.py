"""Outputs appear under their name only when they are whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def _beside(path: Path, kind: str) -> Path:
    """Return a hidden sibling of ``path``, private to this process."""
    return path.with_name(f".{path.name}.{kind}-{os.getpid()}")


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; rename it onto ``path`` on success, else remove it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path, "new")
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside ``path``; swap it in on success, else remove it.

    A folder cannot be replaced by one rename, so the old one is moved aside first; whoever
    reads the folder is guarded by the index file that is written after the swap.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.name}.*-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh, old = _beside(path, "new"), _beside(path, "old")
    fresh.mkdir()
    try:
        yield fresh
        if path.exists():
            os.rename(path, old)
        os.rename(fresh, path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
