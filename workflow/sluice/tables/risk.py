"""Re-identification risk of records, and the one-sided bounds that every attack reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from sluice.errors import SluiceError
from sluice.tables.classes import class_sizes, encode


@dataclass(frozen=True)
class Risk:
    """Per-record risks in short.

    Parameters
    ----------
    highest, mean
        Largest and mean risk over the records.
    over
        Share of records whose risk is above the threshold.
    unique
        Share of records that are alone in their class.
    n
        Records.
    """

    highest: float
    mean: float
    over: float
    unique: float
    n: int


def prosecutor(df: pd.DataFrame, quasi: Sequence[str]) -> np.ndarray:
    """Risk of each record, shape (rows,), against someone who knows that the person is in it.

    1 / class size.
    """
    return 1.0 / class_sizes(df, quasi)


def journalist(
    df: pd.DataFrame, quasi: Sequence[str], population: pd.DataFrame | None = None
) -> np.ndarray:
    """Risk of each record, shape (rows,), against someone who picks it from a population register.

    1 / size of the record's class in ``population``; without one, the prosecutor's risk. The
    population is recoded as the table is and includes its people, so a class that is smaller there
    than here is taken at its size here.
    """
    own = class_sizes(df, quasi)
    if population is None:
        return 1.0 / own
    columns = list(quasi)
    both = pd.concat([df[columns], population[columns]], ignore_index=True)
    codes, _ = encode(both, columns)
    here, there = codes[: len(df)], codes[len(df) :]
    in_population = np.bincount(there, minlength=int(codes.max(initial=-1)) + 1)[here]
    return 1.0 / np.maximum(own, in_population)


def summarise(risks: np.ndarray, threshold: float) -> Risk:
    """Summarise per-record risks; their mean is the marketer's risk.

    Raises
    ------
    SluiceError
        If there is no record.
    """
    if not len(risks):
        raise SluiceError("A table without records has no risk", mend="nothing is to be judged")
    return Risk(
        highest=float(risks.max()),
        mean=float(risks.mean()),
        over=float((risks > threshold).mean()),
        unique=float((risks == 1.0).mean()),
        n=len(risks),
    )


def upper_bound(hits: float, n: int, conf: float = 0.95) -> float:
    """One-sided upper Clopper-Pearson bound of a share; 1 where nobody was tried.

    A fractional number of hits (expected values) is rounded up. Clopper and Pearson 1934.
    """
    whole = _whole(np.ceil(hits - 1e-9), n)
    if whole >= n:
        return 1.0
    return float(stats.beta.ppf(conf, whole + 1, n - whole))


def lower_bound(hits: float, n: int, conf: float = 0.95) -> float:
    """One-sided lower Clopper-Pearson bound of a share; 0 where nobody was tried.

    A fractional number of hits (expected values) is rounded down.
    """
    whole = _whole(np.floor(hits + 1e-9), n)
    if whole <= 0:
        return 0.0
    return float(stats.beta.ppf(1 - conf, whole, n - whole + 1))


def _whole(hits: float, n: int) -> int:
    if n < 0 or not 0 <= hits <= n:
        raise ValueError("hits must lie between 0 and n")
    return int(hits)


def reachable(limit: float, n: int, conf: float = 0.95) -> bool:
    """Tell whether no hit at all among ``n`` people could pass ``limit``.

    1 − (1 − conf)^(1/n) ≤ limit: from 32 people for .09, 59 for .05, 299 for .01.
    """
    return upper_bound(0, n, conf) <= limit
