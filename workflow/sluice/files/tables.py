"""Parquet with one spelling for one value, and digests that survive a writer's upgrade."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sluice.errors import SluiceError
from sluice.files.atomic import replacing_file
from sluice.files.digests import canonical_json, sha256_file


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
    with (
        replacing_file(path) as temporary,
        pq.ParquetWriter(
            temporary,
            schema := pa.schema(fields),
            compression="zstd",
            write_statistics=False,
            store_schema=False,
        ) as writer,
    ):
        writer.write_table(arrow.cast(schema))
        if metadata:  # without the schema pyarrow leaves the schema's own pairs out
            writer.add_key_value_metadata(metadata)


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


def read_metadata(path: Path) -> dict[str, str]:
    """Return the key-value pairs that :func:`write_table` was given."""
    return {k.decode(): v.decode() for k, v in (pq.read_schema(path).metadata or {}).items()}


def column_types(path: Path) -> dict[str, str]:
    """Return a Parquet file's columns and their types."""
    return {field.name: str(field.type) for field in pq.read_schema(path)}


def table_digest(table: pd.DataFrame) -> str:
    """Return a digest of a table's columns and values, whatever the file format."""
    digest = hashlib.sha256()
    for name in table.columns:
        digest.update(canonical_json(str(name)))
        column = table[name]
        values = [
            "" if missing else str(v) for v, missing in zip(column, column.isna(), strict=True)
        ]
        digest.update(canonical_json(values))
    return digest.hexdigest()


def content_digest(path: Path) -> str:
    """Return the content digest of a Parquet table; of other files, of their bytes.

    Formats with a content of their own (h5ad, DICOM) have their digest beside their writer.
    """
    if path.suffix == ".parquet":
        return table_digest(read_table(path))
    return sha256_file(path)
