"""The imaging part of a tier's plan."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd

from sluice.dicom.profile import Profile
from sluice.jobs import Job
from sluice.modalities.imaging.instances import read_parts
from sluice.modalities.imaging.people import beyond
from sluice.modalities.imaging.settings import check_public, individual_settings

PRODUCT = "studies"


def propose(job: Job, facts: pd.DataFrame, node: Mapping[str, int]) -> dict[str, Any]:
    """Check the tier's settings, name the product's files and the studies beyond a person's most.

    ``facts`` holds the kept subjects only.
    """
    assert job.settings.modalities is not None
    policy = job.settings.modalities["imaging"]
    if job.tier == "public":
        check_public(policy)
        return {"files": {}, "refused": {}}
    settings = individual_settings(policy, job.tier)
    Profile.from_policy(settings.profile(job.tier))
    instances = read_parts(job, partial(job.layout.minimize, job.tier, "imaging"), "instances")
    people = int(facts["subject"].nunique())
    refused = {} if people else {PRODUCT: "no object of anybody who is kept may leave"}
    return {
        "files": {PRODUCT: ["**/*.dcm"]},
        "refused": refused,
        "left_out": beyond(instances, settings.max_studies),
        "counts": {"people": people},
    }
