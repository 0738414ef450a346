"""Exact integer noise from OpenDP.

Answers are whole numbers of grid steps before noise is added. Sums of integers do not depend on
their order and carry no rounding error, so that the stated sensitivity is the true one, and the
samplers work in exact arithmetic (Mironov, "On significance of the least significant bits for
differential privacy", 2012, shows what floating-point noise gives away).

On a grid this fine against σ (2²⁰ steps to a bound) the discrete Gaussian of Canonne, Kamath and
Steinke (2020) has the privacy curve of the continuous one up to O((step/σ)²).
"""

from __future__ import annotations

import numpy as np
import opendp.prelude as dp
from numpy.typing import NDArray

from sluice.errors import SluiceError
from sluice.ledger.spends import Noise

dp.enable_features("contrib")

Steps = NDArray[np.int64]


def gaussian_vector(values: Steps, scale: float) -> Steps:
    """Return integers plus independent discrete Gaussian noise with parameter σ = ``scale``."""
    space = (dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64"))
    return _invoke(dp.m.make_gaussian(*space, scale=float(scale)), values)


def laplace_vector(values: Steps, scale: float) -> Steps:
    """Return integers plus independent discrete Laplace noise, P(k) ∝ exp(−|k|/scale)."""
    space = (dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64"))
    return _invoke(dp.m.make_laplace(*space, scale=float(scale)), values)


def add_noise(values: Steps, noise: Noise, grid: float) -> NDArray[np.float64]:
    """Return a stacked answer with noise on every coordinate, in its own units.

    Parameters
    ----------
    values
        The answer in whole steps.
    noise
        What to add; scale in the answer's units.
    grid
        Size of one step: a power of two, so that the result is exact.
    """
    if noise.mechanism == "gaussian":
        steps = gaussian_vector(values, noise.scale / grid)
        return np.asarray(steps * grid, dtype=np.float64)
    if noise.mechanism == "laplace" and grid == 1:
        return laplace_vector(values, noise.scale).astype(np.float64)
    raise SluiceError("There is no such noise on this grid", where=noise.mechanism)


def _invoke(mechanism: dp.Measurement, values: Steps) -> Steps:
    return np.asarray(mechanism(np.asarray(values, dtype=np.int64).tolist()), dtype=np.int64)
