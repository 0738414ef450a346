"""What the candidate shows of a person's clinical record."""

from __future__ import annotations

import pandas as pd

from sluice.jobs import Job
from sluice.modalities.clinical.facts import derived
from sluice.modalities.shared.plan import product_is_on, read_plan
from sluice.modalities.shared.told import long


def shown(job: Job) -> pd.DataFrame:
    """Return ``subject, attribute, value`` read back from the released tables, by pseudonym.

    Visits and events are written whether their product is on or not, but leave only with it.
    """
    folder = job.layout.data(job.tier, "clinical", "all")
    people = job.read(folder / "people.parquet").set_index("person")
    history = [
        job.read(folder / f"{name}.parquet").rename(columns={"person": "subject"})
        for name in ("visits", "events")
        if product_is_on(job, "clinical_history")
    ]
    others = read_plan(job)["modalities"].get("clinical", {}).get("others", [])
    named = people[[name for name in others if name in people]]
    return long(people.join(derived(named, *history)))
