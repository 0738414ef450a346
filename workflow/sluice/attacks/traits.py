"""Traits read from expression: sex, and every other attribute that a policy hides.

The attacker has donors of known trait whose values went through the same release, trains several
kinds of classifiers on them and reads the trait of the others. Everything that looks at a label
(choice of features, settings of a classifier) happens inside the training donors, by a second
cross-validation within the first (Varma and Simon 2006). The strongest classifier counts, in
whichever direction.

A trait of several kinds is read one kind against the rest, and the worst kind counts. A number of
many values is cut at its median. Kinds of fewer donors than can be judged are pooled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from sluice.attacks.auc import MIN_OF_EACH, Auc, area, folded_auc, strongest
from sluice.errors import SluiceError
from sluice.scores import Score

_FOLDS, _INNER = 5, 3
_FEW = (1, 5, 20, 100)
_FOREST, _TREES = 200, 100  # features that a forest is grown on, and its trees
_PENALTIES = (0.001, 0.1, 1.0, 10.0)
_COSTS = (1.0, 100.0)
_MOST_KINDS = 8


def infer_traits(
    raw: np.ndarray,
    released: np.ndarray,
    labels: Mapping[str, np.ndarray],
    limit_key: str,
    product: str,
    *,
    name: str = "traits",
    permutations: int = 0,
    say: Callable[[int, int], None] = lambda done, total: None,
) -> Score:
    """Measure how well hidden attributes can be read from a release; the worst one counts.

    Parameters
    ----------
    raw, released
        Donors x features, one row a donor and the same donors in the same order; ``raw`` holds
        logarithms of all genes and is the positive control.
    labels
        Attribute -> one label a donor: text, or numbers. A missing label leaves the donor out.
    name
        What the policy calls the scenario.
    permutations
        How often the worst attribute is read again with its labels shuffled among donors: what
        the strongest of several classifiers reaches where there is nothing to read.
    say
        Called with how many attributes are read, of how many.

    Raises
    ------
    SluiceError
        If the rows do not match, an attribute has but one kind, or the release holds nothing.
    """
    donors = {len(raw), len(released), *(len(label) for label in labels.values())}
    if len(donors) != 1 or not labels:
        raise SluiceError(
            "Reading traits needs the same donors in both tables and in the labels",
            where=product,
            mend="give one row a donor, in the same order",
        )
    if released.shape[1] == 0:
        raise SluiceError("A release without features cannot be judged", where=product)
    masks = {attribute: kinds(label) for attribute, label in labels.items()}
    found = {}
    for attribute, mask in masks.items():
        found[attribute] = _read(released, mask)
        say(len(found), len(masks))
    worst = max(sorted(found), key=lambda a: (found[a][1].upper, found[a][1].estimate))
    classifier, auc, areas = found[worst]
    control = auc if released is raw else _read(raw, masks[worst])[1]
    detail: dict[str, Any] = {
        "strongest": classifier,
        "auroc": areas,
        "attributes": {
            attribute: {
                **result.to_json(),
                "donors": len(masks[attribute][0]),
                "kinds": max(2, len(masks[attribute][1])),
            }
            for attribute, (_, result, _) in sorted(found.items())
        },
    }
    if permutations:
        detail["shuffled"] = _null(released, masks[worst], auc, permutations)
    return Score(
        name=name,
        product=product,
        attacker_knows="the trait of other donors of the cohort and their released values",
        estimate=auc.estimate,
        lower=auc.lower,
        upper=auc.upper,
        n=len(masks[worst][0]),
        chance=0.5,
        limit_key=limit_key,
        evidence={"raw": control.estimate, "works": control.works},
        note=f"AUROC in either direction, nested {_FOLDS}-fold cross-validation by donor, "
        f"strongest of {len(areas)} classifiers, worst of {len(found)} attributes.",
        detail=detail,
    )


def kinds(labels: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return (numbers of the donors with a label, for each kind which of these are of it).

    Of two kinds one is enough: the other is its opposite.

    Raises
    ------
    SluiceError
        If all labels are equal.
    """
    column = pd.Series(np.asarray(labels, dtype=object))
    column = column.where(column != "", None)
    known = np.flatnonzero(column.notna())
    column = column.iloc[known]
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.notna().all() and numbers.nunique() > _MOST_KINDS:
        column = numbers > numbers.median()
    sizes = column.astype(str).value_counts()
    rare = set(sizes.index[sizes < MIN_OF_EACH])
    if len(sizes) - len(rare) >= 1 and len(rare) > 1:
        column = column.astype(str).map(lambda kind: "" if kind in rare else kind)
    text = column.astype(str).to_numpy()
    every = np.unique(text)
    if len(every) < 2:
        raise SluiceError(
            "A trait needs at least two kinds of donors",
            where="labels",
            mend="leave the attribute out, or give its labels for more donors",
        )
    return known, [text == kind for kind in (every[1:] if len(every) == 2 else every)]


