"""Single-cell sources into samples, genes and cells; the matrices stay in raw."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pandas as pd

from sluice.config.cohort import Source
from sluice.errors import SluiceError
from sluice.expression.singlecell import CellSource
from sluice.files import canonical_json
from sluice.files.tables import write_table
from sluice.identity import sample_id
from sluice.jobs import Job
from sluice.modalities.shared.genes import gene_table
from sluice.modalities.shared.participants import Participants
from sluice.modalities.shared.samples import KEYS, curated_sheet, typed_fields
from sluice.modalities.shared.slots import obs_table
from sluice.modalities.singlecell.sources import (
    barcode_suffixes,
    cell_sources,
    file_record,
    open_source,
    sheet_of,
)

CELL_KEYS = ["file_id", "cell_row", "sample_id", "subject"]


def curate(job: Job, out: Path) -> None:
    """Write ``files``, ``samples``, ``genes`` (by file) and ``cells`` (file and row of each cell).

    Of an obs, ``date`` belongs to the sample and every other field to the cell; without a column
    that is the field ``sample_id``, a participant's cells of one day in one file are a sample.
    """
    job.note_input(job.layout.part_list("singlecell", "all"))
    sources, sheets = cell_sources(job)
    participants = Participants(job)
    files, samples, genes, cells = [], [], [], []
    for source in sources:
        opened = open_source(job, source)
        record = file_record(job, source, opened)
        if opened.fmt == "h5ad":
            of_samples, of_cells = _from_obs(job, source, opened, participants)
        else:
            sheet = curated_sheet(job, sheet_of(source, sheets), participants, source.samples)
            of_samples, of_cells = _from_lanes(opened, sheet)
        unknown = of_cells["subject"].isna()
        job.counts["cells of unknown participants left out"] += int(unknown.sum())
        files.append(asdict(record))
        samples.append(of_samples)
        cells.append(of_cells[~unknown].assign(file_id=record.file_id))
        genes.append(gene_table(opened.genes, job.counts).assign(file_id=record.file_id))
    all_cells = _ordered(pd.concat(cells), CELL_KEYS).sort_values(["file_id", "cell_row"])
    all_samples = _one_row_each(pd.concat(samples), set(all_cells["sample_id"]))
    write_table(out / "files.parquet", pd.DataFrame(files))
    write_table(out / "samples.parquet", all_samples)
    write_table(out / "genes.parquet", pd.concat(genes)[["file_id", "row", "gene_id", "symbol"]])
    write_table(out / "cells.parquet", all_cells)
    job.counts["samples: rows"] += len(all_samples)
    job.counts["cells: rows"] += len(all_cells)


def _from_obs(
    job: Job, source: Source, opened: CellSource, participants: Participants
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return samples and cells of an h5ad."""
    obs = obs_table(opened)
    table = typed_fields(job, source, obs)
    donors = obs[source.participant_field]
    table["subject"] = participants.subjects(source, donors)
    named = [name for name, column in source.columns.items() if column.field == "sample_id"]
    if named:
        originals = obs[named[0]]
    else:
        pairs = zip(donors, table["date"].astype(str), strict=True)
        originals = pd.Series([canonical_json([source.file, *pair]).decode() for pair in pairs])
    key = job.vault.key("sample")
    ids = {name: sample_id(key, name) for name in originals.dropna().unique()}
    table["sample_id"] = originals.map(ids)
    table["cell_row"] = range(len(table))
    table.loc[table["sample_id"].isna(), "subject"] = None
    samples = table[table["subject"].notna()][KEYS]
    return samples, table.drop(columns="date")


def _from_lanes(opened: CellSource, sheet: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return samples and cells of a 10x source: the barcode's suffix is the sample's lane."""
    if sheet["lane"].duplicated().any():
        raise SluiceError(
            "A lane stands twice in a sample sheet",
            where=f"{int(sheet['lane'].duplicated().sum())} rows",
            mend="keep one row a lane",
        )
    by_lane = sheet.set_index("lane")
    lanes = barcode_suffixes(opened)
    cells = pd.DataFrame({"cell_row": range(opened.n_cells)})
    for column in ("sample_id", "subject"):
        cells[column] = lanes.map(by_lane[column]).astype(object)
        cells[column] = cells[column].where(cells[column].notna(), None)
    return sheet.drop(columns=["lane", "original"]), cells


def _one_row_each(samples: pd.DataFrame, used: set[str]) -> pd.DataFrame:
    """Keep one row for each sample that has cells; refuse contradictions."""
    table = _ordered(samples[samples["sample_id"].isin(used)], KEYS).drop_duplicates()
    twice = table["sample_id"].duplicated()
    if twice.any():
        raise SluiceError(
            "A sample has two participants, two dates or two values of a field",
            where=f"modality singlecell, {int(twice.sum())} samples",
            mend="give each sample its own identifier, or mend its rows",
        )
    return table.sort_values("sample_id").reset_index(drop=True)


def _ordered(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return table[[*keys, *sorted(set(table.columns) - set(keys))]].reset_index(drop=True)
