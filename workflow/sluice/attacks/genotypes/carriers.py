"""Linking by carriers: an allele that is commoner among donors of high than of low expression.

Walker et al. 2024 (delta AAF). No list of eQTLs is needed: for each gene the panel's donors in
either tail of expression are compared, and the variant is kept whose share of carriers differs
between the tails in every half of a repeated split.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sluice.attacks.genotypes.vcf import MISSING

#: SDs of prepared expression from which a donor is in a tail.
TAIL = 0.5
#: Difference of the shares of carriers that a variant needs in training and in validation.
LEAST_DIFFERENCE = 0.1

_FOLDS = 5
_HELD_OUT = 0.25
_FEWEST_CARRIERS = 0.05


@dataclass(frozen=True)
class Carriers:
    """A variant a gene.

    Parameters
    ----------
    genes, variants
        Column of the expression and row of the genotypes.
    upwards
        Whether carriers are commoner among donors of high expression.
    """

    genes: np.ndarray
    variants: np.ndarray
    upwards: np.ndarray


def learn(
    expression: np.ndarray, dosages: np.ndarray, rows: Iterable[np.ndarray | slice]
) -> Carriers:
    """Choose each gene's variant whose carriers differ most between the tails.

    ``expression`` is donors x genes, prepared; ``dosages`` variants x donors; ``rows`` yields the
    variants that are tried for each gene.
    """
    splits = _splits(len(expression))
    genes, variants, signs = [], [], []
    share = (dosages > 0).sum(axis=1) / np.maximum((dosages != MISSING).sum(axis=1), 1)
    common = (share >= _FEWEST_CARRIERS) & (share <= 1 - _FEWEST_CARRIERS)
    for gene, near in enumerate(rows):
        calls, values = dosages[near], expression[:, gene]
        # All donors together first: few variants are left to be tried on the splits.
        everybody = _differences(calls, _tails(values, [np.ones_like(splits[0])]))[:, 0]
        likely = np.flatnonzero(common[near] & (np.abs(everybody) >= LEAST_DIFFERENCE))
        differences = _differences(calls[likely], _tails(values, splits))
        least = np.maximum(differences.min(axis=1), -differences.max(axis=1))
        steady = np.where(least >= LEAST_DIFFERENCE, np.abs(differences.mean(axis=1)), 0)
        if len(steady) and steady.max() > 0:
            best = int(steady.argmax())
            row = int(likely[best])
            genes.append(gene)
            variants.append(row if isinstance(near, slice) else int(near[row]))
            signs.append(differences[best, 0] > 0)
    return Carriers(
        np.array(genes, dtype=int), np.array(variants, dtype=int), np.array(signs, dtype=bool)
    )


def scores(expression: np.ndarray, genotypes: np.ndarray, upwards: np.ndarray) -> np.ndarray:
    """Return targets x candidates: the surprise of each prediction that comes true, summed.

    A target in a tail is predicted to carry the allele or not; a true prediction counts minus the
    log of the share of candidates for whom it would be true too.
    """
    high, low = expression > TAIL, expression < -TAIL
    carries = np.where(upwards, high, low)
    carries_not = np.where(upwards, low, high)
    carrier, non_carrier = genotypes > 0, genotypes == 0
    total = np.zeros((len(expression), len(genotypes)))
    for predicted, true in ((carries, carrier), (carries_not, non_carrier)):
        share = np.clip(true.mean(axis=0), 1 / (len(genotypes) + 1), 1)
        total += predicted @ (true * -np.log2(share)).T
    return total


def _differences(calls: np.ndarray, tails: np.ndarray) -> np.ndarray:
    """Return variants x parts: share of carriers among high minus among low donors."""
    carriers = (calls > 0).astype(np.float32) @ tails.T
    missing = calls == MISSING
    known = tails.sum(axis=1) - (missing.astype(np.float32) @ tails.T if missing.any() else 0)
    shares = carriers / np.maximum(known, 1)
    return shares[:, 0::2] - shares[:, 1::2]


def _splits(donors: int) -> list[np.ndarray]:
    """Return masks of the donors trained on and of those held out, for each fold in turn."""
    masks = []
    for fold in range(_FOLDS):
        chosen = np.random.default_rng(fold).permutation(donors)[: round(donors * _HELD_OUT)]
        out = np.isin(np.arange(donors), chosen)
        masks += [~out, out]
    return masks


def _tails(expression: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    """Return masks of the high and the low donors of each part, in turn."""
    high, low = expression > TAIL, expression < -TAIL
    return np.array([tail & part for part in parts for tail in (high, low)], dtype=np.float32)
