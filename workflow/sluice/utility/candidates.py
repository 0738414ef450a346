"""Trial releases: what would leave of some donors under one setting of the sweep."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sluice.config.sweep import Setting
from sluice.utility.findings import Table
from sluice.utility.measures import Released, means_over


@dataclass(frozen=True)
class Candidate:
    """A trial release and what is needed to attack it.

    Parameters
    ----------
    setting
        What was done.
    released
        What would leave; its rows are donors or groups.
    groups
        For each released row the donors behind it (numbers of rows of ``raw``).
    raw
        The donors that it is about, donors x all genes.
    others
        Donors of the same population who are not in it.
    hidden
        A trait of each donor of ``raw`` that the release must not tell; "" where unknown.
    """

    setting: Setting
    released: Released
    groups: tuple[np.ndarray, ...]
    raw: Table
    others: Table
    hidden: np.ndarray | None = None


def make_candidate(
    setting: Setting,
    raw: Table,
    others: Table,
    sets: Mapping[str, np.ndarray],
    *,
    seed: int,
    hidden: np.ndarray | None = None,
) -> Candidate | None:
    """Transform raw values as a setting says: drop genes, take sets, add noise, average, round.

    Parameters
    ----------
    sets
        Gene sets, name -> numbers of genes; the first ``setting.sets`` of them are released.

    Returns
    -------
    The trial release, or ``None`` where nothing is left of it: no label has enough donors for a
    group, or no set keeps a gene.
    """
    columns = _columns(raw, _is_kept(raw, setting.suppress), sets, setting.sets)
    groups = _groups(raw.labels, setting.donors, seed)
    if not columns or not groups:
        return None
    parts = tuple(columns.values())
    plain = means_over(raw.values, parts)
    # A setting draws the same noise whatever other settings stand beside it.
    rng = np.random.default_rng([seed, zlib.crc32(setting.label.encode())])
    noisy = plain + rng.normal(size=plain.shape) * plain.std(axis=0) * setting.noise
    rows = np.vstack([noisy[members].mean(axis=0) for members in groups])
    published = rows if setting.decimals is None else np.round(rows, setting.decimals)
    labels = np.array([raw.labels[members[0]] for members in groups])
    weights = np.array([len(members) for members in groups])
    table = Table(published, tuple(columns), labels, weights)
    return Candidate(setting, Released(table, parts), groups, raw, others, hidden)


def _is_kept(raw: Table, suppress: float) -> np.ndarray:
    """Return a mask of the genes left when those that vary most within labels are gone."""
    inside = raw.values.astype(float, copy=True)
    for label in np.unique(raw.labels):
        inside[raw.labels == label] -= inside[raw.labels == label].mean(axis=0)
    order = np.argsort(-inside.std(axis=0), kind="stable")
    kept = np.zeros(len(order), dtype=bool)
    kept[order[round(len(order) * suppress) :]] = True
    return kept


def _columns(
    raw: Table, kept: np.ndarray, sets: Mapping[str, np.ndarray], count: int | None
) -> dict[str, np.ndarray]:
    """Return what the release's columns are: name -> raw genes."""
    if count is None:
        return {raw.features[gene]: np.array([gene]) for gene in np.flatnonzero(kept)}
    there = {name: genes[kept[genes]] for name, genes in sets.items()}
    return dict([(name, genes) for name, genes in there.items() if len(genes)][:count])


def _groups(labels: np.ndarray, donors: int, seed: int) -> tuple[np.ndarray, ...]:
    """Return disjoint groups of at least so many donors of one label, dealt at random.

    A label with fewer donors is not released.
    """
    if donors == 1:
        return tuple(np.array([donor]) for donor in range(len(labels)))
    found: list[np.ndarray] = []
    for number, label in enumerate(np.unique(labels)):
        members = np.flatnonzero(labels == label)
        dealt = np.random.default_rng([seed, 3, number]).permutation(members)
        if len(members) >= donors:
            found += [np.sort(part) for part in np.array_split(dealt, len(members) // donors)]
    return tuple(found)
