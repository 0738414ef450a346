"""Dictionary rows of released single-cell expression."""

from __future__ import annotations

from sluice.files.tables import column_types
from sluice.jobs import Job
from sluice.modalities.shared.described import Row, field_rows, h5ad_rows, row
from sluice.modalities.shared.h5ad import h5ad_columns, value_unit


def describe(job: Job) -> list[Row]:
    """Return one row for each element of each file that was written."""
    folder = job.layout.data(job.tier, "singlecell", "all")
    rows: list[Row] = []
    for path in sorted(folder.glob("*.h5ad")):
        rows += h5ad_rows(
            job,
            f"data/singlecell/{path.name}",
            h5ad_columns(path),
            what="cell",
            product="cells",
            unit=value_unit(path),
            tables=("cells", "samples"),
        )
    for path in sorted(folder.glob("*.parquet")):
        rows += _groups(job, path.name, column_types(path))
    return rows


def _groups(job: Job, name: str, columns: dict[str, str]) -> list[Row]:
    file, key = f"data/singlecell/{name}", f"{job.tier}.singlecell.settings"
    told = {
        "feature": ("Gene set of WikiPathways, by its id", f"{key}.min_genes", "fixed sets", ""),
        "mean": (
            "Mean over donors of the mean logarithm of the set's genes over their cells",
            f"{key}.decimals",
            "donors weigh the same; rounded",
            "the matrix's own logarithms, or log(1 + counts per million)",
        ),
        "proportion": (
            "Mean over donors of the type's share of their cells",
            f"{key}.decimals",
            "donors weigh the same; rounded",
            "share",
        ),
        "donors": ("Donors behind the number", f"{key}.min_donors", "floor of donors", ""),
    }
    rows = [
        row(file, column, kind, told[column][0], told[column][1], told[column][2], told[column][3])
        for column, kind in columns.items()
        if column in told
    ]
    types = [("cell_type", "cell_type", columns["cell_type"])]
    return rows + field_rows(job, file, types, ("cells",))
