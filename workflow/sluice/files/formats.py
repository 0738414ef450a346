"""JSON and Parquet with one spelling for one value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sluice.errors import SluiceError
from sluice.files.atomic import replacing_file


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with ``\\n`` line ends, whole or not at all."""
    with replacing_file(path) as temporary:
        temporary.write_bytes(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON with sorted keys; NaN is refused."""
    write_text(path, json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file that Sluice wrote."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SluiceError(
            "A file of an earlier stage is missing", where=path.name, mend="run the stage again"
        ) from None
    except ValueError:
        raise SluiceError(
            "A file of an earlier stage is damaged",
            where=path.name,
            mend="delete it and run the stage again",
        ) from None


def write_table(path: Path, table: pd.DataFrame, metadata: dict[str, str] | None = None) -> None:
    """Write a table as Parquet (zstd) holding the columns' values and nothing else.

    No index, no pandas metadata, no statistics, no category lists: each of these can keep
    values of rows that are gone. ``metadata`` is written as the file's key-value pairs.
    """
    plain = table.reset_index(drop=True)
    for name in plain.columns:
        if isinstance(plain[name].dtype, pd.CategoricalDtype):
            kind = plain[name].cat.categories.dtype
            # Integers have no missing value; the nullable kind writes the same bytes.
            gaps = plain[name].isna().any() and pd.api.types.is_integer_dtype(kind)
            plain[name] = plain[name].astype("Int64" if gaps else kind)
    arrow = pa.Table.from_pandas(plain, preserve_index=False).replace_schema_metadata(None)
    fields = [pa.field(f.name, _plain_type(f.type)) for f in arrow.schema]
    schema = pa.schema(fields, metadata=metadata)
    with replacing_file(path) as temporary:
        pq.write_table(
            arrow.cast(schema),
            temporary,
            compression="zstd",
            write_statistics=False,
            store_schema=False,
        )


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """Give all-missing and long string columns the type that a filled column would have."""
    if pa.types.is_null(kind) or pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us")
    return kind


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet table that Sluice wrote."""
    try:
        return pq.read_table(path, columns=columns).to_pandas()
    except FileNotFoundError:
        raise SluiceError(
            "A table of an earlier stage is missing", where=path.name, mend="run the stage again"
        ) from None
    except (pa.ArrowInvalid, OSError):
        raise SluiceError(
            "A table of an earlier stage is damaged",
            where=path.name,
            mend="delete it and run the stage again",
        ) from None


def column_types(path: Path) -> dict[str, str]:
    """Return a Parquet file's columns and their types."""
    return {field.name: str(field.type) for field in pq.read_schema(path)}
