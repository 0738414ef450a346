"""Membership in a published mean.

The attacker holds a target's own profile, the published mean of a group and a reference sample of
the same population, and asks whether the target is in the group. Two families of statistics, each
as a plain product and as the likelihood ratio of a Gaussian (x given the mean of n, against x):

- gene by gene, as Homer et al. 2008 and Sankararaman et al. 2009 did for allele frequencies;
- whitened by the reference's covariance, shrunk towards its diagonal by several amounts; once
  more with each gene weighed by what few factors leave of its variance, and less the heavier its
  tails (means of 20 in RPKM, GEUVADIS: AUC .987 instead of .966).

The strongest counts, in whichever direction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sluice.attacks.auc import Auc, folded_auc, found_at_few_false, regrouped_auc, strongest
from sluice.errors import SluiceError
from sluice.scores import Score

_SHRINKAGE = (0.01, 0.1, 0.5)
_FACTORS = 20
#: The control of regrouping: a large group among few outsiders hides its members by size.
_CONTROL, _CONTROL_ROUNDS = 10, 10
#: Half are a group; of the rest half are outsiders, of whom an area needs five.
FEWEST = 20
_KNOWS = "a target's own profile and a reference sample of the same population"


Inverse = Callable[[np.ndarray], np.ndarray]


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
    size
        Donors behind the mean, where ``members`` are but some of them.
    """

    mean: np.ndarray
    members: np.ndarray
    outsiders: np.ndarray
    reference: np.ndarray
    size: int | None = None


def release_of(values: np.ndarray, in_group: np.ndarray, decimals: int | None) -> MeanRelease:
    """Return the release of a group's rounded mean, the rest dealt to outsiders and reference.

    ``values`` is donors x features, ``in_group`` a mask. Rows must be in an order that tells
    nothing (by keyed pseudonym), since the rest is dealt out in turn.
    """
    members, rest = values[in_group], values[~in_group]
    return MeanRelease(_published(members, decimals), members, rest[0::2], rest[1::2])


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
    inside = _inside(released)
    scores = membership_statistics(released)
    found = {name: folded_auc(values, inside) for name, values in scores.items()}
    control = {
        name: folded_auc(values, _inside(raw))
        for name, values in membership_statistics(raw).items()
    }
    best, best_raw = strongest(found), control[strongest(control)]
    few = {name: found_at_few_false(values, inside) for name, values in scores.items()}
    return Score(
        name="membership",
        product=product,
        attacker_knows=_KNOWS,
        estimate=found[best].estimate,
        lower=found[best].lower,
        upper=found[best].upper,
        n=len(inside),
        chance=0.5,
        limit_key=limit_key,
        evidence={"raw": best_raw.estimate, "works": best_raw.works},
        note=f"AUC in either direction, strongest of {len(found)} statistics, DeLong bounds.",
        detail={
            "members": len(released.members),
            "features": len(released.mean),
            "reference": len(released.reference),
            "strongest": best,
            "auc": {name: auc.estimate for name, auc in sorted(found.items())},
            "tpr_at_1_percent_fpr": few[strongest(few)].to_json(),
        },
    )


