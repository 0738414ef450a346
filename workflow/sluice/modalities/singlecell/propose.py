"""The single-cell part of a tier's plan: files of cells, groups above the floors, gene sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import floor
from typing import Any

import pandas as pd

from sluice.expression.aggregate import cell_type_proportions
from sluice.jobs import Job
from sluice.modalities.shared.genes import measured_sets
from sluice.modalities.shared.groups import planned_groups
from sluice.modalities.shared.plan import is_offered
from sluice.modalities.shared.rules import GENERALISING, ladder
from sluice.modalities.singlecell.settings import CellSettings, individual_settings

TYPE = "cell_type"


def propose(job: Job, facts: pd.DataFrame, node: Mapping[str, int]) -> dict[str, Any]:
    """Decide which files, groups and gene sets may leave, from the people whom the plan keeps.

    ``facts`` holds the kept subjects only. The public tier decides nothing from data.
    """
    if job.tier == "public":
        return {"files": {}, "refused": {}}
    assert job.settings.modalities is not None and job.settings.products is not None
    settings = individual_settings(job.settings.modalities["singlecell"], job.tier)
    folder = job.layout.minimize(job.tier, "singlecell", "all")
    tables = {n: job.read(folder / f"{n}.parquet") for n in ("files", "genes", "cells")}
    cells = tables["cells"]
    tables["cells"] = cells = cells[cells["subject"].isin(set(facts["subject"]))]
    matrices = [] if job.settings.source == "controlled" else _matrices(tables)
    main = set(matrices[0]["file_ids"]) if matrices else set(tables["files"]["file_id"])
    typed = _typed(job, cells[cells["file_id"].isin(main)])
    groups, refused_groups = _groups(typed, settings)
    genes = tables["genes"][tables["genes"]["file_id"].isin(main)]
    sets = measured_sets(genes["gene_id"].unique().tolist(), settings.min_genes)
    if settings.dimension_share is not None:
        # Decision 9: all numbers about a donor together; the first of the fixed sets.
        numbers = floor(settings.dimension_share * settings.min_donors)
        sets = sets[: max(0, numbers - len(groups["proportions"])) // max(1, len(groups["means"]))]
    refused = {}
    if cells.empty or tables["genes"].empty:
        refused["cells"] = "no cell or no gene may leave"
    if job.settings.source == "curated" and ("cells" in refused or not is_offered(job, "cells")):
        refused["cell_groups"] = "it is computed from the released cells, which are off"
    elif not groups["proportions"] and not (groups["means"] and sets):
        refused["cell_groups"] = (
            f"no cell type with {settings.min_donors} donors of {settings.min_cells} cells each"
        )
    files = {
        "cells": [matrix["file"] for matrix in matrices],
        "cell_groups": ["proportions.parquet", "group_means.parquet"],
    }
    offered = job.settings.products
    return {
        "files": {name: globs for name, globs in files.items() if name in offered},
        "refused": {name: reason for name, reason in refused.items() if name in offered},
        "matrices": matrices,
        "groups": groups | {"refused": dict(refused_groups)},
        "sets": sets,
        "counts": {
            "donors": int(cells["subject"].nunique()),
            "cells": len(cells),
            "genes": int(genes["gene_id"].nunique()),
        },
    }


def _matrices(tables: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Put raw matrices of one kind of values and the same genes into one released file.

    In the order of the cohort file; the first is ``cells.h5ad``.
    """
    found: dict[tuple[str, frozenset[str]], list[str]] = {}
    there = set(tables["cells"]["file_id"])
    files = tables["files"]
    for file_id, kind in zip(files["file_id"], files["value_kind"], strict=True):
        genes = tables["genes"].loc[tables["genes"]["file_id"] == file_id, "gene_id"]
        if file_id in there and len(genes):
            found.setdefault((kind, frozenset(genes)), []).append(file_id)
    used: Counter[str] = Counter()
    matrices: list[dict[str, Any]] = []
    for (kind, _), ids in found.items():
        stem = f"cells_{kind}" if matrices else "cells"
        used[stem] += 1
        number = "" if used[stem] == 1 else f"_{used[stem]}"
        matrices.append({"file": f"{stem}{number}.h5ad", "value_kind": kind, "file_ids": ids})
    return matrices


def _typed(job: Job, cells: pd.DataFrame) -> pd.DataFrame:
    """Return ``donor`` and ``cell_type`` as they will be released, of cells that have a type."""
    assert job.settings.modalities is not None
    rule = job.settings.modalities["singlecell"].fields.get(f"cells.{TYPE}")
    if rule is None or TYPE not in cells:
        return pd.DataFrame(columns=["donor", TYPE], dtype=object)
    values = ladder(rule)[0](cells[TYPE]) if rule.rule in GENERALISING else cells[TYPE]
    return pd.DataFrame({"donor": cells["subject"], TYPE: values}).dropna()


def _groups(
    typed: pd.DataFrame, settings: CellSettings
) -> tuple[dict[str, list[str]], Counter[str]]:
    """Return the types whose means and whose proportions may leave, and what was refused."""
    if typed.empty:
        return {"means": [], "proportions": []}, Counter()
    keys = typed.groupby(["donor", TYPE], sort=True).size().rename("cells").reset_index()
    means = planned_groups(keys, [TYPE], settings.floors, within=[TYPE])
    everyone = typed.assign(group="all")
    shares = cell_type_proportions(everyone, ["group"], settings.floors, decimals=0)
    groups = {"means": means.table[TYPE].tolist(), "proportions": shares.table[TYPE].tolist()}
    return groups, means.refused + shares.refused
