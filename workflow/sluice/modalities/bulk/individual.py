"""Individual scores of fixed gene sets: one row a donor and set, computed from controlled's matrix.

Off unless a policy switches the product ``set_scores`` on (decision 0017).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import floor

import pandas as pd

from sluice.jobs import Job
from sluice.modalities.bulk.settings import BulkSettings, score_settings
from sluice.modalities.shared.genes import measured_sets
from sluice.modalities.shared.groups import set_scores
from sluice.modalities.shared.h5ad import ReleasedMatrix

PRODUCT = "set_scores"
FILE = "set_scores.parquet"


def planned_sets(job: Job, genes: Sequence[str], donors: int, settings: BulkSettings) -> list[str]:
    """Return the first of the fixed sets, in their public order, that may be told of each donor.

    At most as many as the product says, and as ``dimension_share`` of the donors (decision 9).
    Fewer than ``min_donors`` donors, or no ``dimension_share``: none.
    """
    assert job.settings.products is not None
    wanted = score_settings(job.settings.products[PRODUCT], job.tier)
    enough = donors if donors >= settings.min_donors else 0
    most = min(wanted.sets, floor((settings.dimension_share or 0) * enough))
    return measured_sets(genes, wanted.min_genes)[:most]


def donor_scores(
    matrix: ReleasedMatrix, keys: pd.DataFrame, genes: Iterable[str], sets: Sequence[str]
) -> pd.DataFrame:
    """Return donors x sets: the mean over a donor's samples of the mean logarithm of a set's genes.

    ``keys`` holds ``donor`` and ``row``, the sample's row in the matrix.
    """
    values = set_scores(matrix.source, keys["row"].to_numpy(), sorted(genes), sets)
    return by_donor(pd.DataFrame(values, columns=list(sets)), keys)


def by_donor(rows: pd.DataFrame, keys: pd.DataFrame) -> pd.DataFrame:
    """Return each donor's mean row."""
    return rows.groupby(keys["donor"].to_numpy(), sort=True).mean().rename_axis("donor")


def released_table(scores: pd.DataFrame, decimals: int) -> pd.DataFrame:
    """Return ``person, feature, score`` of a table of persons x sets, rounded and sorted."""
    rounded = scores.round(decimals) + 0.0  # no negative zero
    long = rounded.rename_axis("person").reset_index().melt("person", var_name="feature")
    long = long.rename(columns={"value": "score"}).astype({"person": object, "feature": object})
    return long.sort_values(["person", "feature"]).reset_index(drop=True)


def read_scores(job: Job) -> pd.DataFrame:
    """Return what the tier's candidate tells: persons x sets."""
    table = job.read(job.layout.data(job.tier, "bulk", "all") / FILE)
    return table.pivot(index="person", columns="feature", values="score")
