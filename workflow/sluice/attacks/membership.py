"""Membership in a published mean.

The attacker holds a target's own profile, the published mean of a group and a reference sample of
the same population, and asks whether the target is in the group. Two families of statistics, each
as a plain product and as the likelihood ratio of a Gaussian (x given the mean of n, against x):

- gene by gene, as Homer et al. 2008 and Sankararaman et al. 2009 did for allele frequencies;
- whitened by the reference's covariance, shrunk towards its diagonal by several amounts.

The strongest counts, in whichever direction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sluice.attacks.auc import Auc, folded_auc, strongest
from sluice.errors import SluiceError
from sluice.scores import Score

_SHRINKAGE = (0.01, 0.1, 0.5)


@dataclass(frozen=True)
class MeanRelease:
    """A published mean and the people it is tried on.

    Parameters
    ----------
    mean
        As published, rounded and all: one number a feature.
    members
        Those the mean is of: donors x features, unrounded.
    outsiders
        Donors who are not in it, to be told apart from members.
    reference
        Other donors who are in neither: what the attacker learns the population from.
    """

    mean: np.ndarray
    members: np.ndarray
    outsiders: np.ndarray
    reference: np.ndarray


def release_of(values: np.ndarray, in_group: np.ndarray, decimals: int | None) -> MeanRelease:
    """Return the release of a group's rounded mean, the rest dealt to outsiders and reference.

    ``values`` is donors x features, ``in_group`` a mask. Rows must be in an order that tells
    nothing (by keyed pseudonym), since the rest is dealt out in turn.
    """
    members, rest = values[in_group], values[~in_group]
    mean = members.mean(axis=0)
    published = mean if decimals is None else np.round(mean, decimals)
    return MeanRelease(published, members, rest[0::2], rest[1::2])


def membership(released: MeanRelease, raw: MeanRelease, limit_key: str, product: str) -> Score:
    """Measure how well a published mean tells its members from others.

    Parameters
    ----------
    released
        The mean as it would leave.
    raw
        The positive control: the exact mean of all genes, of the same group or a smaller one.

    Raises
    ------
    SluiceError
        If the features do not match or the reference holds fewer than two donors.
    """
    for part in (released, raw):
        width = len(part.mean)
        tables = (part.members, part.outsiders, part.reference)
        if width == 0 or any(table.shape[1] != width for table in tables) or len(tables[2]) < 2:
            raise SluiceError(
                "A membership attack needs the same features in all its parts and a reference",
                where=product,
                mend="keep donors outside the group, or judge on a reference cohort",
            )
    found, control = _attack(released), _attack(raw)
    best, best_raw = found[strongest(found)], control[strongest(control)]
    return Score(
        name="membership",
        product=product,
        attacker_knows="a target's own profile and a reference sample of the same population",
        estimate=best.estimate,
        lower=best.lower,
        upper=best.upper,
        n=len(released.members) + len(released.outsiders),
        chance=0.5,
        limit_key=limit_key,
        evidence={"raw": best_raw.estimate, "works": best_raw.works},
        note=f"AUC in either direction, strongest of {len(found)} statistics, DeLong bounds.",
        detail={
            "members": len(released.members),
            "features": len(released.mean),
            "reference": len(released.reference),
            "strongest": strongest(found),
            "auc": {name: auc.estimate for name, auc in sorted(found.items())},
        },
    )


def _attack(release: MeanRelease) -> dict[str, Auc]:
    """Return the area of each statistic."""
    centre, spread = release.reference.mean(axis=0), release.reference.std(axis=0, ddof=1)
    varied = np.ptp(release.reference, axis=0) > 0
    people = np.vstack([release.members, release.outsiders])

    def standard(values: np.ndarray) -> np.ndarray:
        return (values - centre)[..., varied] / spread[varied]

    targets, mean = standard(people), standard(release.mean)
    inverses: dict[str, Callable[[np.ndarray], np.ndarray]] = {"independent": lambda rows: rows}
    for shrinkage in _SHRINKAGE:
        inverses[f"whitened {shrinkage}"] = _inverse(standard(release.reference), shrinkage)
    inside = np.arange(len(people)) < len(release.members)
    found = {}
    for name, inverse in inverses.items():
        weighted = inverse(targets)
        product = weighted @ mean
        size = max(2, len(release.members))
        ratio = size * product - (weighted * targets).sum(axis=1) / 2
        found[f"{name}, product"] = folded_auc(product, inside)
        found[f"{name}, ratio"] = folded_auc(ratio, inside)
    return found


def _inverse(reference: np.ndarray, shrinkage: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return rows -> rows times the inverse of (1 - s) S + s I, S the reference's covariance.

    By the reference's singular vectors, so that no genes x genes matrix is made.
    """
    _, singular, basis = np.linalg.svd(reference, full_matrices=False)
    variances = singular**2 / (len(reference) - 1)
    gains = 1 / ((1 - shrinkage) * variances + shrinkage) - 1 / shrinkage

    def apply(rows: np.ndarray) -> np.ndarray:
        return rows / shrinkage + ((rows @ basis.T) * gains) @ basis

    return apply
