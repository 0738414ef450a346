"""Released cells, proportions and means by cell type, written anew from values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from sluice.expression.aggregate import cell_type_proportions, group_means, pseudobulk, set_means
from sluice.expression.singlecell import CellSource
from sluice.expression.write import write_h5ad
from sluice.identity import Pseudonyms
from sluice.jobs import Job
from sluice.modalities.shared.groups import chosen_sets, only_planned
from sluice.modalities.shared.h5ad import (
    file_words,
    gene_names,
    open_released,
    released_fields,
    write_crosswalk,
)
from sluice.modalities.shared.lineage import GroupValues, subjects_behind, write_groups
from sluice.modalities.shared.plan import kept_subjects, product_is_on, read_plan
from sluice.modalities.singlecell.released import averaged_groups
from sluice.modalities.singlecell.settings import CellSettings, individual_settings
from sluice.modalities.singlecell.sources import FileRecord, open_recorded, read_records

_MAIN = "cells.h5ad"
_TYPE = "cell_type"
_KEYS = ["file_id", "cell_row", "sample_id", "subject"]


def apply(job: Job, out: Path) -> None:
    """Write the products that the plan has on, of the kept participants.

    Controlled: one h5ad for each kind of values, and aggregates of the main one. Registered:
    aggregates alone, of controlled's main file; without a product the folder stays empty.
    """
    assert job.settings.modality is not None
    settings = individual_settings(job.settings.modality, job.tier)
    plan = read_plan(job)["modalities"]["singlecell"]
    folder = job.layout.minimize(job.tier, "singlecell", "all")
    kept = kept_subjects(job)
    cells, samples = (job.read(folder / f"{name}.parquet") for name in ("cells", "samples"))
    cells, samples = (table[table["subject"].isin(kept)] for table in (cells, samples))
    genes = job.read(folder / "genes.parquet")
    maps = job.pseudonyms()
    groups_on = product_is_on(job, "cell_groups")
    told: list[GroupValues] = []
    if job.settings.source == "controlled":
        if groups_on:
            path = job.layout.data("controlled", "singlecell", "all") / _MAIN
            typed = cells.assign(donor=cells["subject"], row=cells["cell_row"])
            told = _write_groups(job, out, path, typed, genes["gene_id"].tolist(), plan, settings)
        subjects = subjects_behind(job, maps, cells["subject"]) if told else {}
        write_groups(job, {"cell_groups": told}, subjects, settings.decimals)
        write_crosswalk(job, set(), maps)
        return
    named = pd.DataFrame(columns=["subject", "original", "new"], dtype=object)
    if product_is_on(job, "cells"):
        records = {record.file_id: record for record in read_records(job, folder)}
        cells = _with_fields(job, cells, samples, maps)
        for matrix in plan["matrices"]:
            path = out / matrix["file"]
            chosen = [records[file_id] for file_id in matrix["file_ids"]]
            new = _write_cells(job, path, chosen, cells, genes, maps, settings.decimals)
            named = pd.concat([named, new], ignore_index=True)
        if groups_on:
            main = open_released(out / _MAIN)
            typed = main.obs.assign(donor=main.obs["donor_id"], row=range(len(main.obs)))
            told = _write_groups(job, out, out / _MAIN, typed, main.genes, plan, settings)
    subjects = subjects_behind(job, maps, cells["subject"])
    write_groups(job, {"cell_groups": told}, subjects, settings.decimals)
    write_crosswalk(job, set(named["subject"]), maps, ("barcode", named))


def _with_fields(
    job: Job, cells: pd.DataFrame, samples: pd.DataFrame, maps: Pseudonyms
) -> pd.DataFrame:
    """Return the cells' keys, ``donor_id``, and the released fields of cell and sample."""
    of_sample = released_fields(job, "samples", samples.reset_index(drop=True), maps)
    of_sample = of_sample.set_index(pd.Index(samples["sample_id"]))
    of_cell = released_fields(job, "cells", cells, maps)
    placed = of_sample.reindex(cells["sample_id"]).set_axis(cells.index)
    keys = cells[_KEYS]
    people = {subject: maps.person(subject) for subject in keys["subject"].unique()}
    table = pd.concat([keys, of_cell, placed], axis=1)
    return table.assign(donor_id=keys["subject"].map(people))


