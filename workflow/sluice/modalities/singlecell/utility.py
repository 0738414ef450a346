"""What released single-cell expression is still good for."""

from __future__ import annotations

from sluice.jobs import Job
from sluice.modalities.shared.consent import permitted
from sluice.modalities.shared.groups import count_score
from sluice.modalities.shared.h5ad import open_released
from sluice.modalities.shared.plan import product_is_on, read_plan
from sluice.scores import Score


def utility(job: Job) -> list[Score]:
    """Return ``cell_utility``: the share of the consenting people's cells that is released."""
    if not product_is_on(job, "cells"):
        return []
    cells = job.read(job.layout.curate("singlecell", "all") / "cells.parquet", ["subject"])
    candidates = int(cells["subject"].isin(permitted(job)).sum())
    folder = job.layout.data(job.tier, "singlecell", "all")
    plan = read_plan(job)["modalities"]["singlecell"]
    files = [open_released(folder / matrix["file"]) for matrix in plan["matrices"]]
    released = sum(len(file.obs) for file in files)
    donors = {person for file in files for person in file.obs["donor_id"]}
    return [
        count_score(
            "cell_utility",
            "cells",
            released / max(candidates, 1),
            len(donors),
            "released cells against all cells of consenting participants",
            "A count, not an estimate.",
            cells=released,
            files=len(files),
        )
    ]
