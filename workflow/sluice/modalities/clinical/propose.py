"""The clinical part of a tier's plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sluice.jobs import Job
from sluice.modalities.clinical.facts import categories


def propose(job: Job, facts: pd.DataFrame, node: Mapping[str, int]) -> dict[str, Any]:
    """Name the files of each product, and the fields whose absence is told as ``missing``."""
    files = {
        "clinical_table": ["people.parquet"],
        "clinical_history": ["visits.parquet", "events.parquet"],
    }
    assert job.settings.modalities is not None
    people, everyone = job.settings.people, job.settings.defined_by or []
    known = (*(people.quasi if people else ()), *everyone)
    others = [name for name in categories(job.settings.modalities["clinical"]) if name not in known]
    return {"files": files, "refused": {}, "others": others}
