"""Looking for planted identifiers in every byte that a run leaves, and in what the bytes mean.

The reading is our own: the last scan of a candidate has its own readers, which are under test.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import html
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pydicom

from sluice.demo.canaries import Canary
from sluice.files import read_json
from sluice.release.search import ByteSearch

DATES = ("birth_date", "event_date")
UNREADABLE = "burned_in"  # in pixels, in sight of text recognition only
_EMBEDDED = re.compile(rb"base64,([A-Za-z0-9+/=]+)")
_DATE = re.compile(r"(?<![\w.-])(1[78]\d\d)(-?)(\d\d)\2(\d\d)(?![\w-])")


def planted(vault: Path) -> list[Canary]:
    """Return the canaries that the demo listed in its vault."""
    return [Canary(*row) for row in read_json(vault / "canaries.json")]


@dataclass(frozen=True)
class Search:
    """Finds any of many values, in any case, in UTF-8 and UTF-16."""

    bytes: ByteSearch

    @classmethod
    def of(cls, values: Iterable[str]) -> Search:
        """Prepare a search for ``values``."""
        forms = {v.encode(code): v for v in set(values) for code in ("utf-8", "utf-16-le")}
        return cls(ByteSearch(forms))

    def in_file(self, path: Path) -> set[str]:
        """Return the values in a file's bytes, in what they mean, or in its name."""
        return self.bytes.in_bytes(b"\0".join(everything(path)))

    def in_tree(self, root: Path, *skip: Path) -> dict[str, set[str]]:
        """Return what is found by path below ``root``, without the folders ``skip``."""
        found: dict[str, set[str]] = {}
        for path in files(root, *skip):
            name = path.relative_to(root).as_posix()
            values = self.in_file(path) | self.bytes.in_bytes(name.encode())
            found |= {name: values} if values else {}
        return found


def files(root: Path, *skip: Path) -> list[Path]:
    """Return every plain file below ``root``, sorted."""
    found = (p for p in root.rglob("*") if p.is_file() and not p.is_symlink())
    return sorted(p for p in found if not any(p.is_relative_to(place) for place in skip))


def everything(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, then everything that can be read out of them."""
    raw = path.read_bytes()
    yield raw
    yield _unbase64(path.name.encode())
    readers = {
        **dict.fromkeys((".h5ad", ".h5"), _hdf5),
        **dict.fromkeys((".html", ".svg"), _page),
        **dict.fromkeys((".zip", ".xlsx"), _zip),
        ".parquet": _parquet,
        ".dcm": _dicom,
        ".json": _json,
        ".gz": lambda path, raw: [gzip.decompress(raw)],
    }
    yield from readers.get(path.suffix, lambda path, raw: [])(path, raw)


def _unbase64(text: bytes) -> bytes:
    """Snakemake's records are named by the output's path in base 64."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _parquet(path: Path, raw: bytes) -> Iterator[bytes]:
    table = pq.read_table(path)
    yield repr(table.schema.metadata).encode()
    for name, column in zip(table.column_names, table.columns, strict=True):
        yield name.encode()
        yield "\0".join(str(value) for value in column.to_pylist()).encode()


def _hdf5(path: Path, raw: bytes) -> list[bytes]:
    said: list[str] = []

    def visit(name: str, item: Any) -> None:
        said.extend([name, *(f"{key} {value!r}" for key, value in item.attrs.items())])
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "SOUV" and item.shape is not None:
            said.extend(_text(value) for value in np.ravel(item[()]))

    with h5py.File(path) as file:
        visit("/", file)
        file.visititems(visit)
    return ["\0".join(said).encode()]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _dicom(path: Path, raw: bytes) -> list[bytes]:
    data = pydicom.dcmread(path, force=True)
    elements = (*data.file_meta.iterall(), *data.iterall())
    return [f"{e.value}".encode() for e in elements if e.VR != "SQ" and e.tag != 0x7FE00010]


def _json(path: Path, raw: bytes) -> list[bytes]:
    return [json.dumps(json.loads(raw), ensure_ascii=False).encode()]


def _page(path: Path, raw: bytes) -> Iterator[bytes]:
    yield html.unescape(raw.decode()).encode()
    yield from (base64.b64decode(found) for found in _EMBEDDED.findall(raw))


def _zip(path: Path, raw: bytes) -> Iterator[bytes]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            yield name.encode()
            yield archive.read(name)


def days(path: Path) -> set[str]:
    """Return every day before 1900 that a file's text holds, as ISO or DICOM write it."""
    found = set()
    for part in everything(path):
        for year, _, month, day in _DATE.findall(part.decode("utf-8", "ignore")):
            try:
                found.add(date(int(year), int(month), int(day)).isoformat())
            except ValueError:
                continue
    return found
