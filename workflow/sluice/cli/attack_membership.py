"""`sluice attack membership`: who is behind a published mean."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pandas as pd

from sluice.attacks.membership import MeanRelease
from sluice.attacks.membership import membership as attack
from sluice.cli.attack_files import read_list, read_table_file, report
from sluice.errors import SluiceError
from sluice.expression.aggregate import set_means
from sluice.expression.genes import gene_sets, to_ensembl
from sluice.expression.profiles import Profiles, read_profiles

_FILE = click.Path(path_type=Path)
_ROWS = click.Choice(["auto", "genes", "samples"])
_CONTROL = 10

_Make = Callable[[np.ndarray], np.ndarray]


@click.command()
@click.option("--mean", "mean_file", type=_FILE, required=True,
              help="Table: feature (gene or shipped gene set), mean.")  # fmt: skip
@click.option("--group", help="Which group's mean, where the table holds several.")
@click.option("--candidates", type=_FILE, required=True, help="Expression of the people to try.")
@click.option("--members", type=_FILE,
              help="List of those who are in the mean [default: the candidates' column "
                   "`member` of 0 and 1, else all of them].")  # fmt: skip
@click.option("--reference", type=_FILE, required=True,
              help="Expression of other people of the same population.")  # fmt: skip
@click.option("--rows", type=_ROWS, default="auto", help="What the rows of text tables are.")
@click.option("--json", "out", type=_FILE, required=True, help="Where the result goes.")
def membership(
    mean_file: Path,
    group: str | None,
    candidates: Path,
    members: Path | None,
    reference: Path,
    rows: str,
    out: Path,
) -> None:
    """Tell the members of a published mean from other people by their own expression.

    An area needs people of whom the truth is known. Where nobody says who is a member, all
    candidates are taken for members, and every other person of the reference stands for the rest.
    """
    started = time.monotonic()
    mean = _read_mean(mean_file, group)
    tried = read_profiles(candidates, "--candidates", rows)  # type: ignore[arg-type]
    others = read_profiles(reference, "--reference", rows)  # type: ignore[arg-type]
    genes = sorted(set(tried.genes) & set(others.genes))
    if not genes:
        raise SluiceError(
            "Candidates and reference have no gene in common",
            where="--candidates, --reference",
            mend="say --rows samples if their rows are samples",
        )
    inside, told = _inside(tried, members)
    apart = ~np.isin(others.samples, tried.samples)
    features, make = _features(list(mean.values), genes)
    published = np.array([mean.values[name] for name in features])
    both = ((tried, others), (tried.logarithms(), others.logarithms()))
    scales = [(p.columns(genes), q.columns(genes)[apart]) for p, q in both]
    x, r = min(scales, key=lambda scale: _misfit(published, make(scale[1])))
    outsiders = x[~inside]
    if not told:
        outsiders, r = r[0::2], r[1::2]
    raw, own = x[inside], make(x[inside])
    released = MeanRelease(published, own, make(outsiders), make(r), mean.donors)
    control = MeanRelease(raw[:_CONTROL].mean(axis=0), raw[:_CONTROL], outsiders, r)
    score = attack(released, control, "membership", "files")
    report(
        score, time.monotonic() - started, out,
        in_both=int((~apart).sum()), members_given=told,
    )  # fmt: skip


@dataclass(frozen=True)
class _Mean:
    """A published mean: feature -> number, and how many donors it says are behind it."""

    values: dict[str, float]
    donors: int | None


def _read_mean(path: Path, group: str | None) -> _Mean:
    table = read_table_file(path, "--mean")
    key = "feature" if "feature" in table.columns else table.columns[0]
    if group is not None:
        others = table.drop(columns=[c for c in (key, "mean", "donors") if c in table.columns])
        table = table[(others.astype(str) == group).any(axis=1)]
    numbers = [c for c in table.columns if c != key and _numeric(table[c])]
    value = "mean" if "mean" in numbers else numbers[0] if len(numbers) == 1 else None
    if table.empty or value is None:
        raise SluiceError(
            "A mean is a table of a feature and one number",
            where="--mean",
            mend="call the columns feature and mean; name a group that the table holds",
        )
    old = table[key].astype(str).tolist()
    names = [new or name for new, name in zip(to_ensembl(old)[0], old, strict=True)]
    if len(set(names)) < len(names):
        raise SluiceError(
            "A feature has several means", where="--mean", mend="choose a group with --group"
        )
    values = dict(zip(names, pd.to_numeric(table[value]).tolist(), strict=True))
    donors = pd.to_numeric(table["donors"]).iloc[0] if "donors" in numbers else None
    return _Mean(values, None if donors is None else int(donors))


def _numeric(column: pd.Series) -> bool:
    return bool(np.isfinite(pd.to_numeric(column, errors="coerce").astype(float)).all())


def _misfit(published: np.ndarray, reference: np.ndarray) -> float:
    """Return how far a mean lies from the reference's, in its SDs: least on the mean's scale."""
    spread = reference.std(axis=0)
    varied = spread > 0
    away = np.abs(published - reference.mean(axis=0))[varied] / spread[varied]
    return float(np.median(away)) if varied.any() else float("inf")


def _inside(tried: Profiles, members: Path | None) -> tuple[np.ndarray, bool]:
    """Return which candidates are members, and whether anybody said so."""
    if members is not None:
        inside = np.isin(tried.samples, read_list(members, "--members"))
    elif "member" in tried.genes:
        inside = tried.columns(["member"])[:, 0] == 1
    else:
        return np.ones(len(tried.samples), dtype=bool), False
    if not inside.any() or inside.all():
        raise SluiceError(
            "None or all of the candidates are said to be members",
            where="--members",
            mend="name those who are in the mean, as the file of candidates does",
        )
    return np.asarray(inside), True


def _features(names: list[str], genes: list[str]) -> tuple[list[str], _Make]:
    """Return the features that can be made from the genes, and how.

    The attacker puts his own profiles through what the release did: means over gene sets.
    """
    place = {gene: number for number, gene in enumerate(genes)}
    shared = [name for name in names if name in place]
    if shared:
        columns = [place[name] for name in shared]
        return shared, lambda rows: rows[:, columns]
    known = gene_sets()
    sets = {name: known[name] for name in names if name in known}
    made = set_means(np.zeros((1, len(genes))), genes, sets, min_genes=1)[1]
    if not made:
        raise SluiceError(
            "The mean's features are neither genes of the candidates nor shipped gene sets",
            where="--mean",
            mend="give means of genes, or of the sets in resources/genes/sets.gmt",
        )
    chosen = {name: sets[name] for name in made}
    return made, lambda rows: set_means(rows, genes, chosen, min_genes=1)[0]