def read_binary(values: np.ndarray, positive: np.ndarray) -> dict[str, Auc]:
    """Return each classifier's cross-validated area for a trait of two values.

    Features are standardised over all donors, whose released values the attacker has.
    """
    varied = values[:, np.ptp(values, axis=0) > 0]
    if min(positive.sum(), (~positive).sum()) < MIN_OF_EACH or varied.shape[1] == 0:
        return {"none": folded_auc(np.zeros(len(positive)), positive)}
    standard = (varied - varied.mean(axis=0)) / varied.std(axis=0)
    compact = _compact(standard)
    forest = ExtraTreesClassifier(_TREES, min_samples_leaf=2, random_state=0, n_jobs=1)
    models = {
        "few features": ([_Setting(LogisticRegression(), number) for number in _FEW], standard),
        "linear": ([_Setting(RidgeClassifier(alpha=penalty)) for penalty in _PENALTIES], compact),
        "kernel": ([_Setting(SVC(kernel="rbf", C=cost)) for cost in _COSTS], compact),
        "forest": ([_Setting(forest, _FOREST)], standard),
    }
    with config_context(assume_finite=True, skip_parameter_validation=True):
        return {
            name: folded_auc(_out_of_fold(settings, table, positive), positive)
            for name, (settings, table) in models.items()
        }


def _read(
    values: np.ndarray, trait: tuple[np.ndarray, list[np.ndarray]]
) -> tuple[str, Auc, dict[str, float]]:
    """Return the strongest classifier on the worst kind, its area, and all areas of that kind."""
    known, masks = trait
    results = [read_binary(values[known], mask) for mask in masks]
    found = max(results, key=lambda r: (r[strongest(r)].upper, r[strongest(r)].estimate))
    best = strongest(found)
    return best, found[best], {name: auc.estimate for name, auc in sorted(found.items())}


def _null(
    values: np.ndarray, trait: tuple[np.ndarray, list[np.ndarray]], found: Auc, rounds: int
) -> dict[str, float]:
    """Return what shuffled labels reach, and the share of rounds that reach what was found."""
    known, masks = trait
    rng = np.random.default_rng(0)
    areas = []
    for _ in range(rounds):
        order = rng.permutation(len(known))
        areas.append(_read(values, (known, [mask[order] for mask in masks]))[1].estimate)
    as_large = sum(area >= found.estimate for area in areas)
    return {"mean": float(np.mean(areas)), "p": (1 + as_large) / (1 + rounds), "rounds": rounds}


def telling_order(values: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Return the features in the order in which they tell two kinds apart (by Welch's t)."""
    ones, zeros = values[positive], values[~positive]
    away = np.abs(ones.mean(axis=0) - zeros.mean(axis=0))
    error = np.sqrt(ones.var(axis=0) / len(ones) + zeros.var(axis=0) / len(zeros))
    known = np.divide(away, error, out=np.zeros_like(away), where=error > 0)
    return np.argsort(-known, kind="stable")


@dataclass(frozen=True)
class _Setting:
    """A model, and how many of the features that tell most it is given (``None``: all)."""

    model: Any
    features: int | None = None


def _compact(values: np.ndarray) -> np.ndarray:
    """Return at most as many columns as donors, rows of length about 1, the same angles."""
    if values.shape[1] > len(values):
        lengths, directions = np.linalg.eigh(values @ values.T)
        values = directions * np.sqrt(np.clip(lengths, 0, None))
    return np.asarray(values / np.sqrt((values**2).sum(axis=1).mean()))


def _out_of_fold(settings: list[_Setting], values: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Return each donor's score by a model that has not seen it, on its training scores' scale."""
    scores = np.zeros(len(positive))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    for train, test in folds.split(values, positive):
        chosen = _chosen(settings, values[train], positive[train])
        ((seen, unseen),) = _fits([chosen], values, positive, train, test)
        scores[test] = (unseen - seen.mean()) / (seen.std() or 1.0)
    return scores


def _chosen(settings: list[_Setting], values: np.ndarray, positive: np.ndarray) -> _Setting:
    """Return the setting of the best mean area over folds within the training donors."""
    if len(settings) == 1:
        return settings[0]
    folds = StratifiedKFold(_INNER, shuffle=True, random_state=1)
    areas = np.zeros(len(settings))
    for train, test in folds.split(values, positive):
        fits = _fits(settings, values, positive, train, test)
        areas += [area(unseen, positive[test]) for _, unseen in fits]
    return settings[int(areas.argmax())]


def _fits(
    settings: list[_Setting],
    values: np.ndarray,
    positive: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each setting's scores of the training donors and of the others."""
    known, y = values[train], positive[train]
    order = telling_order(known, y) if settings[0].features else None
    for setting in settings:
        columns = slice(None) if order is None else order[: setting.features]
        setting.model.fit(known[:, columns], y)
        yield (
            _decide(setting.model, known[:, columns]),
            _decide(setting.model, values[test][:, columns]),
        )


def _decide(model: Any, values: np.ndarray) -> np.ndarray:
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(values))
    return np.asarray(model.predict_proba(values)[:, 1])
