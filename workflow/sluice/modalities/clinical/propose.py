"""The clinical part of a tier's plan."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sluice.jobs import Job


def propose(job: Job, facts: pd.DataFrame) -> dict[str, Any]:
    """Name the files of each product; clinical tables need no groups or sets."""
    files = {
        "clinical_table": ["people.parquet"],
        "clinical_history": ["visits.parquet", "events.parquet"],
    }
    return {"files": files, "refused": {}}
