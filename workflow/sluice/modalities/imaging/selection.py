"""Which objects a tier may hold, decided from the facts of their headers."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from sluice.dicom.eligibility import eligible
from sluice.modalities.imaging.headers import object_facts
from sluice.modalities.imaging.settings import ImagingSettings


def exclusions(
    headers: pd.DataFrame, settings: ImagingSettings, waived: Collection[str] = ()
) -> pd.Series:
    """Return why a tier may not hold each object, ``None`` where it may.

    Parameters
    ----------
    headers
        As :func:`sluice.modalities.imaging.headers.wide_table` returns them.
    settings
        The tier's.
    waived
        What a signed waiver lets pass. It lets no face pass that the policy excludes for good.
    """
    rules, named = settings.eligibility, set(settings.sop_classes)
    if "faces" in waived and settings.faces == "deface":
        rules = rules | {"faces": "waived"}
    reasons = [
        eligible(object_facts(row), rules)
        or (None if row["Modality"] in named else "modality_not_listed")
        for row in headers.to_dict("records")
    ]
    return pd.Series(reasons, index=headers.index, dtype=object)
