"""A policy's field rule, applied to a column."""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd

from sluice.config.policy import FieldRule
from sluice.tables import hierarchies
from sluice.tables.hierarchies import ALL

GENERALISING = (
    "age", "zip3", "country", "number", "code", "map", "ordered", "tree", "mask",
)  # fmt: skip
_TOKEN = re.compile(r"[A-Za-z][A-Za-z-]+")


def ladder(rule: FieldRule) -> list[Callable[[pd.Series], pd.Series]]:
    """Return one function a level, finest first; a kept field has itself, and ``*`` if named."""
    if rule.rule in GENERALISING:
        return hierarchies.ladder(rule.rule, rule.options)
    return [_same, _nothing] if ALL in rule.levels else [_same]


def level_names(rule: FieldRule) -> list[str]:
    """Return the names of :func:`ladder`'s levels."""
    if rule.rule in GENERALISING:
        return hierarchies.levels(rule.rule, rule.options)
    return ["value", ALL] if ALL in rule.levels else ["value"]


def _same(values: pd.Series) -> pd.Series:
    return values


def _nothing(values: pd.Series) -> pd.Series:
    return pd.Series(ALL, index=values.index, name=values.name, dtype=object)


def shift_dates(dates: pd.Series, subjects: pd.Series, shift: Callable[[str], int]) -> pd.Series:
    """Move each date by its participant's one shift; intervals stay exact to the day."""
    days = subjects.map({subject: shift(subject) for subject in subjects.unique()})
    return dates + pd.to_timedelta(days, unit="D")


def intervals(dates: pd.Series, subjects: pd.Series, rule: FieldRule) -> pd.Series:
    """Return days since the participant's own first date, binned and top-coded by the rule."""
    first = dates.groupby(subjects).transform("min")
    days = (dates - first).dt.days.astype("Int64")
    if rule.bin:
        days = days // rule.bin * rule.bin
    if rule.top is not None:
        days = days.clip(upper=rule.top)
    return days


def allowed_tokens(texts: pd.Series, rule: FieldRule) -> pd.Series:
    """Keep the tokens of the policy's list, in their order; everything else goes."""
    allowed = {token.lower() for token in rule.allow}

    def keep(text: object) -> str | None:
        if text is None or text != text:
            return None
        words = (word.lower() for word in _TOKEN.findall(str(text)))
        return " ".join(word for word in words if word in allowed) or None

    return texts.map(keep).astype(object)
