"""Traits of one member read from a group's published mean.

The attacker knows the trait of every other member and has a reference of donors with traits and
profiles. He learns there which direction tells the trait, takes from the published sum what the
others are expected to add, and reads the target's trait from what remains. The directions are
ridge regressions on all features and on the few that tell most; the strongest counts.

Every donor is a target once in each round, in a group dealt anew from the half of the donors that
the attacker has not learned from. The donor is the unit of the bounds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sluice.attacks.auc import MIN_OF_EACH, Auc, regrouped_auc, strongest
from sluice.attacks.traits import kinds, telling_order
from sluice.errors import SluiceError
from sluice.scores import Score

_PENALTIES = (0.001, 0.1, 10.0)
_FEW = (1, 5, 20)
#: The control's groups are small, as the smallest that an attacker may hope for.
_CONTROL = 5


def infer_group_traits(
    values: np.ndarray,
    raw: np.ndarray,
    labels: Mapping[str, np.ndarray],
    size: int,
    decimals: int | None,
    limit_key: str,
    product: str,
    *,
    rounds: int = 30,
) -> Score:
    """Measure how well a mean of ``size`` donors tells the hidden traits of one; the worst counts.

    Parameters
    ----------
    values, raw
        Donors x features of the product before the mean, and of all genes: the positive control,
        in exact means of five donors.
    labels
        Attribute -> one label a donor; see :func:`sluice.attacks.traits.kinds`.
    size
        Donors of a group; at most half of those with labels are taken, which errs towards caution.
    decimals
        To which the mean is rounded.

    Raises
    ------
    SluiceError
        If the rows do not match or there is no feature.
    """
    donors = {len(values), len(raw), *(len(label) for label in labels.values())}
    if len(donors) != 1 or not labels or values.shape[1] == 0:
        raise SluiceError(
            "Reading traits from means needs the same donors in all tables, and features",
            where=product,
        )
    masks = {attribute: kinds(label) for attribute, label in labels.items()}
    size = min(size, *(len(known) // 2 for known, _ in masks.values()))
    found = {a: _read(values, trait, size, decimals, rounds) for a, trait in masks.items()}
    worst = max(sorted(found), key=lambda a: (found[a][1].upper, found[a][1].estimate))
    direction, auc = found[worst]
    _, control = _read(raw, masks[worst], min(size, _CONTROL), None, min(rounds, 5))
    return Score(
        name="traits",
        product=product,
        attacker_knows="the traits of all other members, and a reference of donors with both",
        estimate=auc.estimate,
        lower=auc.lower,
        upper=auc.upper,
        n=len(masks[worst][0]),
        chance=0.5,
        limit_key=limit_key,
        evidence={"raw": control.estimate, "works": control.works},
        note=f"AUROC in either direction, mean over {rounds} groupings, strongest of "
        f"{len(_PENALTIES) + len(_FEW)} directions; bounds over donors.",
        detail={
            "members": size,
            "features": values.shape[1],
            "strongest": direction,
            "attributes": {name: result.to_json() for name, (_, result) in sorted(found.items())},
        },
    )


def _read(
    values: np.ndarray,
    trait: tuple[np.ndarray, list[np.ndarray]],
    size: int,
    decimals: int | None,
    rounds: int,
) -> tuple[str, Auc]:
    """Return the strongest direction for the kind that is read best, and its area."""
    known, masks = trait
    everyone = values[known]
    everyone = everyone[:, np.ptp(everyone, axis=0) > 0]
    best = ("none", Auc(0.5, 0.0, 1.0))
    for mask in masks:
        if min(mask.sum(), (~mask).sum()) < 2 * MIN_OF_EACH or not everyone.shape[1]:
            continue
        scores = _guesses(everyone, mask, size, decimals, rounds)
        positive = np.tile(mask, (rounds, 1))
        found = {name: regrouped_auc(table, positive) for name, table in scores.items()}
        name = strongest(found)
        if best[0] == "none" or (found[name].upper, found[name].estimate) > (
            best[1].upper,
            best[1].estimate,
        ):
            best = (name, found[name])
    return best


def _guesses(
    values: np.ndarray, mask: np.ndarray, size: int, decimals: int | None, rounds: int
) -> dict[str, np.ndarray]:
    """Return direction -> rounds x donors: what remains of a group's mean for each target."""
    scores: dict[str, np.ndarray] = {}
    for number in range(rounds):
        rng = np.random.default_rng(number)
        halves = _halves(mask, rng)
        for own, other in (halves, halves[::-1]):
            weights = _directions(values[other], mask[other])
            groups = np.array([_group(target, own, size, rng) for target in own])
            means = np.array([values[group].mean(axis=0) for group in groups])
            published = means if decimals is None else np.round(means, decimals)
            ones = mask[groups].sum(axis=1) - mask[own]
            for name, weight in weights.items():
                of_one = (values[other][mask[other]] @ weight).mean()
                of_zero = (values[other][~mask[other]] @ weight).mean()
                expected = ones * of_one + (size - 1 - ones) * of_zero
                rest = size * (published @ weight) - expected
                table = scores.setdefault(name, np.full((rounds, len(mask)), np.nan))
                table[number, own] = (rest - of_zero) / ((of_one - of_zero) or 1.0)
    # Targets of one round share most of a group, and so its noise: compare them across rounds.
    rng = np.random.default_rng(rounds)
    return {name: rng.permuted(table, axis=0) for name, table in scores.items()}


def _halves(mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Deal the donors of either kind into two halves."""
    dealt = [rng.permutation(np.flatnonzero(kind)) for kind in (mask, ~mask)]
    first = np.concatenate([dealt[0][0::2], dealt[1][1::2]])
    return np.sort(first), np.setdiff1d(np.arange(len(mask)), first)


def _group(target: int, among: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    others = rng.choice(among[among != target], size - 1, replace=False)
    return np.concatenate([[target], others])


def _directions(values: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Return weights over features that tell the trait among the attacker's own donors."""
    spread = values.std(axis=0)
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
    x = (values - values.mean(axis=0)) * scale
    y = np.where(mask, 1.0, -1.0) - np.where(mask, 1.0, -1.0).mean()
    gram = x @ x.T / x.shape[1]
    found = {}
    for penalty in _PENALTIES:
        dual = np.linalg.solve(gram + penalty * np.eye(len(x)), y)
        found[f"ridge {penalty}"] = (x.T @ dual) * scale
    order = telling_order(x, mask)
    for number in _FEW:
        top = order[:number]
        weight = np.zeros(x.shape[1])
        inner = x[:, top].T @ x[:, top] + len(x) * 0.1 * np.eye(len(top))
        weight[top] = np.linalg.solve(inner, x[:, top].T @ y) * scale[top]
        found[f"best {number}"] = weight
    return found
