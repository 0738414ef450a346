"""What an attacker may know of a participant's clinical record."""

from __future__ import annotations

import pandas as pd

from sluice.config.policy import FieldRule, ModalityPolicy
from sluice.jobs import Job
from sluice.modalities.shared.ages import ages
from sluice.modalities.shared.told import lacking, long, magnitude

_STEP = 90  # days, as the registered tier bins intervals


def facts(job: Job) -> pd.DataFrame:
    """Return ``subject, attribute, value``: the fields that are known or sensitive.

    Attributes carry the released names; ``visits`` and other counts are those of :func:`derived`.
    Ages are in whole years at the first visit.
    """
    assert job.settings.modality is not None
    folder = job.layout.minimize(job.tier, "clinical", "all")
    people = job.read(folder / "people.parquet").set_index("subject")
    visits = job.read(folder / "visits.parquet")
    policy = job.settings.people
    if policy is None:
        return long(pd.DataFrame(index=people.index))
    everyone = job.settings.defined_by or []
    fields = categories(job.settings.modality)
    columns = {
        label: known_values(people, name, rule, visits, job)
        for label, (name, rule) in fields.items()
        if policy.tells(label) or label in everyone
    }
    others = {
        fields[label][0]: label for label in fields if label not in (*policy.quasi, *everyone)
    }
    events = job.read(folder / "events.parquet", ["subject"])
    added = derived(people[[*others]].rename(columns=others), visits, events)
    wide = pd.DataFrame(columns, index=people.index)
    return long(wide.join(added[[name for name in added if policy.tells(str(name))]]))


def categories(policy: ModalityPolicy) -> dict[str, tuple[str, FieldRule]]:
    """Return the fields of people that are no text: released name → curated name and rule."""
    return {
        rule.as_ or field.partition(".")[2]: (field.partition(".")[2], rule)
        for field, rule in policy.fields.items()
        if field.startswith("people.") and rule.rule != "text"
    }


def derived(others: pd.DataFrame, *history: pd.DataFrame) -> pd.DataFrame:
    """Return what a clinical record tells beside its fields, one row a person.

    Parameters
    ----------
    others
        Fields that are neither text nor quasi-identifiers, persons as index; of a
        quasi-identifier, a missing value is a category.
    history
        Nothing, or visits (``subject``, and ``date`` or ``days``) and events (``subject``).

    Returns
    -------
    DataFrame
        ``missing``, the names of the fields without a value; with a history also ``visits``, their
        number; ``follow_up``, days from the first to the last in steps of 90; ``events``, the
        number of digits of their number.
    """
    found = pd.DataFrame({"missing": lacking(others)}, index=others.index)
    if not history:
        return found
    visits = history[0]
    counts = [t.groupby("subject").size().reindex(others.index, fill_value=0) for t in history]
    found = found.assign(visits=counts[0].astype(str), events=magnitude(counts[1]))
    when = next((name for name in ("date", "days") if name in visits), None)
    if when:
        span = visits.groupby("subject")[when].agg(lambda days: days.max() - days.min())
        days = span.dt.days if when == "date" else span
        found["follow_up"] = (days // _STEP * _STEP).reindex(others.index)
    return found


def known_values(
    people: pd.DataFrame, name: str, rule: FieldRule, visits: pd.DataFrame, job: Job
) -> pd.Series:
    """Return a field as an attacker would know it: for an age rule, the age."""
    values = people[name]
    if rule.rule == "age" and pd.api.types.is_datetime64_any_dtype(values):
        return ages(values, visits, job.settings.reference_date)
    return values
