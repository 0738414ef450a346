"""Expression is linked to genotypes: real donors, one chromosome as it is and at genome scale."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from scipy import stats

from sluice.attacks.genotypes import products
from sluice.attacks.genotypes.genome import Genome, Reference, halves
from sluice.attacks.genotypes.linking import ProductOf, genotype_linking
from sluice.attacks.genotypes.matrix import Material, hits, link_matrix
from sluice.attacks.genotypes.products import Product
from sluice.attacks.genotypes.reference import read_reference

ROOT = Path(__file__).parents[2]
SPLITS = range(5)
METHODS = ("bayes", "extremity", "carriers")


def measure() -> dict[str, Any]:
    """Return what each attack links on raw and how much of each product is linked at most.

    ``raw_top1`` is naive Bayes's mean over five fixed splits; ``seconds`` is its slowest split,
    with reading the files.
    """
    start = time.perf_counter()
    reference = geuvadis()
    reading = time.perf_counter() - start
    top1: dict[str, list[float]] = {method: [] for method in METHODS}
    seconds: dict[str, list[float]] = {method: [] for method in METHODS}
    donors = len(reference.expression) // 2
    for seed in SPLITS:
        for found in link_matrix(_material(reference, seed), METHODS):
            top1[found.method].append(float(hits(found.scores, np.arange(donors)).mean()))
            seconds[found.method].append(reading + found.seconds)
    start = time.perf_counter()
    judged = genotype_linking(reference, list(_products()))
    result = {
        "raw_top1": mean(top1["bayes"]),
        "seconds": round(max(seconds["bayes"]), 2),
        "splits": top1,
        "multiple_of_chance": {name: mean(shares) * donors for name, shares in top1.items()},
        "p_value": {name: _luck(shares, donors) for name, shares in top1.items()},
        "slowest_split": {name: round(max(times), 2) for name, times in seconds.items()},
        "genome_scale_upper": {score.product: score.upper for score in judged},
        "genome_scale": {
            score.product: {
                "estimate": score.estimate,
                "chance": score.chance,
                "n": score.n,
                **score.evidence,
                **score.detail,
            }
            for score in judged
        },
        "genome_scale_seconds": round(time.perf_counter() - start, 2),
    }
    _print(result)
    return result


def geuvadis() -> Reference:
    """Read the 358 donors of the shared data, expression as log(1 + value)."""
    shared = Path(os.environ.get("SLUICE_SHARED", ROOT.parent / "shared"))
    folder = shared / "data/expression/geuvadis_qtltools"
    return read_reference(
        folder / "genes.50percent.chr22.bed.gz", folder / "genotypes.chr22.vcf.gz"
    )


def _material(reference: Reference, seed: int) -> Material:
    panel, target = halves(len(reference.expression), seed)
    return Material(
        reference.expression[panel],
        reference.expression[target],
        reference.dosages[:, panel],
        reference.dosages[:, target],
        reference.gene_sites,
        reference.variant_sites,
    )


def _products() -> list[ProductOf]:
    """Return weak defences first, then what registered may offer."""

    def noise(sds: float) -> ProductOf:
        return lambda genome: products.with_noise(genome, sds)

    def scores(number: int, group: int = 1) -> ProductOf:
        def make(genome: Genome) -> Product:
            return products.set_scores(products.random_sets(genome, number, 50, 0), group)

        return make

    def whole(group: int) -> ProductOf:
        return lambda genome: products.every_gene(genome, group)

    def coarse(genome: Genome) -> Product:
        return products.coarsened(genome, 1.0)

    matrices = [noise(4), noise(8), coarse, products.without_detected]
    return [*matrices, whole(20), whole(89), scores(50), scores(10), scores(2, 20), scores(8, 89)]


def _luck(shares: list[float], donors: int) -> float:
    """Return the largest p-value of the splits: splits share donors and are not pooled."""
    found = [stats.binom.sf(round(share * donors) - 1, donors, 1 / donors) for share in shares]
    return float(max(found))


def _print(result: dict[str, Any]) -> None:
    for name, shares in result["splits"].items():
        multiple = result["multiple_of_chance"][name]
        took = result["slowest_split"][name]
        print(f"{name:<10} top-1 {mean(shares):.3f}, {multiple:.0f} times chance, "
              f"p {result['p_value'][name]:.1g}, {took:.1f} s")  # fmt: skip
    for name, found in result["genome_scale"].items():
        upper = result["genome_scale_upper"][name]
        print(f"{name:<36} {found['estimate']:.3f}, at most {upper:.3f}; chance "
              f"{found['chance']:.3f}, raw {found['raw']:.2f}")  # fmt: skip
    print(f"genome scale: {result['genome_scale_seconds']:.0f} s")
