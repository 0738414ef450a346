"""Aggregates of expression over groups: what the plan allows, and whether it was kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from sluice.expression.aggregate import (
    Floors,
    Released,
    group_means,
    set_means,
)
from sluice.expression.genes import gene_sets
from sluice.expression.singlecell import CellSource
from sluice.expression.values import log_normalise
from sluice.modalities.shared.lineage import GroupValues
from sluice.scores import Score


def log_values(values: np.ndarray, kind: str) -> np.ndarray:
    """Return logarithms of expression values of any kind."""
    if kind == "counts":
        return np.asarray(log_normalise(values))
    return np.log1p(values) if kind == "tpm" else np.asarray(values, dtype=float)


def log_rows(
    source: CellSource, rows: np.ndarray, columns: Sequence[int], block: int = 256
) -> Iterator[np.ndarray]:
    """Yield the logarithms of the chosen rows and columns, ``block`` rows at a time."""
    for matrix in source.iter_rows(rows, block):
        yield log_values(matrix[:, columns].toarray(), source.value_kind)


def set_scores(
    source: CellSource, rows: np.ndarray, genes: Sequence[str], sets: Sequence[str]
) -> np.ndarray:
    """Return rows x sets: the mean logarithm of each set's genes, among ``genes`` of the source."""
    place = {gene: number for number, gene in enumerate(source.genes)}
    columns = [place[gene] for gene in genes]
    known = chosen_sets(sets)
    blocks = (
        set_means(values, genes, known, min_genes=1)[0]
        for values in log_rows(source, rows, columns)
    )
    return np.vstack([np.zeros((0, len(sets))), *blocks])


def chosen_sets(names: Sequence[str]) -> dict[str, list[str]]:
    """Return the shipped sets of these names."""
    known = gene_sets()
    return {name: known[name] for name in names}


def smallest_set(names: Sequence[str], genes: Iterable[str]) -> int:
    """Return how many of these genes are in the smallest of the shipped sets."""
    measured = set(genes)
    return min((len(measured.intersection(ids)) for ids in chosen_sets(names).values()), default=0)


def planned_groups(
    keys: pd.DataFrame, by: Sequence[str], floors: Floors, within: Sequence[str] = ()
) -> Released:
    """Return the groups that may leave, decided exactly as their means will be."""
    there = keys.dropna(subset=list(by)).reset_index(drop=True)
    zeros = np.zeros((len(there), 1))
    found = group_means(there, zeros, ["any"], by, floors, within=within, decimals=0)
    return Released(found.table[list(by)].drop_duplicates(), found.refused)


def averaged(
    keys: pd.DataFrame,
    scores: np.ndarray,
    by: Sequence[str],
    groups: pd.DataFrame,
    sets: Sequence[str],
) -> list[GroupValues]:
    """Return each group's donors and what stands for each in its mean: the donor's own mean.

    ``keys`` has ``donor`` and the columns of ``by``, one row a row of ``scores``; ``groups`` names
    those wanted.
    """
    table = pd.DataFrame(scores, columns=list(sets)).assign(donor=keys["donor"].to_numpy())
    found = []
    for label in groups[list(by)].itertuples(index=False):
        inside = (keys[list(by)] == tuple(label)).all(axis=1).to_numpy()
        means = table[inside].groupby("donor", sort=True).mean()
        name = " / ".join(map(str, label))
        found.append(GroupValues("means", name, list(means.index), means.to_numpy(), list(sets)))
    return found


def only_planned(table: pd.DataFrame, by: Sequence[str], planned: list[list[str]]) -> pd.DataFrame:
    """Keep the rows of groups that the plan names: `apply` decides nothing."""
    allowed = {tuple(group) for group in planned}
    rows = [tuple(row) in allowed for row in table[list(by)].itertuples(index=False)]
    return table[np.array(rows, dtype=bool)].reset_index(drop=True)


def count_score(
    name: str, product: str, value: float, n: int, knows: str, note: str, **detail: object
) -> Score:
    """Return a score that is a count over what was released, not an estimate."""
    return Score(
        name=name,
        product=product,
        attacker_knows=knows,
        estimate=float(value),
        lower=float(value),
        upper=float(value),
        n=n,
        limit_key=name,
        note=note,
        detail=dict(detail),
    )


def floor_faults(
    table: pd.DataFrame,
    keys: pd.DataFrame,
    by: Sequence[str],
    floors: Floors,
    within: Sequence[str] = (),
) -> int:
    """Count released groups that break a floor, counting donors anew from the rows behind them.

    ``keys`` holds ``donor``, the columns of ``by`` and, for cells, ``cells``. A group whose stated
    number of donors is not the counted one is a fault too.
    """
    enough = keys[keys["cells"] >= floors.cells] if "cells" in keys else keys
    faults = 0
    for label, rows in table.groupby(list(by), sort=True):
        group = dict(zip(by, label, strict=True))
        donors = set(_where(enough, group)["donor"])
        whole = set(_where(enough, {name: group[name] for name in within})["donor"])
        outside = len(whole - donors)
        stated = set(rows["donors"])
        faults += len(donors) < floors.donors or 0 < outside < floors.donors
        faults += stated != {len(donors)}
    return faults


def _where(table: pd.DataFrame, values: Mapping[str, object]) -> pd.DataFrame:
    for name, value in values.items():
        table = table[table[name] == value]
    return table


def floor_score(faults: int, donors: int, groups: int, product: str) -> Score:
    """Return the scenario ``group_floor``."""
    return count_score(
        "group_floor",
        product,
        faults,
        donors,
        "which groups were published and how many donors each has",
        "Groups under the floor of donors, inside or outside, counted anew from the released rows.",
        groups=groups,
    )
