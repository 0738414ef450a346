"""A flat table of anybody's, recoded on a node: what `sluice table anonymize` writes.

A suppressed row stays as a row that tells nothing: ``*`` in every quasi-identifier, and no value in
any other column. (Were its other values kept, as ARX does by default, the suppressed rows would be
a class of their own that no rule has judged; a single one of them would be a person.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sluice.errors import SluiceError
from sluice.tables.classes import column_codes
from sluice.tables.hierarchyfiles import Hierarchy
from sluice.tables.ladders import ALL, text
from sluice.tables.models import contingency, distinct_l, equal_distance
from sluice.tables.recode import Recoding


def text_columns(table: pa.Table, columns: Sequence[str]) -> pd.DataFrame:
    """Return columns as categories of text, four bytes a row; a whole number has no ``.0``.

    Raises
    ------
    SluiceError
        If a column holds lists or bytes, or has no value at all.
    """
    return pd.DataFrame({name: _categories(table[name], name) for name in columns}, copy=False)


def _categories(column: pa.ChunkedArray, name: str) -> pd.Categorical:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise SluiceError(
            "A column holds lists or bytes", where=f"column {name}", mend="write plain values"
        )
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
    if column.null_count == len(column):
        raise SluiceError(
            "A column has no value in any row",
            where=f"column {name}",
            mend="leave it out, or check how the table was exported",
        )
    coded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    spelled = [text(value) for value in coded.dictionary.to_pylist()]
    spellings, number = np.unique(np.array(spelled, dtype=object), return_inverse=True)
    codes = coded.indices.fill_null(len(number)).to_numpy()
    return pd.Categorical.from_codes(np.append(number, -1)[codes], pd.Index(spellings, dtype=str))


def reached(
    frame: pd.DataFrame, recoding: Recoding, sensitive: Sequence[str]
) -> dict[str, int | dict[str, dict[str, float]]]:
    """Return what the kept rows have: ``k``, ``classes``, and l and t of each sensitive column."""
    kept = ~recoding.suppressed
    classes = recoding.classes[kept]
    sizes = np.bincount(classes)
    models: dict[str, dict[str, float]] = {}
    for name in sensitive if len(classes) else ():
        counts = contingency(classes, *column_codes(frame[name][kept]))
        models[name] = {
            "l": int(distinct_l(counts).min()),
            "t": float(equal_distance(counts).max()),
        }
    return {"k": int(min(sizes, default=0)), "classes": len(sizes),
            "sensitive": models}  # fmt: skip


def released(
    table: pa.Table,
    frame: pd.DataFrame,
    hierarchies: Mapping[str, Hierarchy],
    recoding: Recoding,
    rows: int,
) -> Iterator[pa.Table]:
    """Yield the recoded table in pieces of ``rows`` rows, its columns in their order.

    Parameters
    ----------
    table
        Every column that is to leave.
    frame
        Its quasi-identifiers as :func:`text_columns` has them.
    hierarchies, recoding
        What the search was given and what it found.
    """
    labels = {
        name: _labels(frame[name], hierarchy, recoding.node[name])
        for name, hierarchy in hierarchies.items()
    }
    for start in range(0, table.num_rows, rows):
        gone = recoding.suppressed[start : start + rows]
        piece = table.slice(start, rows)
        columns = {}
        for name in table.column_names:
            if name in labels:
                codes = frame[name].cat.codes.to_numpy()[start : start + rows]
                made = np.where(gone, ALL, labels[name][codes])
                columns[name] = pa.array(made, pa.string())
            else:
                columns[name] = _emptied(piece[name], gone)
        yield pa.table(columns)


def _emptied(column: pa.ChunkedArray, gone: np.ndarray) -> pa.ChunkedArray:
    """Return a column without the values of the rows that are gone, and without their list."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return pc.if_else(pa.array(gone), pa.scalar(None, column.type), column)


def _labels(values: pd.Series, hierarchy: Hierarchy, level: int) -> np.ndarray:
    """Label of each category, and of a missing value at the end."""
    categories = pd.Series([*values.cat.categories, None], dtype=object, name=values.name)
    return hierarchy.levels()[level](categories).to_numpy(dtype=object)
