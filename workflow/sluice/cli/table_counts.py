"""`sluice table counts`: a table of counts from which no small count can be read."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from sluice.cli.attack_files import read_table_file
from sluice.errors import SluiceError
from sluice.files import write_json, write_text
from sluice.files.flat import read_columns
from sluice.tables.anonymize import text_columns
from sluice.tables.cellkey import VARIANCE, perturb_counts, record_keys
from sluice.tables.complementary import suppress_counts
from sluice.tables.counts import ALL, CountTable, count_table, published_intervals
from sluice.tables.rounding import round_counts

COUNT = "count"

_FILE = click.Path(path_type=Path)
_TOLERANCE = 1e-6


@click.command()
@click.argument("source", metavar="IN", type=_FILE)
@click.argument("target", metavar="OUT", type=_FILE)
@click.option("--by", required=True, help="One to three columns, a,b,c.")
@click.option(
    "--threshold",
    type=click.IntRange(2),
    required=True,
    help="Smallest count that may be told; zero may be told always.",
)
@click.option(
    "--method",
    type=click.Choice(["suppress", "round", "cellkey"]),
    required=True,
    help="Leave cells out, round them, or perturb them by keys of the records.",
)
@click.option(
    "--base",
    type=click.IntRange(2),
    default=5,
    show_default=True,
    help="round: what counts are multiples of.",
)
@click.option(
    "--earlier",
    type=_FILE,
    multiple=True,
    help="suppress: an earlier release of this table, as this command wrote it; repeatable.",
)
@click.option(
    "--key-file", type=_FILE, help="cellkey: 16 secret bytes or more, kept for all tables."
)
@click.option("--id", "identifier", help="cellkey: column that names each record once.")
@click.option("--json", "report", type=_FILE, required=True, help="Where the result goes.")
def counts(
    source: Path,
    target: Path,
    by: str,
    threshold: int,
    method: str,
    base: int,
    earlier: Sequence[Path],
    key_file: Path | None,
    identifier: str | None,
    report: Path,
) -> None:
    """Count the records of IN (CSV, TSV or Parquet), with all margins, into OUT (CSV).

    No count from 1 to the threshold less one can be read from it, directly or by subtraction from
    its margins or from the earlier releases. Cells that are left out are empty.
    """
    _refuse(method, earlier, key_file, identifier)
    started = time.monotonic()
    fields = [name.strip() for name in by.split(",")]
    if COUNT in fields:
        raise SluiceError("A column is named as the counts are", where=f"IN, column {COUNT}")
    columns = list(dict.fromkeys([*fields, *filter(None, [identifier])]))
    records = text_columns(read_columns(source, columns, "IN"), columns)
    before = [_read(path, fields) for path in earlier]
    table = count_table(records, fields, [_labels(before, name) for name in fields])
    if method == "suppress":
        shown, found = _suppressed(table, threshold, [_aligned(past, table) for past in before])
    elif method == "round":
        shown, found = round_counts(table.counts, threshold, base), {"base": base}
    else:
        keys = record_keys(records[str(identifier)], _key(key_file))
        shown = perturb_counts(table, records, keys, threshold).astype(float)
        found = {"variance": VARIANCE}
    record = {
        "by": fields,
        "method": method,
        "threshold": threshold,
        "cells": shown.size,
        "empty": int(np.isnan(shown).sum()),
        "earlier": len(earlier),
        **found,
    }
    write_text(target, _written(table, shown))
    write_json(report, record | {"seconds": round(time.monotonic() - started, 3)})
    click.echo(f"{method}: {record['cells']} cells with margins, {record['empty']} of them empty")


def _refuse(
    method: str, earlier: Sequence[Path], key_file: Path | None, identifier: str | None
) -> None:
    """Refuse options that another method has."""
    if earlier and method != "suppress":
        raise SluiceError(
            "Only exact counts can be subtracted from an earlier release",
            where=f"--method {method}",
            mend="leave --earlier out",
        )
    if (method == "cellkey") != (key_file is not None and identifier is not None) or (
        method != "cellkey" and (key_file or identifier)
    ):
        raise SluiceError(
            "Cell keys need --key-file and --id, and nothing else does", where=f"--method {method}"
        )


def _suppressed(
    table: CountTable, threshold: int, before: Sequence[np.ndarray]
) -> tuple[np.ndarray, dict[str, Any]]:
    """Leave cells out, and try what an attacker can still derive of the primary ones."""
    found = suppress_counts(table.counts, threshold, before)
    places = np.flatnonzero(found.primary)
    low, high = published_intervals(table.counts, found.cells, places)
    narrowest = float((high - low).min(initial=np.inf))
    if narrowest < threshold - 1 - _TOLERANCE:
        raise SluiceError("A cell that was left out can be derived", mend="use cell keys")
    return np.where(found.cells, np.nan, table.counts), {
        "primary": len(places),
        "secondary": int(found.secondary.sum()),
        "narrowest_interval": None if np.isinf(narrowest) else round(narrowest, 6),
    }


def _key(path: Path | None) -> bytes:
    if path is None or not path.is_file():
        raise SluiceError("There is no such file", where="--key-file", mend="check its path")
    return path.read_bytes()


def _read(path: Path, fields: Sequence[str]) -> pd.DataFrame:
    """Read an earlier release; every combination of its labels stands there once."""
    table = read_table_file(path, "--earlier")
    if list(table.columns) != [*fields, COUNT]:
        raise SluiceError(
            "An earlier release is a table over other columns",
            where="--earlier",
            mend=f"give one whose columns are {', '.join([*fields, COUNT])}",
        )
    numbers = pd.to_numeric(table[COUNT], errors="coerce")
    wrong = (numbers.isna() & table[COUNT].notna()) | (numbers < 0) | (numbers % 1 > 0)
    whole = np.prod([table[name].nunique() for name in fields])
    if wrong.any() or table[fields].isna().any(axis=None) or table.duplicated(fields).any():
        raise SluiceError(
            "A row of an earlier release is not a cell and its count", where="--earlier"
        )
    if len(table) != whole or not all((table[name] == ALL).any() for name in fields):
        raise SluiceError(
            "An earlier release lacks cells or margins", where="--earlier", mend="give it whole"
        )
    return table.assign(**{COUNT: numbers})


def _labels(before: Sequence[pd.DataFrame], field: str) -> set[str]:
    return {label for past in before for label in past[field]} - {ALL}


def _aligned(past: pd.DataFrame, table: CountTable) -> np.ndarray:
    """Put an earlier release's counts in the cells of this one; what was not listed was 0."""
    known = past.set_index(list(table.fields))[COUNT].to_dict()
    single = len(table.fields) == 1
    counts = [known.get(cell[0] if single else cell, 0.0) for cell in table.cells()]
    return np.reshape(counts, table.counts.shape)


def _written(table: CountTable, shown: np.ndarray) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*table.fields, COUNT])
    for cell, count in zip(table.cells(), shown.ravel(), strict=True):
        writer.writerow([*cell, "" if np.isnan(count) else int(count)])
    return out.getvalue()
