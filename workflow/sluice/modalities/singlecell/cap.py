"""Not more cells of a donor than the tier may hold."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sluice.identity import sample_id


def capped(
    cells: pd.DataFrame, cap: int, key: bytes, by: Sequence[str] = ("file_id", "cell_row")
) -> pd.DataFrame:
    """Keep ``cap`` cells of each subject, chosen by a key and not by their order in the file.

    ``cells`` holds ``subject`` and the columns ``by``, which name a cell.
    """
    over = cells.groupby("subject")["subject"].transform("size") > cap
    rows = cells[over]
    names = zip(*(rows[name].astype(str) for name in by), strict=True)
    drawn = [sample_id(key, "/".join(parts)) for parts in names]
    chosen = rows.assign(drawn=drawn).sort_values(["subject", "drawn"])
    return pd.concat([cells[~over], rows.loc[chosen.groupby("subject").head(cap).index]])
