"""Noise is whole steps of the grid, of the stated size, and independent by coordinate."""

import math

import numpy as np
import opendp.prelude as dp
import pytest

from sluice.dp.mechanisms import add_noise, gaussian_vector, laplace_vector
from sluice.errors import SluiceError
from sluice.ledger.spends import Noise

ZEROS = np.zeros(20_000, dtype=np.int64)


@pytest.mark.parametrize("scale", [3.0, 3.0 * 2**20])
def test_gaussian_noise_has_the_stated_deviation(scale: float) -> None:
    noise = gaussian_vector(ZEROS, scale)
    assert noise.dtype == np.int64
    assert abs(noise.mean()) < 6 * scale / math.sqrt(len(ZEROS))
    assert noise.std() == pytest.approx(scale, rel=0.04)
    assert abs(np.corrcoef(noise[:-1], noise[1:])[0, 1]) < 0.05


def test_laplace_noise_has_the_stated_decay() -> None:
    noise = laplace_vector(ZEROS, 4.0)
    assert noise.dtype == np.int64
    assert np.abs(noise).mean() == pytest.approx(1 / math.sinh(1 / 4), rel=0.06)


def test_opendp_agrees_on_what_the_gaussian_costs() -> None:
    """ρ = Δ²/(2σ²) of concentrated DP, by OpenDP's own map of the same mechanism."""
    space = (dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64"))
    mechanism = dp.m.make_gaussian(*space, scale=40.0 * 2**20)
    assert mechanism.map(3.0 * 2**20) == pytest.approx(9 / (2 * 1600), rel=1e-9)


def test_noisy_answers_lie_on_the_grid() -> None:
    grid = 2.0**-20
    values = np.array([5, -3, 0], dtype=np.int64) * 2**20
    noisy = add_noise(values, Noise("gaussian", 1.5, 1.0), grid)
    assert np.array_equal(noisy / grid, np.round(noisy / grid))
    assert np.abs(noisy - [5, -3, 0]).max() < 15
    assert not np.array_equal(noisy, add_noise(values, Noise("gaussian", 1.5, 1.0), grid))


def test_unknown_noise_and_fractional_laplace_are_refused() -> None:
    for noise, grid in ((Noise("none", 1.0, 1.0), 1.0), (Noise("laplace", 1.0, 1.0), 0.5)):
        with pytest.raises(SluiceError, match="no such noise"):
            add_noise(ZEROS[:3], noise, grid)
