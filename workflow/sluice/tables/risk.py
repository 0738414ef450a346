"""Re-identification risk of records, and the one-sided bounds that every attack reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.integrate import quad

from sluice.errors import SluiceError
from sluice.tables.classes import class_sizes, dense, encode

MOST_MEMBERS = 1000
"""A household of more is a mistake."""


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


def sample_journalist(sizes: np.ndarray, fraction: float) -> np.ndarray:
    """Expected journalist's risk where only the sampling fraction is known, shape of ``sizes``.

    E[1 / F | f] of a class of f records in a random sample, its size F in the population having a
    negative binomial distribution with F − f failures (Benedetti and Franconi 1998; Franconi and
    Polettini 2004). It leans on the fraction alone, so it is an
    expectation over many classes of this size and no bound for one record.

    Parameters
    ----------
    sizes
        Records of each class in the sample.
    fraction
        Share of the population that is in the sample, above 0 and at most 1.
    """
    different, place = np.unique(sizes, return_inverse=True)
    return np.array([_expected_risk(int(f), fraction) for f in different])[place]


def _expected_risk(f: int, fraction: float) -> float:
    """E[1 / F | f], the integral of s^(F−1) over 0 … 1.

    Its generating function is s^(f−1) (π / (1 − (1 − π) s))^f; with u = s π / (1 − (1 − π) s),
    which runs from 0 to 1 as well, u^(f−1) π / (π + (1 − π) u) is left.
    """
    found, _ = quad(lambda u: u ** (f - 1) * fraction / (fraction + (1 - fraction) * u), 0, 1)
    return float(found)


def household(risks: np.ndarray, homes: np.ndarray) -> np.ndarray:
    """Risk that any member of a record's household is found, 1 − Π (1 − r), shape (rows,).

    Whoever is found names all of the household (Hundepool and others 2012, section 3.3.4).

    Parameters
    ----------
    risks
        Of each record.
    homes
        Household of each record, numbered from 0.
    """
    missed = np.zeros(int(homes.max(initial=-1)) + 1)
    with np.errstate(divide="ignore"):
        np.add.at(missed, homes, np.log1p(-risks))
    return -np.expm1(missed)[homes]


def compositions(classes: np.ndarray, homes: np.ndarray) -> np.ndarray:
    """Class of each household by all its members' classes, in any order; shape (households,).

    Someone who knows a whole family looks for its composition: households of one class are alike
    to the last member.

    Raises
    ------
    SluiceError
        If a household has more members than any does.
    """
    members = np.bincount(homes)
    if members.max(initial=0) > MOST_MEMBERS:
        raise SluiceError(
            "A household has more members than any household does",
            where=f"{int(members.max())} members, {MOST_MEMBERS} at most",
            mend="name the column that tells households apart",
        )
    order = np.lexsort((classes, homes))
    home, kind = homes[order], classes[order].astype(np.int64) + 1
    place = np.arange(len(home)) - np.searchsorted(home, home, side="left")
    radix = int(kind.max(initial=0)) + 1
    keys, count = np.zeros(len(members), dtype=np.int64), 1
    for position in range(int(members.max(initial=0))):
        here = place == position
        member = np.zeros(len(members), dtype=np.int64)
        member[home[here]] = kind[here]
        keys, count = dense(keys * radix + member, count * radix)
    return keys


def summarise(risks: np.ndarray, threshold: float, records: np.ndarray | None = None) -> Risk:
    """Summarise per-record risks; their mean is the marketer's risk.

    ``records``: how many records each risk stands for, one each by default.

    Raises
    ------
    SluiceError
        If there is no record.
    """
    if not len(risks):
        raise SluiceError("A table without records has no risk", mend="nothing is to be judged")
    records = np.ones(len(risks), dtype=np.int64) if records is None else records
    n = int(records.sum())
    return Risk(
        highest=float(risks.max()),
        mean=float(risks @ records) / n,
        over=float((risks > threshold) @ records) / n,
        unique=float((risks == 1.0) @ records) / n,
        n=n,
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
