"""What each participant adds to the public single-cell product: one vector of proportions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.jobs import Job
from sluice.modalities.shared.rules import GENERALISING, ladder

OTHER = "other"
_TYPE = "cell_type"


def contribute(job: Job) -> dict[str, pd.DataFrame]:
    """Return one row a participant and one column a cell type, for ``cell_proportions``.

    The types are the product's ``features``, fixed by the policy; every other type is ``other``.
    Participants without a cell of known type contribute nothing.
    """
    assert job.settings.modality is not None and job.settings.products is not None
    domain = list(job.settings.products["cell_proportions"].settings.get("features") or [])
    if len(domain) < 2 or domain.count(OTHER) != 1:
        raise SluiceError(
            "The public cell-type proportions need a fixed list of types that holds `other`",
            where="product cell_proportions, key settings.features",
            mend="list the types in the policy; never take them from the data",
        )
    folder = job.layout.minimize("public", "singlecell", "all")
    cells = job.read(folder / "cells.parquet")
    rule = job.settings.modality.fields[f"cells.{_TYPE}"]
    types = ladder(rule)[0](cells[_TYPE]) if rule.rule in GENERALISING else cells[_TYPE]
    known = types.notna()
    labels = types[known].where(types[known].isin(domain), OTHER)
    counts = pd.crosstab(cells.loc[known, "subject"], labels)
    counts = counts.reindex(columns=domain, fill_value=0)
    shares = counts.div(counts.sum(axis=1), axis=0)
    return {"cell_proportions": public_units(shares).rename_axis("subject")}


def public_units(shares: pd.DataFrame) -> pd.DataFrame:
    """Return proportions of d types in public units: (p − 1/d) / √(1/d · (1 − 1/d)).

    Centre and scale are those of one draw from d equally likely types, so they depend on the
    policy's list alone, and no vector of proportions is longer than √d.
    """
    centre = 1 / shares.shape[1]
    return (shares - centre) / np.sqrt(centre * (1 - centre))
