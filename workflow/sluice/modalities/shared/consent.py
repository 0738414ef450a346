"""Consent as of the cut date: no row, no consent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sluice.config.cohort import Source
from sluice.errors import SluiceError
from sluice.files.tables import read_table, write_table
from sluice.jobs import Job
from sluice.modalities.shared.participants import require_column
from sluice.modalities.shared.rawfiles import source_format, source_path
from sluice.modalities.shared.rawtables import read_raw_table

TIERS = ("public", "registered", "controlled")
_FOR_GOOD = pd.Timestamp("2262-01-01")


def write_consent(job: Job, out: Path) -> None:
    """Write ``subject, modality, tier, allowed, duo`` as of the release's cut date.

    Beside it, ``subject, day`` of those whose withdrawal is in force (no day: it cannot be dated).

    The latest row signed on or before the cut date counts. A withdrawal on or before it, in
    whichever row, removes everything unless consent was signed again after that day. Rows that
    cannot be read are counted, and their participants are left out: nobody can say whether such
    a row is the latest.
    """
    rules = job.settings.consent
    assert rules is not None and job.settings.cut_date is not None
    path = source_path(job.layout.raw_cohort, rules.file)
    table = read_raw_table(path, source_format(Source(file=rules.file, table="c")), rules.file)
    named = (rules.participant_field, rules.code_field, rules.signed_field, rules.withdrawn_field)
    for column in named:
        if column:
            require_column(table, column, rules.file)
    unknown = ~table[rules.code_field].isin(list(rules.codes)) & table[rules.code_field].notna()
    if unknown.any():
        raise SluiceError(
            "A consent code has no meaning in the cohort file",
            where=f"source {rules.file}, row {int(unknown.to_numpy().argmax()) + 2}",
            mend="add it under `consent: codes:` or mend the row",
        )
    latest, gone = _in_force(job, table, pd.Timestamp(job.settings.cut_date))
    rows = []
    for participant, code in zip(latest["participant"], latest["code"], strict=True):
        permitted = rules.codes[code]
        subject = job.vault.subject(participant)
        for modality in job.config.modalities:
            for tier in TIERS:
                allowed = tier in permitted.tiers and (
                    modality in permitted.modalities or "all" in permitted.modalities
                )
                rows.append((subject, modality, tier, allowed, ";".join(permitted.duo)))
    consent = pd.DataFrame(rows, columns=["subject", "modality", "tier", "allowed", "duo"])
    job.counts["participants with consent"] += int(consent["subject"].nunique())
    write_table(out / "consent.parquet", consent.sort_values(["subject", "modality", "tier"]))
    left = pd.DataFrame({"subject": gone["participant"].map(job.vault.subject), "day": gone["day"]})
    left = left.astype({"subject": object, "day": "datetime64[us]"}).sort_values("subject")
    write_table(out / "withdrawn.parquet", left)


def _in_force(
    job: Job, table: pd.DataFrame, cut: pd.Timestamp
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ``participant, code`` of each consent that holds at the cut date.

    And ``participant, day`` of each that would, had it not been withdrawn.
    """
    rules, calendar = job.settings.consent, job.settings.calendar
    assert rules is not None and calendar is not None
    written = table[rules.signed_field]
    rows = pd.DataFrame(
        {
            # As everywhere, spaces around an identifier do not make another participant.
            "participant": table[rules.participant_field].str.strip(),
            "code": table[rules.code_field],
            "signed": pd.to_datetime(written, format=calendar.date_format, errors="coerce"),
            "row": range(len(table)),
        }
    )
    undated = rows["signed"].isna() & (written.notna() | rows["code"].notna())
    unreadable = undated | ((rows["signed"] <= cut) & rows["code"].isna())
    job.counts["consent rows that cannot be read"] += int(unreadable.sum())
    unclear = set(rows.loc[unreadable, "participant"])
    signed = rows[(rows["signed"] <= cut) & ~rows["participant"].isin({*unclear, None})]
    latest = signed.sort_values(["signed", "row"]).groupby("participant").tail(1)
    if rules.withdrawn_field is None:
        return latest, latest[:0].assign(day=pd.Series(dtype="datetime64[us]"))
    said = table[rules.withdrawn_field]
    day = pd.to_datetime(said, format=calendar.date_format, errors="coerce")
    # A withdrawal that cannot be dated is taken as in force for good.
    ends = rows.assign(day=day.fillna(_FOR_GOOD))[said.notna() & ~(day > cut)]
    last = latest["participant"].map(ends.groupby("participant")["day"].max())
    ended = latest["signed"] <= last
    job.counts["withdrawn at the cut date"] += int(ended.sum())
    return latest[~ended], latest.assign(day=last.where(last != _FOR_GOOD))[ended]


def permitted(job: Job) -> set[str]:
    """Return the subjects whose consent covers the job's tier and modality."""
    table = job.read(job.layout.consent / "consent.parquet")
    rows = table["allowed"] & (table["tier"] == job.tier) & (table["modality"] == job.modality)
    subjects = set(table.loc[rows, "subject"])
    if job.settings.source == "controlled":
        parts = job.config.parts(job.modality)
        own = [job.part] if job.part in parts else parts
        people = people_of(job, "controlled", job.modality, own)
        return {person for subject, person in people.items() if subject in subjects}
    return subjects


def people_of(
    job: Job, tier: str, modality: str, parts: Sequence[str] | None = None
) -> dict[str, str]:
    """Return ``subject → person`` of a tier, from the vault's crosswalks of a modality's parts."""
    links: dict[str, str] = {}
    for part in parts or job.config.parts(modality):
        table = read_table(job.layout.crosswalk(tier, modality, part))
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
