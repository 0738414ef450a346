"""Attacks on released single-cell expression."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd

from sluice.attacks.differencing import CONTROL_DONORS
from sluice.attacks.reconstruction import reconstruction
from sluice.attacks.relink import relink
from sluice.attacks.surface import surface_leaks
from sluice.expression.aggregate import effective_dimension, pseudobulk, set_means
from sluice.files.tables import read_table
from sluice.jobs import Job
from sluice.modalities.shared.groups import (
    chosen_sets,
    count_score,
    floor_faults,
    floor_score,
    smallest_set,
)
from sluice.modalities.shared.h5ad import open_released, read_crosswalk
from sluice.modalities.shared.lineage import lineage_scores
from sluice.modalities.shared.means import DonorGroup, mean_scores
from sluice.modalities.shared.plan import kept_subjects, product_is_on, read_plan
from sluice.modalities.singlecell.released import CellPairs, averaged_groups, cell_pairs
from sluice.modalities.singlecell.settings import CellSettings, individual_settings
from sluice.scores import Score

_TYPE = "cell_type"
_HALF_FLOOR = 10
_FEWEST_DONORS = 2
_SHORTEST = 5


def scenarios(job: Job) -> list[Score]:
    """Return the scores of every product of the tier that is on; one that is off needs none."""
    found: list[Score] = []
    if product_is_on(job, "cells"):
        pairs = cell_pairs(job)
        found += [*_relink(pairs, job), _surface(job, pairs)]
    if product_is_on(job, "cell_groups"):
        found += _groups(job)
    return found


# --- cells ----------------------------------------------------------------------------------------


def _relink(pairs: list[CellPairs], job: Job) -> list[Score]:
    """Link one half of each donor's raw cells to the other half as released.

    Of several files the strongest attack that is evidence counts.
    """
    genes = job.read(job.layout.curate("singlecell", "all") / "genes.parquet")
    found = []
    for pair in pairs:
        halves = _halves(pair, genes)
        if len(halves[0]) >= _FEWEST_DONORS:
            known, released, raw = halves
            truth = np.arange(len(known))
            found.append(relink(known, released, truth, "cell_relink", "cells", raw=raw))
    if not found:
        return []
    best = max(found, key=lambda score: (bool(score.evidence["works"]), score.upper, score.n))
    every = [{"n": score.n, "estimate": score.estimate} for score in found]
    knows = "a named profile of each donor from the other half of the donor's cells"
    detail = {**best.detail, "files": every}
    return [replace(best, name="cell_relink", attacker_knows=knows, detail=detail)]


def _halves(pair: CellPairs, genes: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return donors x genes: half of the raw cells, the other half as released, and that raw."""
    cells = pair.cells.sort_values(["donor", "row"]).copy()
    cells["half"] = cells.groupby("donor").cumcount() % 2
    sizes = cells.groupby(["donor", "half"]).size().unstack(fill_value=0)
    donors = sizes.index[(sizes >= _HALF_FLOOR).all(axis=1) & (len(sizes.columns) == 2)]
    cells = cells[cells["donor"].isin(donors)]
    if cells.empty:
        return (np.zeros((0, 0)),) * 3
    released = pseudobulk(
        pair.matrix.source, cells[cells["half"] == 1], ["donor"], floor=1, log=True
    ).values
    raw = [_raw_profiles(pair, cells[cells["half"] == half], genes) for half in (0, 1)]
    return raw[0], released, raw[1]


def _raw_profiles(pair: CellPairs, cells: pd.DataFrame, genes: pd.DataFrame) -> np.ndarray:
    """Return donors x released genes: mean logarithms over the cells of all raw sources."""
    total: pd.DataFrame | None = None
    for file_id, source in pair.raw.items():
        mine = cells[cells["file_id"] == file_id]
        if mine.empty:
            continue
        place = genes[genes["file_id"] == file_id].set_index("gene_id")["row"]
        columns = place.loc[pair.matrix.genes].to_numpy()
        rows = mine.assign(row=mine["cell_row"])
        bulk = pseudobulk(source, rows, ["donor"], floor=1, log=True)
        sums = bulk.values[:, columns] * bulk.keys["cells"].to_numpy()[:, None]
        part = pd.DataFrame(sums, index=pd.Index(bulk.keys["donor"]))
        total = part if total is None else total.add(part, fill_value=0)
    assert total is not None
    sizes = cells.groupby("donor").size()
    return total.sort_index().div(sizes, axis=0).to_numpy()


def _surface(job: Job, pairs: list[CellPairs]) -> Score:
    """Count slots that no released file may have, and strings in it that the vault knows."""
    known = _vault_strings(job)
    folder = job.layout.data(job.tier, "singlecell", "all")
    released = sum((surface_leaks(folder / pair.name, known) for pair in pairs), Counter[str]())
    sources = [source for pair in pairs for source in pair.raw.values()]
    raw = sum(
        surface_leaks(source.path, known).total()
        if source.path.is_file()
        else len(known.intersection(source.barcodes()))
        for source in sources
    )
    score = count_score(
        "surface",
        "cells",
        released.total(),
        len({person for pair in pairs for person in pair.matrix.obs["donor_id"]}),
        "every slot, name, attribute and string of the released files",
        "Slots outside matrix, obs, var and words of uns, barcodes, receptors, variants, alleles, "
        "a user block, plus identifiers of the vault.",
    )
    evidence = {"raw": raw, "works": raw > 0}
    return replace(score, evidence=evidence, detail=dict(sorted(released.items())))


