"""The imaging part of a tier's plan."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sluice.dicom.profile import Profile
from sluice.jobs import Job
from sluice.modalities.imaging.settings import check_public, individual_settings

PRODUCT = "studies"


def propose(job: Job, facts: pd.DataFrame) -> dict[str, Any]:
    """Check the tier's settings and name the product's files; nothing is chosen from data.

    ``facts`` holds the kept subjects only.
    """
    assert job.settings.modalities is not None
    policy = job.settings.modalities["imaging"]
    if job.tier == "public":
        check_public(policy)
        return {"files": {}, "refused": {}}
    Profile.from_policy(individual_settings(policy, job.tier).profile(job.tier))
    people = int(facts["subject"].nunique())
    refused = {} if people else {PRODUCT: "no object of anybody who is kept may leave"}
    return {
        "files": {PRODUCT: ["**/*.dcm"]},
        "refused": refused,
        "counts": {"people": people},
    }
