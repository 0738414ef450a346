"""Only the cells, fields and genes that the policy lets through, only of people who consented."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sluice.expression.genes import load_genes
from sluice.files.tables import write_table
from sluice.jobs import Job
from sluice.modalities.shared.consent import permitted
from sluice.modalities.shared.genes import permitted_genes
from sluice.modalities.shared.h5ad import open_released
from sluice.modalities.shared.samples import named_fields, require_fields
from sluice.modalities.shared.upstream import upstream_folder, write_pointer
from sluice.modalities.singlecell.cap import capped
from sluice.modalities.singlecell.settings import individual_settings, public_settings

_TABLES = ("files", "samples", "genes", "cells")
_KEYS = {
    "samples": ["sample_id", "subject"],
    "cells": ["file_id", "cell_row", "sample_id", "subject"],
}
_MAIN = "cells.h5ad"


def minimize(job: Job, out: Path) -> None:
    """Write ``files``, ``samples``, ``genes`` and ``cells``, all selections, and ``matrix.json``.

    A donor with fewer cells than the floor is left out whole; of a donor above the cap a keyed
    choice of cells stays. Registered starts from controlled's released cells.
    """
    assert job.settings.modality is not None
    derived = job.settings.source == "controlled"
    tables = _released(job) if derived else _curated(job)
    if len(tables["cells"]) or not derived:
        require_fields(job, samples=tables["samples"], cells=tables["cells"])
    allowed = permitted(job)
    for name, keys in _KEYS.items():
        table = tables[name]
        kept = table["subject"].isin(allowed)
        job.counts[f"{name}: rows without consent dropped"] += int((~kept).sum())
        tables[name] = table.loc[kept, [*keys, *named_fields(job, name, table)]]
    tables["cells"] = _within_bounds(job, tables["cells"])
    used = tables["samples"]["sample_id"].isin(set(tables["cells"]["sample_id"]))
    tables["samples"] = tables["samples"][used]
    if job.tier != "public":
        groups = individual_settings(job.settings.modality, job.tier).exclude_genes
        tables["genes"] = permitted_genes(tables["genes"], groups, job.counts)
    for name, table in tables.items():
        write_table(out / f"{name}.parquet", table)
    write_pointer(job, out, ".h5ad" if derived else "files.parquet")


def _curated(job: Job) -> dict[str, pd.DataFrame]:
    folder = upstream_folder(job)
    return {name: job.read(folder / f"{name}.parquet") for name in _TABLES}


def _released(job: Job) -> dict[str, pd.DataFrame]:
    """Return the tables of controlled's main file of cells; empty ones where it has none.

    A released cell does not tell its sample, so each participant counts as one.
    """
    path = upstream_folder(job) / _MAIN
    if not path.is_file():
        names = {"files": ["file_id"], "genes": ["file_id", "row", "gene_id", "symbol"]} | _KEYS
        return {n: pd.DataFrame(columns=names[n], dtype=object) for n in _TABLES}
    job.note_input(path)
    matrix = open_released(path)
    cells = matrix.obs.rename(columns={"donor_id": "subject"}).reset_index(drop=True)
    if "date" in cells:
        cells["date"] = pd.to_datetime(cells["date"])
    cells = cells.assign(file_id=_MAIN, cell_row=range(len(cells)), sample_id=cells["subject"])
    symbols = load_genes()["symbol"].reindex(matrix.genes).astype(object).to_numpy()
    genes = {"file_id": _MAIN, "row": range(len(symbols)), "gene_id": matrix.genes}
    return {
        "files": pd.DataFrame({"file_id": [_MAIN]}),
        "samples": cells.groupby("subject", as_index=False).first(),
        "genes": pd.DataFrame(genes | {"symbol": symbols}),
        "cells": cells,
    }


def _within_bounds(job: Job, cells: pd.DataFrame) -> pd.DataFrame:
    assert job.settings.modality is not None
    if job.tier == "public":
        floor, cap = public_settings(job.settings.modality).min_cells, len(cells)
    else:
        settings = individual_settings(job.settings.modality, job.tier)
        floor, cap = settings.min_cells, settings.max_cells or len(cells)
    sizes = cells.groupby("subject")["cell_row"].transform("size")
    job.counts["donors with too few cells left out"] += cells.loc[
        sizes < floor, "subject"
    ].nunique()
    kept = cells[sizes >= floor]
    chosen = capped(kept, cap, job.vault.key("cell-choice", job.tier))
    job.counts["cells above the cap left out"] += len(kept) - len(chosen)
    return chosen.sort_values(["file_id", "cell_row"])