def _vault_strings(job: Job) -> set[str]:
    """Return the identifiers of the vault that are long enough not to occur by chance."""
    people = [job.layout.people(modality) for modality in job.config.modalities]
    values = [read_table(path, ["value"])["value"] for path in people if path.is_file()]
    values.append(read_crosswalk(job, job.tier, "barcode")["original"])
    return {str(value) for value in pd.concat(values) if len(str(value)) >= _SHORTEST}


# --- groups ---------------------------------------------------------------------------------------


def _groups(job: Job) -> list[Score]:
    """Count floors and shares anew; in a tier that judges them, attack the means themselves too."""
    assert job.settings.modality is not None
    settings = individual_settings(job.settings.modality, job.tier)
    folder = job.layout.data(job.tier, "singlecell", "all")
    means = job.read(folder / "group_means.parquet")
    shares = job.read(folder / "proportions.parquet")
    cells = _cells_behind(job)
    keys = cells.groupby(["donor", _TYPE], sort=True).size().rename("cells").reset_index()
    faults = floor_faults(means, keys, [_TYPE], settings.floors, within=[_TYPE])
    faults += _proportion_faults(shares, cells, settings)
    donors = cells["donor"].nunique()
    groups = means[_TYPE].nunique() + len(shares)
    found = [
        floor_score(faults, donors, groups, "cell_groups"),
        count_score(
            "dominance",
            "cell_groups",
            _largest_share(means, keys, cells, settings),
            donors,
            "how many cells each donor has in each published group",
            "Largest share of one donor in a group's cells, counted anew from the released cells.",
        ),
    ]
    return [*found, *_attacked(job, cells, means, shares, settings)]


def _cells_behind(job: Job) -> pd.DataFrame:
    """Return ``donor, cell_type, row`` of the tier's typed cells in controlled's main file."""
    path = job.layout.data("controlled", "singlecell", "all") / "cells.h5ad"
    obs = open_released(path).obs
    cells = pd.DataFrame({"donor": obs["donor_id"], _TYPE: obs[_TYPE], "row": range(len(obs))})
    if job.settings.source == "controlled":
        cells = cells[cells["donor"].isin(kept_subjects(job))]
    return cells.dropna().reset_index(drop=True)


def _proportion_faults(shares: pd.DataFrame, cells: pd.DataFrame, settings: CellSettings) -> int:
    """Count proportions of too few donors: with the type, or whose cells stand behind the mean."""
    sizes = cells["donor"].map(cells["donor"].value_counts())
    enough = cells[sizes >= settings.min_cells]
    having = enough.groupby(_TYPE)["donor"].nunique().reindex(shares[_TYPE]).fillna(0)
    stated = shares["donors"] != enough["donor"].nunique()
    return int((having < settings.min_donors).sum() + stated.sum())


def _largest_share(
    means: pd.DataFrame, keys: pd.DataFrame, cells: pd.DataFrame, settings: CellSettings
) -> float:
    enough = keys[(keys["cells"] >= settings.min_cells) & keys[_TYPE].isin(set(means[_TYPE]))]
    by_type = [part["cells"].max() / part["cells"].sum() for _, part in enough.groupby(_TYPE)]
    sizes = cells["donor"].value_counts()
    sizes = sizes[sizes >= settings.min_cells]
    whole = [sizes.max() / sizes.sum()] if len(sizes) else []
    return float(max([*by_type, *whole], default=0.0))


def _attacked(
    job: Job, cells: pd.DataFrame, means: pd.DataFrame, shares: pd.DataFrame, settings: CellSettings
) -> list[Score]:
    """Attack what was published of groups; means by type only in a tier that judges them."""
    plan = read_plan(job)["modalities"]["singlecell"]
    matrix = open_released(job.layout.data("controlled", "singlecell", "all") / "cells.h5ad")
    bulk = pseudobulk(matrix.source, cells, ["donor", _TYPE], floor=settings.min_cells, log=True)
    genes = job.read(job.layout.minimize(job.tier, "singlecell", "all") / "genes.parquet")
    wanted = sorted(genes["gene_id"].unique())
    place = {gene: number for number, gene in enumerate(matrix.genes)}
    columns = [place[gene] for gene in wanted if gene in place]
    measured = [gene for gene in wanted if gene in place]
    sets = chosen_sets(plan["sets"])
    scores, names = set_means(bulk.values[:, columns], measured, sets, min_genes=1)
    types = list(means[_TYPE].drop_duplicates())
    told = averaged_groups(bulk.keys, scores, names, types, cells, list(shares[_TYPE]), settings)
    numbers = {(g.measure, g.group): effective_dimension(g.values, settings.decimals) for g in told}
    everybody = bulk.values[np.asarray(bulk.keys[_TYPE] == _commonest(bulk.keys))]
    largest = max(told, key=lambda group: len(group.donors))
    judged = lineage_scores(
        job,
        "cell_groups",
        settings.min_donors,
        settings.decimals,
        numbers,
        everybody[:CONTROL_DONORS],
        largest.values[:CONTROL_DONORS],
    )
    parts = reconstruction([group.values for group in told], "cell_groups")
    if job.settings.source != "controlled":
        return [parts, *(score for score in judged if score.name == "differencing")]
    of_type = [np.asarray(bulk.keys[_TYPE] == kind) for kind in plan["groups"]["means"]]
    donors = bulk.keys["donor"].astype(str).to_numpy()
    groups = [
        DonorGroup(list(donors[own]), scores[own], bulk.values[own], int(own.sum()))
        for own in of_type
    ]
    told_of_donor, smallest = len(names) * len(groups), smallest_set(names, measured)
    found = mean_scores(
        job, groups if names else [], told_of_donor, smallest, settings.decimals, "cell_groups"
    )
    return [*found, parts, *judged]


def _commonest(keys: pd.DataFrame) -> str:
    """Return the cell type that most donors have."""
    return str(keys[_TYPE].value_counts().idxmax())
