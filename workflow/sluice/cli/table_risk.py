"""`sluice table risk`: every measure of how easily people are found in a table."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa

from sluice.errors import SluiceError
from sluice.files import write_json
from sluice.files.flat import column_names, each_column, write_batches
from sluice.tables.assessment import Table, assess
from sluice.tables.streaming import Column, ahead, classify, code_column, split, stack
from sluice.tables.uniques import Uniques

_FILE = click.Path(path_type=Path)
_DECIMALS = 12


@click.command()
@click.argument("source", metavar="IN", type=_FILE)
@click.option("--quasi", required=True, help="Fields that an attacker may know, a,b,c.")
@click.option("--sensitive", default="", help="Fields that nobody should learn, a,b.")
@click.option("--household", help="Field that is the same for the members of a household.")
@click.option("--population", type=_FILE, help="Table of all people, with the same fields.")
@click.option("--sampling-fraction", "fraction", type=float,
              help="Share of all people that the table holds, if they are not given.")  # fmt: skip
@click.option("--threshold", type=float, default=0.09, show_default=True,
              help="Largest risk that a record may have.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Decides random draws.")
@click.option("--records", type=_FILE, help="Parquet for row, class size, risk and SUDA score.")
@click.option("--json", "report", type=_FILE, required=True, help="Where the result goes.")
def risk(
    source: Path,
    quasi: str,
    sensitive: str,
    household: str | None,
    population: Path | None,
    fraction: float | None,
    threshold: float,
    seed: int,
    records: Path | None,
    report: Path,
) -> None:
    """Measure the risk of re-identification of the rows of IN (CSV, TSV or Parquet).

    Every row is one person. The result holds numbers and names of fields, and no value of the
    table; a missing value is a category of its own.
    """
    started = time.perf_counter()
    fields, guarded = _names(quasi, "--quasi"), _names(sensitive, "--sensitive")
    others = [*guarded, *([household] if household else [])]
    _refuse(fields, others, population, fraction, threshold)
    if records is not None and records.suffix.lower() != ".parquet":
        raise SluiceError("Risks by record are written as Parquet", where="--records")
    table = _read(source, population, fields, others)
    found, uniques = assess(
        table, fields, guarded, household=household, fraction=fraction, threshold=threshold,
        seed=seed,
    )  # fmt: skip
    if records is not None:
        write_batches(records, lambda: iter([_by_record(table, uniques)]))
    seconds = round(time.perf_counter() - started, 3)
    write_json(report, {**_rounded(found), "seconds": seconds})
    _say(found)


def _names(written: str, option: str) -> list[str]:
    names = [name.strip() for name in written.split(",") if name.strip()]
    if len(set(names)) != len(names):
        raise SluiceError("A field is named twice", where=option, mend="name it once")
    return names


def _refuse(
    fields: list[str],
    others: list[str],
    population: Path | None,
    fraction: float | None,
    threshold: float,
) -> None:
    """Refuse options that make no sense together."""
    if not fields:
        raise SluiceError("No quasi-identifier is named", where="--quasi", mend="name a field")
    if set(fields) & set(others) or len(set(others)) != len(others):
        raise SluiceError(
            "A field has two roles", where="--quasi, --sensitive, --household", mend="give it one"
        )
    if population is not None and fraction is not None:
        raise SluiceError(
            "A population says what the sampling fraction is",
            where="--population, --sampling-fraction",
            mend="give one of them",
        )
    if fraction is not None and not 0 < fraction <= 1:
        raise SluiceError("A sampling fraction is above 0 and at most 1", where=str(fraction))
    if not 0 < threshold <= 1:
        raise SluiceError("A threshold is above 0 and at most 1", where="--threshold")


def _read(source: Path, population: Path | None, fields: list[str], others: list[str]) -> Table:
    """Read and code what is asked about, a column at a time where the format permits."""
    for path, role in ((source, "IN"), (population, "--population")):
        if path is not None:
            _with_fields(path, role, fields)
    wanted = list(dict.fromkeys([*fields, *others]))
    columns = ahead(_coded(source, wanted, "IN"))
    first = next(columns)
    quasi = chain([first], (next(columns) for _ in fields[1:]))
    if population is None:
        classes, people = classify(quasi), None
    else:
        both = zip(quasi, _coded(population, fields, "--population"), strict=True)
        classes, inside, elsewhere = split(classify(stack(a, b) for a, b in both), len(first.codes))
        people = inside, elsewhere
    return Table(classes, dict(zip(wanted[len(fields) :], columns, strict=True)), people)


def _with_fields(path: Path, role: str, fields: list[str]) -> None:
    names = column_names(path, role)
    for name in fields:
        if name not in names:
            raise SluiceError(
                "A named field is not a column of the table",
                where=f"{role}, field {name}",
                mend="check its spelling against the header",
            )


def _coded(path: Path, fields: list[str], role: str) -> Iterator[Column]:
    for name, values in zip(fields, each_column(path, fields, role), strict=True):
        yield code_column(values, name)


def _by_record(table: Table, uniques: Uniques) -> pa.Table:
    """Return what is known of each row: its number, class size, prosecutor's risk, SUDA score."""
    of_row, sizes = table.classes.of_row, table.classes.sizes
    return pa.table(
        {
            "row": np.arange(1, len(of_row) + 1),
            "class_size": sizes[of_row],
            "risk": (1.0 / sizes)[of_row],
            "suda": uniques.scores[of_row],
        }
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, _DECIMALS) if isinstance(value, float) else value


def _say(found: Mapping[str, Any]) -> None:
    highest, mean, over = (found["prosecutor"][key] for key in ("highest", "mean", "over"))
    click.echo(
        f"{found['n']} rows in {found['classes']} classes, k {found['k']}; risk {highest:.4f} at "
        f"most, {mean:.4f} on average, above {found['threshold']:g} for {over:.2%} of rows; "
        f"{found['special_uniques']['records']} special uniques"
    )
    best = (found["population_uniqueness"] or {}).get("recommended")
    if best:
        click.echo(
            f"alone in the population: {best['uniqueness']:.3%} "
            f"(95 % interval {best['lower']:.3%} to {best['upper']:.3%})"
        )
