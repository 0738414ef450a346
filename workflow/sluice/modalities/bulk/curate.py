"""Bulk sources into samples, genes and one chunked matrix."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sluice.config.cohort import Source
from sluice.errors import SluiceError
from sluice.expression.matrix import write_matrix
from sluice.files.tables import write_table
from sluice.jobs import Job
from sluice.modalities.bulk.sources import bulk_sources, open_matrix_source
from sluice.modalities.shared.genes import gene_table
from sluice.modalities.shared.participants import Participants
from sluice.modalities.shared.samples import KEYS, curated_sheet


def curate(job: Job, out: Path) -> None:
    """Write ``samples``, ``genes`` and ``matrix.h5``.

    Samples without a known participant, a row in a sheet or a column in the matrix are left out
    and counted; so are genes without an Ensembl id.
    """
    job.note_input(job.layout.part_list("bulk", "all"))
    source, sheets = bulk_sources(job)
    matrix = open_matrix_source(job, source)
    samples = _samples(job, sheets, matrix.samples)
    genes = gene_table(matrix.genes, job.counts)
    if samples.empty or genes.empty:
        raise SluiceError(
            "No sample or no gene of the matrix is known",
            where=f"source {source.file}",
            mend="compare its column names with the sample sheet and its gene names with Ensembl's",
        )
    rows = samples.pop("row")
    in_file = rows.sort_values().index
    write_matrix(
        out / "matrix.h5",
        matrix,
        rows=rows[in_file].tolist(),
        samples=samples.loc[in_file, "sample_id"].tolist(),
        columns=genes["row"].tolist(),
        genes=genes["gene_id"].tolist(),
    )
    write_table(out / "samples.parquet", samples)
    write_table(out / "genes.parquet", genes.drop(columns="row").sort_values("gene_id"))
    job.counts["samples: rows"] += len(samples)
    job.counts["genes: rows"] += len(genes)


def _samples(job: Job, sheets: list[Source], columns: list[str]) -> pd.DataFrame:
    """Return the known samples that the matrix holds, with their ``row`` in it."""
    participants = Participants(job)
    table = pd.concat([curated_sheet(job, sheet, participants) for sheet in sheets])
    twice = table["original"].duplicated()
    if twice.any():
        raise SluiceError(
            "A sample stands in two sample sheets",
            where=f"{int(twice.sum())} samples",
            mend="keep each sample in one sheet",
        )
    place = {name.strip(): number for number, name in enumerate(columns)}
    table["row"] = table.pop("original").map(place)
    measured = table["row"].notna()
    job.counts["samples without values left out"] += int((~measured).sum())
    job.counts["columns without a known sample left out"] += len(columns) - int(measured.sum())
    table = table[measured].astype({"row": int})
    fields = sorted(set(table.columns) - {*KEYS, "row"})
    table = table[[*KEYS, *fields, "row"]].sort_values("sample_id")
    return table.reset_index(drop=True)
