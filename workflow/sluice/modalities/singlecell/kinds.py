"""Which released files of cells a person is in, as the kinds of their values."""

from __future__ import annotations

import pandas as pd


def kinds_of(cells: pd.DataFrame, kind: pd.Series) -> pd.Series:
    """Return, by subject, the kinds of all files that hold a cell of theirs: ``counts+log``.

    Parameters
    ----------
    cells
        ``subject`` and ``file``.
    kind
        Kind of values of each file.
    """
    pairs = cells[["subject", "file"]].drop_duplicates()
    kinds = pairs["file"].map(kind).astype(str)
    return kinds.groupby(pairs["subject"]).agg(lambda found: "+".join(sorted(found)))
