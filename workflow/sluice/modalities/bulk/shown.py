"""What the candidate shows of a person's bulk samples."""

from __future__ import annotations

import pandas as pd

from sluice.jobs import Job
from sluice.modalities.shared.h5ad import shown_rows
from sluice.modalities.shared.told import long, of_samples


def shown(job: Job) -> pd.DataFrame:
    """Return ``subject, attribute, value`` read back from the released matrix, by pseudonym."""
    path = job.layout.data(job.tier, "bulk", "all") / "expression.h5ad"
    samples, fields = shown_rows(job, [path])
    samples["sample"] = range(len(samples))
    return long(of_samples(samples, "bulk", fields))
