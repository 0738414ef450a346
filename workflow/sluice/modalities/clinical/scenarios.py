"""Attacks on the clinical tables alone: what a known date, or two intervals, give away."""

from __future__ import annotations

from sluice.attacks.intervals import date_known, intervals_known, shift_guess
from sluice.jobs import Job
from sluice.modalities.shared.consent import truth_of
from sluice.scores import Score

_PRODUCT = "clinical_history"


def scenarios(job: Job) -> list[Score]:
    """Return the date and interval scenarios of the tier.

    Controlled holds shifted dates: one known date and three known dates are tried. Registered
    holds days from the person's own start in bins: only intervals can be tried.
    """
    raw = job.read(job.layout.curate("clinical", "all") / "visits.parquet", ["subject", "date"])
    released = job.read(job.layout.data(job.tier, "clinical", "all") / "visits.parquet")
    truth = truth_of(job, "clinical")
    if "date" in released:
        shown = released[["person", "date"]]
        return [
            shift_guess(len(truth), "shift_guess", _PRODUCT),
            date_known(raw, shown, truth, limit_key="date_known", product=_PRODUCT),
            intervals_known(raw, shown, truth, limit_key="intervals_known", product=_PRODUCT),
        ]
    if "days" not in released:
        return []
    assert job.settings.modality is not None
    rule = job.settings.modality.fields["visits.date"]
    shown = released[["person", "days"]].rename(columns={"days": "date"})
    return [
        intervals_known(
            raw,
            shown,
            truth,
            shift=None,
            bin_days=rule.bin or 1,
            limit_key="intervals_known",
            product=_PRODUCT,
        )
    ]
