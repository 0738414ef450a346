"""Released cells beside the raw ones that they came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sluice.expression.singlecell import CellSource
from sluice.jobs import Job
from sluice.modalities.shared.h5ad import ReleasedMatrix, open_released, read_crosswalk
from sluice.modalities.shared.lineage import GroupValues
from sluice.modalities.shared.plan import read_plan
from sluice.modalities.singlecell.settings import CellSettings
from sluice.modalities.singlecell.sources import FileRecord, open_recorded, read_records

_TYPE = "cell_type"


@dataclass(frozen=True)
class CellPairs:
    """One released file and its raw sources.

    ``cells`` has one row a released cell: ``row`` in the released file, ``file_id`` and
    ``cell_row`` in raw, ``donor`` (subject).
    """

    name: str
    matrix: ReleasedMatrix
    raw: dict[str, CellSource]
    cells: pd.DataFrame


def cell_pairs(job: Job) -> list[CellPairs]:
    """Match every released file with raw through the vault's crosswalk.

    A cell whose barcode its donor has twice among the raw files cannot be told and is left out.
    """
    plan = read_plan(job)["modalities"]["singlecell"]
    folder = job.layout.data(job.tier, "singlecell", "all")
    records = {r.file_id: r for r in read_records(job, job.layout.curate("singlecell", "all"))}
    cells = job.read(job.layout.curate("singlecell", "all") / "cells.parquet")
    links = read_crosswalk(job, job.tier, "barcode")
    found = []
    for planned in plan["matrices"]:
        path = folder / planned["file"]
        job.note_input(path)
        chosen = [records[file_id] for file_id in planned["file_ids"]]
        found.append(_pair(job, path.name, chosen, open_released(path), cells, links))
    return found


def _pair(
    job: Job,
    name: str,
    records: list[FileRecord],
    matrix: ReleasedMatrix,
    cells: pd.DataFrame,
    links: pd.DataFrame,
) -> CellPairs:
    raw = {record.file_id: open_recorded(job, record) for record in records}
    parts = []
    for file_id, source in raw.items():
        part = cells.loc[cells["file_id"] == file_id, ["file_id", "cell_row", "subject"]]
        barcodes = np.array(source.barcodes(), dtype=object)
        parts.append(part.assign(original=barcodes[part["cell_row"].to_numpy()]))
    own = links[links["new"].isin(matrix.obs.index)]
    matched = pd.concat(parts).merge(own, on=["subject", "original"])
    matched = matched[~matched.duplicated("new", keep=False)]
    matched["row"] = matrix.obs.index.get_indexer(pd.Index(matched["new"]))
    matched = matched.rename(columns={"subject": "donor"}).sort_values("row")
    columns = ["row", "file_id", "cell_row", "donor"]
    return CellPairs(name, matrix, raw, matched[columns].reset_index(drop=True))


def averaged_groups(
    keys: pd.DataFrame,
    scores: np.ndarray,
    names: list[str],
    types: list[str],
    cells: pd.DataFrame,
    shared: list[str],
    settings: CellSettings,
) -> list[GroupValues]:
    """Return what stands for each donor in the published means and proportions.

    Parameters
    ----------
    keys, scores, names
        ``donor, cell_type`` and the set scores of each, one column a name.
    types
        Those whose means are published.
    cells
        ``donor, cell_type`` of every typed cell.
    shared
        Those whose proportions are published.
    """
    found = []
    for kind in types:
        own = np.asarray(keys[_TYPE] == kind)
        donors = keys.loc[own, "donor"].tolist()
        found.append(GroupValues(f"means of {kind}", "all", donors, scores[own], names))
    shares = proportions(cells, settings.min_cells)
    if shared:
        values = shares[shared].to_numpy()
        found.append(GroupValues("proportions", "all", list(shares.index), values, shared))
    return found


def proportions(cells: pd.DataFrame, min_cells: int) -> pd.DataFrame:
    """Return donors x cell types: each donor's proportions, above the floor of cells."""
    counts = pd.crosstab(cells["donor"], cells[_TYPE])
    counts = counts[counts.sum(axis=1) >= min_cells]
    return counts.div(counts.sum(axis=1), axis=0)
