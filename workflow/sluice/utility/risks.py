"""The attacks that a sweep runs on its trial releases: one line each in :data:`RISKS`.

A risk takes a trial release and the key of its limit and returns the attack's score, or ``None``
where the attack is not one on such a product (nobody is re-linked in a mean of twenty). The
attacker holds the donor's raw values, a sample of other donors, and knows the transformation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sluice.attacks.membership import regrouped_membership
from sluice.attacks.relink import relink
from sluice.attacks.traits import infer_traits
from sluice.errors import SluiceError
from sluice.expression.aggregate import effective_dimension
from sluice.scores import Score
from sluice.utility.candidates import Candidate

Risk = Callable[[Candidate, str], Score | None]


def _relink(candidate: Candidate, limit: str) -> Score | None:
    """Name the released row of each donor whose raw values the attacker holds."""
    if candidate.setting.donors > 1:
        return None
    plain = candidate.released.like(candidate.raw).values
    published = candidate.released.table.values
    truth = np.arange(len(plain))
    return relink(plain, published, truth, limit, candidate.setting.product, raw=plain)


def _membership(candidate: Candidate, limit: str) -> Score | None:
    """Tell a group's members from other donors of the same label.

    Each label's mean is taken out: the label is known, so it must not be what tells. Noise is left
    out too, so that a setting with noise is judged as if it had none.
    """
    if candidate.setting.donors == 1:
        return None
    tables = (candidate.raw, candidate.others)
    labels = np.concatenate([table.labels for table in tables])
    values = np.vstack([candidate.released.like(table).values for table in tables])
    raw = np.vstack([table.values for table in tables])
    return regrouped_membership(
        _centred(values, labels),
        _centred(raw, labels),
        min(len(members) for members in candidate.groups),  # the smallest tells the most
        candidate.setting.decimals,
        limit,
        candidate.setting.product,
    )


def _effective_dimension(candidate: Candidate, limit: str) -> Score | None:
    """Count the independent numbers a donor in the worst group; a rule, not an attack."""
    if candidate.setting.donors == 1:
        return None
    values = candidate.released.like(candidate.raw).values
    shares = [
        effective_dimension(values[members], candidate.setting.decimals) / len(members)
        for members in candidate.groups
    ]
    worst = max(shares)
    return Score(
        name="effective_dimension",
        product=candidate.setting.product,
        attacker_knows="the published numbers and how many donors are behind them",
        estimate=worst,
        lower=worst,
        upper=worst,
        n=min(len(members) for members in candidate.groups),
        limit_key=limit,
        note="Independent numbers a donor; a count.",
    )


def _traits(candidate: Candidate, limit: str) -> Score | None:
    """Read the hidden trait from each donor's row."""
    if candidate.setting.donors > 1:
        return None
    if candidate.hidden is None:
        raise SluiceError(
            "A limit for traits needs a trait to hide",
            where="sweep settings, key `limits.traits`",
            mend="name its column with --hidden, or take the limit out",
        )
    labels = np.array([label or None for label in candidate.hidden], dtype=object)
    return infer_traits(
        candidate.raw.values,
        candidate.released.table.values,
        {"hidden": labels},
        limit,
        candidate.setting.product,
    )


def _centred(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    out = values.astype(float, copy=True)
    for label in np.unique(labels):
        out[labels == label] -= out[labels == label].mean(axis=0)
    return out


#: Name of the limit -> the attack. Adding an attack is adding a line.
RISKS: dict[str, Risk] = {
    "effective_dimension": _effective_dimension,
    "membership": _membership,
    "relink": _relink,
    "traits": _traits,
}
