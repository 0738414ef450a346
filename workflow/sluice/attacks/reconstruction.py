"""Scenario ``reconstruction``: a donor takes the own share away from a published number.

What is left is mostly the largest other donor's. The rules are those of output checking in
statistical offices, with the parameters of ACRO (Green, Ritchie and Smith, 2021):

- NK(2, .90): two donors hold more than 90 % of a number;
- p-ratio .10: all but the two largest hold less than 10 % of what the largest does, so that the
  second largest learns the largest to within 10 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sluice.scores import Score

NK_SHARE = 0.9
P_RATIO = 0.1


@dataclass(frozen=True)
class Concentration:
    """Of each published number: the share of the two largest donors, and the p-ratio."""

    two_largest: np.ndarray
    p_ratio: np.ndarray

    @property
    def unsafe(self) -> np.ndarray:
        """Which numbers break either rule."""
        return np.asarray((self.two_largest > NK_SHARE) | (self.p_ratio < P_RATIO))


def concentration(contributions: np.ndarray) -> Concentration:
    """Measure what each donor holds of each number.

    Parameters
    ----------
    contributions
        Donors x numbers: what is added up. Signs do not matter to who dominates.

    Returns
    -------
    Concentration
        A number to which nobody contributes tells nothing of anybody and is safe.
    """
    sizes = np.sort(np.abs(np.asarray(contributions, dtype=float)), axis=0)[::-1]
    total = sizes.sum(axis=0)
    first = sizes[0] if len(sizes) else np.zeros_like(total)
    second = sizes[1] if len(sizes) > 1 else np.zeros_like(total)
    rest = np.maximum(total - first - second, 0)
    shares = np.divide(first + second, total, out=np.zeros_like(total), where=total > 0)
    return Concentration(shares, np.divide(rest, first, out=np.ones_like(total), where=first > 0))


def reconstruction(groups: Sequence[np.ndarray], product: str) -> Score:
    """Count published numbers of which a donor could work out another donor's part.

    Parameters
    ----------
    groups
        Donors x numbers of each published group.
    """
    found = [concentration(group) for group in groups if group.size]
    unsafe = sum(int(one.unsafe.sum()) for one in found)
    return Score(
        name="reconstruction",
        product=product,
        attacker_knows="is one of the donors, and takes the own part away from a published number",
        estimate=float(unsafe),
        lower=float(unsafe),
        upper=float(unsafe),
        n=min((len(group) for group in groups), default=0),
        limit_key="reconstruction",
        note="Numbers that break NK(2, .90) or the p-ratio .10, counted over the donors behind "
        "them; a count, not an estimate.",
        detail={
            "numbers": sum(group.shape[1] for group in groups),
            "two_largest": max((float(one.two_largest.max()) for one in found), default=0.0),
            "p_ratio": min((float(one.p_ratio.min()) for one in found), default=1.0),
        },
    )
