"""What could be released of a matrix, as the function that the attacker is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sluice.attacks.genotypes.eqtl import NAIVE_P
from sluice.attacks.genotypes.genome import Genome

#: Donors x genes and a source of noise (``None``: without its noise) -> donors x features.
Transformation = Callable[[np.ndarray, np.random.Generator | None], np.ndarray]


@dataclass(frozen=True)
class Product:
    """A transformation of the genome's expression.

    Parameters
    ----------
    name
        As a policy or a sweep names it.
    transform
        What is done to it.
    genes
        The gene behind each feature; ``None`` where a feature mixes genes.
    group
        Donors in each published mean; 1 where a row is a donor.
    noisy
        Whether two draws differ.
    """

    name: str
    transform: Transformation
    genes: np.ndarray | None
    group: int = 1
    noisy: bool = False


def every_gene(genome: Genome, group: int = 1) -> Product:
    """Return the matrix as it is, or the groups' means of every gene: the positive control."""
    name = "gene matrix" if group == 1 else f"means of {group} donors, every gene"
    return Product(name, lambda values, _: values, np.arange(len(genome.p)), group)


def with_noise(genome: Genome, sds: float) -> Product:
    """Return the matrix with normal noise of so many SDs of each gene."""
    scale = sds * genome.panel.expression.std(axis=0)

    def transform(values: np.ndarray, random: np.random.Generator | None) -> np.ndarray:
        return values if random is None else values + scale * random.normal(size=values.shape)

    return Product(
        f"gene matrix, noise of {sds:g} SD", transform, np.arange(len(genome.p)), 1, True
    )


def coarsened(genome: Genome, step: float) -> Product:
    """Return the matrix rounded to multiples of ``step``; a prediction is not rounded."""

    def transform(values: np.ndarray, random: np.random.Generator | None) -> np.ndarray:
        return values if random is None else np.round(values / step) * step

    return Product(f"gene matrix, steps of {step:g}", transform, np.arange(len(genome.p)))


def without_detected(genome: Genome) -> Product:
    """Return the matrix without every gene whose lead variant is detected at p < 1e-5."""
    kept = np.flatnonzero(genome.p >= NAIVE_P)
    return Product("gene matrix without detected eGenes", lambda values, _: values[:, kept], kept)


def set_scores(sets: Sequence[np.ndarray], group: int = 1) -> Product:
    """Return mean expression of gene sets (columns), a donor a row or the means of groups.

    Rounding isn't applied: sets of an emulated genome vary less than real ones, whose genes are
    expressed together, and it must not be credited with what it hides here only.
    """

    def transform(values: np.ndarray, _: np.random.Generator | None) -> np.ndarray:
        return np.column_stack([values[:, members].mean(axis=1) for members in sets])

    what = f"{len(sets)} set scores"
    name = f"individual, {what}" if group == 1 else f"means of {group} donors, {what}"
    return Product(name, transform, None, group)


def random_sets(genome: Genome, number: int, genes: int, seed: int) -> list[np.ndarray]:
    """Draw fixed sets of so many genes: shipped sets hardly meet a single chromosome."""
    random = np.random.default_rng(seed)
    return [random.choice(len(genome.p), genes, replace=False) for _ in range(number)]
