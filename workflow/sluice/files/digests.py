"""Digests of bytes and of JSON values."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def canonical_json(value: Any) -> bytes:
    """Return the one JSON spelling of ``value``: sorted keys, ASCII, no spaces."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()


def sha256_json(value: Any) -> str:
    """Return the SHA-256 of :func:`canonical_json`, in hex."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def folder_index(folder: Path) -> dict[str, Any]:
    """List a folder's files with bytes and SHA-256, sorted by path."""
    files = [
        {
            "path": path.relative_to(folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": sha256_file(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return {"files": files}
