"""What an attacker may know of a participant's single-cell samples."""

from __future__ import annotations

import pandas as pd

from sluice.jobs import Job
from sluice.modalities.shared.samples import sample_facts


def facts(job: Job) -> pd.DataFrame:
    """Return ``subject, attribute, value``: how many samples, and fields that may be known."""
    folder = job.layout.minimize(job.tier, "singlecell", "all")
    return sample_facts(job, job.read(folder / "samples.parquet"))
