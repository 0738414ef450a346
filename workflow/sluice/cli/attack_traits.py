"""`sluice attack traits`: attributes of donors read from their expression."""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np
import pandas as pd

from sluice.attacks.traits import infer_traits
from sluice.cli.attack_files import read_table_file, report
from sluice.errors import SluiceError
from sluice.expression.genes import excluded, exclusion_groups
from sluice.expression.profiles import read_profiles

_FILE = click.Path(path_type=Path)
_ROWS = click.Choice(["auto", "genes", "samples"])


@click.command()
@click.option("--matrix", type=_FILE, required=True, help="Expression of all donors.")
@click.option("--labels", type=_FILE, required=True,
              help="Table: sample, then attributes, one a column.")  # fmt: skip
@click.option("--attribute", "attributes", multiple=True,
              help="Read only this column (may be repeated) [default: all].")  # fmt: skip
@click.option("--donor", help="Column of the labels that names the donor of a sample.")
@click.option("--exclude", multiple=True, type=click.Choice(exclusion_groups()),
              help="Judge the matrix without these genes (may be repeated).")  # fmt: skip
@click.option("--permutations", type=click.IntRange(0), default=0,
              help="Read again so often with shuffled labels.")  # fmt: skip
@click.option("--rows", type=_ROWS, default="auto", help="What the rows of a text table are.")
@click.option("--json", "out", type=_FILE, required=True, help="Where the result goes.")
def traits(
    matrix: Path,
    labels: Path,
    attributes: tuple[str, ...],
    donor: str | None,
    exclude: tuple[str, ...],
    permutations: int,
    rows: str,
    out: Path,
) -> None:
    """Read attributes of donors from their expression; the one that is read best counts.

    The whole matrix is the positive control.
    """
    started = time.monotonic()
    profiles = read_profiles(matrix, "--matrix", rows).logarithms()  # type: ignore[arg-type]
    donors, known = _labels(
        read_table_file(labels, "--labels"), profiles.samples, attributes, donor
    )
    raw = pd.DataFrame(profiles.values).groupby(donors, sort=True).mean().to_numpy()
    kept = ~excluded(profiles.genes, exclude)
    judged = raw[:, kept] if exclude else raw
    score = infer_traits(
        raw, judged, known, "traits", "files", permutations=permutations, say=_progress
    )
    report(
        score, time.monotonic() - started, out, genes=int(kept.sum()), excluded=int((~kept).sum())
    )


def _progress(done: int, total: int) -> None:
    click.echo(f"{done} of {total} attributes read", err=True)


def _labels(
    table: pd.DataFrame, samples: list[str], attributes: tuple[str, ...], donor: str | None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return each sample's donor and, donors sorted, the labels of each attribute.

    A sample without a row is a donor without labels. A column of which no two donors agree, or
    all do, is no trait and is left out unless it was asked for.
    """
    wanted = [*attributes, *([donor] if donor else [])]
    if missing := sum(name not in table.columns for name in wanted):
        raise SluiceError(f"{missing} of the named columns are not in the labels", where="--labels")
    first = table.columns[0]
    if table[first].duplicated().any():
        raise SluiceError("A sample has two rows of labels", where="--labels", mend="keep one")
    rows = table.set_index(first, drop=False).reindex(samples)
    if rows[first].isna().all():
        raise SluiceError(
            "No sample of the matrix has a row of labels",
            where="--labels, first column",
            mend="use the matrix's sample names there; say --rows samples if its rows are samples",
        )
    names = pd.Series(samples, index=rows.index)
    owners = rows[donor].fillna(names) if donor else names
    known = rows.groupby(owners.to_numpy(), sort=True).first()
    asked = list(attributes) or [
        name for name in table.columns if name not in (first, donor) and _is_trait(known[name])
    ]
    if not asked:
        raise SluiceError(
            "No column of the labels can be a trait",
            where="--labels",
            mend="name one with --attribute",
        )
    return owners.to_numpy(dtype=str), {name: known[name].to_numpy(dtype=object) for name in asked}


def _is_trait(column: pd.Series) -> bool:
    """Tell whether donors share kinds, or have numbers to cut."""
    known = column.dropna()
    if known.nunique() < 2:
        return False
    numbers = pd.to_numeric(known, errors="coerce").notna().all()
    return bool(numbers or known.nunique() <= len(known) / 2)
