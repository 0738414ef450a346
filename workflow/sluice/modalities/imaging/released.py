"""What a tier has released, read back from its data folders."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sluice.config import Layout
from sluice.files import read_json
from sluice.jobs import Job


def released_files(job: Job, tier: str) -> pd.DataFrame:
    """Return ``person, path`` of each released object of a tier, sorted by its new identifiers."""
    rows: list[tuple[str, Path]] = []
    for part in job.config.parts("imaging"):
        folder = job.layout.data(tier, "imaging", part)
        job.note_input(Layout.index(folder))
        names = [file["path"] for file in read_json(Layout.index(folder))["files"]]
        rows += [(name.partition("/")[0], folder / name) for name in names]
    rows.sort(key=lambda row: row[1].parts[-4:])
    return pd.DataFrame(rows, columns=["person", "path"]).astype(object)
