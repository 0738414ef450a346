"""SUDA against its definition."""

from __future__ import annotations

from itertools import combinations
from math import prod

import numpy as np
import pytest

from sluice.errors import SluiceError
from sluice.tables.uniques import dis_scores, minimal_uniques


def brute(rows: list[tuple[int, ...]], largest: int) -> list[tuple[float, list[int]]]:
    """Score and MSU sizes of each record, by the definition."""
    columns = len(rows[0])
    sets = [s for size in range(1, largest + 1) for s in combinations(range(columns), size)]

    def single(record: tuple[int, ...], names: tuple[int, ...]) -> bool:
        return sum(all(other[j] == record[j] for j in names) for other in rows) == 1

    found: list[tuple[float, list[int]]] = []
    for record in rows:
        minimal: list[tuple[int, ...]] = []
        for names in sets:
            if single(record, names) and not any(set(m) <= set(names) for m in minimal):
                minimal.append(names)
        score = sum(
            prod(columns - i for i in range(len(m), min(largest, columns - 1) + 1)) for m in minimal
        )
        found.append((score, sorted(len(m) for m in minimal)))
    return found


def test_scores_and_sizes_are_those_of_the_definition_on_a_thousand_tables():
    rng = np.random.default_rng(3)
    for _ in range(1000):
        columns = int(rng.integers(1, 6))
        rows = rng.integers(0, rng.integers(1, 5, columns) + 1, (int(rng.integers(1, 13)), columns))
        largest = int(rng.integers(1, columns + 1))
        distinct, of_row, sizes = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
        found = minimal_uniques(distinct, sizes, largest)
        wanted = brute([tuple(map(int, row)) for row in rows], largest)
        for row, (score, msus) in zip(of_row.reshape(-1), wanted, strict=True):
            assert found.scores[row] == score
            counted = found.counts[row]
            assert [s for s, c in enumerate(counted, 1) for _ in range(c)] == msus


def test_the_example_of_elliot_and_others_scores_by_the_size_of_the_sets():
    """Alone by one column of three: 2! · 1; alone by a pair only: 1."""
    rows = np.array([[1, 0, 0], [0, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
    found = minimal_uniques(rows, np.ones(5, dtype=int))
    assert found.scores[0] == 2
    assert found.counts[1].tolist() == [0, 1, 0]
    assert found.scores[1] == 1


def test_a_record_that_is_there_twice_is_nowhere_unique():
    found = minimal_uniques(np.array([[0, 0], [1, 1]]), np.array([2, 1]))
    assert found.scores.tolist() == [0, 2]


def test_the_shares_of_the_columns_say_where_the_scores_come_from():
    rows = np.array([[0, 0], [1, 0], [2, 0]])
    assert minimal_uniques(rows, np.ones(3, dtype=int)).shares.tolist() == [1, 0]


def test_more_sets_than_can_be_searched_are_refused_with_the_count():
    with pytest.raises(SluiceError, match="too many sets"):
        minimal_uniques(np.zeros((2, 30), dtype=int), np.ones(2, dtype=int))


def test_dis_scores_grow_with_the_fraction_and_share_out_the_sample_measure():
    rng = np.random.default_rng(1)
    rows = np.unique(rng.integers(0, 4, (300, 5)), axis=0)
    sizes = rng.integers(1, 3, len(rows))
    scores = minimal_uniques(rows, sizes).scores
    low, high = (dis_scores(scores, sizes, 5, fraction) for fraction in (0.01, 0.2))
    assert (low[scores > 0] < high[scores > 0]).all()
    assert (low[scores == 0] == 0).all()
    assert dis_scores(scores, sizes, 5, 1.0)[scores > 0] == pytest.approx(1.0)


def test_dis_scores_are_sdcmicros_formula():
    """1 / (1 + (u / DIS − u) / (s^Q Σ s^−Q)), written out for three records of four columns."""
    scores, sizes = np.array([6.0, 2.0, 1.0, 0.0]), np.array([1, 1, 1, 2])
    expected = 3 * 0.1 / (3 * 0.1 + 2 * 0.9)
    powers = scores[:3] ** 1.2
    wanted = 1 / (1 + (3 / expected - 3) / (powers * (1 / powers).sum()))
    assert dis_scores(scores, sizes, 4, 0.1).tolist() == pytest.approx([*wanted, 0])
