"""`sluice sweep`: what each way of releasing a matrix would risk, and what it would be good for."""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np
import pandas as pd

from sluice.cli.attack_files import read_table_file
from sluice.cli.options import with_config
from sluice.config import Config
from sluice.config.sweep import Sweep, load_sweep
from sluice.errors import SluiceError
from sluice.expression.genes import excluded, gene_sets, read_gene_sets
from sluice.expression.profiles import Profiles, read_profiles
from sluice.gates.tradeoff import write_tradeoff
from sluice.jobs import Job
from sluice.modalities.bulk.profiles import minimized_profiles
from sluice.resources import resource
from sluice.utility.findings import Table
from sluice.utility.sweep import Result
from sluice.utility.sweep import sweep as run_sweep

_FILE = click.Path(path_type=Path)
_ROWS = click.Choice(["auto", "genes", "samples"])


@click.command()
@click.option("--expression", type=_FILE, help="Matrix: BED, TSV, CSV, GCT, Parquet or h5ad.")
@click.option("--labels", type=_FILE, help="Table: sample, then attributes, one a column.")
@click.option("--cohort", metavar="COHORT/VERSION",
              help="Instead of both: the controlled tier's minimized bulk matrix.")  # fmt: skip
@click.option("--contrast", required=True,
              help="Column of the labels that recipients would compare.")  # fmt: skip
@click.option("--hidden", help="Column of a trait of two kinds that must not be told.")
@click.option("--donor", help="Column of the labels that names the donor of a sample.")
@click.option("--settings", type=_FILE, help="What to try [default: the shipped settings].")
@click.option("--sets", type=_FILE, help="Gene sets as GMT [default: the shipped pathways].")
@click.option("--rows", type=_ROWS, default="auto", help="What the rows of a text table are.")
@click.option("--out", type=_FILE, required=True, help="Folder for the page, plot and table.")
@with_config
def sweep(
    expression: Path | None,
    labels: Path | None,
    cohort: str | None,
    contrast: str,
    hidden: str | None,
    donor: str | None,
    settings: Path | None,
    sets: Path | None,
    rows: str,
    out: Path,
    config_file: Path,
) -> None:
    """Attack trial releases of an expression matrix and weigh risk against utility.

    Writes OUT/index.html (for the board, never for a bundle) with the plot and the table. The
    setting that it recommends was chosen on half of the donors and judged on the others.
    """
    plan = load_sweep(settings or resource("sweep", "settings.yaml"))
    if (
        out.exists()
        and not (out / "sweep.json").is_file()
        and (out.is_file() or any(out.iterdir()))
    ):
        raise SluiceError(
            "The folder for the result holds something else",
            where="--out",
            mend="name a new one, an empty one or that of an earlier sweep",
        )
    if cohort and not (expression or labels):
        job = Job(Config.load(config_file, cohort), "score", "controlled", "bulk")
        attributes, profiles = minimized_profiles(job)
        donor = "subject"
    elif expression and labels and not cohort:
        attributes = read_table_file(labels, "--labels")
        profiles = read_profiles(expression, "--expression", rows).logarithms()  # type: ignore[arg-type]
    else:
        raise SluiceError(
            "A sweep needs one source", mend="give --expression with --labels, or --cohort alone"
        )
    raw, trait = _donors(profiles, attributes, contrast, hidden, donor)
    raw = _without_excluded(raw, plan)
    members = _sets_of(raw, sets, plan)
    click.echo(
        f"{len(raw.values)} donors, {len(raw.features)} genes, {len(members)} gene sets", err=True
    )
    result = run_sweep(plan, raw, members, hidden=trait, progress=_Progress())
    write_tradeoff(out, result, len(raw.features))
    _say(result, out)


