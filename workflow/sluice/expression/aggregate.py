"""Aggregates over donors, with floors: what falls under one is never returned, only counted.

Every mean over donors gives each donor the same weight (a donor's cells are averaged first), so
that nobody counts more for having more cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from sluice.errors import SluiceError
from sluice.expression.singlecell import CellSource
from sluice.expression.values import log_normalise

#: Rounding to d decimals adds an error uniform over one step: variance step^2 / 12.
_UNIFORM = 12.0


@dataclass(frozen=True)
class Floors:
    """What an aggregate must reach to leave.

    Parameters
    ----------
    donors
        Donors behind each number, and behind what remains of the whole without them (unless
        nothing remains).
    cells
        Cells of each donor that counts.
    dominance
        Largest share of a number's cells that may come from one donor.
    """

    donors: int
    cells: int = 10
    dominance: float = 0.2


@dataclass(frozen=True)
class Pseudobulk:
    """Values summed or averaged over cells: one row for each key.

    ``keys`` holds the key columns and ``cells``; ``values[i, j]`` belongs to row i and gene j.
    ``refused`` counts keys under the floor of cells.
    """

    keys: pd.DataFrame
    values: np.ndarray
    refused: int


@dataclass(frozen=True)
class Released:
    """A long table that may leave, and how many of its numbers were refused, by reason."""

    table: pd.DataFrame
    refused: Counter[str]


def pseudobulk(
    source: CellSource,
    cells: pd.DataFrame,
    by: Sequence[str],
    *,
    floor: int = 10,
    log: bool = False,
    block: int = 4096,
) -> Pseudobulk:
    """Sum the cells of each key (``by``: donor, or donor and cell type).

    Parameters
    ----------
    cells
        One row a cell: ``row`` (its number in the source) and the columns of ``by``. Rows with
        a gap in ``by`` are left out.
    floor
        Keys with fewer cells are refused.
    log
        Average log(1 + counts per million) over cells instead of summing counts; for a source of
        log values, average them as they are.
    """
    known = cells.dropna(subset=list(by)).sort_values("row", kind="stable")
    if known.empty:
        raise SluiceError("No cell has a donor", where="cells", mend="check the donor column")
    codes = known.groupby(list(by), sort=True, observed=True).ngroup().to_numpy()
    keys = known.groupby(list(by), sort=True, observed=True).size().rename("cells").reset_index()
    sums = np.zeros((len(keys), len(source.genes)))
    start = 0
    for matrix in source.iter_rows(known["row"].to_numpy(), block):
        part = codes[start : start + matrix.shape[0]]
        start += matrix.shape[0]
        prepared = log_normalise(matrix) if log and source.value_kind != "log" else matrix
        _add(sums, part, sparse.csr_matrix(prepared))
    if log or source.value_kind == "log":
        sums /= keys["cells"].to_numpy()[:, None]
    kept = (keys["cells"] >= floor).to_numpy()
    return Pseudobulk(keys[kept].reset_index(drop=True), sums[kept], int((~kept).sum()))


def _add(sums: np.ndarray, codes: np.ndarray, matrix: sparse.csr_matrix) -> None:
    """Add each row of the matrix to the row of ``sums`` that its code names."""
    order = np.argsort(codes, kind="stable")
    if (np.diff(order) < 0).any():
        matrix = matrix[order]
    found, first = np.unique(codes[order], return_index=True)
    ends = [*matrix.indptr[first[1:]], matrix.nnz]
    for key, start, end in zip(found, matrix.indptr[first], ends, strict=True):
        entries = slice(start, end)
        sums[key] += np.bincount(
            matrix.indices[entries], matrix.data[entries], minlength=sums.shape[1]
        )


def set_means(
    values: np.ndarray,
    genes: Sequence[str],
    sets: Mapping[str, Sequence[str]],
    *,
    min_genes: int,
) -> tuple[np.ndarray, list[str]]:
    """Return each row's plain mean over the genes of each set: (rows x sets, names of the sets).

    ``values`` are logarithms, rows x genes. A set of which the matrix holds fewer than
    ``min_genes`` genes is left out. The mean is plain, not against control genes drawn from the
    data (as ``scanpy.tl.score_genes`` does), so that a score depends on its own row alone.
    """
    place = {gene: number for number, gene in enumerate(genes)}
    members = {name: [place[gene] for gene in ids if gene in place] for name, ids in sets.items()}
    names = [name for name, numbers in members.items() if len(numbers) >= max(1, min_genes)]
    scores = [values[:, members[name]].mean(axis=1) for name in names]
    return (np.column_stack(scores) if names else np.zeros((len(values), 0))), names


def group_means(
    keys: pd.DataFrame,
    values: np.ndarray,
    names: Sequence[str],
    by: Sequence[str],
    floors: Floors,
    *,
    within: Sequence[str] = (),
    decimals: int,
) -> Released:
    """Return exact means over donors for each group.

    Parameters
    ----------
    keys
        One row a donor (and cell type): ``donor``, the columns of ``by``, and, for single-cell
        aggregates, ``cells``.
    values, names
        Rows as ``keys``, one column a feature, named.
    by
        Columns that make a group.
    within
        Columns of ``by`` that split the whole (cell type): the complement of a group is taken
        among rows that agree in these.

    Returns
    -------
    A long table: the columns of ``by``, ``feature``, ``mean``, ``donors``; sorted.
    """
    keys = keys.reset_index(drop=True)
    refused: Counter[str] = Counter()
    rows: list[pd.DataFrame] = []
    enough = keys[keys["cells"] >= floors.cells] if "cells" in keys else keys
    whole = _donors_within(enough, within)
    for group, part in enough.groupby(list(by), sort=True, observed=True):
        label = dict(zip(by, group, strict=True))
        outside = whole[tuple(label[name] for name in within)] - set(part["donor"])
        reason = _reason(part, len(outside), floors)
        if reason:
            refused[reason] += len(names)
            continue
        means = pd.DataFrame(values[part.index]).groupby(part["donor"].to_numpy()).mean()
        rows.append(
            pd.DataFrame(
                {
                    **label,
                    "feature": list(names),
                    "mean": np.round(means.mean(axis=0).to_numpy(), decimals),
                    "donors": len(means),
                }
            )
        )
    if not rows:
        return Released(pd.DataFrame(columns=[*by, "feature", "mean", "donors"]), refused)
    table = pd.concat(rows).sort_values([*by, "feature"], kind="stable").reset_index(drop=True)
    return Released(table, refused)


def _donors_within(
    keys: pd.DataFrame, within: Sequence[str]
) -> dict[tuple[Hashable, ...], set[str]]:
    """Return the donors of each part of the whole; without ``within`` there is one part."""
    if not within:
        return {(): set(keys["donor"])}
    parts = keys.groupby(list(within), sort=True, observed=True)["donor"]
    return {tuple(name): set(donors) for name, donors in parts}


def _reason(part: pd.DataFrame, outside: int, floors: Floors) -> str:
    """Say why a group may not leave, or nothing."""
    if part["donor"].nunique() < floors.donors:
        return "too few donors"
    if 0 < outside < floors.donors:
        return "too few donors outside"
    if "cells" in part:
        shares = part.groupby("donor")["cells"].sum()
        if shares.max() > floors.dominance * shares.sum():
            return "one donor dominates"
    return ""


def cell_type_proportions(
    cells: pd.DataFrame, by: Sequence[str], floors: Floors, *, decimals: int
) -> Released:
    """Return the mean proportion of each cell type in each group, donors weighted equally.

    ``cells`` has one row a cell: ``donor``, ``cell_type`` and the columns of ``by`` (constant for
    a donor). Donors with fewer cells than the floor are left out. A type that fewer donors than
    the floor have in a group is refused; a single refused type would follow from the others' sum,
    so the next rarest is refused with it.

    Returns
    -------
    A long table: the columns of ``by``, ``cell_type``, ``proportion``, ``donors``; sorted.
    """
    keys = cells.groupby(["donor", *by], sort=True, observed=True).size().rename("cells")
    counts = pd.crosstab(cells["donor"], cells["cell_type"])
    people = keys.reset_index()
    people = people[people["cells"] >= floors.cells]
    refused: Counter[str] = Counter()
    rows: list[pd.DataFrame] = []
    for group, part in people.groupby(list(by), sort=True, observed=True):
        table = counts.loc[part["donor"]]
        table = table.loc[:, table.sum() > 0]
        reason = _reason(part, len(set(people["donor"]) - set(part["donor"])), floors)
        if reason:
            refused[reason] += table.shape[1]
            continue
        kept = _common_types(table, floors.donors)
        refused["too few donors with the type"] += int((~kept).sum())
        shares = table.div(table.sum(axis=1), axis=0).mean().round(decimals)[kept]
        label = dict(zip(by, group, strict=True))
        columns = {"cell_type": shares.index, "proportion": shares.to_numpy(), "donors": len(part)}
        rows.append(pd.DataFrame({**label, **columns}))
    if not rows:
        return Released(pd.DataFrame(columns=[*by, "cell_type", "proportion", "donors"]), refused)
    out = pd.concat(rows).sort_values([*by, "cell_type"], kind="stable").reset_index(drop=True)
    return Released(out, +refused)


def _common_types(counts: pd.DataFrame, floor: int) -> np.ndarray:
    """Return which columns of a donors x types table of cell counts may leave."""
    having = (counts > 0).sum().to_numpy()
    kept = having >= floor
    if (~kept).sum() == 1 and kept.any():
        kept[np.argmin(np.where(kept, having, len(counts) + 1))] = False
    return kept


def effective_dimension(values: np.ndarray, decimals: int | None = None) -> int:
    """Return how many independent numbers a published mean of these donors holds.

    ``values`` is donors x features. It counts the principal directions along which the sampling
    variance of the mean (eigenvalue of the covariance / donors) exceeds the variance of rounding
    to ``decimals`` (step^2 / 12); without rounding, the numerical rank. The spread along a
    direction does not matter beyond that, for an attacker who whitens sees each one equally:
    the likelihood ratio's AUC depends on dimension / donors alone.
    """
    n = len(values)
    if n < 2 or values.shape[1] == 0:
        return 0
    singular = np.linalg.svd(values - values.mean(axis=0), compute_uv=False)
    variances = singular**2 / (n - 1)
    noise = 0.0 if decimals is None else n * (10.0**-decimals) ** 2 / _UNIFORM
    numerical = variances.max() * max(values.shape) * np.finfo(float).eps
    return int((variances > max(noise, numerical)).sum())
