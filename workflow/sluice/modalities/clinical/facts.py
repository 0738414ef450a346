"""What an attacker may know of a participant's clinical record."""

from __future__ import annotations

import pandas as pd

from sluice.config.policy import FieldRule
from sluice.jobs import Job
from sluice.modalities.shared.ages import ages


def facts(job: Job) -> pd.DataFrame:
    """Return ``subject, attribute, value``: the fields that are known or sensitive.

    Attributes carry the released names; ``visits`` is their number.
    Ages are in whole years at the first visit.
    """
    assert job.settings.modality is not None
    folder = job.layout.minimize(job.tier, "clinical", "all")
    people = job.read(folder / "people.parquet").set_index("subject")
    visits = job.read(folder / "visits.parquet")
    columns: dict[str, pd.Series] = {}
    policy = job.settings.people
    known = (
        {*policy.quasi, *policy.sensitive, *(job.settings.defined_by or [])} if policy else set()
    )
    for field, rule in job.settings.modality.fields.items():
        table, _, name = field.partition(".")
        if table == "people" and (rule.as_ or name) in known:
            columns[rule.as_ or name] = known_values(people, name, rule, visits, job)
    if "visits" in known:
        columns["visits"] = visits.groupby("subject").size().reindex(people.index, fill_value=0)
    wide = pd.DataFrame(columns, index=people.index)
    long = wide.astype(object).reset_index().melt("subject", var_name="attribute")
    long["value"] = long["value"].map(lambda v: None if pd.isna(v) else str(v))
    return long.sort_values(["subject", "attribute"]).reset_index(drop=True)


def known_values(
    people: pd.DataFrame, name: str, rule: FieldRule, visits: pd.DataFrame, job: Job
) -> pd.Series:
    """Return a field as an attacker would know it: for an age rule, the age."""
    values = people[name]
    if rule.rule == "age" and pd.api.types.is_datetime64_any_dtype(values):
        return ages(values, visits, job.settings.reference_date)
    return values
