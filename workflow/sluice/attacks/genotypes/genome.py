"""An emulated genome: a reference of one chromosome, many times, its donors permuted in each copy.

One chromosome makes every defence look safe (POLICY.md, decision 1). Where the reference holds no
whole transcriptome, donor i of the emulated genome is another real donor in each copy, in
expression and genotypes alike: his copies are independent of each other as chromosomes are. Donors
whom the attacker learns from and donors whom he attacks stay apart in every copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from sluice.attacks.genotypes.eqtl import ADAPTIVE_P, lead_variants
from sluice.attacks.genotypes.matrix import FACTORS
from sluice.attacks.genotypes.normalise import prepared, residual
from sluice.attacks.genotypes.profile import predicted

#: Genes of an emulated genome: 40 copies of the 608 genes that POLICY.md's figures come from.
GENES = 24_320


@dataclass(frozen=True)
class Reference:
    """Donors whose expression and genotypes are both known.

    Parameters
    ----------
    expression
        Donors x genes, on the scale that products are computed from (log).
    dosages
        Variants x the same donors, -1 where missing.
    gene_sites, variant_sites
        Number of the chromosome and position; ``gene_sites`` is ``None`` where no gene has one.
    """

    expression: np.ndarray
    dosages: np.ndarray
    gene_sites: np.ndarray | None
    variant_sites: np.ndarray


@dataclass(frozen=True)
class Side:
    """Emulated donors x emulated genes: expression, genotype at each gene's lead, prediction."""

    expression: np.ndarray
    genotypes: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True)
class Genome:
    """Donors to learn from and donors to attack.

    Parameters
    ----------
    panel, target
        The two sides, with the same genes.
    p
        p-value of each gene's lead variant on the panel.
    copy
        Which copy a gene belongs to: hidden factors are removed in each alone.
    """

    panel: Side
    target: Side
    p: np.ndarray
    copy: np.ndarray


def emulate(
    reference: Reference, panel: np.ndarray, target: np.ndarray, copies: int, seed: int
) -> Genome:
    """Learn each gene's lead on the ``panel`` rows and build both sides of the genome."""
    expression = reference.expression
    leads = lead_variants(
        prepared(expression[panel], FACTORS),
        reference.dosages[:, panel],
        reference.gene_sites,
        reference.variant_sites,
        factors=FACTORS,
    )
    genes = expression.shape[1]
    p = np.ones(genes)
    p[leads.genes] = leads.p
    genotypes = np.zeros((len(expression), genes), dtype=np.int8)
    genotypes[:, leads.genes] = reference.dosages[leads.variants].T
    free = residual(expression[panel], FACTORS)
    told = predicted(free, genotypes[panel], genotypes, p, ADAPTIVE_P)
    random = np.random.default_rng(seed)
    sides = []
    for rows in (panel, target):
        orders = [rows[random.permutation(len(rows))] for _ in range(copies)]
        sides.append(
            Side(*(np.hstack([v[o] for o in orders]) for v in (expression, genotypes, told)))
        )
    return Genome(sides[0], sides[1], np.tile(p, copies), np.repeat(np.arange(copies), genes))


def copies_of(genes: int) -> int:
    """Return how many copies of so many genes make a genome."""
    return ceil(GENES / genes) if genes else 1


def halves(donors: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a random half of the donors, and the others."""
    order = np.random.default_rng(seed).permutation(donors)
    return np.sort(order[: donors // 2]), np.sort(order[donors // 2 :])
