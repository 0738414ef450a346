"""The released expression matrix and means of gene sets, written anew from values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sluice.expression.aggregate import Floors, group_means
from sluice.expression.matrix import Matrix, open_matrix
from sluice.expression.write import write_h5ad
from sluice.identity import Pseudonyms
from sluice.jobs import Job
from sluice.modalities.bulk.individual import FILE, PRODUCT, donor_scores, released_table
from sluice.modalities.bulk.settings import BulkSettings, individual_settings
from sluice.modalities.shared.groups import averaged, only_planned, set_scores
from sluice.modalities.shared.h5ad import (
    ReleasedMatrix,
    file_words,
    gene_names,
    open_released,
    released_fields,
    write_crosswalk,
)
from sluice.modalities.shared.lineage import GroupValues, subjects_behind, write_groups
from sluice.modalities.shared.plan import kept_subjects, product_is_on, read_plan

_BLOCK = 256


def apply(job: Job, out: Path) -> None:
    """Write the products that the plan has on, of the kept participants.

    Controlled: ``expression.h5ad`` and ``group_means.parquet``. Registered: means, and individual
    scores if a policy wants them, computed from controlled's matrix; without a product the folder
    stays empty.
    """
    assert job.settings.modality is not None
    settings = individual_settings(job.settings.modality, job.tier)
    plan = read_plan(job)["modalities"]["bulk"]
    folder = job.layout.minimize(job.tier, "bulk", "all")
    samples = job.read(folder / "samples.parquet")
    samples = samples[samples["subject"].isin(kept_subjects(job))].reset_index(drop=True)
    genes = job.read(folder / "genes.parquet")
    maps = job.pseudonyms()
    told: list[GroupValues] = []
    if job.settings.source == "controlled":
        _write_derived(job, out, samples, genes, maps, plan, settings)
        return
    if not product_is_on(job, "gene_matrix"):
        samples = samples.iloc[:0]
    else:
        path = out / "expression.h5ad"
        obs = _write_matrix(job, path, samples, genes, maps, settings.decimals)
        if product_is_on(job, "group_means"):
            keys = obs.rename(columns={"donor_id": "subject"})
            told = _write_means(job, out, open_released(path), keys, genes, plan, settings)
        job.counts["samples released"] += len(samples)
    subjects = subjects_behind(job, maps, samples["subject"])
    write_groups(job, {"group_means": told}, subjects, settings.decimals)
    named = {"original": samples["sample_id"], "new": samples["sample_id"].map(maps.item)}
    items = samples[["subject"]].assign(**named)
    write_crosswalk(job, set(samples["subject"]), maps, ("sample", items))


def _write_derived(
    job: Job,
    out: Path,
    samples: pd.DataFrame,
    genes: pd.DataFrame,
    maps: Pseudonyms,
    plan: dict[str, Any],
    settings: BulkSettings,
) -> None:
    """Write what a tier computes from controlled's matrix: means, and individual scores."""
    told: dict[str, list[GroupValues]] = {}
    shown: set[str] = set()
    path = job.layout.data("controlled", "bulk", "all") / "expression.h5ad"
    if product_is_on(job, "group_means"):
        fields = released_fields(job, "samples", samples, maps)
        keys = fields.assign(subject=samples["subject"]).set_index(samples["sample_id"])
        means = _write_means(job, out, open_released(path), keys, genes, plan, settings)
        told["group_means"] = means
    if product_is_on(job, PRODUCT):
        told[PRODUCT] = [
            _write_scores(job, out, open_released(path), samples, genes, maps, plan, settings)
        ]
        shown = set(samples["subject"])
    subjects = subjects_behind(job, maps, samples["subject"]) if told else {}
    write_groups(job, told, subjects, settings.decimals)
    write_crosswalk(job, shown, maps)


