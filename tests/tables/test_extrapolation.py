"""Population uniqueness from a sample: the vine, the older estimators, the recommended estimate."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from benchmarks.tables.populations import classes, independent, latent, truth

from sluice.errors import SluiceError
from sluice.tables.assessment import uniqueness
from sluice.tables.copula import fit
from sluice.tables.extrapolation import copula
from sluice.tables.population import (
    Estimate,
    by_sizes,
    dankar,
    pitman,
    sizes_of,
    slide_negative_binomial,
    zayatz,
)
from sluice.tables.streaming import Classes, classify, code_column


def bounds(estimate: Estimate) -> tuple[float, float, float]:
    assert estimate.uniqueness is not None
    assert estimate.lower is not None and estimate.upper is not None
    return estimate.lower, estimate.uniqueness, estimate.upper


def of_numbers(rows: np.ndarray) -> Classes:
    columns = (pa.chunked_array([pa.array(column)]) for column in rows.T)
    return classify(code_column(column, "x") for column in columns)


@pytest.mark.parametrize("make", [independent, latent])
@pytest.mark.parametrize("fraction", [0.01, 0.05])
def test_the_estimate_is_near_the_truth_and_the_sample_itself_is_not(make, fraction):
    people = 60_000
    population = make(people, 17)
    alone = truth(population)
    for seed in range(3):
        sample = classes(population.sample(round(fraction * people), random_state=seed))
        lower, found, upper = bounds(copula(sample, people, seed))
        assert 1 / 1.5 < found / alone < 1.5
        assert lower <= alone <= upper
        naive = (sample.sizes == 1).sum() / sample.rows
        assert naive > 1.5 * alone
        assert zayatz(sizes_of(sample.sizes), people) > 1.3 * alone


def test_a_whole_population_is_counted_and_larger_ones_have_fewer_alone():
    sample = classes(latent(2000, 3))
    whole = copula(sample, 2000, 1)
    alone = (sample.sizes == 1).sum() / 2000
    assert whole.uniqueness == whole.lower == whole.upper == alone
    found = [bounds(copula(sample, people, 1))[1] for people in (2_500, 20_000, 2_000_000)]
    assert alone * 1.05 > found[0] > found[1] > found[2]


def test_the_same_sample_gives_the_same_estimate_and_an_interval_that_shrinks_with_it():
    population = latent(50_000, 5)
    small, large = (classes(population.iloc[:n]) for n in (250, 10_000))
    assert copula(small, 50_000, 4) == copula(small, 50_000, 4)
    wide, narrow = (bounds(copula(sample, 50_000, 4)) for sample in (small, large))
    assert wide[2] / wide[0] > 1.5 * narrow[2] / narrow[0]


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((40, 2), dtype=int),  # all the same
        np.arange(80).reshape(40, 2),  # all different
        np.column_stack([np.arange(40), np.zeros(40, dtype=int)]),
    ],
)
def test_samples_at_the_ends_have_an_estimate(rows):
    lower, found, upper = bounds(copula(of_numbers(rows), 4000, 1))
    assert 0 <= lower <= found <= upper <= 1


def test_a_missing_number_makes_a_column_one_of_categories():
    table = independent(3000, 2)
    column = pa.array([None if value == "0" else float(value) for value in table["c4"]])
    sample = classify(
        [code_column(pa.chunked_array([column]), "c4"), *(
            code_column(pa.chunked_array([pa.array(table[name])]), name) for name in ("c3", "c5")
        )]
    )  # fmt: skip
    assert 0 < bounds(copula(sample, 60_000, 1))[1] < 1


def test_a_vine_is_a_distribution():
    rng = np.random.default_rng(2)
    x = rng.integers(0, 4, 300)
    rows = np.column_stack([x, (x + (rng.random(300) < 0.1)) % 4, rng.integers(0, 3, 300)])
    vine = fit(rows, [False] * 3)
    cells = np.array(list(product(*(range(len(margin)) for margin in vine.margins))))
    density = vine.density(cells)
    assert density.sum() == pytest.approx(1)
    drawn = vine.draw(200_000, np.random.default_rng(3))
    shares = pd.DataFrame(drawn).value_counts(normalize=True)
    expected = pd.Series(density, index=pd.MultiIndex.from_arrays(list(cells.T), names=[0, 1, 2]))
    assert shares.sub(expected, fill_value=0).abs().max() < 0.005
    apart = np.mean((rows[:, 0] == 0) & (rows[:, 1] == 2))
    assert apart == 0 and density[(cells[:, 0] == 0) & (cells[:, 1] == 2)].sum() < 0.02


def sample_of(sizes: np.ndarray, n: int, seed: int) -> np.ndarray:
    people = np.repeat(np.arange(len(sizes)), sizes)
    chosen = np.random.default_rng(seed).choice(people, n, replace=False)
    return np.bincount(chosen, minlength=len(sizes))


def test_the_older_estimators_find_what_they_assume():
    rng = np.random.default_rng(9)
    sizes = rng.negative_binomial(0.4, 0.02, 6000) + 1
    people, alone = int(sizes.sum()), float((sizes == 1).sum() / sizes.sum())
    sample = sizes_of(sample_of(sizes, people // 4, 1))
    assert slide_negative_binomial(sample, people) == pytest.approx(alone, rel=0.1)
    seats, alpha, theta = [1], 0.6, 50.0
    for person in range(1, 20_000):
        if rng.random() < (theta + alpha * len(seats)) / (theta + person):
            seats.append(1)
        else:
            weights = np.array(seats) - alpha
            seats[rng.choice(len(seats), p=weights / weights.sum())] += 1
        if len(seats) > 3000:
            break
    tables = np.array(seats)
    people, alone = int(tables.sum()), float((tables == 1).sum() / tables.sum())
    sample = sizes_of(sample_of(tables, people // 10, 2))
    assert pitman(sample, people) == pytest.approx(alone, rel=0.25)


def test_zayatz_keeps_a_whole_population_and_lessens_a_sample():
    sizes = np.random.default_rng(6).geometric(0.3, 500)
    people, alone = int(sizes.sum()), float((sizes == 1).sum() / sizes.sum())
    assert zayatz(sizes_of(sizes), people) == pytest.approx(alone)
    sample = sample_of(sizes, people // 3, 5)
    found = zayatz(sizes_of(sample), people)
    assert alone < found < (sample == 1).sum() / sample.sum()
    assert zayatz(sizes_of(np.ones(1000, dtype=int)), 1000) == pytest.approx(1)
    assert zayatz(sizes_of(np.full(100, 3)), 3000) == 0


def test_dankar_takes_pitman_up_to_a_tenth_and_the_smaller_of_two_above():
    sample = sizes_of(sample_of(np.random.default_rng(1).geometric(0.2, 900), 400, 3))
    assert dankar(sample, 40_000) == pitman(sample, 40_000)
    high = [zayatz(sample, 1000), slide_negative_binomial(sample, 1000)]
    assert dankar(sample, 1000) == min(value for value in high if value is not None)


def test_where_no_two_agree_the_older_estimators_that_need_it_say_nothing():
    found = by_sizes(np.ones(50, dtype=int), 5000, 1)
    assert found["pitman"].uniqueness is None and found["zayatz"].uniqueness == 1
    lower, alone, upper = bounds(found["zayatz"])
    assert lower <= alone <= upper


def test_few_records_are_not_judged_and_a_smaller_population_is_refused():
    few = of_numbers(np.arange(10)[:, None])
    found = uniqueness(few, 1000, 1)
    assert found["recommended"] is None and found["upper_bound"] == 1.0
    with pytest.raises(SluiceError, match="smaller than the sample"):
        uniqueness(few, 9, 1)
