"""Membership in the data that synthetic rows were made from.

The attacker holds a target's own profile and class (diagnosis, tissue), the synthetic rows with
theirs, and a reference sample of the same population. Four families of statistics:

- distance: the nearest synthetic row, alone and against the nearest reference row (Chen et al.
  2020, GAN-Leaks);
- density ratio: kernel density of synthetic against reference rows in principal components of both
  (van Breugel et al. 2023, DOMIAS), and of one Gaussian each;
- subspace residual: how much of a target lies outside the span of its class's synthetic rows. A
  generator that draws from its members' mean and covariance stays in their span, and where there
  are more features than members nobody else lies in it;
- copula likelihood: normal scores by the synthetic rows' own ranks, whitened by their correlation,
  against the same of the reference.

The strongest counts, in whichever direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, ndtri

from sluice.attacks.auc import folded_auc, found_at_few_false, strongest
from sluice.attacks.membership import shrunk_inverses
from sluice.errors import SluiceError
from sluice.scores import Score

_COMPONENTS = (2, 5, 10)
_RANKS = (5, 10, 20, 40, 80)
_SPAN = 1e-6  # singular values below this share of the largest are rounding


@dataclass(frozen=True)
class Rows:
    """Profiles with their classes: ``values`` is rows x features, ``kind`` one label a row."""

    values: np.ndarray
    kind: np.ndarray

    def of(self, kind: str) -> np.ndarray:
        """Return the rows of one class."""
        return np.asarray(self.values[self.kind == kind])


@dataclass(frozen=True)
class SyntheticRelease:
    """Synthetic rows and the people they are tried on.

    Parameters
    ----------
    synthetic
        As they would leave.
    members
        Those that the generator was fitted to.
    outsiders
        Donors whom it has not seen, to be told apart from members.
    reference
        Other donors whom it has not seen: what the attacker learns the population from.
    """

    synthetic: Rows
    members: Rows
    outsiders: Rows
    reference: Rows


def synthetic_membership(
    release: SyntheticRelease, limit_key: str, product: str, *, seed: int = 0
) -> Score:
    """Measure how well synthetic rows tell whom their generator was fitted to.

    The positive control are naive rows of the same members, drawn from each class's own mean and
    covariance.

    Raises
    ------
    SluiceError
        If the features do not match, or a part holds fewer than two rows of a target's class.
    """
    parts = (release.synthetic, release.members, release.outsiders, release.reference)
    widths = {part.values.shape[1] for part in parts}
    classes = {*release.members.kind, *release.outsiders.kind}
    few = any((part.kind == c).sum() < 2 for part in (parts[0], parts[3]) for c in classes)
    if len(widths) != 1 or 0 in widths or few:
        raise SluiceError(
            "A membership attack on synthetic rows needs the same features in all its parts, and "
            "synthetic and reference rows of each class",
            where=product,
            mend="merge classes, or judge on a larger reference cohort",
        )
    naive = class_gaussian(release.members, 2 * len(release.members.values), seed)
    inside = np.arange(len(parts[1].values) + len(parts[2].values)) < len(parts[1].values)
    scores = statistics(release)
    found = {name: folded_auc(values, inside) for name, values in scores.items()}
    control = {
        name: folded_auc(values, inside)
        for name, values in statistics(
            SyntheticRelease(naive, release.members, release.outsiders, release.reference)
        ).items()
    }
    best, best_raw = strongest(found), control[strongest(control)]
    tpr = {name: found_at_few_false(values, inside) for name, values in scores.items()}
    return Score(
        name="synthetic_membership",
        product=product,
        attacker_knows="a target's own profile and class, and a reference sample of the population",
        estimate=found[best].estimate,
        lower=found[best].lower,
        upper=found[best].upper,
        n=len(inside),
        chance=0.5,
        limit_key=limit_key,
        evidence={"raw": best_raw.estimate, "works": best_raw.works},
        note=f"AUC in either direction, strongest of {len(found)} statistics, DeLong bounds; the "
        "control is a Gaussian fitted to each class. An alarm, not a proof.",
        detail={
            "members": len(release.members.values),
            "synthetic": len(release.synthetic.values),
            "features": widths.pop(),
            "strongest": best,
            "auc": {name: auc.estimate for name, auc in sorted(found.items())},
            "tpr_at_1_percent_fpr": tpr[strongest(tpr)].to_json(),
        },
    )


def class_gaussian(members: Rows, size: int, seed: int) -> Rows:
    """Draw about ``size`` rows from each class's mean and covariance, classes as in ``members``.

    The naive generator: a draw is the mean plus a random mixture of the members' deviations, so
    its covariance is theirs exactly.
    """
    rng = np.random.default_rng(seed)
    values, kinds = [], []
    for kind in np.unique(members.kind):
        rows = members.of(kind)
        count = max(2, round(size * len(rows) / len(members.kind)))
        deviations = (rows - rows.mean(axis=0)) / np.sqrt(max(1, len(rows) - 1))
        values.append(rows.mean(axis=0) + rng.normal(size=(count, len(rows))) @ deviations)
        kinds.append(np.full(count, kind))
    return Rows(np.vstack(values), np.concatenate(kinds))


def statistics(release: SyntheticRelease) -> dict[str, np.ndarray]:
    """Return statistic -> one score for each member and then each outsider.

    Features are standardised by the reference; each target is compared with rows of its class.
    """
    centre, spread = release.reference.values.mean(axis=0), release.reference.values.std(axis=0)
    varied = spread > 0

    def standard(rows: Rows) -> Rows:
        return Rows((rows.values - centre)[:, varied] / spread[varied], rows.kind)

    synthetic, reference = standard(release.synthetic), standard(release.reference)
    members, outsiders = standard(release.members), standard(release.outsiders)
    targets = Rows(
        np.vstack([members.values, outsiders.values]),
        np.concatenate([members.kind, outsiders.kind]),
    )
    out: dict[str, np.ndarray] = {}
    for kind in np.unique(targets.kind):
        mine = targets.kind == kind
        x, s, r = targets.of(kind), synthetic.of(kind), reference.of(kind)
        found = {**_distance(x, s, r), **_density(x, s, r), **_residual(x, s), **_copula(x, s, r)}
        for name, values in found.items():
            # A statistic may not exist in a small class: it says nothing there.
            out.setdefault(name, np.zeros(len(mine)))[mine] = values
    return out


def _distance(x: np.ndarray, s: np.ndarray, r: np.ndarray) -> dict[str, np.ndarray]:
    to_synthetic, to_reference = _nearest(x, s), _nearest(x, r)
    calibrated = np.log(to_reference + 1e-12) - np.log(to_synthetic + 1e-12)
    return {"distance": -to_synthetic, "distance, calibrated": calibrated}


def _nearest(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(_squares(x, rows)).min(axis=1))


def _squares(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the squared distances, x by rows."""
    squares = (x**2).sum(axis=1)[:, None] + (rows**2).sum(axis=1) - 2 * x @ rows.T
    return np.asarray(np.clip(squares, 0, None))


