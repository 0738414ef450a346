"""The published attacks on exact means of expression, tried on what is behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sluice.attacks.genotypes import products
from sluice.attacks.genotypes.genome import Genome, Reference
from sluice.attacks.genotypes.linking import FEWEST_DONORS, genotype_linking
from sluice.attacks.genotypes.reference import read_reference
from sluice.attacks.group_traits import infer_group_traits
from sluice.attacks.membership import FEWEST, regrouped_membership
from sluice.attacks.traits import infer_traits, kinds
from sluice.errors import SluiceError
from sluice.jobs import Job
from sluice.modalities.shared.groups import count_score
from sluice.scores import Score

# Draws of random gene sets that the linking attack is tried on; the one that links most counts.
_DRAWS = 3


@dataclass(frozen=True)
class DonorGroup:
    """What stands behind one kind of mean, for the attacks on it.

    Parameters
    ----------
    donors
        Names, a row each: those in the mean, or more of the same kind.
    released, raw
        Donors x features: the set scores that are averaged, and all genes.
    size
        Donors of the published mean.
    """

    donors: list[str]
    released: np.ndarray
    raw: np.ndarray
    size: int


def mean_scores(
    job: Job, groups: Sequence[DonorGroup], sets: int, set_size: int, decimals: int, product: str
) -> list[Score]:
    """Return ``membership``, ``traits`` and ``genotype_linking``, each of the worst group.

    A group of too few donors to try an attack on is not judged, and a score that is missing fails.

    Parameters
    ----------
    sets, set_size
        How many numbers are told of a donor's groups together, and of how many genes each.
    """
    found = [
        _worst(_membership(group, decimals, product) for group in groups),
        _worst(_traits(job, group, decimals, product) for group in groups),
        linking(job, min((group.size for group in groups), default=0), sets, set_size, product),
    ]
    return [score for score in found if score is not None]


def _worst(scores: Iterable[Score | None]) -> Score | None:
    """Return the score of the greatest bound, before it one that is no evidence.

    There is none unless every group has one.
    """
    found = list(scores)
    there = [score for score in found if score is not None]
    if not there or len(there) < len(found):
        return None
    return max(there, key=lambda score: (not score.evidence["works"], score.upper))


def _membership(group: DonorGroup, decimals: int, product: str) -> Score | None:
    if len(group.raw) < FEWEST:
        return None
    return regrouped_membership(
        group.released, group.raw, group.size, decimals, "membership", product
    )


def _traits(job: Job, group: DonorGroup, decimals: int, product: str) -> Score | None:
    """Try every attribute that controlled tells of its people, whether this tier does or not."""
    labels = _labels(job, group.donors)
    if not labels:
        return None
    return infer_group_traits(
        group.released, group.raw, labels, group.size, decimals, "traits", product
    )


def hidden_traits(
    job: Job, donors: Sequence[str], released: np.ndarray, raw: np.ndarray, product: str
) -> Score:
    """Read what controlled tells of its people and this tier does not from each donor's own row.

    Parameters
    ----------
    donors
        As controlled names them, a row each.
    """
    people = job.read(job.layout.data(job.tier, "clinical", "all") / "people.parquet")
    told = {name for name in people if people[name].nunique() > 1}
    hidden = {n: values for n, values in _labels(job, donors).items() if n not in told}
    if hidden:
        return infer_traits(raw, released, hidden, "traits", product)
    knows = "every attribute that controlled tells of its people: this tier tells them too"
    note = "No attribute is hidden, so none can be read: the AUROC of guessing."
    return count_score("traits", product, 0.5, len(donors), knows, note)


def _labels(job: Job, donors: Sequence[str]) -> dict[str, np.ndarray]:
    """Return each attribute that controlled tells and that has kinds to tell apart."""
    path = job.layout.data("controlled", "clinical", "all") / "people.parquet"
    if not path.is_file():
        return {}
    people = job.read(path).set_index("person").reindex(list(donors))
    labels = {str(name): people[name].to_numpy(dtype=object) for name in people}
    return {name: values for name, values in labels.items() if _has_kinds(values)}


def _has_kinds(labels: np.ndarray) -> bool:
    try:
        return len(kinds(labels)[0]) > 0
    except SluiceError:
        return False


def linking(job: Job, size: int, sets: int, set_size: int, product: str) -> Score | None:
    """Link scores of as many sets on the facility's reference cohort: means of ``size`` donors.

    There is no score without a reference cohort; one donor is an individual row.
    """
    reference = _reference(job)
    if reference is None or not size or not sets:
        return None
    # The smaller a group, the more its mean tells of each.
    size = min(size, len(reference.expression) // 4)

    def drawn(seed: int) -> Callable[[Genome], products.Product]:
        return lambda genome: products.set_scores(
            products.random_sets(genome, sets, set_size, seed), size
        )

    tried = genotype_linking(reference, [drawn(seed) for seed in range(_DRAWS)])
    return replace(max(tried, key=lambda score: score.upper), product=product)


def _reference(job: Job) -> Reference | None:
    told = job.config.site.reference
    if told is None:
        return None
    for name, path in told.files.items():
        job.note_reference(name, path)
    reference = read_reference(**told.files, logarithms=told.value_kind == "log")
    return reference if len(reference.expression) >= 2 * FEWEST_DONORS else None
