"""Counts perturbed by cell keys: the same cell is perturbed the same wherever it is published.

Each record has a random key that never changes. A cell's key is the sum of its records' keys; with
its count it looks up how much is added (Fraser and Wooton 2005, Australian Bureau of Statistics;
Giessing 2016 for tables of maximum entropy). Expectation 0, so that sums of many cells come out
right; the variance is fixed, but for the smallest counts, which become 0 or the threshold. Margins
are perturbed like any cell, so a table does not add up. Whoever holds many tables can average; this
is no differential privacy.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from functools import cache
from hashlib import sha256

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import logsumexp

from sluice.errors import SluiceError
from sluice.tables.counts import CountTable, codes_of, with_margins

VARIANCE = 4.0
"""Variance of what is added, in records², where the count is large enough for it."""

_SHORTEST_KEY = 16  # bytes


def record_keys(ids: Sequence[str] | pd.Series, key: bytes) -> np.ndarray:
    """Return the records' keys, shape (records,) uint64: HMAC-SHA-256 of the identifiers.

    Raises
    ------
    SluiceError
        If the key is short, or an identifier is missing or stands twice.
    """
    column = pd.Series(ids)
    if len(key) < _SHORTEST_KEY:
        raise SluiceError(
            "The key of a table of counts is too short",
            where=f"{len(key)} bytes",
            mend=f"make one of {_SHORTEST_KEY} random bytes or more and keep it for all tables",
        )
    if column.isna().any() or column.duplicated().any():
        raise SluiceError(
            "Cell keys need one identifier for each record",
            where=f"column {column.name}",
            mend="name a column without gaps and repeats",
        )
    digests = (hmac.digest(key, str(value).encode(), sha256)[:8] for value in column)
    return np.array([int.from_bytes(digest, "big") for digest in digests], dtype=np.uint64)


def perturb_counts(
    table: CountTable,
    df: pd.DataFrame,
    keys: np.ndarray,
    threshold: int,
    variance: float = VARIANCE,
) -> np.ndarray:
    """Return the table's counts with what their cell keys add, margins independently.

    Parameters
    ----------
    table, df
        The counts, and the records that were counted.
    keys
        Of the records, shape (records,) uint64.
    threshold
        No count from 1 to threshold − 1 comes out; zero stays zero.
    """
    sums = np.zeros(table.counts.shape, dtype=np.uint64)
    np.add.at(sums, codes_of(df, table), keys)  # wraps around: a sum modulo 2⁶⁴
    uniform = with_margins(sums) / 2.0**64
    out = table.counts.copy()
    for count in np.unique(table.counts[table.counts > 0]):
        values, shares = outcomes(int(count), threshold, variance)
        here = table.counts == count
        places = np.searchsorted(np.cumsum(shares)[:-1], uniform[here], side="right")
        out[here] = values[places]
    return out


@cache
def outcomes(count: int, threshold: int, variance: float) -> tuple[np.ndarray, np.ndarray]:
    """What a count may become, and how likely: mean ``count``, of maximum entropy.

    0, or from the threshold to as far above the count as the threshold is from 0 and five standard
    deviations. A count below the threshold whose variance must be larger than ``variance`` becomes
    0 or the threshold: count · (threshold − count), the least that is unbiased.
    """
    if count < threshold and count * (threshold - count) >= variance:
        share = count / threshold
        return np.array([0, threshold]), np.array([1 - share, share])
    reach = threshold + int(np.ceil(5 * np.sqrt(variance)))
    far = threshold + reach  # from here on the threshold is out of reach
    if count > far:
        values, shares = outcomes(far, threshold, variance)
        return values + (count - far), shares
    values = np.arange(max(threshold, count - reach), count + reach + 1)
    if count <= reach:
        values = np.concatenate([[0], values])
    moments = np.stack([values - count, (values - count) ** 2 - variance]) / reach

    def dual(weights: np.ndarray) -> tuple[float, np.ndarray]:
        exponent = weights @ moments
        shares = np.exp(exponent - logsumexp(exponent))
        return float(logsumexp(exponent)), moments @ shares

    found = minimize(dual, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-10})
    exponent = found.x @ moments
    shares = np.exp(exponent - logsumexp(exponent))
    if np.abs(moments @ shares).max() > 1e-6:
        raise SluiceError(
            "No perturbation of counts has this variance", where=f"variance {variance:g}"
        )
    return values, shares
