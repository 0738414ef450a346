"""Columns with roles: inventory of what is there, and typed values of what is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from sluice.config.cohort import Calendar, Column, Conversion, Source
from sluice.errors import SluiceError

#: More unreadable cells than this mean a wrong format, not a few slips.
SYSTEMATIC = 0.05
INVENTORY_COLUMNS = [
    "field",
    "type",
    "n",
    "missing",
    "distinct",
    "unique_share",
    "role",
    "suggested_role",
]


def suggest_role(name: str, values: pd.Series) -> str:
    """Suggest a role from a column's name and the shape of its values; a person decides."""
    lower = name.lower()
    hints = {
        "direct": ("name", "mrn", "ssn", "phone", "mail", "street", "address", "national", "licen"),
        "quasi": (
            "birth",
            "sex",
            "gender",
            "age",
            "zip",
            "post",
            "city",
            "country",
            "date",
            "race",
        ),
        "free_text": ("note", "comment", "text", "remark", "descr"),
        "linkage": ("_id", "barcode", "uid", "accession"),
    }
    for role, words in hints.items():
        if any(word in lower for word in words):
            return role
    present = values.dropna().astype(str)
    if len(present) and present.nunique() == len(present) and len(present) > 20:
        return "linkage"
    if len(present) and present.str.len().mean() > 40:
        return "free_text"
    return "sensitive"


def inventory_row(field: str, kind: str, values: pd.Series, role: str) -> dict[str, object]:
    """Describe one field without any of its values."""
    present = values.dropna()
    distinct = int(present.astype(str).nunique())
    counts = present.astype(str).value_counts()
    return {
        "field": field,
        "type": kind,
        "n": len(values),
        "missing": len(values) - len(present),
        "distinct": distinct,
        "unique_share": float((counts == 1).sum() / len(present)) if len(present) else 0.0,
        "role": role,
        "suggested_role": suggest_role(field.rsplit(".", 1)[-1], values),
    }


def table_inventory(table: pd.DataFrame, source: Source, label: str) -> pd.DataFrame:
    """Inventory every column of a raw table.

    Raises
    ------
    SluiceError
        For a column without a role, or a role for a column that is not there.
    """
    for position, name in enumerate(table.columns, 1):
        if name not in source.columns:
            raise SluiceError(
                "A field is not classified",
                where=f"source {source.file}, column {position}",
                mend="give it a role in the cohort file; `sluice inventory` suggests one",
            )
    for name in source.columns:
        if name not in table.columns:
            raise SluiceError(
                "A source lacks a column that the cohort file names",
                where=f"source {source.file}, column `{name}`",
                mend="mend the cohort file or the export",
            )
    rows = [
        inventory_row(f"{label}.{name}", column.type, table[name], column.role)
        for name, column in source.columns.items()
    ]
    return pd.DataFrame(rows, columns=INVENTORY_COLUMNS)


def direct_identifiers(
    table: pd.DataFrame, subjects: pd.Series, columns: Mapping[str, Column]
) -> pd.DataFrame:
    """Return ``subject, kind, value`` of every direct identifier, for the vault."""
    found = []
    for name, column in columns.items():
        if column.role in ("direct", "linkage") or column.kind:
            values = table[name]
            keep = values.notna() & subjects.notna()
            found.append(
                pd.DataFrame(
                    {
                        "subject": subjects[keep],
                        "kind": column.kind or name,
                        "value": values[keep].astype(str).str.strip(),
                    }
                )
            )
    everyone = pd.concat(found) if found else pd.DataFrame(columns=["subject", "kind", "value"])
    return everyone.drop_duplicates().sort_values(["subject", "kind", "value"])


def typed(
    values: pd.Series,
    name: str,
    column: Column,
    calendar: Calendar,
    source: str,
    counts: Counter[str],
) -> pd.Series:
    """Return a column's curated values; unreadable cells become missing and are counted.

    Raises
    ------
    SluiceError
        If more than 5 % of the cells cannot be read: then the format is wrong, not the cells.
    """
    text = values.map(lambda cell: None if cell is None else str(cell).strip())
    result: pd.Series
    if column.type == "date":
        result = pd.to_datetime(text, format=calendar.date_format, errors="coerce")
        # Workbooks and Parquet hold dates as such: they are spelled YYYY-MM-DD on reading.
        result = result.fillna(pd.to_datetime(text, format="%Y-%m-%d", errors="coerce"))
        inside = result.between(pd.Timestamp(calendar.earliest), pd.Timestamp(calendar.latest))
        result = result.where(inside)
    elif column.type in ("number", "integer"):
        result = pd.to_numeric(text, errors="coerce").astype(float)
        result = result.where(np.isfinite(result))
        low = -np.inf if column.minimum is None else column.minimum
        high = np.inf if column.maximum is None else column.maximum
        result = result.where(result.between(low, high))
        if column.type == "integer":
            result = result.where(result == result.round()).astype("Int64")
    elif column.vocabulary:
        spelled = {
            spelling.strip().lower(): term
            for term, spellings in column.vocabulary.items()
            for spelling in (term, *spellings)
        }
        result = text.map(lambda cell: None if cell is None else spelled.get(cell.lower()))
        result = result.astype(object).where(result.notna(), None)
    else:
        result = text.astype(object).where(text.notna(), None)
    lost = int((text.notna() & result.isna()).sum())
    if lost:
        if lost > SYSTEMATIC * max(int(text.notna().sum()), 1):
            first = int((text.notna() & result.isna()).to_numpy().argmax()) + 2
            raise SluiceError(
                f"More than 5 % of a column cannot be read as {column.type}",
                where=f"source {source}, column `{name}`, first in row {first}",
                mend="check its type, date_format, range or vocabulary in the cohort file",
            )
        counts[f"{name}: unreadable cells set missing"] += lost
    return result


def convert_units(
    events: pd.DataFrame, conversions: list[Conversion], counts: Counter[str]
) -> pd.DataFrame:
    """Bring values of a code into one unit: ``new = old × factor``."""
    events = events.copy()
    for rule in conversions:
        rows = (events["code"] == rule.code) & (events["unit"] == rule.from_unit)
        numbers = pd.to_numeric(events.loc[rows, "value"], errors="coerce") * rule.factor
        # Three digits, as a laboratory writes them: more would tell which one measured.
        events.loc[rows, "value"] = numbers.map(lambda v: f"{v:.3g}")
        events.loc[rows, "unit"] = rule.to_unit
        counts[f"units converted to {rule.to_unit}"] += int(rows.sum())
    return events
