"""`sluice table anonymize`: a table recoded so that it loses least, with the proof or the gap."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import click

from sluice.errors import SluiceError
from sluice.files import write_json
from sluice.files.flat import (
    ROWS_A_BATCH,
    column_names,
    delimiter_of,
    known_format,
    read_columns,
    write_batches,
)
from sluice.tables.anonymize import reached, released, text_columns
from sluice.tables.hierarchyfiles import match_files, read_hierarchy
from sluice.tables.recode import EFFORT, search

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("source", metavar="IN", type=_FILE)
@click.argument("target", metavar="OUT", type=_FILE)
@click.option("--quasi", required=True, help="Fields that an attacker may know, a,b,c.")
@click.option(
    "--hierarchies",
    type=_FILE,
    required=True,
    help="Folder with one file a field, its name ending in <field>.csv.",
)
@click.option("--k", type=click.IntRange(1), required=True, help="Fewest rows in a class.")
@click.option(
    "--suppression-limit",
    type=float,
    default=0.0,
    show_default=True,
    help="Largest share of rows that may be suppressed.",
)
@click.option("--sensitive", default="", help="Fields that the rules --l and --t guard, and keep.")
@click.option("--l", "distinct", type=click.IntRange(1), help="Fewest distinct sensitive values.")
@click.option("--t", type=float, help="Largest distance of a class from all kept rows.")
@click.option(
    "--weights", default="", help="What a field's detail is worth, f=2,g=0.5 [default 1]."
)
@click.option(
    "--keep", default="", help="Other fields to release as they are; the rest is left out."
)
@click.option(
    "--effort",
    type=click.IntRange(0),
    default=EFFORT,
    show_default=True,
    help="Rows of class tables to read before the search stops with a gap.",
)
@click.option("--json", "report", type=_FILE, required=True, help="Where the result goes.")
def anonymize(
    source: Path,
    target: Path,
    quasi: str,
    hierarchies: Path,
    k: int,
    suppression_limit: float,
    sensitive: str,
    distinct: int | None,
    t: float | None,
    weights: str,
    keep: str,
    effort: int,
    report: Path,
) -> None:
    """Recode IN (CSV, TSV or Parquet) to OUT with the least loss that k, l and t permit.

    Every row is one person. Fields are put on one level of their hierarchy each; rows of classes
    that still break a rule are suppressed: `*` in the quasi-identifiers, nothing in other fields.
    Fields that are not named are left out.
    """  # fmt: skip
    fields, guarded = _names(quasi, "--quasi"), _names(sensitive, "--sensitive")
    _refuse(fields, guarded, suppression_limit, distinct, t)
    columns = column_names(source, "IN")
    out = _released(columns, fields, guarded, _names(keep, "--keep"))
    _writable(source, target)
    files = match_files(hierarchies, fields, columns)
    ladders = {name: read_hierarchy(path) for name, path in files.items()}
    table = read_columns(source, out, "IN")
    _enough(table.num_rows, k)
    frame = text_columns(table, [*fields, *guarded])
    started = time.perf_counter()
    found = search(
        frame,
        {name: hierarchy.levels() for name, hierarchy in ladders.items()},
        k,
        dict.fromkeys(guarded, distinct or 1),
        {} if t is None else dict.fromkeys(guarded, t),
        max_suppression=suppression_limit,
        weights=_weights(weights, fields),
        domains={name: hierarchy.values for name, hierarchy in ladders.items()},
        effort=effort,
    )
    seconds = time.perf_counter() - started
    pieces = partial(released, table, frame, ladders, found, ROWS_A_BATCH)
    write_batches(target, pieces, delimiter_of(source, "IN"))
    record = {
        "n": len(frame),
        "node": found.node,
        "loss": found.loss,
        "bound": found.bound,
        "gap": found.gap,
        "optimal": found.gap == 0,
        "suppressed": int(found.suppressed.sum()),
        "left_out": [name for name in columns if name not in out],
        "seconds": round(seconds, 4),
        **reached(frame, found, guarded),
    }
    write_json(report, record)
    _say(record)


def _names(written: str, option: str) -> list[str]:
    names = [name.strip() for name in written.split(",") if name.strip()]
    if len(set(names)) != len(names):
        raise SluiceError("A field is named twice", where=option, mend="name it once")
    return names


def _refuse(
    fields: list[str], guarded: list[str], limit: float, distinct: int | None, t: float | None
) -> None:
    """Refuse options that make no sense together."""
    for share, option in ((limit, "--suppression-limit"), (t, "--t")):
        if share is not None and not 0 <= share <= 1:
            raise SluiceError("A share lies between 0 and 1", where=option)
    if not fields:
        raise SluiceError("No quasi-identifier is named", where="--quasi", mend="name a field")
    if (distinct is not None or t is not None) and not guarded:
        raise SluiceError("A rule guards no field", where="--l, --t", mend="name --sensitive")


def _released(columns: list[str], *groups: list[str]) -> list[str]:
    """Return the columns that leave, in the table's order; each is named in one role."""
    named = [name for group in groups for name in group]
    if len(set(named)) != len(named):
        raise SluiceError(
            "A field has two roles", where="--quasi, --sensitive, --keep", mend="give it one"
        )
    for name in named:
        if name not in columns:
            raise SluiceError(
                "A named field is not a column of the table",
                where=f"IN, field {name}",
                mend="check its spelling against the header",
            )
    return [name for name in columns if name in named]


def _writable(source: Path, target: Path) -> None:
    known_format(target, "OUT")
    if target.resolve() == source.resolve():
        raise SluiceError(
            "A table cannot replace its source", where="OUT", mend="name another file"
        )


def _enough(rows: int, k: int) -> None:
    if rows < k:
        raise SluiceError(
            "The table has fewer rows than one class must have",
            where=f"IN, {rows} rows, --k {k}",
            mend="nothing of it can be released under this rule",
        )


def _weights(written: str, fields: list[str]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in filter(None, written.split(",")):
        name, _, number = part.partition("=")
        try:
            weights[name.strip()] = float(number)
        except ValueError:
            raise SluiceError(
                "A weight is not a number", where="--weights", mend="write field=2,other=0.5"
            ) from None
        if name.strip() not in fields or not 0 <= weights[name.strip()] < inf:
            raise SluiceError(
                "A weight is given to a field that is not in --quasi, or is no weight",
                where="--weights",
                mend="weigh named fields, by 0 or more",
            )
    return weights


def _say(record: Mapping[str, Any]) -> None:
    node = ", ".join(f"{name} {level}" for name, level in record["node"].items())
    proof = (
        "proven optimal"
        if record["optimal"]
        else f"not proven: no node loses less than {record['bound']:.5f}; "
        "a larger --effort narrows the gap"
    )
    click.echo(
        f"levels {node}; loss {record['loss']:.5f} ({proof}); {record['suppressed']} of "
        f"{record['n']} rows suppressed; k {record['k']} in {record['classes']} classes"
    )
    if record["left_out"]:
        click.echo(f"left out: {', '.join(record['left_out'])}; release a field with --keep")
