"""The data dictionary: a row for every released column, a policy key for every row."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import h5py
import pyarrow.parquet as pq
import pydicom

from sluice.errors import SluiceError
from sluice.files import replacing_file

FIELDS = ("release", "file", "column", "type", "unit", "description", "policy_key", "rule")


def write_dictionary(
    bundle: Path, release: str, rows: Iterable[Mapping[str, object]], withheld: Iterable[str]
) -> list[dict[str, str]]:
    """Write ``dictionary.csv`` for the files of a bundle and return its rows.

    Parameters
    ----------
    bundle
        Folder that holds the released ``data/``.
    release
        ``cohort/version/tier``, repeated in each row, so that a copied dictionary names its origin.
    rows
        What the adapters describe. ``file`` is relative to the bundle and may hold ``*``;
        ``column`` is a Parquet column, an h5ad element (``X``, ``obs/<name>``, ``var/<name>``,
        ``uns/<key>``, …) or a DICOM keyword at any depth (``(gggg,eeee)`` where it has none).
    withheld
        Described files that the gates keep out; their rows are left out too.

    Raises
    ------
    SluiceError
        If a released column has no row, or a row has no column or no policy key.
    """
    released = columns_by_file(bundle)
    held = list(withheld)
    kept: list[dict[str, str]] = []
    for row in rows:
        text = {name: str(row.get(name) or "") for name in FIELDS} | {"release": release}
        about = [f for f in released if fnmatchcase(f, text["file"])]
        if about or not any(fnmatchcase(f, text["file"]) for f in held):
            kept.append(text)
    kept.sort(key=lambda row: (row["file"], row["column"]))
    check_rows(kept, released)
    with (
        replacing_file(bundle / "dictionary.csv") as temporary,
        temporary.open("w", encoding="utf-8", newline="") as handle,
    ):
        writer = csv.DictWriter(handle, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
    return kept


def check_dictionary(bundle: Path) -> None:
    """Compare the dictionary on disk with the columns on disk, both ways.

    Raises
    ------
    SluiceError
        At the first difference.
    """
    with (bundle / "dictionary.csv").open(encoding="utf-8", newline="") as handle:
        check_rows(list(csv.DictReader(handle)), columns_by_file(bundle))


def check_rows(rows: list[dict[str, str]], released: Mapping[str, set[str]]) -> None:
    """Refuse a column without a row, and a row without a column, policy key or description."""
    described: dict[str, set[str]] = {}
    for row in rows:
        for needed in ("policy_key", "description"):
            if not row[needed]:
                raise SluiceError(
                    f"A row of the dictionary has no {needed.replace('_', ' ')}",
                    where=f"{row['file']}, column {row['column']}",
                    mend="complete the adapter's `describe`",
                )
        columns = described.setdefault(row["file"], set())
        if row["column"] in columns:
            raise SluiceError(
                "A column is described twice", where=f"{row['file']}, column {row['column']}"
            )
        columns.add(row["column"])
    covered: dict[str, set[str]] = {file: set() for file in released}
    for pattern, columns in described.items():
        files = [file for file in released if fnmatchcase(file, pattern)]
        extra = columns - set().union(*(released[file] for file in files))
        if extra:
            raise SluiceError(
                "The dictionary describes a column that was not released",
                where=f"{pattern}, column {min(extra)}",
                mend="let the adapter's `describe` list what `apply` wrote",
            )
        for file in files:
            covered[file] |= columns
    for file, columns in sorted(released.items()):
        if columns - covered[file]:
            raise SluiceError(
                "A released column has no row in the dictionary",
                where=f"{_public_name(file)}, column {min(columns - covered[file])}",
                mend="describe it in the adapter's `describe`, or drop it in the policy",
            )


def columns_by_file(bundle: Path) -> dict[str, set[str]]:
    """Return the columns of each file in ``data/``, by path relative to the bundle."""
    files = sorted(p for p in (bundle / "data").rglob("*") if p.is_file())
    return {path.relative_to(bundle).as_posix(): columns_of(path) for path in files}


def columns_of(path: Path) -> set[str]:
    """Return the names of everything in a released file that a reader can address.

    Raises
    ------
    SluiceError
        If the file is of no kind that Sluice releases.
    """
    if path.suffix == ".parquet":
        return set(pq.read_schema(path).names)
    if path.suffix == ".h5ad":
        return _h5ad_columns(path)
    if path.suffix == ".dcm":
        return {_element_name(element) for element in pydicom.dcmread(path).iterall()}
    raise SluiceError(
        "A data file is of a kind that is never released",
        where=f"ending {path.suffix or '(none)'}",
        mend="write Parquet, h5ad or DICOM",
    )


def _h5ad_columns(path: Path) -> set[str]:
    with h5py.File(path, "r") as file:
        names: set[str] = set()
        for key, item in file.items():
            # A matrix is one thing, also when it is stored as a group (sparse).
            if key in ("X", "raw") or isinstance(item, h5py.Dataset):
                names.add(key)
            else:
                names |= {f"{key}/{inner}" for inner in item}
    return names


def _element_name(element: pydicom.DataElement) -> str:
    return element.keyword or f"({element.tag.group:04X},{element.tag.element:04X})"


def _public_name(file: str) -> str:
    """Return a path without the identifiers that a DICOM path is made of."""
    return file if not file.endswith(".dcm") else "/".join(file.split("/")[:2]) + "/….dcm"
