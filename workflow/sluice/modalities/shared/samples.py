"""Samples of expression data: whose, when, and what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sluice.config.cohort import Source
from sluice.errors import SluiceError
from sluice.identity import sample_id
from sluice.jobs import Job
from sluice.modalities.shared.fields import direct_identifiers, table_inventory, typed
from sluice.modalities.shared.participants import Participants, require_column
from sluice.modalities.shared.rawfiles import source_format, source_path
from sluice.modalities.shared.rawtables import read_raw_table
from sluice.modalities.shared.told import long, of_samples

KEYS = ["sample_id", "subject", "date"]


def read_sheet(job: Job, source: Source) -> pd.DataFrame:
    """Read a sample sheet as text cells."""
    path = source_path(job.layout.raw_cohort, source.file)
    table = read_raw_table(path, source_format(source), source.file)
    require_column(table, source.participant_field, source.file)
    return table


def sheet_inventory(
    job: Job, source: Source, participants: Participants
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the inventory of a sample sheet and its identifiers for the vault."""
    table = read_sheet(job, source)
    subjects = participants.subjects(source, table[source.participant_field])
    job.counts["rows without a known participant"] += int(subjects.isna().sum())
    return (
        table_inventory(table, source, Path(source.file).stem),
        direct_identifiers(table, subjects, source.columns),
    )


def curated_sheet(
    job: Job, source: Source, participants: Participants, lane: str | None = None
) -> pd.DataFrame:
    """Return one row a sample: ``original`` (as raw calls it), the keys, and the typed fields.

    Parameters
    ----------
    lane
        A raw column to carry along as ``lane``.

    Raises
    ------
    SluiceError
        If no column is the sample's identifier, or two rows have the same one.
    """
    raw = read_sheet(job, source)
    named = [name for name, column in source.columns.items() if column.field == "sample_id"]
    if len(named) != 1:
        raise SluiceError(
            "A sample sheet needs exactly one column that is the field sample_id",
            where=f"source {source.file}",
            mend="write `field: sample_id` for that column in the cohort file",
        )
    table = typed_fields(job, source, raw)
    table["original"] = raw[named[0]].map(_stripped)
    table["subject"] = participants.subjects(source, raw[source.participant_field])
    if lane:
        require_column(raw, lane, source.file)
        table["lane"] = raw[lane].map(_stripped)
    known = table["subject"].notna() & table["original"].notna()
    job.counts["samples of unknown participants left out"] += int((~known).sum())
    repeated = table["original"].duplicated() & known
    if repeated.any():
        raise SluiceError(
            "A sample stands twice in a sample sheet",
            where=f"source {source.file}, row {int(repeated.to_numpy().argmax()) + 2}",
            mend="keep one row a sample",
        )
    table = table[known].reset_index(drop=True)
    key = job.vault.key("sample")
    table["sample_id"] = table["original"].map(lambda value: sample_id(key, value))
    return table


def _stripped(cell: str | None) -> str | None:
    return None if cell is None else cell.strip()


def typed_fields(job: Job, source: Source, raw: pd.DataFrame) -> pd.DataFrame:
    """Return the curated fields of a raw table; ``date`` is there even where raw has none."""
    assert job.settings.calendar is not None
    table = pd.DataFrame(index=raw.index)
    for name, column in source.columns.items():
        if column.field not in (None, "sample_id"):
            table[column.field] = typed(
                raw[name], name, column, job.settings.calendar, source.file, job.counts
            )
    for field, value in source.constants.items():
        table[field] = value
    if "date" not in table:
        table["date"] = pd.Series(pd.NaT, index=raw.index, dtype="datetime64[us]")
    return table


def named_fields(job: Job, name: str, table: pd.DataFrame) -> list[str]:
    """Return the columns of a curated table that the tier's policy names."""
    assert job.settings.modality is not None
    return [c for c in table.columns if f"{name}.{c}" in job.settings.modality.fields]


def require_fields(job: Job, **tables: pd.DataFrame) -> None:
    """Refuse a policy that names a field which none of the curated tables has."""
    assert job.settings.modality is not None
    there = {f"{name}.{column}" for name, table in tables.items() for column in table.columns}
    lacking = set(job.settings.modality.fields) - there
    if lacking:
        raise SluiceError(
            "The policy names a field that the cohort does not have",
            where=f"tier {job.tier}, field {min(lacking)}",
            mend="take it out of the policy or curate it in the cohort file",
        )


def sample_facts(job: Job, samples: pd.DataFrame, also_known: Sequence[str] = ()) -> pd.DataFrame:
    """Return ``subject, attribute, value`` of everyone with samples.

    ``<modality>_samples`` is how many there are (``1``, ``2``, ``3+``); a field that an attacker
    may know, by the policy or as one of ``also_known``, is the sorted list of its distinct values.
    """
    people = job.settings.people
    known = {
        label: column
        for label, column in sample_fields(job).items()
        if label in also_known or (people is not None and people.tells(label))
    }
    return long(of_samples(samples, job.modality, known, "sample_id"))


def sample_fields(job: Job) -> dict[str, str]:
    """Return released name → column of the sample fields of the tier, days left out."""
    assert job.settings.modality is not None
    return {
        rule.as_ or field.partition(".")[2]: field.partition(".")[2]
        for field, rule in job.settings.modality.fields.items()
        if field.startswith("samples.") and rule.rule not in ("shift_date", "interval")
    }
