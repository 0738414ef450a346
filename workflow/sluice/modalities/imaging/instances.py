"""The table of instances, and reading it over all parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sluice.jobs import Job

INSTANCE_COLUMNS = [
    "instance_id",
    "file_id",
    "sha256",
    "subject",
    "study",
    "series",
    "sop_class",
    "date",
]


def instance_table(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    """Return instances sorted by identifier; ``date`` is a timestamp also where none is known."""
    table = pd.DataFrame(list(rows), columns=INSTANCE_COLUMNS).astype(object)
    table["date"] = pd.to_datetime(table["date"]).astype("datetime64[us]")
    return table.sort_values("instance_id", ignore_index=True)


def read_parts(job: Job, folder: Callable[[str], Path], name: str) -> pd.DataFrame:
    """Read one table of all parts; ``folder`` gives a part's folder."""
    parts = job.config.parts("imaging")
    tables = [job.read(folder(part) / f"{name}.parquet") for part in parts]
    filled = [table for table in tables if len(table)] or tables[:1]
    return pd.concat(filled, ignore_index=True)
