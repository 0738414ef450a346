"""Intake of clinical tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sluice.files.tables import write_table
from sluice.jobs import Job
from sluice.modalities.shared.fields import direct_identifiers, table_inventory
from sluice.modalities.shared.participants import Participants, require_column
from sluice.modalities.shared.rawfiles import manifest, source_format, source_path, write_lists
from sluice.modalities.shared.rawtables import read_raw_table


def inventory(job: Job, out: Path) -> None:
    """Inventory every column of every clinical source; identifiers go to the vault."""
    assert job.settings.raw is not None
    files = manifest(job)
    participants = Participants(job)
    rows, people = [], []
    for source in job.settings.raw.sources:
        path = source_path(job.layout.raw_cohort, source.file)
        table = read_raw_table(path, source_format(source), source.file)
        rows.append(table_inventory(table, source, Path(source.file).stem))
        require_column(table, source.participant_field, source.file)
        subjects = participants.subjects(source, table[source.participant_field])
        job.counts["rows without a known participant"] += int(subjects.isna().sum())
        people.append(direct_identifiers(table, subjects, source.columns))
    write_table(out / "inventory.parquet", pd.concat(rows))
    write_table(
        job.vault.place(job.layout.people(job.modality)),
        pd.concat(people).drop_duplicates().sort_values(["subject", "kind", "value"]),
    )
    write_lists(job, out, files)
