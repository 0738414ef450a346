"""`sluice attack relink`: the same donors in two files of expression."""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np

from sluice.attacks.relink import relink as attack
from sluice.cli.attack_files import read_table_file, report
from sluice.errors import SluiceError
from sluice.expression.profiles import Profiles, read_profiles

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
    a = read_profiles(a_file, "--a", rows).logarithms()  # type: ignore[arg-type]
    b = read_profiles(b_file, "--b", rows).logarithms()  # type: ignore[arg-type]
    known = set(b.genes)
    genes = [gene for gene in a.genes if gene in known]
    if not genes:
        raise SluiceError(
            "The two files have no gene in common",
            where="--a, --b",
            mend="say --rows samples if their rows are samples",
        )
    score = attack(a.columns(genes), b.columns(genes), _truth(a, b, pairs), "donor_relink", "files")
    report(score, time.monotonic() - started, out, genes=len(genes), rows_of_b=len(b.samples))


def _truth(a: Profiles, b: Profiles, pairs: Path | None) -> np.ndarray:
    """Return for each row of A its donor's row in B, or -1."""
    partner = {name: name for name in a.samples}
    if pairs is not None:
        table = read_table_file(pairs, "--pairs")
        if table.shape[1] < 2:
            raise SluiceError("A table of pairs needs two columns", where="--pairs")
        known = table.iloc[:, :2].dropna().astype(str)
        if known.iloc[:, 0].duplicated().any():
            raise SluiceError("A name of A has two partners", where="--pairs", mend="keep one")
        partner = dict(zip(known.iloc[:, 0], known.iloc[:, 1], strict=True))
    place = {name: number for number, name in enumerate(b.samples)}
    truth = np.array([place.get(partner.get(name, ""), -1) for name in a.samples])
    if (truth < 0).all():
        raise SluiceError(
            "No sample of A is known to be in B, so hits cannot be counted",
            where="--a, --b",
            mend="name both in a table and give it as --pairs",
        )
    return truth
