"""Human genes: identifiers, chromosomes, what must never leave, fixed gene sets.

Editions and licences of the tables: ``resources/genes/SOURCE.md``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.resources import resource

SEX_GROUPS = ("chrX", "chrY")
_ENSEMBL = re.compile(r"(ENSG\d{11})(?:\.\d+)?(?:_PAR_Y)?")
_CHROMOSOMES = {*(str(number) for number in range(1, 23)), "X", "Y", "MT"}
_PREFERRED = {"protein_coding": 0, "lncRNA": 1}


@lru_cache(maxsize=1)
def load_genes() -> pd.DataFrame:
    """Return the gene table, one row a gene, indexed by Ensembl id without version.

    Columns: ``symbol`` (empty where there is none), ``chromosome``, ``start`` (GRCh38, 1-based),
    ``biotype``. The table is shared between callers: do not change it.
    """
    table = pd.read_csv(
        resource("genes", "genes.tsv"),
        sep="\t",
        dtype={"symbol": str, "chromosome": str, "biotype": str},
        keep_default_na=False,
    )
    return table.set_index("ensembl_id")


@lru_cache(maxsize=1)
def _symbols() -> dict[str, str]:
    """Return symbol -> Ensembl id; a symbol of several genes stands for the best known one."""
    genes = load_genes()
    named = genes[genes["symbol"] != ""].reset_index()
    named["rank"] = named["biotype"].map(_PREFERRED).fillna(2)
    named["placed"] = ~named["chromosome"].isin(_CHROMOSOMES)
    named = named.sort_values(["rank", "placed", "ensembl_id"]).drop_duplicates("symbol")
    return dict(zip(named["symbol"], named["ensembl_id"], strict=True))


def to_ensembl(names: Iterable[str]) -> tuple[list[str], int]:
    """Turn symbols or Ensembl ids (with or without version) into Ensembl ids.

    Returns
    -------
    ids
        As long as ``names``. A symbol that the table does not hold becomes ``""``; an Ensembl id
        that it does not hold keeps its id without version.
    unknown
        How many names the table does not hold.
    """
    table, symbols = load_genes().index, _symbols()
    ids = []
    for name in names:
        match = _ENSEMBL.fullmatch(name)
        ids.append(match.group(1) if match else symbols.get(name, ""))
    unknown = int((~pd.Index(ids, dtype=object).isin(table)).sum())
    return ids, unknown


@lru_cache(maxsize=1)
def _exclusions() -> dict[str, frozenset[str]]:
    """Return group -> Ensembl ids of the table that fall in it."""
    genes = load_genes()
    groups: dict[str, set[str]] = {}
    with resource("genes", "exclusions.tsv").open(encoding="utf-8", newline="") as handle:
        for rule in csv.DictReader(handle, delimiter="\t"):
            values, pattern = genes[rule["field"]], re.compile(rule["pattern"])
            hits = [value for value in values.unique() if pattern.fullmatch(value)]
            groups.setdefault(rule["group"], set()).update(genes.index[values.isin(hits)])
    return {group: frozenset(ids) for group, ids in groups.items()}


def exclusion_groups() -> list[str]:
    """Return the names of the groups that :func:`excluded` knows."""
    return sorted(_exclusions())


def excluded(ids: Sequence[str], groups: Sequence[str]) -> np.ndarray:
    """Return a mask (one entry an id) of the genes that fall in any of ``groups``.

    Fails closed: with at least one group, a gene that the table does not hold, or that lies on
    an unplaced scaffold, counts as excluded, since nobody can say that it does not belong there.

    Raises
    ------
    SluiceError
        If a group is not one of :func:`exclusion_groups`.
    """
    known = _exclusions()
    unknown = sorted(set(groups) - set(known))
    if unknown:
        raise SluiceError(
            "A group of genes to exclude is not known",
            where=f"{len(unknown)} of {len(groups)} groups",
            mend=f"use some of: {', '.join(sorted(known))}",
        )
    if not groups:
        return np.zeros(len(ids), dtype=bool)
    free = _free(tuple(sorted(groups)))
    return np.array([gene not in free for gene in ids], dtype=bool)


@lru_cache(maxsize=32)
def _free(groups: tuple[str, ...]) -> frozenset[str]:
    """Return the genes of known place that fall in none of ``groups``."""
    genes = load_genes()
    placed = frozenset(genes.index[genes["chromosome"].isin(_CHROMOSOMES)])
    return placed.difference(*(_exclusions()[group] for group in groups))


@lru_cache(maxsize=1)
def _gmt() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return set id -> (title, Ensembl ids) in the order of the shipped file."""
    return {
        name: (title, tuple(ids)) for name, title, *ids in _gmt_lines(resource("genes", "sets.gmt"))
    }


def _gmt_lines(path: Path) -> list[list[str]]:
    """Return the fields of a GMT file's lines: id, title, genes."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise SluiceError(
            "A file of gene sets cannot be read as UTF-8 text", where="GMT", mend="check its path"
        ) from None
    fields = [[field.strip() for field in line.split("\t")] for line in lines if line.strip()]
    short = next((n for n, found in enumerate(fields, start=1) if len(found) < 3), None)
    if short or not fields:
        raise SluiceError(
            "A file of gene sets is not GMT: a line needs an id, a title and genes, tab separated",
            where=f"set {short or 1}",
            mend="save it again as GMT",
        )
    names = [found[0] for found in fields]
    twice = next((n for n, name in enumerate(names, start=1) if name in names[: n - 1]), None)
    if twice:
        raise SluiceError(
            "A gene set occurs twice", where=f"GMT, set {twice}", mend="give each its own id"
        )
    return fields


def read_gene_sets(path: Path) -> dict[str, list[str]]:
    """Read gene sets from a GMT file, in its order: id -> genes.

    Genes that the shipped table knows, by symbol or Ensembl id, go by their Ensembl id; others
    (probes, say) by the name that the file gives.

    Raises
    ------
    SluiceError
        If the file is no GMT or names a set twice.
    """
    sets = {}
    for name, _, *genes in _gmt_lines(path):
        named = [gene for gene in genes if gene]
        ids, _ = to_ensembl(named)
        sets[name] = list(dict.fromkeys(new or old for new, old in zip(ids, named, strict=True)))
    return sets


def gene_sets(autosomal: bool = True) -> dict[str, list[str]]:
    """Return the shipped fixed gene sets: id -> Ensembl ids.

    With ``autosomal`` a set that holds a gene of chrX, chrY or unknown place is left out whole
    (all shipped sets pass; this guards an exchanged file).
    """
    sets = {name: list(ids) for name, (_, ids) in _gmt().items()}
    if not autosomal:
        return sets
    return {name: ids for name, ids in sets.items() if not excluded(ids, SEX_GROUPS).any()}


def gene_set_titles() -> dict[str, str]:
    """Return the shipped sets' readable names: id -> title."""
    return {name: title for name, (title, _) in _gmt().items()}
