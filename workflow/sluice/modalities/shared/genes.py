"""Genes of an expression source, by Ensembl id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from sluice.expression.genes import excluded, gene_sets, load_genes, to_ensembl


def gene_table(names: Sequence[str], counts: Counter[str]) -> pd.DataFrame:
    """Return ``row, gene_id, symbol, chromosome`` of the genes that can be named.

    ``row`` is the position in the source. Names without an Ensembl id and repeated ids are left
    out and counted; symbol and chromosome are the shipped annotation's, never the file's.
    """
    ids, unknown = to_ensembl(names)
    table = pd.DataFrame({"row": range(len(ids)), "gene_id": pd.Series(ids, dtype=object)})
    unmapped = table["gene_id"] == ""
    repeated = table["gene_id"].duplicated() & ~unmapped
    counts["genes: not mapped, left out"] += int(unmapped.sum())
    counts["genes: repeated, left out"] += int(repeated.sum())
    counts["genes: not in the annotation"] += unknown - int(unmapped.sum())
    table = table[~unmapped & ~repeated].reset_index(drop=True)
    known = load_genes().reindex(table["gene_id"])
    for column in ("symbol", "chromosome"):
        values = known[column].astype(object).to_numpy()
        table[column] = [v if isinstance(v, str) and v else None for v in values]
    return table


def permitted_genes(
    genes: pd.DataFrame, groups: Sequence[str], counts: Counter[str]
) -> pd.DataFrame:
    """Return the genes outside the policy's excluded groups."""
    banned = excluded(genes["gene_id"].tolist(), groups)
    counts["genes: excluded by the policy"] += int(banned.sum())
    return genes[~banned].reset_index(drop=True)


def measured_sets(genes: Sequence[str], min_genes: int) -> list[str]:
    """Return the fixed autosomal sets of which at least ``min_genes`` genes are at hand."""
    there = set(genes)
    return [name for name, ids in gene_sets().items() if len(there.intersection(ids)) >= min_genes]