def _donors(
    profiles: Profiles,
    attributes: pd.DataFrame,
    contrast: str,
    hidden: str | None,
    donor: str | None,
) -> tuple[Table, np.ndarray | None]:
    """Return one row a donor (the mean of the donor's samples) with its label, and the trait.

    Of a donor whose samples differ in the label (two tissues, say) those of the label that fewer
    samples have count.
    """
    wanted = [name for name in (contrast, hidden, donor) if name]
    if missing := sum(name not in attributes.columns for name in wanted):
        raise SluiceError(f"{missing} of the named columns are not in the labels", where="--labels")
    first = attributes.columns[0]
    if attributes[first].duplicated().any():
        raise SluiceError("A sample has two rows of labels", where="--labels", mend="keep one")
    found = attributes.set_index(first, drop=False).reindex(profiles.samples)
    known = found[[contrast, *([donor] if donor else [])]].notna().all(axis=1).to_numpy()
    if not known.any():
        raise SluiceError(
            "No sample of the matrix has a label",
            where="--expression, --labels",
            mend="compare the names of the samples in both files",
        )
    people = found[donor or first].astype(str)
    known &= _of_rarest_label(people.to_numpy(), found[contrast], known)
    if left := int((~known).sum()):
        click.echo(
            f"{left} samples without a label, or of a donor's commoner label, are left out",
            err=True,
        )
    kept, owners = found[known], people[known].to_numpy()
    of_donor = kept.groupby(owners, sort=True)
    if hidden and (of_donor[hidden].nunique(dropna=True) > 1).any():
        raise SluiceError("A donor has two traits", where="--hidden")
    values = pd.DataFrame(profiles.values[known]).groupby(owners, sort=True).mean()
    label = of_donor[contrast].first().astype(str).to_numpy(dtype=str)
    trait = of_donor[hidden].first().fillna("").astype(str).to_numpy(dtype=str) if hidden else None
    return Table(values.to_numpy(), tuple(profiles.genes), label), trait


def _of_rarest_label(people: np.ndarray, labels: pd.Series, known: np.ndarray) -> np.ndarray:
    """Return which samples carry their donor's label that fewest known samples have."""
    table = pd.DataFrame({"person": people, "label": labels.to_numpy()})[known]
    table["samples"] = table.groupby("label")["label"].transform("size")
    rarest = table.sort_values(["samples", "label"], kind="stable").drop_duplicates("person")
    wanted = rarest.set_index("person")["label"].reindex(people).to_numpy()
    return np.asarray(labels.to_numpy() == wanted)


def _without_excluded(raw: Table, plan: Sweep) -> Table:
    """Drop the gene groups that the plan excludes, and genes that never vary."""
    varied = np.ptp(raw.values, axis=0) > 0
    kept = np.flatnonzero(~excluded(raw.features, plan.exclude) & varied)
    if not len(kept):
        raise SluiceError(
            "No gene is left: a gene that is in no annotation counts as excluded",
            where="sweep settings, key `exclude`",
            mend="name the genes by Ensembl id or symbol, or write exclude: []",
        )
    return raw.columns(kept)


def _sets_of(raw: Table, file: Path | None, plan: Sweep) -> dict[str, np.ndarray]:
    """Return the sets of which enough genes are there: name -> numbers of genes."""
    place = {gene: number for number, gene in enumerate(raw.features)}
    known = read_gene_sets(file) if file else gene_sets()
    there = {name: [place[g] for g in genes if g in place] for name, genes in known.items()}
    return {n: np.array(genes) for n, genes in there.items() if len(genes) >= plan.min_genes}


class _Progress:
    """Says how far the sweep is, once a second and at its end."""

    def __init__(self) -> None:
        self._said = 0.0

    def __call__(self, done: int, total: int) -> None:
        if done == total or time.monotonic() - self._said >= 1:
            self._said = time.monotonic()
            click.echo(f"{done} of {total} settings tried", err=True)


def _say(result: Result, out: Path) -> None:
    passing = sum(trial.verdict == "pass" for trial in result.trials)
    click.echo(f"{passing} of {len(result.trials)} settings keep to every limit")
    if result.left_out:
        click.echo(f"{result.left_out} left out: they ask for more gene sets than there are")
    if result.chosen is None:
        click.echo("nothing is recommended: no setting passes and is useful")
    elif result.holds:
        click.echo(f"recommended, and confirmed on other donors: {result.chosen.setting.label}")
    else:
        click.echo(f"not confirmed on other donors: {result.chosen.setting.label}")
    click.echo(f"see {out / 'index.html'}")