def _write_cells(
    job: Job,
    path: Path,
    records: list[FileRecord],
    cells: pd.DataFrame,
    genes: pd.DataFrame,
    maps: Pseudonyms,
    decimals: int,
) -> pd.DataFrame:
    """Write one h5ad, cells in the order of their pseudonyms; return ``subject, original, new``."""
    assert job.settings.products is not None
    var = gene_names(genes[genes["file_id"] == records[0].file_id])
    parts, streams = [], []
    for number, record in enumerate(records):
        source = open_recorded(job, record)
        part = _named(cells[cells["file_id"] == record.file_id], source, maps)
        place = genes[genes["file_id"] == record.file_id].set_index("gene_id")["row"]
        columns = place.loc[var.index].to_numpy()
        rows = part["cell_row"].to_numpy()
        streams.append(_Rows(source.iter_rows(rows, columns=columns, folder=path.parent)))
        parts.append(part.assign(stream=number))
    # A person's cells lie together, whatever files they come from.
    merged = pd.concat(parts).sort_values(["donor_id", "stream", "name"])
    obs = merged.set_index("name").drop(columns=[*_KEYS, "stream", "original"])
    obs = obs[["donor_id", *(c for c in obs.columns if c != "donor_id")]]
    blocks = _interleaved(streams, merged.groupby(["donor_id", "stream"], sort=True).size())
    kind = records[0].value_kind
    rounded = blocks if kind == "counts" else (_rounded(block, decimals) for block in blocks)
    words = file_words(job, job.settings.products["cells"].title, kind)
    job.contents[path.name] = write_h5ad(path, rounded, obs, var, **words)
    job.counts["cells released"] += len(obs)
    return merged.rename(columns={"name": "new"})[["subject", "original", "new"]]


def _named(cells: pd.DataFrame, source: CellSource, maps: Pseudonyms) -> pd.DataFrame:
    """Return cells with ``original`` and new name, in the order of the pseudonyms."""
    barcodes = np.array(source.barcodes(), dtype=object)[cells["cell_row"].to_numpy(dtype=int)]
    names = [
        maps.item(f"{sample}\0{barcode}")
        for sample, barcode in zip(cells["sample_id"], barcodes, strict=True)
    ]
    return cells.assign(original=barcodes, name=names).sort_values(["donor_id", "name"])


@dataclass
class _Rows:
    """Rows of a source in order, to be taken a few at a time."""

    blocks: Iterator[sparse.csr_matrix]
    _held: list[sparse.csr_matrix] = field(default_factory=list)

    def take(self, number: int) -> Iterator[sparse.csr_matrix]:
        """Yield the next ``number`` rows."""
        while number > 0:
            block = self._held.pop() if self._held else next(self.blocks)
            if block.shape[0] > number:
                self._held.append(block[number:])
                block = block[:number]
            number -= block.shape[0]
            yield block


def _interleaved(streams: list[_Rows], turns: pd.Series) -> Iterator[sparse.csr_matrix]:
    """Yield each person's rows, from one source after the other."""
    if len(streams) == 1:
        yield from streams[0].take(int(turns.sum()))
        return
    for stream, number in zip(turns.index.get_level_values("stream"), turns, strict=True):
        yield from streams[int(stream)].take(int(number))


def _rounded(block: sparse.csr_matrix, decimals: int) -> sparse.csr_matrix:
    block = block.copy()
    block.data = np.round(block.data, decimals)
    return block


def _write_groups(
    job: Job,
    out: Path,
    path: Path,
    cells: pd.DataFrame,
    genes: list[str],
    plan: dict[str, Any],
    settings: CellSettings,
) -> list[GroupValues]:
    """Write proportions of types and means of sets by type: functions of the released cells.

    ``cells`` holds ``donor, row, cell_type`` of the h5ad at ``path``. Returns what was averaged.
    """
    job.note_input(path)
    typed = cells.dropna(subset=[_TYPE])
    shares = cell_type_proportions(
        typed.assign(group="all"), ["group"], settings.floors, decimals=settings.decimals
    ).table
    shares = only_planned(shares, [_TYPE], [[name] for name in plan["groups"]["proportions"]])
    job.write(out / "proportions.parquet", shares[[_TYPE, "proportion", "donors"]])
    source = open_released(path).source
    place = {gene: number for number, gene in enumerate(source.genes)}
    columns = [place[gene] for gene in sorted(genes)]
    bulk = pseudobulk(source, typed, ["donor", _TYPE], floor=settings.min_cells, log=True)
    scores, names = set_means(
        bulk.values[:, columns], sorted(genes), chosen_sets(plan["sets"]), min_genes=1
    )
    floors, by = settings.floors, [_TYPE]
    found = group_means(bulk.keys, scores, names, by, floors, within=by, decimals=settings.decimals)
    table = only_planned(found.table, by, [[name] for name in plan["groups"]["means"]])
    job.write(out / "group_means.parquet", table[[*by, "feature", "mean", "donors"]])
    job.counts["proportions released"] += len(shares)
    job.counts["group means released"] += len(table)
    types = list(table[_TYPE].drop_duplicates())
    return averaged_groups(bulk.keys, scores, names, types, typed, list(shares[_TYPE]), settings)
