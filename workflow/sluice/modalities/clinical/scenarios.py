"""Attacks on the clinical tables alone: what a known date, or two intervals, give away."""

from __future__ import annotations

from typing import Any

from sluice.attacks.intervals import date_known, intervals_known, shift_guess
from sluice.jobs import Job
from sluice.modalities.shared.consent import truth_of
from sluice.scores import Score

_PRODUCT = "clinical_history"
_DATES = {"date_known": 1, "intervals_known": 3}


def scenarios(job: Job) -> list[Score]:
    """Return the date and interval scenarios of the tier.

    Controlled holds shifted dates: one known date and three known dates are tried. Registered
    holds days from the person's own start in bins: only intervals can be tried.
    """
    raw = job.read(job.layout.curate("clinical", "all") / "visits.parquet", ["subject", "date"])
    released = job.read(job.layout.data(job.tier, "clinical", "all") / "visits.parquet")
    truth = truth_of(job, "clinical")
    most = raw[raw["subject"].isin(truth)].groupby("subject")["date"].nunique().max()
    scores = []
    if "date" in released:
        shown, how = released[["person", "date"]], dict[str, Any]()
        scores.append(shift_guess(len(truth), "shift_guess", _PRODUCT))
        if most >= _DATES["date_known"]:
            found = date_known(raw, shown, truth, limit_key="date_known", product=_PRODUCT)
            scores.append(found)
    elif "days" in released:
        assert job.settings.modality is not None
        rule = job.settings.modality.fields["visits.date"]
        shown = released[["person", "days"]].rename(columns={"days": "date"})
        how = {"shift": None, "bin_days": rule.bin or 1}
    else:
        return []
    # An attack that nobody has dates for did not run: its gate fails closed, the tier goes on.
    if most >= _DATES["intervals_known"]:
        key = "intervals_known"
        scores.append(intervals_known(raw, shown, truth, limit_key=key, product=_PRODUCT, **how))
    return scores
