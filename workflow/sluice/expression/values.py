"""What a number in an expression matrix may be, and the one normalisation that is used."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from scipy import sparse

from sluice.errors import SluiceError

#: How a released matrix is laid out; ``uns/schema`` names it before the kind of the values.
SCHEMA = "sluice-expression-1"

ValueKind = Literal["counts", "tpm", "log"]

#: Counts of a sample are scaled to this total before the logarithm: a public constant.
COUNTS_PER = 1_000_000.0
_INT32_MAX = 2**31 - 1


def check_kind(kind: str) -> None:
    """Refuse a value kind other than ``counts``, ``tpm`` and ``log``."""
    if kind not in get_args(ValueKind):
        raise SluiceError(
            "The kind of expression values is not known",
            where="value_kind",
            mend=f"use one of: {', '.join(get_args(ValueKind))}",
        )


def check_values(values: np.ndarray, kind: str, where: str) -> None:
    """Refuse numbers that cannot be expression values of this kind.

    Missing and infinite numbers are refused always, negative ones for ``counts`` and ``tpm``,
    fractions and numbers above 2^31 - 1 for ``counts``. Zero is fine everywhere.
    """
    if len(values) == 0 or _sound(values, kind):
        return
    faults = [("missing or infinite numbers", ~np.isfinite(values), "fill or drop them at source")]
    if kind != "log":
        faults.append(("negative numbers", values < 0, "set value_kind to log if they are logs"))
    if kind == "counts":
        whole = np.floor(values) == values
        faults.append(("fractions among counts", ~whole, "set value_kind to tpm or log"))
        faults.append(("counts above 2147483647", values > _INT32_MAX, "check the source"))
    for what, wrong, mend in faults:
        if wrong.any():
            count = int(wrong.sum())
            raise SluiceError(f"The matrix holds {what}: {count}", where=where, mend=mend)


def _sound(values: np.ndarray, kind: str) -> bool:
    """Say quickly whether nothing is wrong; a missing number makes every comparison false."""
    low, high = values.min(), values.max()
    if kind == "counts":
        return bool(low >= 0 and high <= _INT32_MAX and (np.floor(values) == values).all())
    return bool(np.isfinite(low) and np.isfinite(high) and (kind == "log" or low >= 0))


def log_normalise(counts: np.ndarray | sparse.csr_matrix) -> np.ndarray | sparse.csr_matrix:
    """Return log(1 + counts per million) of each row; a row without counts stays zero.

    The scale is a constant and every row is treated alone, so that nobody's value depends on
    who else is in the matrix.
    """
    if sparse.issparse(counts):
        totals = np.asarray(counts.sum(axis=1), dtype=float).ravel()
        scaled = sparse.csr_matrix(sparse.diags(_factors(totals)) @ counts)
        scaled.data = np.log1p(scaled.data)
        return scaled
    dense = np.array(counts, dtype=float)
    dense *= _factors(dense.sum(axis=1))[:, None]
    return np.log1p(dense, out=dense)


def _factors(totals: np.ndarray) -> np.ndarray:
    """Return COUNTS_PER / total, and 0 for an empty row."""
    return np.divide(COUNTS_PER, totals, out=np.zeros_like(totals), where=totals > 0)
