"""Intake of single-cell expression."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sluice.config.cohort import Source
from sluice.expression.singlecell import CellSource
from sluice.files.tables import write_table
from sluice.jobs import Job
from sluice.modalities.shared.fields import INVENTORY_COLUMNS, direct_identifiers
from sluice.modalities.shared.participants import Participants, require_column
from sluice.modalities.shared.rawfiles import manifest, write_lists
from sluice.modalities.shared.samples import read_sheet, sheet_inventory
from sluice.modalities.shared.slots import h5ad_inventory, obs_table, plain_row
from sluice.modalities.singlecell.sources import (
    barcode_suffixes,
    cell_sources,
    open_source,
    sheet_of,
)


def inventory(job: Job, out: Path) -> None:
    """Inventory every slot and column of every source; identifiers and barcodes go to the vault."""
    files = manifest(job)
    sources, sheets = cell_sources(job)
    participants = Participants(job)
    rows, people = [], []
    for source in sources:
        opened = open_source(job, source)
        label = Path(source.file).stem
        if opened.fmt == "h5ad":
            obs = obs_table(opened)
            rows.append(h5ad_inventory(source, opened, obs, label))
            require_column(obs, source.participant_field, source.file)
            subjects = participants.subjects(source, obs[source.participant_field])
            people.append(direct_identifiers(obs, subjects, source.columns))
        else:
            rows.append(_tenx_rows(opened, label))
            subjects = _subjects_of(job, source, opened, sheets, participants)
        job.counts["cells without a known participant"] += int(subjects.isna().sum())
        people.append(_barcodes(opened, subjects))
    for sheet in sheets:
        described, found = sheet_inventory(job, sheet, participants)
        rows.append(described)
        people.append(found)
    write_table(out / "inventory.parquet", pd.concat(rows))
    everyone = pd.concat(people).drop_duplicates()
    write_table(
        job.vault.place(job.layout.people(job.modality)),
        everyone.sort_values(["subject", "kind", "value"]),
    )
    write_lists(job, out, files)


def _tenx_rows(opened: CellSource, label: str) -> pd.DataFrame:
    rows = [
        plain_row(f"{label}.barcodes", "string", opened.n_cells, "linkage"),
        plain_row(f"{label}.features", "gene identifiers", len(opened.genes), "safe"),
        plain_row(f"{label}.matrix", opened.value_kind, opened.n_cells, "sensitive"),
    ]
    return pd.DataFrame(rows, columns=INVENTORY_COLUMNS)


def _subjects_of(
    job: Job, source: Source, opened: CellSource, sheets: list[Source], participants: Participants
) -> pd.Series:
    """Return each cell's subject through the lane that its barcode names."""
    sheet = sheet_of(source, sheets)
    table = read_sheet(job, sheet)
    known = participants.subjects(sheet, table[sheet.participant_field])
    lanes = table[source.samples].map(lambda v: None if v is None else v.strip())
    return barcode_suffixes(opened).map(dict(zip(lanes, known, strict=True))).astype(object)


def _barcodes(opened: CellSource, subjects: pd.Series) -> pd.DataFrame:
    table = pd.DataFrame({"subject": subjects, "kind": "barcode", "value": opened.barcodes()})
    return table[table["subject"].notna()]
