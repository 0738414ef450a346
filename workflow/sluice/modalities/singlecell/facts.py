"""What an attacker may know of a participant's single-cell samples."""

from __future__ import annotations

import pandas as pd

from sluice.jobs import Job
from sluice.modalities.shared.samples import sample_facts
from sluice.modalities.shared.told import COLUMNS, long
from sluice.modalities.singlecell.kinds import kinds_of


def facts(job: Job) -> pd.DataFrame:
    """Return ``subject, attribute, value``: how many samples, and fields that may be known.

    ``singlecell_kind`` tells which files a person is in: each kind of values and genes is one.
    """
    folder = job.layout.minimize(job.tier, "singlecell", "all")
    told = sample_facts(job, job.read(folder / "samples.parquet"))
    if job.tier == "public":
        return told
    cells = job.read(folder / "cells.parquet", ["subject", "file_id"])
    genes = job.read(folder / "genes.parquet", ["file_id", "gene_id"])
    files = job.read(folder / "files.parquet").set_index("file_id")
    if "value_kind" not in files:  # derived from controlled's one main file
        return told
    same = {name: frozenset(rows) for name, rows in genes.groupby("file_id")["gene_id"]}
    of = pd.Series({name: (files["value_kind"][name], same.get(name)) for name in files.index})
    table = cells.assign(file=cells["file_id"].map(of))
    kind = pd.Series({key: key[0] for key in set(of)}, dtype=object)
    wide = pd.DataFrame({"singlecell_kind": kinds_of(table, kind)})
    return pd.concat([told, long(wide)]).sort_values(COLUMNS[:2], ignore_index=True)
