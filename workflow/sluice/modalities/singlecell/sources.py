"""The raw sources of single-cell expression."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from sluice.config.cohort import Source
from sluice.errors import SluiceError
from sluice.expression.singlecell import CellFormat, CellSource, open_cells
from sluice.files import sha256_json
from sluice.files.tables import read_table
from sluice.jobs import Job
from sluice.modalities.shared.rawfiles import source_format, source_path

_MATRIX_NAMES = ("matrix.mtx", "matrix.mtx.gz")


def cell_sources(job: Job) -> tuple[list[Source], list[Source]]:
    """Return the cell matrices and the sample sheets.

    Raises
    ------
    SluiceError
        If a source names another table, or there is no matrix.
    """
    assert job.settings.raw is not None
    by_table: dict[str, list[Source]] = {"cells": [], "samples": []}
    for source in job.settings.raw.sources:
        if source.table not in by_table:
            raise SluiceError(
                "A single-cell source names a table that does not exist",
                where=f"source {source.file}",
                mend="choose one of: cells, samples",
            )
        by_table[source.table].append(source)
    if not by_table["cells"]:
        raise SluiceError(
            "Single-cell expression needs at least one source of cells",
            where=f"cohort {job.settings.cohort}, modality singlecell",
            mend="add a source with `table: cells`",
        )
    return by_table["cells"], by_table["samples"]


def cell_format(source: Source, path: Path) -> CellFormat:
    """Return the format of a source of cells."""
    if source_format(source) == "h5ad":
        return "h5ad"
    if source_format(source) == "10x":
        return "10x_mtx" if path.is_dir() else "10x_h5"
    raise SluiceError(
        "A source of cells is neither h5ad nor 10x",
        where=f"source {source.file}",
        mend="write `format: h5ad` or `format: 10x`",
    )


def open_source(job: Job, source: Source) -> CellSource:
    """Open a raw source of cells."""
    path = source_path(job.layout.raw_cohort, source.file)
    if source.value_kind is None:
        raise SluiceError(
            "The matrix does not say what its values are",
            where=f"source {source.file}",
            mend="write `value_kind:` counts, tpm or log",
        )
    layer = source.layer or "X"
    return open_cells(path, cell_format(source, path), layer, value_kind=source.value_kind)


def sheet_of(source: Source, sheets: list[Source]) -> Source:
    """Return the sample sheet whose column ``source.samples`` names the samples of a 10x source.

    A sheet inside the source's own folder goes before all others.
    """
    fitting = [s for s in sheets if source.samples and source.samples in s.columns]
    inside = [s for s in fitting if s.file.startswith(f"{source.file}/")]
    chosen = inside or fitting
    if len(chosen) != 1:
        raise SluiceError(
            "It is not clear which sample sheet tells the samples of a 10x source",
            where=f"source {source.file}",
            mend="name with `samples:` the column that holds the barcode's suffix, in one sheet",
        )
    return chosen[0]


def barcode_suffixes(opened: CellSource) -> pd.Series:
    """Return what follows the last ``-`` of each barcode: the lane, where runs were joined."""
    return pd.Series([name.rpartition("-")[2] for name in opened.barcodes()], dtype=object)


@dataclass(frozen=True)
class FileRecord:
    """A raw matrix as later stages know it: by the manifest's number, without a path."""

    file_id: str
    format: CellFormat
    layer: str
    value_kind: str
    sha256: str


def file_record(job: Job, source: Source, opened: CellSource) -> FileRecord:
    """Return the record of a source; its digest covers every file that is read for it."""
    manifest = read_table(job.layout.manifest(job.modality))
    mine = manifest[manifest["path"] == source.file]
    if opened.fmt == "10x_mtx":
        mine = manifest[manifest["path"].map(lambda p: str(Path(p).parent)) == source.file]
    heads = mine[mine["path"].map(lambda p: Path(p).name in _MATRIX_NAMES)]
    head = mine if opened.fmt != "10x_mtx" else heads
    if len(head) != 1:
        raise SluiceError(
            "A source is not in the list of raw files",
            where=f"source {source.file}",
            mend="run the stage intake again",
        )
    digest = sha256_json(dict(zip(mine["file_id"], mine["sha256"], strict=True)))
    row = head.iloc[0]
    return FileRecord(row["file_id"], opened.fmt, opened.layer, opened.value_kind, digest)


def open_recorded(job: Job, record: FileRecord) -> CellSource:
    """Open a raw matrix by its record.

    Raises
    ------
    SluiceError
        If the file is not the one that intake saw.
    """
    manifest = read_table(job.layout.manifest(job.modality)).set_index("file_id")
    seen = manifest.loc[record.file_id]
    path = job.layout.raw_cohort / seen["path"]
    info = path.stat() if path.is_file() else None
    if info is None or (info.st_size, info.st_mtime_ns) != (seen["bytes"], seen["mtime_ns"]):
        raise SluiceError(
            "A raw file changed after intake",
            where=f"file {record.file_id} of modality {job.modality}",
            mend="run the stage intake again",
        )
    place = path.parent if record.format == "10x_mtx" else path
    return open_cells(place, record.format, record.layer, value_kind=record.value_kind)  # type: ignore[arg-type]


def read_records(job: Job, folder: Path) -> list[FileRecord]:
    """Return the records that ``curate`` and ``minimize`` hand on, in the cohort file's order."""
    table = job.read(folder / "files.parquet", [f.name for f in fields(FileRecord)])
    return [FileRecord(*row) for row in table.itertuples(index=False)]
