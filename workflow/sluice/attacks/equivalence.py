"""Risk by counting: prosecutor, journalist, marketer, joint uniqueness.

These are exact counts over everyone who is released, so estimate and bounds agree and no positive
control is needed. Someone who is sampled from a larger population gets no credit for it, unless the
caller has a population register.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Literal

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.scores import Score
from sluice.tables import risk

__all__ = [
    "THRESHOLD",
    "attacker",
    "joint_uniqueness",
    "journalist",
    "marketer",
    "one_row_a_person",
    "prosecutor",
]


THRESHOLD = 0.09
"""EMA Policy 0070 and Health Canada: risk above which a person counts as at risk."""


def prosecutor(released: pd.DataFrame, quasi: Sequence[str], limit_key: str, product: str) -> Score:
    """Largest 1 / class size over the released people.

    ``released`` has one row a person and the persons as its index. The mean is in ``detail``.
    """
    one_row_a_person(released)
    risks = risk.prosecutor(released, quasi)
    knows = "that the person is in the release, and every quasi-identifier without error"
    return _count("prosecutor", float(risks.max()), risks, knows, limit_key, product)


def journalist(
    released: pd.DataFrame,
    quasi: Sequence[str],
    limit_key: str,
    product: str,
    population: pd.DataFrame | None = None,
) -> Score:
    """Largest 1 / population class size; equals the prosecutor's risk without a population."""
    one_row_a_person(released)
    risks = risk.journalist(released, quasi, population)
    knows = "a register of the population with every quasi-identifier, not who is in the release"
    return _count("journalist", float(risks.max()), risks, knows, limit_key, product)


def marketer(released: pd.DataFrame, quasi: Sequence[str], limit_key: str, product: str) -> Score:
    """Mean of 1 / class size: the share of people that someone matching everybody gets right."""
    one_row_a_person(released)
    risks = risk.prosecutor(released, quasi)
    knows = "everyone's quasi-identifiers without error, and matches all of them at once"
    return _count("marketer", float(risks.mean()), risks, knows, limit_key, product)


def joint_uniqueness(
    wide: pd.DataFrame, quasi: Sequence[str], limit_key: str, product: str
) -> Score:
    """Share of people who are alone in the joint quasi-identifiers of all modalities.

    ``wide`` holds one row a person: the clinical quasi-identifiers and what the other modalities
    show beside them (presence, binned counts of samples and instances, tissue, body part, device,
    what is missing).
    """
    one_row_a_person(wide)
    risks = risk.prosecutor(wide, quasi)
    knows = "every quasi-identifier that the policy names, the modalities a person has among them"
    unique = float((risks == 1.0).mean())
    return _count("joint_uniqueness", unique, risks, knows, limit_key, product)


def attacker(
    released: pd.DataFrame,
    fields: Sequence[str],
    name: str,
    judged_by: Literal["highest", "mean"],
    product: str,
) -> Score:
    """Risk from somebody who knows these fields without error, and that the person is in it.

    ``judged_by`` is the largest risk of a person, or the mean: the share of people that somebody
    who matches everybody gets right. Both are in ``detail``.
    """
    one_row_a_person(released)
    risks = risk.prosecutor(released, fields)
    value = float(risks.max() if judged_by == "highest" else risks.mean())
    known = ", ".join(spoken.replace("_", " ") for spoken in fields) or "nothing that is shown"
    score = _count(name, value, risks, f"{known}; without error", name, product)
    return replace(score, detail=score.detail | {"knows": list(fields), "judged_by": judged_by})


def _count(
    name: str, estimate: float, risks: np.ndarray, knows: str, limit_key: str, product: str
) -> Score:
    summary = asdict(risk.summarise(risks, THRESHOLD))
    return Score(
        name=name,
        product=product,
        attacker_knows=knows,
        estimate=estimate,
        lower=estimate,
        upper=estimate,
        n=len(risks),
        chance=1 / len(risks),
        limit_key=limit_key,
        note="An exact count over all released people; a missing value is a category of its own.",
        detail={key: summary[key] for key in ("highest", "mean", "over", "unique")},
    )


def one_row_a_person(released: pd.DataFrame) -> None:
    """Refuse a table that holds nobody, or a person twice."""
    if released.empty:
        raise SluiceError(
            "A release without people cannot be attacked, so nothing shows that it is safe",
            mend="drop the product",
        )
    if released.index.has_duplicates:
        raise SluiceError(
            "The unit of risk is a person, but a person has several rows",
            where="index of the released table",
            mend="join a person's rows into one before scoring",
        )