def _density(x: np.ndarray, s: np.ndarray, r: np.ndarray) -> dict[str, np.ndarray]:
    both = np.vstack([s, r])
    centre = both.mean(axis=0)
    _, singular, basis = np.linalg.svd(both - centre, full_matrices=False)
    rank = int((singular > singular[0] * _SPAN).sum()) if singular[0] > 0 else 0
    out = {}
    for size in sorted({min(size, rank) for size in _COMPONENTS} - {0}):
        if min(len(s), len(r)) <= size + 2:
            continue
        a, b, c = ((rows - centre) @ basis[:size].T for rows in (x, s, r))
        out[f"density ratio, {size} components"] = _kernel(a, b) - _kernel(a, c)
        out[f"Gaussian ratio, {size} components"] = _gaussian(a, b) - _gaussian(a, c)
    return out


def _kernel(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the log of a Gaussian kernel density with Scott's bandwidth."""
    width = rows.std(axis=0) * len(rows) ** (-1 / (rows.shape[1] + 4)) + 1e-9
    near = logsumexp(-_squares(x / width, rows / width) / 2, axis=1)
    return np.asarray(near - np.log(len(rows)) - np.log(width).sum())


def _gaussian(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    covariance = np.atleast_2d(np.cov(rows.T)) + 1e-9 * np.eye(rows.shape[1])
    away = x - rows.mean(axis=0)
    return -np.asarray((away * np.linalg.solve(covariance, away.T).T).sum(axis=1)) / 2


def _residual(x: np.ndarray, s: np.ndarray) -> dict[str, np.ndarray]:
    """Return -|x - Px|^2 / |x|^2, P onto the class's synthetic rows or their first directions."""
    _, singular, basis = np.linalg.svd(s, full_matrices=False)
    rank = int((singular > singular[0] * _SPAN).sum()) if len(singular) else 0
    lengths = np.maximum((x**2).sum(axis=1), 1e-12)
    inside = np.cumsum((x @ basis[:rank].T) ** 2, axis=1) / lengths[:, None]
    ranks = {k for k in _RANKS if k < rank} | {rank}
    return {
        "subspace" if k == rank else f"subspace, {k} directions": inside[:, k - 1] - 1
        for k in sorted(ranks)
        if k
    }


def _copula(x: np.ndarray, s: np.ndarray, r: np.ndarray) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    for rows, sign in ((s, 1.0), (r, -1.0)):
        places = _normal_scores(rows, rows)
        target = _normal_scores(x, rows)
        for name, inverse in shrunk_inverses(places).items():
            likelihood = -((inverse(target) - target) * target).sum(axis=1) / 2
            key = f"copula, {name}"
            out[key] = out.get(key, 0.0) + sign * likelihood
    return out


def _normal_scores(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the normal quantiles of x's places among the sorted values of each feature."""
    ordered = np.sort(rows, axis=0)
    places = np.empty_like(x)
    for feature in range(x.shape[1]):
        column = ordered[:, feature]
        left = np.searchsorted(column, x[:, feature], side="left")
        right = np.searchsorted(column, x[:, feature], side="right")
        places[:, feature] = (left + right + 1) / 2
    return np.asarray(ndtri(places / (len(rows) + 1)))
