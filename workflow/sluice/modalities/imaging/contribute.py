"""What each participant adds to the public imaging product: one pair of modality and region."""

from __future__ import annotations

from functools import partial

import pandas as pd

from sluice.jobs import Job
from sluice.modalities.imaging.instances import read_parts
from sluice.modalities.shared.consent import permitted

_FIELDS = ["image_modality", "region"]
_OTHER, _NONE = "other", "none"


def contribute(job: Job) -> dict[str, pd.DataFrame]:
    """Return one row a consenting participant, for ``image_counts``.

    Somebody with several pairs adds the one that most of his objects have, the first in the order
    of the policy's domain where there are several; somebody without images adds ``none``. What the
    domain does not name is ``other``.
    """
    assert job.settings.products is not None
    domains = job.settings.products["image_counts"].settings["domains"]
    folder = partial(job.layout.minimize, "public", "imaging")
    pairs = read_parts(job, folder, "instances")
    for name in _FIELDS:
        named = pairs[name].astype(str).str.lower().map({v.lower(): v for v in domains[name]})
        pairs[name] = pd.Categorical(named.fillna(_OTHER), categories=domains[name], ordered=True)
    totals = pairs.groupby(["subject", *_FIELDS], observed=True)["instances"].sum().reset_index()
    totals["rank"] = -totals["instances"]
    first = totals.sort_values(["subject", "rank", *_FIELDS]).drop_duplicates("subject")
    chosen = first.set_index("subject")[_FIELDS].astype(object)
    everyone = pd.Index(sorted(permitted(job)), name="subject")
    return {"image_counts": chosen.reindex(everyone).fillna(_NONE)}
