"""What an attacker may know of a participant's bulk samples."""

from __future__ import annotations

import pandas as pd

from sluice.jobs import Job
from sluice.modalities.bulk.settings import individual_settings
from sluice.modalities.shared.plan import is_offered
from sluice.modalities.shared.samples import sample_facts


def facts(job: Job) -> pd.DataFrame:
    """Return ``subject, attribute, value``: how many samples, and fields that may be known.

    Where individual scores are offered, what the samples are grouped by is known: scores tell it.
    """
    assert job.settings.modality is not None
    samples = job.read(job.layout.minimize(job.tier, "bulk", "all") / "samples.parquet")
    if not is_offered(job, "set_scores"):
        return sample_facts(job, samples)
    return sample_facts(job, samples, individual_settings(job.settings.modality, job.tier).groups)
