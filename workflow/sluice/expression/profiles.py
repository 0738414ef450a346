"""Whole expression files in memory, with comparable gene names: what attacks read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from sluice.errors import SluiceError
from sluice.expression.genes import to_ensembl
from sluice.expression.readers import BulkSource, Orientation, header_of, open_bulk, text_columns
from sluice.expression.values import ValueKind, log_normalise

Rows = Literal["auto", "genes", "samples"]

#: Nobody's logarithms reach this; values of counts or TPM do.
_LARGEST_LOG = 40.0
#: What stands beside the values of a BED file, by QTLtools, FastQTL and tensorQTL.
_BED_NAMES = ("gene", "gene_id", "phenotype_id", "pid", "id", "trid")
_BED_PLACE = ("#chr", "#chrom", "chr", "chrom", "start", "end", "length", "info", "strand", "score")
_BED_OTHER = (*_BED_PLACE, "gid", "group", "group_id")


@dataclass(frozen=True)
class Profiles:
    """Expression of some samples.

    Parameters
    ----------
    samples, genes
        Each unique. A gene that the shipped table knows goes by its Ensembl id without version,
        another by the name that the file gives.
    values
        Samples x genes.
    kind
        What the values are: ``counts``, ``tpm`` or ``log``.
    """

    samples: list[str]
    genes: list[str]
    values: np.ndarray
    kind: ValueKind

    def logarithms(self) -> Profiles:
        """Return log(1 + counts per million) of counts, log(1 + x) of TPM, logarithms as they are.

        Take them before columns: counts are scaled by all genes of a sample.
        """
        if self.kind == "log":
            return self
        made = log_normalise(self.values) if self.kind == "counts" else np.log1p(self.values)
        return replace(self, values=np.asarray(made), kind="log")

    def columns(self, genes: Iterable[str]) -> np.ndarray:
        """Return the values of these genes, in their order."""
        place = {gene: number for number, gene in enumerate(self.genes)}
        return np.asarray(self.values[:, [place[gene] for gene in genes]])


def read_profiles(path: Path, role: str, rows: Rows = "auto") -> Profiles:
    """Read a bulk expression file of any format of :func:`sluice.expression.readers.open_bulk`.

    Parameters
    ----------
    role
        What to call the file in errors.
    rows
        What the rows of a text or Parquet table are. ``auto``: genes, unless more of the columns'
        than of the rows' names are known as genes.

    Numbers that are all whole and not negative are taken for counts, other numbers without a
    negative and with one above 40 for TPM (or RPKM), the rest for logarithms. Where two genes have
    one name after translation the one with more expression stays.

    Raises
    ------
    SluiceError
        If the file is missing or one that ``open_bulk`` refuses.
    """
    if not path.is_file():
        raise SluiceError("There is no such file", where=role, mend="check its path")
    source = _open(path, "samples_by_genes" if rows == "samples" else "genes_by_samples")
    if rows == "auto" and _known(source.samples) > _known(source.genes):
        source = _open(path, "samples_by_genes")
    values = np.empty((len(source.samples), len(source.genes)))
    for tile in source.tiles():
        values[tile.samples, tile.genes] = tile.values
    names, _ = to_ensembl(source.genes)
    genes = [new or old for new, old in zip(names, source.genes, strict=True)]
    kept = _first_of_each(genes, np.argsort(-values.mean(axis=0), kind="stable"))
    return Profiles(
        source.samples, [genes[number] for number in kept], values[:, kept], _kind(values)
    )


def _open(path: Path, orientation: Orientation) -> BulkSource:
    if path.name.removesuffix(".gz").lower().endswith(".bed"):
        header = [name.lower() for name in header_of(path)]
        named = [number for number, name in enumerate(header) if name in _BED_NAMES]
        if not named:
            raise SluiceError(
                "A BED file of expression has no column that names the genes",
                where="header",
                mend=f"call it one of: {', '.join(_BED_NAMES)}",
            )
        fields = header_of(path)
        drop = [f for n, f in enumerate(fields[:6]) if n != named[0] and f.lower() in _BED_OTHER]
        return open_bulk(path, value_kind="log", id_column=fields[named[0]], drop_columns=drop)
    # pandas writes the names of its rows as the last column.
    text = text_columns(path) if path.suffix.lower() == ".parquet" else []
    return open_bulk(
        path,
        value_kind="log",
        orientation=orientation,
        id_column=text[0] if text else None,
        drop_columns=text[1:],
    )


def _known(names: list[str]) -> int:
    return len(names) - to_ensembl(names)[1]


def _kind(values: np.ndarray) -> ValueKind:
    if (values < 0).any():
        return "log"
    if (np.floor(values) == values).all():
        return "counts"
    return "tpm" if values.max() > _LARGEST_LOG else "log"


def _first_of_each(names: list[str], order: np.ndarray) -> list[int]:
    """Return, in the file's order, the first of each name as ``order`` has them."""
    first: dict[str, int] = {}
    for number in order:
        first.setdefault(names[number], int(number))
    return sorted(first.values())
