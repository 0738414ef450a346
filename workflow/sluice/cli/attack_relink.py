"""`sluice attack relink`: the same donors in two files of expression."""

from __future__ import annotations

import time
from pathlib import Path

import click

from sluice.attacks.relink import relink_profiles
from sluice.cli.attack_files import read_table_file, report
from sluice.errors import SluiceError
from sluice.expression.profiles import read_profiles

_FILE = click.Path(path_type=Path)
_ROWS = click.Choice(["auto", "genes", "samples"])


@click.command()
@click.option("--a", "a_file", type=_FILE, required=True, help="Named profiles: what is known.")
@click.option("--b", "b_file", type=_FILE, required=True, help="The release to be linked to.")
@click.option("--pairs", type=_FILE, help="Table: name in A, name in B [default: the same names].")
@click.option("--rows", type=_ROWS, default="auto", help="What the rows of text tables are.")
@click.option("--json", "out", type=_FILE, required=True, help="Where the result goes.")
def relink(a_file: Path, b_file: Path, pairs: Path | None, rows: str, out: Path) -> None:
    """Find the donors of A in B by their expression alone, and count how many are found.

    A and B may come from two pipelines, tiers or releases. Names are only used to count hits.
    """
    started = time.monotonic()
    partner = None if pairs is None else _partners(pairs)
    a = read_profiles(a_file, "--a", rows)  # type: ignore[arg-type]
    b = read_profiles(b_file, "--b", rows)  # type: ignore[arg-type]
    report(relink_profiles(a, b, partner), time.monotonic() - started, out)


def _partners(path: Path) -> dict[str, str]:
    table = read_table_file(path, "--pairs")
    if table.shape[1] < 2:
        raise SluiceError("A table of pairs needs two columns", where="--pairs")
    known = table.iloc[:, :2].dropna().astype(str)
    if known.iloc[:, 0].duplicated().any():
        raise SluiceError("A name of A has two partners", where="--pairs", mend="keep one")
    return dict(zip(known.iloc[:, 0], known.iloc[:, 1], strict=True))