def regrouped_membership(
    values: np.ndarray,
    raw: np.ndarray,
    size: int,
    decimals: int | None,
    limit_key: str,
    product: str,
    *,
    rounds: int = 30,
) -> Score:
    """Measure what means of groups of this size tell of their members, over many groupings.

    One group of 20 donors bounds an area to no better than some .11. Here the donors of a cohort
    (or of a reference cohort) are dealt anew in every round to a group, outsiders and the
    attacker's reference, and the area is averaged; the donor stays the unit of the bounds. It
    judges a kind of product, not one published mean.

    Parameters
    ----------
    values, raw
        Donors x features of the product before the mean, and of all genes: the positive control.
    size
        Donors of a group. Where that is more than half of the donors, half of them is a group:
        the smaller the group, the more its mean tells, so the judgement errs towards caution.

    Raises
    ------
    SluiceError
        If the tables do not hold the same donors, or fewer than 20.
    """
    if len(values) != len(raw) or len(values) < FEWEST or size < 2:
        raise SluiceError(
            f"Regrouping needs the same donors in both tables, and {FEWEST} of them",
            where=product,
            mend="judge on a larger reference cohort",
        )
    size = min(size, len(values) // 2)
    found, few = _rounds(values, size, decimals, rounds)
    control, _ = _rounds(raw, min(size, _CONTROL), None, min(rounds, _CONTROL_ROUNDS))
    best, best_raw = strongest(found), control[strongest(control)]
    return Score(
        name="membership",
        product=product,
        attacker_knows=_KNOWS,
        estimate=found[best].estimate,
        lower=found[best].lower,
        upper=found[best].upper,
        n=len(values),
        chance=0.5,
        limit_key=limit_key,
        evidence={"raw": best_raw.estimate, "works": best_raw.works},
        note=f"AUC in either direction, mean over {rounds} groupings, strongest of {len(found)} "
        "statistics; bounds over donors.",
        detail={
            "members": size,
            "features": values.shape[1],
            "strongest": best,
            "auc": {name: auc.estimate for name, auc in sorted(found.items())},
            "tpr_at_1_percent_fpr": max(few.values()),
        },
    )


def _rounds(
    values: np.ndarray, size: int, decimals: int | None, rounds: int
) -> tuple[dict[str, Auc], dict[str, float]]:
    """Return each statistic's area over groupings and its mean share found at 1 % false."""
    scores: dict[str, np.ndarray] = {}
    few: dict[str, float] = {}
    positive = np.zeros((rounds, len(values)), dtype=bool)
    for number in range(rounds):
        order = np.random.default_rng(number).permutation(len(values))
        inside, rest = order[:size], order[size:]
        tried = np.concatenate([inside, rest[0::2]])
        positive[number, inside] = True
        release = MeanRelease(
            _published(values[inside], decimals), values[inside], values[rest[0::2]],
            values[rest[1::2]],
        )  # fmt: skip
        for name, found in membership_statistics(release).items():
            table = scores.setdefault(name, np.full((rounds, len(values)), np.nan))
            table[number, tried] = found
            share = found_at_few_false(found, positive[number, tried]).estimate / rounds
            few[name] = few.get(name, 0.0) + share
    return {name: regrouped_auc(table, positive) for name, table in scores.items()}, few


def membership_statistics(release: MeanRelease) -> dict[str, np.ndarray]:
    """Return statistic -> one score for each member and then each outsider."""
    centre, spread = release.reference.mean(axis=0), release.reference.std(axis=0, ddof=1)
    varied = np.ptp(release.reference, axis=0) > 0
    people = np.vstack([release.members, release.outsiders])

    def standard(values: np.ndarray) -> np.ndarray:
        return (values - centre)[..., varied] / spread[varied]

    targets, mean = standard(people), standard(release.mean)
    inverses: dict[str, Inverse] = {"independent": lambda rows: rows}
    known = standard(release.reference)
    inverses |= shrunk_inverses(known) | _by_factors(known)
    size = max(2, release.size or len(release.members))
    found = {}
    for name, inverse in inverses.items():
        weighted = inverse(targets)
        product = weighted @ mean
        found[f"{name}, product"] = product
        found[f"{name}, ratio"] = size * product - (weighted * targets).sum(axis=1) / 2
    return found


def shrunk_inverses(
    reference: np.ndarray, shrinkages: Sequence[float] = _SHRINKAGE
) -> dict[str, Inverse]:
    """Return maps of rows to rows times the inverse of (1 - s) S + s I, S the covariance.

    ``reference`` is standardised. By its singular vectors, so that no genes x genes matrix is made.
    """
    _, singular, basis = np.linalg.svd(reference, full_matrices=False)
    variances = singular**2 / (len(reference) - 1)

    def inverse(shrinkage: float) -> Inverse:
        gains = 1 / ((1 - shrinkage) * variances + shrinkage) - 1 / shrinkage
        return lambda rows: rows / shrinkage + ((rows @ basis.T) * gains) @ basis

    return {f"whitened {shrinkage}": inverse(shrinkage) for shrinkage in shrinkages}


def _by_factors(reference: np.ndarray) -> dict[str, Inverse]:
    """Return the same for genes weighed by the inverse SD and kurtosis that factors leave them."""
    factors = min(_FACTORS, len(reference) // 4, reference.shape[1] // 4)
    if not factors:
        return {}
    left, singular, basis = np.linalg.svd(reference, full_matrices=False)
    rest = reference - (left[:, :factors] * singular[:factors]) @ basis[:factors]
    variance = np.maximum(rest.var(axis=0) * len(rest) / (len(rest) - factors), 0.02)
    kurtosis = np.maximum((rest**4).mean(axis=0) / np.maximum(rest.var(axis=0), 1e-9) ** 2, 3)
    weights = np.sqrt(3 / kurtosis / variance)
    (inverse,) = shrunk_inverses(reference * weights, (0.5,)).values()
    return {"whitened by factors": lambda rows: inverse(rows * weights) * weights}


def _inside(release: MeanRelease) -> np.ndarray:
    people = len(release.members) + len(release.outsiders)
    return np.asarray(np.arange(people) < len(release.members))


def _published(members: np.ndarray, decimals: int | None) -> np.ndarray:
    mean = members.mean(axis=0)
    return np.asarray(mean if decimals is None else np.round(mean, decimals))
