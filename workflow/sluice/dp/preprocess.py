"""From what participants have to one bounded contribution each, in whole steps of a grid.

The order is fixed: average a participant's visits, then clip, then snap, then sum.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sluice.dp.mechanisms import Steps
from sluice.errors import SluiceError


def one_a_participant(visits: pd.DataFrame) -> pd.DataFrame:
    """Average all rows of a participant.

    Parameters
    ----------
    visits
        Numeric columns; the index names the participant, as often as it has visits or samples.
    """
    return visits.groupby(level=0, sort=True).mean()


def require_one_row(index: pd.Index) -> None:
    """Refuse a table in which a participant could contribute twice."""
    if not index.is_unique:
        raise SluiceError(
            "A participant contributes more than one row",
            where=f"row {int(np.flatnonzero(index.duplicated())[0]) + 1}",
            mend="average or choose one row a participant first",
        )


def codes(column: pd.Series, labels: Sequence[str]) -> NDArray[np.int64]:
    """Return each value's position among the fixed public labels.

    Raises
    ------
    SluiceError
        If a value is missing or not among them: labels never come from the data.
    """
    known = {label: position for position, label in enumerate(labels)}
    found = np.array([known.get(value, -1) for value in column.tolist()], dtype=np.int64)
    if (found < 0).any():
        raise SluiceError(
            "A value is not in the policy's domain",
            where=f"column {column.name}, row {int(np.flatnonzero(found < 0)[0]) + 1}",
            mend="map it to a category of the domain, such as one for all others",
        )
    return found


def clip(rows: NDArray[np.float64], bound: float) -> NDArray[np.float64]:
    """Shrink each row of an n × d matrix to an L2 norm of at most ``bound``.

    Raises
    ------
    SluiceError
        If a number is missing or infinite: it has no norm to bound.
    """
    broken = ~np.isfinite(rows).all(axis=1)
    if broken.any():
        raise SluiceError(
            "A number is missing or infinite",
            where=f"row {int(np.flatnonzero(broken)[0]) + 1}",
            mend="fill it with a constant of the policy first",
        )
    # Dividing by the largest entry first keeps the squares of huge values finite.
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    unit = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0)
    length = np.linalg.norm(unit, axis=1, keepdims=True)
    allowed = np.minimum(largest, np.divide(bound, length, out=largest.copy(), where=length > 0))
    return unit * allowed


def snap(rows: NDArray[np.float64], grid: float) -> Steps:
    """Return numbers in whole grid steps, rounded towards zero: a norm can only shrink."""
    return np.trunc(rows / grid).astype(np.int64)


def stacked_sums(rows: Steps, groups: NDArray[np.int64], count: int, weight: int) -> Steps:
    """Return (sum of rows, participants × weight) for each disjoint group, as one vector.

    Parameters
    ----------
    rows
        n × d, each clipped and snapped.
    groups
        n positions among the ``count`` public groups.
    weight
        What one participant adds to the count coordinate, in steps.

    Returns
    -------
    NDArray
        Length ``count`` × (d + 1). One participant changes it by at most √(B² + c²) in L2.
    """
    blocks = np.zeros((count, rows.shape[1] + 1), dtype=np.int64)
    np.add.at(blocks[:, :-1], groups, rows)
    np.add.at(blocks[:, -1], groups, weight)
    return blocks.ravel()


def contributions_digest(contributions: Steps) -> str:
    """Return a digest of n bounded contributions that does not depend on their order."""
    lines = sorted(row.tobytes() for row in np.ascontiguousarray(contributions))
    digest = hashlib.sha256(repr(contributions.shape[1:]).encode())
    for line in lines:
        digest.update(line)
    return digest.hexdigest()
