"""Dictionary rows of released bulk expression."""

from __future__ import annotations

from sluice.files import read_json
from sluice.files.tables import column_types
from sluice.jobs import Job
from sluice.modalities.bulk.individual import FILE, PRODUCT
from sluice.modalities.shared.described import Row, field_rows, h5ad_rows, row
from sluice.modalities.shared.h5ad import h5ad_columns, value_unit


def describe(job: Job) -> list[Row]:
    """Return one row for each element of each file that was written."""
    folder = job.layout.data(job.tier, "bulk", "all")
    rows: list[Row] = []
    path = folder / "expression.h5ad"
    if path.is_file():
        rows += h5ad_rows(
            job,
            "data/bulk/expression.h5ad",
            h5ad_columns(path),
            what="sample",
            product="gene_matrix",
            unit=value_unit(path),
            tables=("samples",),
        )
    path = folder / "group_means.parquet"
    if path.is_file():
        rows += _means(job, column_types(path))
    path = folder / FILE
    if path.is_file():
        rows += _scores(job, column_types(path))
    return rows


def _means(job: Job, columns: dict[str, str]) -> list[Row]:
    file, key = "data/bulk/group_means.parquet", f"{job.tier}.bulk.settings"
    by = read_json(job.layout.plan(job.tier))["modalities"]["bulk"]["groups"]["by"]
    told = {
        "feature": ("Gene set of WikiPathways, by its id", f"{key}.min_genes", "fixed sets", ""),
        "mean": (
            "Mean over donors of the mean logarithm of the set's genes",
            f"{key}.decimals",
            "donors weigh the same; rounded",
            "log(1 + counts per million), or the matrix's own logarithms",
        ),
        "donors": ("Donors behind the mean", f"{key}.min_donors", "floor of donors", ""),
    }
    rows = [
        row(file, name, kind, told[name][0], told[name][1], told[name][2], told[name][3])
        for name, kind in columns.items()
        if name in told
    ]
    return rows + field_rows(job, file, [(n, n, columns[n]) for n in by], ("samples",))


def _scores(job: Job, columns: dict[str, str]) -> list[Row]:
    key = f"{job.tier}.bulk.settings"
    product = f"{job.tier}.products.{PRODUCT}"
    told = {
        "person": (
            "Pseudonym of the participant; joins all files of this tier",
            f"{job.tier}.linkage",
            "keyed pseudonym",
            "",
        ),
        "feature": ("Gene set of WikiPathways, by its id", f"{product}.settings", "fixed sets", ""),
        "score": (
            "The participant's mean over samples of the mean logarithm of the set's genes",
            f"{key}.decimals",
            "samples weigh the same; rounded",
            "log(1 + counts per million), or the matrix's own logarithms",
        ),
    }
    return [row(f"data/bulk/{FILE}", name, kind, *told[name]) for name, kind in columns.items()]
