"""Consent as of the cut date: no row, no consent."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sluice.config.cohort import Source
from sluice.errors import SluiceError
from sluice.files import write_table
from sluice.jobs import Job
from sluice.modalities.shared.participants import require_column
from sluice.modalities.shared.rawfiles import source_format, source_path
from sluice.modalities.shared.rawtables import read_raw_table

TIERS = ("public", "registered", "controlled")


def write_consent(job: Job, out: Path) -> None:
    """Write ``subject, modality, tier, allowed, duo`` as of the release's cut date.

    The latest row signed on or before the cut date counts; a withdrawal on or before it removes
    everything; a row that cannot be read permits nothing and is counted.
    """
    rules = job.settings.consent
    calendar = job.settings.calendar
    assert rules is not None and calendar is not None
    path = source_path(job.layout.raw_cohort, rules.file)
    table = read_raw_table(path, source_format(Source(file=rules.file, table="c")), rules.file)
    for column in (rules.participant_field, rules.code_field, rules.signed_field):
        require_column(table, column, rules.file)
    unknown = ~table[rules.code_field].isin(list(rules.codes)) & table[rules.code_field].notna()
    if unknown.any():
        raise SluiceError(
            "A consent code has no meaning in the cohort file",
            where=f"source {rules.file}, row {int(unknown.to_numpy().argmax()) + 2}",
            mend="add it under `consent: codes:` or mend the row",
        )
    assert job.settings.cut_date is not None
    cut = pd.Timestamp(job.settings.cut_date)
    signed = pd.to_datetime(table[rules.signed_field], format=calendar.date_format, errors="coerce")
    usable = (
        signed.notna() & table[rules.participant_field].notna() & table[rules.code_field].notna()
    )
    job.counts["consent rows that cannot be read"] += int((~usable).sum())
    table = table.assign(signed=signed)[usable & (signed <= cut)]
    table = table.assign(row=range(len(table)))
    latest = table.sort_values(["signed", "row"]).groupby(rules.participant_field).tail(1)
    if rules.withdrawn_field:
        require_column(table, rules.withdrawn_field, rules.file)
        written = latest[rules.withdrawn_field]
        day = pd.to_datetime(written, format=calendar.date_format, errors="coerce")
        # A withdrawal that cannot be dated is taken as in force.
        withdrawn = written.notna() & ~(day > cut)
        job.counts["withdrawn at the cut date"] += int(withdrawn.sum())
        latest = latest[~withdrawn]
    rows = []
    for participant, code in zip(
        latest[rules.participant_field], latest[rules.code_field], strict=True
    ):
        permitted = rules.codes[code]
        subject = job.vault.subject(str(participant).strip())
        for modality in job.config.modalities:
            for tier in TIERS:
                allowed = tier in permitted.tiers and (
                    modality in permitted.modalities or "all" in permitted.modalities
                )
                rows.append((subject, modality, tier, allowed, ";".join(permitted.duo)))
    consent = pd.DataFrame(rows, columns=["subject", "modality", "tier", "allowed", "duo"])
    job.counts["participants with consent"] += int(consent["subject"].nunique())
    write_table(out / "consent.parquet", consent.sort_values(["subject", "modality", "tier"]))


def permitted(job: Job) -> set[str]:
    """Return the subjects whose consent covers the job's tier and modality."""
    table = job.read(job.layout.consent / "consent.parquet")
    rows = table["allowed"] & (table["tier"] == job.tier) & (table["modality"] == job.modality)
    subjects = set(table.loc[rows, "subject"])
    if job.settings.source == "controlled":
        people = people_of(job, "controlled", job.modality)
        return {person for subject, person in people.items() if subject in subjects}
    return subjects


def people_of(job: Job, tier: str, *modalities: str) -> dict[str, str]:
    """Return ``subject → person`` of a tier, from the vault's crosswalks of ``modalities``."""
    links: dict[str, str] = {}
    for modality in modalities:
        for part in job.config.parts(modality):
            table = job.vault.read(job.layout.crosswalk(tier, modality, part))
            people = table[table["kind"] == "person"]
            links |= dict(zip(people["subject"], people["new"], strict=True))
    return links


def truth_of(job: Job, modality: str) -> dict[str, str]:
    """Return subject → person of everyone released, also where the tier starts from controlled."""
    people = people_of(job, job.tier, modality)
    if job.settings.source != "controlled":
        return people
    below = people_of(job, "controlled", modality)
    return {subject: people[middle] for subject, middle in below.items() if middle in people}
