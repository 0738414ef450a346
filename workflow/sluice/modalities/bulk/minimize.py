"""Only the sample fields and genes that the policy names, only of people who consented."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sluice.expression.genes import load_genes
from sluice.files.tables import write_table
from sluice.jobs import Job
from sluice.modalities.bulk.settings import excluded_groups
from sluice.modalities.shared.consent import permitted
from sluice.modalities.shared.genes import permitted_genes
from sluice.modalities.shared.h5ad import open_released
from sluice.modalities.shared.samples import named_fields, require_fields
from sluice.modalities.shared.upstream import upstream_folder, write_pointer

_KEYS = ["sample_id", "subject"]


def minimize(job: Job, out: Path) -> None:
    """Write ``samples``, ``genes`` and ``matrix.json`` (which matrix they are a selection of).

    Controlled and public start from the curated tables; registered starts from controlled's
    released matrix, whose ``person`` is its ``subject``.
    """
    assert job.settings.modality is not None
    derived = job.settings.source == "controlled"
    samples, genes = _released(job) if derived else _curated(job)
    fields = named_fields(job, "samples", samples)
    if len(samples) or not derived:
        require_fields(job, samples=samples)
    kept = samples["subject"].isin(permitted(job))
    job.counts["samples: fields dropped"] += len(set(samples.columns) - {*_KEYS, *fields})
    job.counts["samples: rows without consent dropped"] += int((~kept).sum())
    write_table(out / "samples.parquet", samples.loc[kept, [*_KEYS, *fields]])
    chosen = permitted_genes(genes, excluded_groups(job.settings.modality, job.tier), job.counts)
    write_table(out / "genes.parquet", chosen[["gene_id", "symbol"]])
    write_pointer(job, out, ".h5ad" if derived else ".h5")


def _curated(job: Job) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = upstream_folder(job)
    return job.read(folder / "samples.parquet"), job.read(folder / "genes.parquet")


def _released(job: Job) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return samples and genes of controlled's matrix; none where controlled has no matrix."""
    path = upstream_folder(job) / "expression.h5ad"
    if not path.is_file():
        nothing = pd.DataFrame(columns=["gene_id", "symbol"], dtype=object)
        return pd.DataFrame(columns=_KEYS, dtype=object), nothing
    job.note_input(path)
    matrix = open_released(path)
    samples = matrix.obs.rename_axis("sample_id").reset_index()
    if "date" in samples:
        samples["date"] = pd.to_datetime(samples["date"])
    symbols = load_genes()["symbol"].reindex(matrix.genes).astype(object).to_numpy()
    genes = pd.DataFrame({"gene_id": matrix.genes, "symbol": symbols}, dtype=object)
    return samples.rename(columns={"donor_id": "subject"}), genes
