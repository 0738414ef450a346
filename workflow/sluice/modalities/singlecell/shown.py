"""What the candidate shows of a person's single-cell samples."""

from __future__ import annotations

import pandas as pd

from sluice.jobs import Job
from sluice.modalities.shared.h5ad import shown_rows
from sluice.modalities.shared.told import long, of_samples
from sluice.modalities.singlecell.kinds import kinds_of


def shown(job: Job) -> pd.DataFrame:
    """Return ``subject, attribute, value`` read back from the released cells, by pseudonym.

    A released cell does not tell its sample: files and days set samples apart.
    """
    paths = sorted(job.layout.data(job.tier, "singlecell", "all").glob("*.h5ad"))
    cells, fields = shown_rows(job, paths)
    days = cells["date"].astype(str) if "date" in cells else ""
    cells["sample"] = cells["file"].astype(str) + " " + days
    wide = of_samples(cells, "singlecell", fields)
    wide["singlecell_kind"] = kinds_of(
        cells, cells.drop_duplicates("file").set_index("file")["kind"]
    )
    return long(wide)
