"""Intake of bulk expression."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sluice.config.cohort import Source
from sluice.expression.readers import BulkSource
from sluice.expression.singlecell import open_cells
from sluice.files.tables import write_table
from sluice.jobs import Job
from sluice.modalities.bulk.sources import bulk_sources, open_matrix_source
from sluice.modalities.shared.fields import INVENTORY_COLUMNS
from sluice.modalities.shared.participants import Participants
from sluice.modalities.shared.rawfiles import manifest, source_format, source_path, write_lists
from sluice.modalities.shared.samples import sheet_inventory
from sluice.modalities.shared.slots import h5ad_inventory, obs_table, plain_row


def inventory(job: Job, out: Path) -> None:
    """Inventory the matrix and every column of the sample sheets; identifiers go to the vault."""
    files = manifest(job)
    matrix, sheets = bulk_sources(job)
    participants = Participants(job)
    rows = [_matrix_rows(job, matrix, open_matrix_source(job, matrix))]
    people = []
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


def _matrix_rows(job: Job, source: Source, matrix: BulkSource) -> pd.DataFrame:
    label = Path(source.file).stem
    genes, samples = len(matrix.genes), len(matrix.samples)
    rows = [
        plain_row(f"{label}.genes", "gene identifiers", genes, "safe"),
        plain_row(f"{label}.samples", "sample identifiers", samples, "linkage"),
        plain_row(f"{label}.values", matrix.value_kind, genes * samples, "sensitive"),
    ]
    if source_format(source) == "h5ad":
        opened = open_cells(
            source_path(job.layout.raw_cohort, source.file), "h5ad", source.layer or "X"
        )
        inside = h5ad_inventory(source, opened, obs_table(opened), label)
        return pd.concat([pd.DataFrame(rows, columns=INVENTORY_COLUMNS), inside])
    rows += [plain_row(f"{label}.{n}", c.type, genes, c.role) for n, c in source.columns.items()]
    return pd.DataFrame(rows, columns=INVENTORY_COLUMNS)
