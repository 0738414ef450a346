"""Ages at the index date."""

from __future__ import annotations

from datetime import date

import pandas as pd


def ages(born: pd.Series, visits: pd.DataFrame, reference: date | None) -> pd.Series:
    """Return whole years at the first visit, or at the cohort's reference date.

    Parameters
    ----------
    born
        Birth dates indexed by subject.
    visits
        ``subject, date``; may lack ``date``.
    reference
        Used where a subject has no dated visit; without it such ages are missing.
    """
    if "date" in visits:
        index = visits.groupby("subject")["date"].min().reindex(born.index)
    else:
        index = pd.Series(pd.NaT, index=born.index)
    index = pd.to_datetime(index)
    if reference is not None:
        index = index.fillna(pd.Timestamp(reference))
    before = (index.dt.month * 100 + index.dt.day) < (born.dt.month * 100 + born.dt.day)
    years = index.dt.year - born.dt.year - before.astype(int)
    return years.where(index.notna() & born.notna()).astype("Int64")
