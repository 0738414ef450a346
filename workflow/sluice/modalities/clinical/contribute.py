"""What each participant adds to the public clinical products: one category a field."""

from __future__ import annotations

import pandas as pd

from sluice.jobs import Job
from sluice.modalities.shared.ages import ages
from sluice.modalities.shared.rules import ladder


def contribute(job: Job) -> dict[str, pd.DataFrame]:
    """Return the categories of each consenting participant, for ``clinical_counts``.

    A participant with a missing value is left out of the table: the domain is the policy's.
    """
    assert job.settings.modality is not None
    folder = job.layout.minimize("public", "clinical", "all")
    people = job.read(folder / "people.parquet").set_index("subject").sort_index()
    visits = job.read(folder / "visits.parquet")
    columns: dict[str, pd.Series] = {}
    for field, rule in job.settings.modality.fields.items():
        table, _, name = field.partition(".")
        if table != "people":
            continue
        values = people[name]
        if rule.rule == "age":
            values = ages(values, visits, job.settings.reference_date)
        columns[rule.as_ or name] = ladder(rule)[0](values)
    return {"clinical_counts": pd.DataFrame(columns, index=people.index).dropna()}
