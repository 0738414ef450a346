"""What an attacker may know of a participant's images."""

from __future__ import annotations

from functools import partial

import pandas as pd

from sluice.jobs import Job
from sluice.modalities.imaging.headers import wide_table
from sluice.modalities.imaging.instances import read_parts
from sluice.modalities.imaging.people import joined, studies

_OPTIONAL = {"image_modality": "kind", "region": "region", "device": "ManufacturerModelName"}


def facts(job: Job) -> pd.DataFrame:
    """Return ``subject, attribute, value`` of everyone with a selected object.

    ``studies`` is their number in bins. ``image_modality``, ``region`` and ``device`` are added
    where the policy names them among the quasi-identifiers: all that occur, joined by ``+``.
    """
    folder = partial(job.layout.minimize, job.tier, "imaging")
    instances = read_parts(job, folder, "instances")
    if job.tier == "public":
        everyone = sorted(instances["subject"].unique())
        columns = {"imaged": pd.Series("yes", index=everyone, dtype=object)}
    else:
        headers = wide_table(read_parts(job, folder, "tags")).reindex(instances["instance_id"])
        columns = {"studies": studies(instances)}
        known = job.settings.people.quasi if job.settings.people else []
        for attribute, name in _OPTIONAL.items():
            if attribute in known:
                columns[attribute] = joined(instances["subject"], headers[name])
    wide = pd.DataFrame(columns).rename_axis("subject")
    long = wide.reset_index().melt("subject", var_name="attribute")
    return long.sort_values(["subject", "attribute"], ignore_index=True)
