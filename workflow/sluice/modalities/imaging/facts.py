"""What an attacker may know of a participant's images."""

from __future__ import annotations

from functools import partial

import pandas as pd

from sluice.jobs import Job
from sluice.modalities.imaging.headers import wide_table
from sluice.modalities.imaging.instances import read_parts
from sluice.modalities.imaging.people import beyond, told
from sluice.modalities.imaging.settings import individual_settings
from sluice.modalities.shared.told import long


def facts(job: Job) -> pd.DataFrame:
    """Return ``subject, attribute, value`` of everyone with a selected object.

    ``studies`` is their number in bins, ``objects`` the number of digits of how many objects there
    are; ``image_modality``, ``region`` and ``device`` are all that occur, joined by ``+``. Studies
    beyond the most that a person may have in the tier tell nothing: they do not leave.
    """
    assert job.settings.modality is not None
    folder = partial(job.layout.minimize, job.tier, "imaging")
    instances = read_parts(job, folder, "instances")
    if job.tier == "public":
        everyone = pd.Index(sorted(instances["subject"].unique()))
        return long(pd.DataFrame({"imaged": "yes"}, index=everyone))
    most = individual_settings(job.settings.modality, job.tier).max_studies
    instances = instances[~instances["study"].isin(beyond(instances, most))]
    headers = wide_table(read_parts(job, folder, "tags")).reindex(instances["instance_id"])
    return long(told(instances, headers))
