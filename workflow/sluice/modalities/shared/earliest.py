"""Not more samples, studies or visits of a person than the tier may hold."""

from __future__ import annotations

import pandas as pd


def earliest(items: pd.DataFrame, most: int | None, *order: str) -> pd.Series:
    """Return, shape (rows,) bool, which rows are among their subject's first ``most``.

    ``items`` holds ``subject`` and the columns ``order``, of which the last names the item: an item
    may have several rows. Where a date is missing, the item counts as late. How many a person has
    beyond that is not told by what stays.
    """
    if most is None:
        return pd.Series(True, index=items.index)
    name = order[-1]
    starts = items.sort_values(["subject", *order], na_position="last", kind="stable")
    starts = starts.drop_duplicates(["subject", name])
    first = starts[starts.groupby("subject").cumcount() < most]
    kept = set(zip(first["subject"], first[name], strict=True))
    pairs = zip(items["subject"], items[name], strict=True)
    return pd.Series([pair in kept for pair in pairs], index=items.index, dtype=bool)
