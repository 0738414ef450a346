"""Digests of bytes, of JSON values and of content that survives a writer's upgrade."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd

from sluice.files.formats import read_table


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


def table_digest(table: pd.DataFrame) -> str:
    """Return a digest of a table's columns and values, whatever the file format."""
    digest = hashlib.sha256()
    for name in table.columns:
        digest.update(canonical_json(str(name)))
        column = table[name]
        values = [
            "" if missing else str(v) for v, missing in zip(column, column.isna(), strict=True)
        ]
        digest.update(canonical_json(values))
    return digest.hexdigest()


def content_digest(path: Path) -> str:
    """Return the content digest of a Parquet table; of other files, of their bytes.

    Formats with a content of their own (h5ad, DICOM) have their digest beside their writer.
    """
    if path.suffix == ".parquet":
        return table_digest(read_table(path))
    return sha256_file(path)
