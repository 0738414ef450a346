"""Only the clinical fields that the policy names, only of people who consented."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sluice.errors import SluiceError
from sluice.files.tables import write_table
from sluice.jobs import Job
from sluice.modalities.clinical.settings import clinical_settings
from sluice.modalities.shared.consent import permitted
from sluice.modalities.shared.earliest import earliest

KEYS = {"people": ["subject"], "visits": ["subject", "visit_id"], "events": ["subject", "visit_id"]}


def minimize(job: Job, out: Path) -> None:
    """Write people, visits and events with the named fields.

    Controlled and public start from the curated tables; registered starts from controlled's
    released tables, whose ``person`` is its ``subject``. Of a person with more visits than the tier
    may hold, the earliest stay, with the events that belong to them or to no visit.
    """
    assert job.settings.modality is not None
    derived = job.settings.source == "controlled"
    folder = (
        job.layout.data("controlled", "clinical", "all")
        if derived
        else job.layout.curate("clinical", "all")
    )
    allowed = permitted(job)
    named = set(job.settings.modality.fields)
    seen: set[str] = set()
    names = {"person": "subject", "visit": "visit_id"}
    tables = {n: job.read(folder / f"{n}.parquet").rename(columns=names) for n in KEYS}
    _keep_earliest(job, tables)
    for name, keys in KEYS.items():
        table = tables[name]
        fields = [c for c in table.columns if f"{name}.{c}" in named]
        seen |= {f"{name}.{c}" for c in fields}
        dropped = [c for c in table.columns if c not in (*keys, *fields)]
        job.counts[f"{name}: fields dropped"] += len(dropped)
        kept = table["subject"].isin(allowed)
        job.counts[f"{name}: rows without consent dropped"] += int((~kept).sum())
        rule = job.settings.modality.fields.get("events.code")
        if name == "events" and rule and rule.system:
            foreign = table["code_system"] != rule.system
            job.counts["events: rows of other code systems dropped"] += int((kept & foreign).sum())
            kept &= ~foreign
        keys = [k for k in keys if k in table.columns]
        write_table(out / f"{name}.parquet", table.loc[kept, [*keys, *fields]])
    if named - seen:
        raise SluiceError(
            "The policy names a field that the cohort does not have",
            where=f"tier {job.tier}, field {min(named - seen)}",
            mend="take it out of the policy or curate it in the cohort file",
        )


def _keep_earliest(job: Job, tables: dict[str, pd.DataFrame]) -> None:
    """Leave out visits beyond a person's most, and their events."""
    assert job.settings.modality is not None
    most = clinical_settings(job.settings.modality, job.tier).max_visits
    visits = tables["visits"].reset_index(drop=True)
    visits = visits.assign(row=visits.index)
    order = [name for name in ("date", "visit_id") if name in visits]
    late = ~earliest(visits, most, *order, "row")
    job.counts["visits: beyond a person's most left out"] += int(late.sum())
    tables["visits"] = visits[~late].drop(columns="row")
    if late.any() and "visit_id" in visits and "visit_id" in tables["events"]:
        gone = set(visits.loc[late, "visit_id"].dropna())
        tables["events"] = tables["events"][~tables["events"]["visit_id"].isin(gone)]
