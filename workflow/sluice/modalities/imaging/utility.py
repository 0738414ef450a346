"""How much of the imaging a tier still holds."""

from __future__ import annotations

from functools import partial

from sluice.jobs import Job
from sluice.modalities.imaging.instances import read_parts
from sluice.modalities.imaging.propose import PRODUCT
from sluice.modalities.imaging.released import released_files
from sluice.modalities.shared.consent import people_of, permitted
from sluice.modalities.shared.plan import kept_subjects, product_is_on
from sluice.scores import Score


def utility(job: Job) -> list[Score]:
    """Return the share of the consenting, kept participants' instances that are released.

    For a tier that starts from controlled: of those that controlled released.
    """
    if not product_is_on(job, PRODUCT):
        return []
    allowed = permitted(job) & kept_subjects(job)
    if job.settings.source == "controlled":
        below = released_files(job, "controlled")
        available = int(below["person"].isin(allowed).sum())
    else:
        curated = read_parts(job, partial(job.layout.curate, "imaging"), "instances")
        available = int(curated["subject"].isin(allowed).sum())
    released = len(released_files(job, job.tier))
    share = released / available if available else 0.0
    return [
        Score(
            name="image_utility",
            product=PRODUCT,
            attacker_knows="released instances against all that the kept participants have",
            estimate=share,
            lower=share,
            upper=share,
            n=len(people_of(job, job.tier, "imaging")),
            limit_key="image_utility",
            note="A count; pixels are bit-exact in every released instance.",
            detail={"released": released, "available": available},
        )
    ]
