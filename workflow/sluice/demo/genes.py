"""Which genes the demo measures, and what moves each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sluice.resources import resource

_INFLAMED_SETS = ("WP195", "WP75", "WP231")
_INTERFERON_SETS = ("WP585",)
_OTHER_SETS = (
    "WP23", "WP69", "WP477", "WP395", "WP111", "WP179", "WP254", "WP366", "WP382", "WP183",
    "WP411", "WP481", "WP4754", "WP5130", "WP2806", "WP4946", "WP43", "WP185",
)  # fmt: skip


@dataclass(frozen=True)
class Genes:
    """The measured genes: a table (``ensembl_id``, ``symbol``, ``chromosome``, ``start``,
    ``biotype``) and, by row, what moves them."""

    table: pd.DataFrame
    inflamed: np.ndarray
    interferon: np.ndarray
    plain: np.ndarray
    """Autosomal and of no polymorphic family: where genotype effects are put."""


def read_genes() -> pd.DataFrame:
    """Read the shipped gene table with text columns as text."""
    path = resource("genes", "genes.tsv")
    return pd.read_csv(path, sep="\t", keep_default_na=False, dtype={"chromosome": str})


def ensembl_of(symbols: list[str], known: pd.DataFrame) -> dict[str, str]:
    """Map gene symbols to Ensembl ids; ambiguous and unknown symbols are left out."""
    single = known[(known["symbol"] != "") & ~known["symbol"].duplicated(keep=False)]
    by_symbol = dict(zip(single["symbol"], single["ensembl_id"], strict=True))
    return {symbol: by_symbol[symbol] for symbol in symbols if symbol in by_symbol}


def choose_genes(in_cells: list[str]) -> Genes:
    """Choose about 2,000 genes: those seen in cells, whole pathways, and every risky family.

    Parameters
    ----------
    in_cells
        Ensembl ids that the single-cell files hold.
    """
    known = read_genes()
    sets = _read_sets()
    inflamed, interferon = _union(sets, _INFLAMED_SETS), _union(sets, _INTERFERON_SETS)
    wanted = set(in_cells) | inflamed | interferon | _union(sets, _OTHER_SETS) | _risky(known)
    table = known[known["ensembl_id"].isin(wanted)].reset_index(drop=True)
    ids = table["ensembl_id"]
    autosomal = table["chromosome"].str.fullmatch(r"\d+")
    plain = autosomal & ~ids.isin(_risky(known)) & (table["biotype"] == "protein_coding")
    return Genes(
        table,
        ids.isin(inflamed).to_numpy(),
        ids.isin(interferon).to_numpy(),
        plain.to_numpy(),
    )


def _risky(known: pd.DataFrame) -> set[str]:
    """Return genes that tell sex or carry personal alleles, and the mitochondrial ones."""
    symbol, biotype, chromosome = known["symbol"], known["biotype"], known["chromosome"]
    coding = biotype == "protein_coding"
    groups = (
        known[(chromosome == "Y") & coding].head(24),
        known[(chromosome == "X") & coding & (symbol != "")].iloc[::14],
        known[symbol == "XIST"],
        known[(chromosome == "MT") & coding],
        known[symbol.str.match(r"HLA-(?:A|B|C|E|DRA|DRB1|DQA1|DQB1|DPA1|DPB1)$")],
        known[symbol.str.match(r"KIR[23]D")].head(8),
        known[biotype.str.match(r"IG_.+_gene")].head(30),
        known[biotype.str.match(r"TR_.+_gene")].head(24),
    )
    return {gene for group in groups for gene in group["ensembl_id"]}


def _read_sets() -> dict[str, set[str]]:
    lines = resource("genes", "sets.gmt").read_text(encoding="utf-8").splitlines()
    fields = (line.split("\t") for line in lines)
    return {name: set(genes) for name, _, *genes in fields}


def _union(sets: dict[str, set[str]], names: tuple[str, ...]) -> set[str]:
    return set().union(*(sets[name] for name in names))
