"""Variants that tell a gene's expression, learned on a panel of donors whose both are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

#: Base pairs on either side of a gene's start in which its variants are looked for.
WINDOW = 1_000_000
#: Greatest p-value of a lead variant: for someone who takes published lists, and for someone who
#: takes whatever helps (POLICY.md, evidence rules).
NAIVE_P, ADAPTIVE_P = 1e-5, 1e-3

_RAREST = 0.02
_BLOCK = 4_096
_LARGEST = 1 - 1e-6


@dataclass(frozen=True)
class Leads:
    """The best variant of each gene that has one.

    Parameters
    ----------
    genes, variants
        Column of the expression and row of the genotypes, one a lead.
    p
        Two-sided p-value of the correlation, one a lead.
    """

    genes: np.ndarray
    variants: np.ndarray
    p: np.ndarray

    def below(self, p: float) -> Leads:
        """Return the leads whose p-value is below ``p``."""
        kept = self.p < p
        return Leads(self.genes[kept], self.variants[kept], self.p[kept])


def standardised(dosages: np.ndarray, missing: int = -1) -> np.ndarray:
    """Return variants x donors with mean 0 and length 1, float32; zero where a variant is rare.

    A missing call takes the variant's mean; an allele seen in less than 2 % is no evidence.
    """
    known = dosages != missing
    called = np.maximum(known.sum(axis=1, keepdims=True), 1)
    total = np.where(known, dosages, 0).sum(axis=1, keepdims=True)
    mean = (total / called).astype(np.float32)
    centred = np.where(known, dosages, mean).astype(np.float32) - mean
    length = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    common = (mean / 2 >= _RAREST) & (mean / 2 <= 1 - _RAREST) & (length > 0)
    return np.divide(centred, length, out=np.zeros_like(centred), where=common)


def nearby(
    gene_sites: np.ndarray | None, variant_sites: np.ndarray, genes: int
) -> Iterator[np.ndarray | slice]:
    """Yield for each gene the rows of the variants that are tried.

    Sites are two columns, number of the chromosome and position; a gene of unknown place has
    chromosome -1 and is tried against every variant, as all are where ``gene_sites`` is ``None``.
    """
    for gene in range(genes):
        if gene_sites is None or gene_sites[gene, 0] < 0:
            yield slice(None)
            continue
        chromosome, start = gene_sites[gene]
        near = np.abs(variant_sites[:, 1] - start) <= WINDOW
        yield np.flatnonzero((variant_sites[:, 0] == chromosome) & near)


def lead_variants(
    expression: np.ndarray,
    dosages: np.ndarray,
    gene_sites: np.ndarray | None,
    variant_sites: np.ndarray,
    *,
    factors: int,
) -> Leads:
    """Find each gene's variant of largest correlation.

    Variants are taken in blocks along the genome, each against the genes in its reach, so that
    memory does not grow with their number.

    Parameters
    ----------
    expression
        Donors x genes, prepared (:func:`sluice.attacks.genotypes.normalise.prepared`).
    dosages
        Variants x the same donors, -1 where missing.
    gene_sites, variant_sites
        As in :func:`nearby`.
    factors
        How many components were removed: they cost degrees of freedom.
    """
    unit = _unit(expression)
    best = np.zeros(unit.shape[1], dtype=np.float32)
    lead = np.full(unit.shape[1], -1)
    order = np.lexsort((variant_sites[:, 1], variant_sites[:, 0]))
    for start in range(0, len(order), _BLOCK):
        rows = order[start : start + _BLOCK]
        genes, reached = _in_reach(gene_sites, variant_sites[rows], len(best))
        if not len(genes):
            continue
        r = np.abs(standardised(dosages[rows]) @ unit[:, genes])
        if reached is not None:
            r[~reached] = 0
        top = r.argmax(axis=0)
        r = r[top, np.arange(len(genes))]
        better = r > best[genes]
        best[genes[better]], lead[genes[better]] = r[better], rows[top[better]]
    found = np.flatnonzero(lead >= 0)
    r = np.minimum(best[found].astype(float), _LARGEST)
    freedom = max(1, len(expression) - 2 - factors)
    p = 2 * stats.t.sf(r * np.sqrt(freedom / (1 - r**2)), freedom)
    return Leads(found, lead[found], p)


def _unit(expression: np.ndarray) -> np.ndarray:
    """Return each column with mean 0 and length 1, float32; a column without spread is zero."""
    e = expression - expression.mean(axis=0)
    lengths = np.linalg.norm(e, axis=0)
    return np.divide(e, lengths, out=np.zeros_like(e), where=lengths > 0).astype(np.float32)


def _in_reach(
    gene_sites: np.ndarray | None, block: np.ndarray, genes: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the genes that a block of variants may tell, and which variant may tell which."""
    if gene_sites is None:
        return np.arange(genes), None
    own, first, last = block[:, 0], block[0], block[-1]
    start, anywhere = gene_sites[:, 1], gene_sites[:, 0] < 0
    near = (gene_sites[:, 0] >= first[0]) & (gene_sites[:, 0] <= last[0])
    if first[0] == last[0]:
        near &= (start >= first[1] - WINDOW) & (start <= last[1] + WINDOW)
    found = np.flatnonzero(near | anywhere)
    reached = own[:, None] == gene_sites[found, 0]
    reached &= np.abs(block[:, 1, None] - start[found]) <= WINDOW
    return found, reached | anywhere[found]
