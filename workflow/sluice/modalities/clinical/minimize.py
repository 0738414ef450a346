"""Only the clinical fields that the policy names, only of people who consented."""

from __future__ import annotations

from pathlib import Path

from sluice.errors import SluiceError
from sluice.files.tables import write_table
from sluice.jobs import Job
from sluice.modalities.shared.consent import permitted

KEYS = {"people": ["subject"], "visits": ["subject", "visit_id"], "events": ["subject", "visit_id"]}


def minimize(job: Job, out: Path) -> None:
    """Write people, visits and events with the named fields.

    Controlled and public start from the curated tables; registered starts from controlled's
    released tables, whose ``person`` is its ``subject``.
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
    for name, keys in KEYS.items():
        table = job.read(folder / f"{name}.parquet")
        table = table.rename(columns={"person": "subject", "visit": "visit_id"})
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
