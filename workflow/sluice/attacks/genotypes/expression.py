"""Expression of many donors, with the place of each gene where the file tells it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.expression.readers import BulkSource, open_bulk

# QTLtools: place, start, end, gene, and two columns about the gene come before the donors.
_BED_FACTS, _BED_GENE = 6, 3


@dataclass(frozen=True)
class Expression:
    """Donors x genes.

    Parameters
    ----------
    donors, genes
        Names, each unique.
    values
        Donors x genes, any monotone scale.
    chromosomes, starts
        Place of each gene, 1-based; an empty name where the file does not tell.
    """

    donors: list[str]
    genes: list[str]
    values: np.ndarray
    chromosomes: list[str]
    starts: np.ndarray

    def of(self, donors: Sequence[str], genes: Sequence[str]) -> np.ndarray:
        """Return these donors x these genes."""
        rows = {name: number for number, name in enumerate(self.donors)}
        columns = {name: number for number, name in enumerate(self.genes)}
        return self.values[np.ix_([rows[d] for d in donors], [columns[g] for g in genes])]


def read_expression(path: Path, donors: Sequence[str]) -> Expression:
    """Read a BED of QTLtools (also .gz) or any bulk matrix that Sluice reads.

    A table may lie either way: the side on which the ``donors`` are found is taken for theirs.

    Raises
    ------
    SluiceError
        As :func:`sluice.expression.readers.open_bulk`; for missing or infinite numbers; for a BED
        without its six leading columns.
    """
    kind = Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()
    if kind == ".bed":
        return _read_bed(path)
    source = open_bulk(path, value_kind="log")
    values = _matrix(source)
    samples, genes = source.samples, source.genes
    if not set(donors) & set(samples) and set(donors) & set(genes):
        samples, genes, values = genes, samples, values.T
    return Expression(samples, genes, values, [""] * len(genes), np.zeros(len(genes), dtype=int))


def _read_bed(path: Path) -> Expression:
    header = _first_line(path).split("\t")
    if len(header) <= _BED_FACTS or not header[0].startswith("#"):
        raise SluiceError(
            "A BED of expression does not begin with its six columns about genes, then donors",
            where="first line",
            mend="give a BED as QTLtools writes it",
        )
    dropped = [header[i] for i in range(_BED_FACTS) if i != _BED_GENE]
    source = open_bulk(path, value_kind="log", id_column=header[_BED_GENE], drop_columns=dropped)
    values = _matrix(source)
    try:
        places = pd.read_csv(path, sep="\t", usecols=[0, 1], dtype={0: str})
        starts = places.iloc[:, 1].to_numpy(dtype=int) + 1
    except (ValueError, TypeError):
        raise SluiceError(
            "A gene of a BED has no whole number for its start",
            where="second column",
            mend="give a BED as QTLtools writes it",
        ) from None
    chromosomes = places.iloc[:, 0].astype(str).str.removeprefix("chr").tolist()
    return Expression(source.samples, source.genes, values, chromosomes, starts)


def _matrix(source: BulkSource) -> np.ndarray:
    values = np.zeros((len(source.samples), len(source.genes)))
    for tile in source.tiles():
        values[tile.samples, tile.genes] = tile.values
    return values


def _first_line(path: Path) -> str:
    """Return the header, or nothing where the file is no text; the reader then tells why."""
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path, "rt") as handle:
                return handle.readline().rstrip("\r\n")
        with path.open() as handle:
            return handle.readline().rstrip("\r\n")
    except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError):
        return ""
