"""Sex read from expression.

The attacker trains simple classifiers on donors of known sex whose values went through the same
release, and reads the sex of the others. Each donor is judged by models that have not seen the
donor (stratified cross-validation); the strongest classifier counts, in whichever direction.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import ClassifierMixin, clone
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from sluice.attacks.auc import MIN_OF_EACH, Auc, folded_auc, strongest
from sluice.errors import SluiceError
from sluice.scores import Score

_FOLDS = 5
_BEST_FEATURES = 5


def sex_inference(
    raw: np.ndarray, released: np.ndarray, sex: np.ndarray, limit_key: str, product: str
) -> Score:
    """Measure how well sex can be read from a release.

    Parameters
    ----------
    raw, released
        Donors x features, one row a donor and the same donors in the same order; ``raw`` holds
        logarithms of all genes and is the positive control.
    sex
        Two kinds of labels, one a donor.

    Raises
    ------
    SluiceError
        If the rows do not match, there are not two sexes, or the release holds nothing.
    """
    kinds = np.unique(sex)
    if len(raw) != len(sex) or len(released) != len(sex) or len(kinds) != 2:
        raise SluiceError(
            "Sex inference needs the same donors in both tables and exactly two labels",
            where="raw, released, sex",
            mend="leave out donors whose sex is not known",
        )
    if released.shape[1] == 0:
        raise SluiceError("A release without features cannot be judged", where=product)
    positive = np.asarray(sex == kinds[1])
    found = read_binary(released, positive)
    control = read_binary(raw, positive)
    best, best_raw = found[strongest(found)], control[strongest(control)]
    return Score(
        name="sex_inference",
        product=product,
        attacker_knows="the sex of other donors of the cohort and their released values",
        estimate=best.estimate,
        lower=best.lower,
        upper=best.upper,
        n=len(positive),
        chance=0.5,
        limit_key=limit_key,
        evidence={"raw": best_raw.estimate, "works": best_raw.works},
        note=f"AUROC in either direction, {_FOLDS}-fold cross-validated, strongest of "
        f"{len(found)} classifiers.",
        detail={
            "strongest": strongest(found),
            "auroc": {name: auc.estimate for name, auc in sorted(found.items())},
        },
    )


def read_binary(values: np.ndarray, positive: np.ndarray) -> dict[str, Auc]:
    """Return each classifier's cross-validated area for a trait of two values.

    Features are standardised over all donors, whose released values the attacker has.
    """
    varied = values[:, np.ptp(values, axis=0) > 0]
    if min(positive.sum(), (~positive).sum()) < MIN_OF_EACH or varied.shape[1] == 0:
        return {"none": folded_auc(np.zeros(len(positive)), positive)}
    standard = (varied - varied.mean(axis=0)) / varied.std(axis=0)
    compact = _compact(standard)
    best = SelectKBest(f_classif, k=min(_BEST_FEATURES, standard.shape[1]))
    models = {
        "best_features": (make_pipeline(best, LogisticRegression()), standard),
        "kernel": (SVC(kernel="rbf"), compact),
        "linear": (SVC(kernel="linear"), compact),
        "naive_bayes": (GaussianNB(), standard),
    }
    return {
        name: folded_auc(_out_of_fold(model, table, positive), positive)
        for name, (model, table) in models.items()
    }


def _compact(values: np.ndarray) -> np.ndarray:
    """Return at most as many columns as donors, with the same distances between donors."""
    if values.shape[1] <= len(values):
        return values
    lengths, directions = np.linalg.eigh(values @ values.T)
    return np.asarray(directions * np.sqrt(np.clip(lengths, 0, None)))


def _out_of_fold(model: ClassifierMixin, values: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Return each donor's score by a model that has not seen it, on its training scores' scale."""
    scores = np.zeros(len(positive))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    for train, test in folds.split(values, positive):
        fitted = clone(model).fit(values[train], positive[train])
        seen = _decide(fitted, values[train])
        scores[test] = (_decide(fitted, values[test]) - seen.mean()) / (seen.std() or 1.0)
    return scores


def _decide(model: ClassifierMixin, values: np.ndarray) -> np.ndarray:
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(values))
    log = model.predict_log_proba(values)
    return np.asarray(np.clip(log[:, 1], -1e6, None) - np.clip(log[:, 0], -1e6, None))
