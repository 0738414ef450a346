"""`sluice attack synthetic`: what synthetic rows of a table tell about the people behind them."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import pandas as pd

from sluice.attacks.synthetic_tables import SyntheticTable, inference, linkability, singling_out
from sluice.cli.attack_files import read_table_file, report_all
from sluice.errors import SluiceError

_FILE = click.Path(path_type=Path)


@click.command()
@click.option("--synthetic", type=_FILE, required=True, help="The synthetic rows.")
@click.option("--members", type=_FILE, required=True,
              help="The people that the generator was fitted to.")  # fmt: skip
@click.option("--control", type=_FILE, required=True,
              help="Other people of the same population, whom it has not seen.")  # fmt: skip
@click.option("--secret", multiple=True,
              help="Column nobody should learn (may be repeated) [default: each].")  # fmt: skip
@click.option("--first", default="",
              help="Columns a,b of one of the two tables that are linked [default: every "
                   "second].")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Decides random draws.")
@click.option("--json", "out", type=_FILE, required=True, help="Where the result goes.")
def synthetic(
    synthetic: Path,
    members: Path,
    control: Path,
    secret: tuple[str, ...],
    first: str,
    seed: int,
    out: Path,
) -> None:
    """Single out, link and infer the members of a synthetic table, against a control set.

    Rows are people; columns that the three tables share are used.
    """
    started = time.monotonic()
    tables = [
        read_table_file(path, role)
        for path, role in (
            (synthetic, "--synthetic"), (members, "--members"), (control, "--control"),
        )
    ]  # fmt: skip
    shared = [str(name) for name in tables[0] if all(name in table for table in tables)]
    one = [name.strip() for name in first.split(",")] if first else shared[0::2]
    if missing := sum(name not in shared for name in (*secret, *one)):
        raise SluiceError(
            f"{missing} of the named columns are not in all three tables",
            where="--secret, --first",
            mend="check their spelling against the headers",
        )
    if len(shared) < 2:
        raise SluiceError(
            "The three tables share fewer than two columns",
            where="--synthetic, --members, --control",
            mend="give tables of the same people's columns",
        )
    release = SyntheticTable(*_typed([table[shared] for table in tables]))
    other = [name for name in shared if name not in one]
    scores = [
        singling_out(release, "singling_out", "files", seed=seed),
        linkability(release, (one, other), "linkability", "files", seed=seed),
    ]
    for name in secret or shared:
        known = [column for column in shared if column != name]
        scores.append(inference(release, known, name, f"inference.{name}", "files", seed=seed))
    report_all(scores, time.monotonic() - started, out)


def _typed(tables: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Return the tables with numbers in columns whose every cell, in all of them, is a number."""
    together = pd.concat(tables, ignore_index=True)
    for name in together:
        numbers = pd.to_numeric(together[name], errors="coerce")
        if (numbers.notna() == together[name].notna()).all():
            together[name] = numbers
    ends = np.cumsum([0, *map(len, tables)])
    return [together.iloc[start:stop] for start, stop in pairwise(ends)]
