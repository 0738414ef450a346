"""Genotypes of many donors: read from a VCF or a table of dosages, and matched between files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from sluice.attacks.genotypes.vcf import MISSING, read_vcf
from sluice.errors import SluiceError

_FACTS = ("variant_id", "gene_id", "chromosome", "position", "ref", "alt")
_SEPARATORS = {".tsv": "\t", ".txt": "\t", ".csv": ","}


@dataclass(frozen=True)
class Genotypes:
    """Counts of alternate alleles.

    Parameters
    ----------
    donors
        Names, each unique.
    variants
        A key a row, each unique: place and alleles where a file has them, else its own id.
    chromosomes, positions
        Place of each variant; an empty name where it is unknown.
    dosages
        Variants x donors, int8, 0 to 2, -1 where missing.
    """

    donors: list[str]
    variants: list[str]
    chromosomes: list[str]
    positions: np.ndarray
    dosages: np.ndarray

    def of(self, donors: Sequence[str]) -> np.ndarray:
        """Return variants x these donors."""
        place = {name: number for number, name in enumerate(self.donors)}
        return self.dosages[:, [place[name] for name in donors]]


def read_genotypes(path: Path) -> Genotypes:
    """Read a .vcf, .vcf.gz, or dosages from .tsv, .txt, .csv (each also .gz) or .parquet.

    A table of dosages has a variant a row and a donor a column, beside `variant_id`, `chromosome`,
    `position`, `ref`, `alt` and `gene_id` as far as it has them. Fractions are rounded to the
    nearest genotype, an empty cell is missing.

    Raises
    ------
    SluiceError
        For another format, a file cut short, donors or variants named twice, and dosages that are
        no number from 0 to 2.
    """
    kind = Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()
    if kind == ".vcf":
        found = _from_vcf(path)
    elif kind in _SEPARATORS or path.suffix.lower() == ".parquet":
        found = _from_table(path, kind)
    else:
        raise SluiceError(
            "A genotype file has a format that is not read",
            where="suffix of the file name",
            mend="give .vcf, .tsv, .txt or .csv (plain or .gz), or .parquet",
        )
    if len(set(found.donors)) < len(found.donors):
        raise SluiceError("A donor occurs twice", where="genotypes, header", mend="keep one")
    return _once(found)


def shared_variants(panel: Genotypes, gallery: Genotypes) -> tuple[Genotypes, Genotypes]:
    """Return both with the variants that both have, in the panel's order.

    Raises
    ------
    SluiceError
        If they share none, as two genome versions or two kinds of key do.
    """
    if panel is gallery:
        return panel, gallery
    place = {key: number for number, key in enumerate(gallery.variants)}
    here = [number for number, key in enumerate(panel.variants) if key in place]
    if not here:
        raise SluiceError(
            "The panel's and the gallery's genotypes share no variant",
            where="--panel-genotypes, --gallery-genotypes",
            mend="give files of one genome version with the same alleles or the same variant ids",
        )
    there = [place[panel.variants[number]] for number in here]
    return _rows(panel, here), _rows(gallery, there)


def sites(
    variants: Genotypes, chromosomes: Sequence[str], starts: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the places of genes and of variants as two columns of numbers each.

    Chromosomes are numbered; -1 stands for a gene or variant of unknown place. Where no gene or no
    variant has a place, genes have none (``None``): every variant is then tried for every gene.
    """
    known = sorted({*variants.chromosomes, *chromosomes} - {""})
    numbers = {"": -1, **{name: number for number, name in enumerate(known)}}

    def table(names: Sequence[str], positions: np.ndarray) -> np.ndarray:
        return np.column_stack([[numbers[name] for name in names], positions])

    placed = any(chromosomes) and any(variants.chromosomes)
    there = table(variants.chromosomes, variants.positions)
    return (table(chromosomes, starts) if placed else None), there


def _from_vcf(path: Path) -> Genotypes:
    calls = read_vcf(path)
    if not (calls.dosages != MISSING).any():
        raise SluiceError("A VCF holds no diploid call", where="genotypes", mend="check the file")
    chromosomes = [site[0].removeprefix("chr") for site in calls.sites]
    keys = [f"{c}:{p}:{r}:{a}" for c, (_, p, r, a) in zip(chromosomes, calls.sites, strict=True)]
    positions = np.array([site[1] for site in calls.sites], dtype=np.int64)
    return Genotypes(calls.donors, keys, chromosomes, positions, calls.dosages)


def _from_table(path: Path, kind: str) -> Genotypes:
    table = _read_table(path, kind)
    facts = [name for name in _FACTS if name in table]
    donors = [str(name) for name in table.columns if name not in facts]
    placed = {"chromosome", "position"} <= set(facts)
    if table.empty or not donors or not (placed or "variant_id" in facts):
        raise SluiceError(
            "A table of dosages has no donors, no rows, or nothing that names its variants",
            where="genotypes",
            mend="give variant_id, or chromosome and position, and a column a donor",
        )
    try:
        values = table[donors].to_numpy(dtype=float)
        places = pd.to_numeric(table["position"]) if placed else pd.Series(0, table.index)
        positions = places.to_numpy(dtype=np.int64)
    except (ValueError, TypeError):
        raise _no_dosage("") from None
    sound = np.isnan(values) | ((values >= 0) & (values <= 2))
    if not sound.all():
        raise _no_dosage(f", row {int(np.flatnonzero(~sound.all(axis=1))[0]) + 1}")
    dosages = np.where(np.isnan(values), MISSING, np.rint(np.nan_to_num(values))).astype(np.int8)
    chromosomes = [""] * len(table)
    if placed:
        chromosomes = table["chromosome"].astype(str).str.removeprefix("chr").tolist()
    keys = table["variant_id"].astype(str).tolist() if "variant_id" in facts else None
    if placed and ({"ref", "alt"} <= set(facts) or keys is None):
        parts = [chromosomes, positions.astype(str)]
        parts += [table[name].astype(str) for name in ("ref", "alt") if name in facts]
        keys = [":".join(part) for part in zip(*parts, strict=True)]
    assert keys is not None
    return Genotypes(donors, keys, chromosomes, positions, dosages)


def _read_table(path: Path, kind: str) -> pd.DataFrame:
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        # A header by itself: pandas would rename a donor who occurs twice.
        head = pd.read_csv(path, sep=_SEPARATORS[kind], header=None, nrows=1, dtype=str)
        table = pd.read_csv(path, sep=_SEPARATORS[kind], header=None, skiprows=1)
        table.columns = head.iloc[0].tolist()
        return table
    except FileNotFoundError:
        raise
    except Exception:
        raise SluiceError(
            "A table of dosages cannot be read to its end",
            where="genotypes",
            mend="copy the file again from its source",
        ) from None


def _no_dosage(where: str) -> SluiceError:
    return SluiceError(
        "A dosage is no number from 0 to 2, or a position is no whole number",
        where=f"genotypes{where}",
        mend="give counts of the alternate allele; leave missing ones empty",
    )


def _once(found: Genotypes) -> Genotypes:
    """Keep the first of variants that come twice: which one is right cannot be told."""
    if len(set(found.variants)) == len(found.variants):
        return found
    first = {key: number for number, key in reversed(list(enumerate(found.variants)))}
    return _rows(found, sorted(first.values()))


def _rows(found: Genotypes, rows: Sequence[int]) -> Genotypes:
    return replace(
        found,
        variants=[found.variants[row] for row in rows],
        chromosomes=[found.chromosomes[row] for row in rows],
        positions=found.positions[rows],
        dosages=found.dosages[rows],
    )