def _write_scores(
    job: Job,
    out: Path,
    matrix: ReleasedMatrix,
    samples: pd.DataFrame,
    genes: pd.DataFrame,
    maps: Pseudonyms,
    plan: dict[str, Any],
    settings: BulkSettings,
) -> GroupValues:
    """Write the planned scores of each donor; return them as what is told of all donors."""
    rows = matrix.obs.index.get_indexer(pd.Index(samples["sample_id"]))
    keys = pd.DataFrame({"donor": samples["subject"].to_numpy(), "row": rows})
    scores = donor_scores(matrix, keys, genes["gene_id"], plan["score_sets"])
    table = released_table(scores.rename(index=maps.person), settings.decimals)
    job.write(out / FILE, table)
    job.counts["donors with individual scores"] += len(scores)
    job.counts["individual scores released"] += len(table)
    donors = [str(donor) for donor in scores.index]
    return GroupValues("scores", "all donors", donors, scores.to_numpy(), list(scores.columns))


def _write_matrix(
    job: Job,
    path: Path,
    samples: pd.DataFrame,
    genes: pd.DataFrame,
    maps: Pseudonyms,
    decimals: int,
) -> pd.DataFrame:
    """Write the h5ad, rows in the order of the pseudonyms; return its ``obs``."""
    obs = pd.DataFrame({"donor_id": samples["subject"].map(maps.person)})
    obs = obs.join(released_fields(job, "samples", samples, maps))
    obs["name"], obs["original"] = samples["sample_id"].map(maps.item), samples["sample_id"]
    obs = obs.sort_values(["donor_id", "name"]).set_index("name")
    original = obs.pop("original").tolist()
    var = gene_names(genes)
    source = job.layout.curate("bulk", "all") / "matrix.h5"
    job.note_input(source)
    with open_matrix(source) as matrix:
        rows = _places(matrix.samples, original)
        columns = _places(matrix.genes, var.index.tolist())
        assert job.settings.products is not None
        title = job.settings.products["gene_matrix"].title
        words = file_words(job, title, matrix.value_kind)
        blocks = _blocks(matrix, rows, columns, decimals)
        job.contents[path.name] = write_h5ad(path, blocks, obs, var, **words)
    return obs


def _places(names: list[str], wanted: list[str]) -> np.ndarray:
    place = {name: number for number, name in enumerate(names)}
    return np.array([place[name] for name in wanted], dtype=int)


def _blocks(
    matrix: Matrix, rows: np.ndarray, columns: np.ndarray, decimals: int
) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), _BLOCK):
        values = matrix.read(rows[start : start + _BLOCK].tolist())[:, columns]
        yield values if matrix.value_kind == "counts" else np.round(values, decimals)


def _write_means(
    job: Job,
    out: Path,
    matrix: ReleasedMatrix,
    keys: pd.DataFrame,
    genes: pd.DataFrame,
    plan: dict[str, Any],
    settings: BulkSettings,
) -> list[GroupValues]:
    """Write the means of the planned sets over the planned groups: a function of the matrix.

    ``keys`` is indexed by the matrix's row names and holds ``subject`` and the group columns.
    Returns what was averaged.
    """
    by = list(plan["groups"]["by"])
    there = keys.dropna(subset=by)
    rows = matrix.obs.index.get_indexer(there.index)
    scores = set_scores(matrix.source, rows, sorted(genes["gene_id"]), plan["sets"])
    there = there.rename(columns={"subject": "donor"}).reset_index(drop=True)
    floors = Floors(settings.min_donors)
    found = group_means(there, scores, plan["sets"], by, floors, decimals=settings.decimals)
    table = only_planned(found.table, by, plan["groups"]["kept"])
    job.write(out / "group_means.parquet", table[[*by, "feature", "mean", "donors"]])
    job.counts["group means released"] += len(table)
    job.counts["group means refused"] += sum(found.refused.values())
    return averaged(there, scores, by, table[by].drop_duplicates(), plan["sets"])
