"""The published attacks on a released matrix of donors x genes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sluice.attacks.genotypes import bayes, carriers, extremity
from sluice.attacks.genotypes.eqtl import (
    ADAPTIVE_P,
    NAIVE_P,
    Leads,
    lead_variants,
    nearby,
)
from sluice.attacks.genotypes.normalise import prepared
from sluice.errors import SluiceError

#: Hidden factors that are removed from expression.
FACTORS = 10


@dataclass(frozen=True)
class Material:
    """What the attacker works on: rows of people, columns of genes, in one order throughout.

    Parameters
    ----------
    panel, target
        Expression, panel donors x genes and targets x genes.
    panel_dosages, gallery
        Variants x panel donors and variants x candidates.
    gene_sites, variant_sites
        Number of the chromosome and position; ``gene_sites`` is ``None`` where no gene has one.
    """

    panel: np.ndarray
    target: np.ndarray
    panel_dosages: np.ndarray
    gallery: np.ndarray
    gene_sites: np.ndarray | None
    variant_sites: np.ndarray


@dataclass(frozen=True)
class Linked:
    """What one attack makes of the targets.

    Parameters
    ----------
    method
        Name in :data:`METHODS`.
    scores
        Targets x candidates, the larger the likelier.
    genes
        How many genes spoke.
    seconds
        Wall time, what is shared with other attacks included.
    """

    method: str
    scores: np.ndarray
    genes: int
    seconds: float


def link_matrix(
    material: Material, methods: Sequence[str], *, factors: int = FACTORS, p: float = NAIVE_P
) -> list[Linked]:
    """Score every candidate for every target by each method.

    Raises
    ------
    SluiceError
        If the panel shows no variant that tells a gene's expression.
    """
    start = time.perf_counter()
    panel, target = prepared(material.panel, factors), prepared(material.target, factors)
    leads = lead_variants(
        panel, material.panel_dosages, material.gene_sites, material.variant_sites, factors=factors
    )
    shared = time.perf_counter() - start
    found = []
    for method in methods:
        start = time.perf_counter()
        scores, genes = METHODS[method](material, panel, target, leads, p)
        if not genes:
            raise SluiceError(
                "The panel shows no variant that tells a gene's expression",
                where=f"method {method}",
                mend="give a larger panel, a greater p, or genotypes near the genes",
            )
        found.append(Linked(method, scores, genes, shared + time.perf_counter() - start))
    return found


def _bayes(
    material: Material, panel: np.ndarray, target: np.ndarray, leads: Leads, p: float
) -> tuple[np.ndarray, int]:
    known = leads.below(p)
    model = bayes.fit(panel[:, known.genes], material.panel_dosages[known.variants].T)
    gallery = material.gallery[known.variants].T
    return bayes.scores(model, target[:, known.genes], gallery), len(known.genes)


def _every_gene(
    material: Material, panel: np.ndarray, target: np.ndarray, leads: Leads, p: float
) -> tuple[np.ndarray, int]:
    return _bayes(material, panel, target, leads, max(p, ADAPTIVE_P))


def _extremity(
    material: Material, panel: np.ndarray, target: np.ndarray, leads: Leads, p: float
) -> tuple[np.ndarray, int]:
    known = leads.below(p)
    model = bayes.fit(panel[:, known.genes], material.panel_dosages[known.variants].T)
    upwards = model.means[2] > model.means[0]
    gallery = material.gallery[known.variants].T
    return extremity.scores(target[:, known.genes], gallery, upwards), len(known.genes)


def _carriers(
    material: Material, panel: np.ndarray, target: np.ndarray, leads: Leads, p: float
) -> tuple[np.ndarray, int]:
    rows = nearby(material.gene_sites, material.variant_sites, panel.shape[1])
    known = carriers.learn(panel, material.panel_dosages, rows)
    gallery = material.gallery[known.variants].T
    return carriers.scores(target[:, known.genes], gallery, known.upwards), len(known.genes)


#: Each attack by name. `every_gene` is naive Bayes with all leads at p < 1e-3.
METHODS: dict[str, Callable[..., tuple[np.ndarray, int]]] = {
    "bayes": _bayes,
    "every_gene": _every_gene,
    "extremity": _extremity,
    "carriers": _carriers,
}


def hits(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Tell for each target whether his own genotypes (column ``truth``) are named.

    Candidates are shuffled first, so that ties broken by order gain nothing from two files that
    happen to be in the same one.
    """
    order = np.random.default_rng(0).permutation(scores.shape[1])
    return order[scores[:, order].argmax(axis=1)] == truth


def at_genome_scale(scores: np.ndarray, truth: np.ndarray, copies: int, seed: int) -> np.ndarray:
    """Sum targets x targets scores over copies in each of which the donors are permuted.

    Target i of the emulated genome is another donor in each copy, in expression and genotypes
    alike, so that his copies hold independent genes; his own genotypes are column i.
    """
    own = scores[:, truth]
    total = np.zeros_like(own)
    random = np.random.default_rng(seed)
    for _ in range(copies):
        order = random.permutation(len(own))
        total += own[np.ix_(order, order)]
    return total
