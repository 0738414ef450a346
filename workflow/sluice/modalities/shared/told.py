"""What is told of each person, in the long form of facts: ``subject, attribute, value``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

COLUMNS = ["subject", "attribute", "value"]
_NOTHING = "none"
_MOST = 3


def long(wide: pd.DataFrame) -> pd.DataFrame:
    """Return a table of one row a person as facts, values as text, sorted."""
    table = wide.astype(object).rename_axis("subject").reset_index()
    facts = table.melt("subject", var_name="attribute")
    facts["value"] = facts["value"].map(text).astype(object)
    return facts.sort_values(COLUMNS[:2], ignore_index=True)


def text(value: Any) -> str | None:
    """Return a value's text, a whole number without decimals; ``None`` where it is missing."""
    if pd.isna(value):
        return None
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)


def binned(counts: pd.Series) -> pd.Series:
    """Return counts of samples or studies as ``1``, ``2`` or ``3+``."""
    return counts.map(lambda n: str(n) if n < _MOST else f"{_MOST}+").astype(object)


def magnitude(counts: pd.Series) -> pd.Series:
    """Return how many digits each count has."""
    return counts.map(lambda n: str(len(str(n)))).astype(object)


def joined(subjects: pd.Series, values: pd.Series, by: str = "+") -> pd.Series:
    """Return all the values that occur for each subject, sorted and joined."""
    table = pd.DataFrame({"subject": subjects.to_numpy(), "value": values.to_numpy()}).dropna()
    found = table.astype(str).drop_duplicates().sort_values(["subject", "value"])
    return found.groupby("subject")["value"].agg(by.join)


def lacking(table: pd.DataFrame) -> pd.Series:
    """Return, for each row, the names of the columns that are missing in it."""
    gone = pd.DataFrame({name: table[name].isna() for name in sorted(table.columns)}, table.index)
    names = [str(name) for name in gone.columns]
    told = ["+".join(n for n, g in zip(names, row, strict=True) if g) for row in gone.to_numpy()]
    return pd.Series([words or _NOTHING for words in told], index=table.index, dtype=object)


def of_samples(
    samples: pd.DataFrame, modality: str, fields: Mapping[str, str], name: str = "sample"
) -> pd.DataFrame:
    """Return, one row a subject, how many samples there are and what distinguishes them.

    Parameters
    ----------
    samples
        ``subject``, the sample's ``name`` (a sample may have several rows), and the fields.
    fields
        Released name → column.
    """
    counts = samples.groupby("subject", sort=True)[name].nunique()
    columns = {f"{modality}_samples": binned(counts)}
    for label, column in fields.items():
        columns[label] = joined(samples["subject"], samples[column], ", ").reindex(counts.index)
    return pd.DataFrame(columns, index=counts.index).astype(object)
