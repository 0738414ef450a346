"""Inventory of things that are no column of a table: matrices, keys and names inside a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pandas as pd

from sluice.config.cohort import Source
from sluice.expression.singlecell import CellSource, Slot
from sluice.modalities.shared.fields import INVENTORY_COLUMNS, table_inventory

#: Encodings that anndata documents; a file can write anything there.
_KINDS = {
    "array", "awkward-array", "categorical", "csc_matrix", "csr_matrix", "dataframe", "dict",
    "file", "nullable-boolean", "nullable-integer", "numeric-scalar", "string", "string-array",
}  # fmt: skip
_WHOLE = {"X": "sensitive", "raw/X": "sensitive", "obs/_index": "linkage"}


def plain_row(field: str, kind: str, n: int, role: str) -> dict[str, object]:
    """Return an inventory row of something whose values are not looked at."""
    return {
        "field": field,
        "type": kind,
        "n": n,
        "missing": 0,
        "distinct": 0,
        "unique_share": 0.0,
        "role": role,
        "suggested_role": role,
    }


def obs_table(source: CellSource) -> pd.DataFrame:
    """Return every column of obs as text cells; missing is ``None``."""
    columns = {name: source.column(name) for name in source.columns}
    table = pd.DataFrame(columns, index=range(source.n_cells))
    text = table.astype(object).map(lambda cell: str(cell).strip(), na_action="ignore")
    return text.where(table.notna() & (text != ""), None)


def h5ad_inventory(
    source: Source, opened: CellSource, obs: pd.DataFrame, label: str
) -> pd.DataFrame:
    """Inventory an h5ad: each column of obs needs a role, everything else is dropped anyway."""
    rows = pd.DataFrame(slot_rows(opened.surface(), label), columns=INVENTORY_COLUMNS)
    return pd.concat([table_inventory(obs, source, label), rows], ignore_index=True)


def slot_rows(slots: Iterable[Slot], label: str) -> list[dict[str, object]]:
    """Return a row for each slot of a file but the columns of obs.

    Keys inside a file can hold identifiers (a layer named after a donor), so a slot is named by
    its place and number: ``cells.layers[1]``. Nothing but the chosen matrix, obs columns with a
    field and gene names is ever read.
    """
    seen: Counter[str] = Counter()
    rows = []
    for slot in slots:
        place, _, _ = slot.path.rpartition("/")
        if slot.path.startswith("obs/") and slot.path != "obs/_index":
            continue
        kind = slot.kind if slot.kind in _KINDS else "other"
        if slot.path in _WHOLE:
            name, role = slot.path.replace("/", "."), _WHOLE[slot.path]
        else:
            seen[place] += 1
            top = place.split("/")[0]
            name = f"{place.replace('/', '.') if top == 'raw' else top}[{seen[place]}]"
            role = "free_text" if top == "uns" else "linkage"
        rows.append(plain_row(f"{label}.{name}", kind, slot.entries, role))
    return rows
