"""Models that compare a class with the table, against their definitions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from sluice.errors import SluiceError
from sluice.tables.closeness import (
    disclosure,
    enhanced_likeness,
    hierarchical_distance,
    k_map,
    likeness,
    ordered_distance,
    presence,
)
from sluice.tables.models import Contingency, contingency, recursive_c, tabulate

SALARIES = pd.DataFrame(
    {"zip": ["476**"] * 3 + ["4790*"] * 3 + ["47605"] * 3, "salary": [3, 4, 5, 6, 11, 8, 7, 9, 10]}
)
# Two pairs under a node each, and a fifth value apart: the label of each value by level.
TREE = [np.array([0, 0, 1, 1, 2]), np.array([0, 0, 0, 0, 1]), np.zeros(5, dtype=int)]


def counted(classes: list[int], values: list[int], radix: int = 5) -> Contingency:
    return contingency(np.array(classes), np.array(values), radix)


def transported(p: np.ndarray, q: np.ndarray, ground: np.ndarray) -> float:
    """Earth mover's distance as a linear programme."""
    n = len(p)
    sums = [np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))]
    found = linprog(ground.ravel(), A_eq=np.vstack(sums), b_eq=np.concatenate([p, q]))
    return float(found.fun)


records = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), min_size=2, max_size=20)


def shares(table: Contingency, kind: int) -> np.ndarray:
    out = np.zeros(table.radix)
    mine = table.classes == kind
    out[table.values[mine]] = table.counts[mine] / table.sizes[kind]
    return out


def numbered(rows: list[tuple[int, int]]) -> Contingency:
    _, classes = np.unique([row[0] for row in rows], return_inverse=True)
    return contingency(classes, np.array([row[1] for row in rows]), 5)


@given(records)
def test_the_distances_are_the_least_work_that_moves_one_distribution_to_the_other(rows):
    table = numbered(rows)
    codes = np.unique(table.values)
    ladder = (
        np.array(
            [
                [
                    next(
                        level
                        for level, labels in enumerate([np.arange(5), *TREE])
                        if labels[a] == labels[b]
                    )
                    for b in range(5)
                ]
                for a in range(5)
            ]
        )
        / 3
    )
    line = np.abs(np.subtract.outer(np.arange(len(codes)), np.arange(len(codes))))
    for kind in range(len(table.sizes)):
        p, q = shares(table, kind), table.reference()
        wanted = transported(p, q, ladder)
        assert hierarchical_distance(table, TREE)[kind] == pytest.approx(wanted, abs=1e-8)
        if len(codes) > 1:
            wanted = transported(p[codes], q[codes], line / (len(codes) - 1))
            assert ordered_distance(table, codes)[kind] == pytest.approx(wanted, abs=1e-8)


def test_the_ordered_distances_of_the_t_closeness_paper_come_out():
    """Li and others 2007: {3, 4, 5} is 0.375 and {6, 8, 11} 0.167 from {3 … 11}."""
    table = tabulate(SALARIES, ["zip"], "salary")
    names = sorted(SALARIES["salary"].astype(str).unique())  # codes go by the values' text
    order = [1 + names.index(str(salary)) for salary in range(3, 12)]
    by_class = dict(zip(sorted(SALARIES["zip"].unique()),
                        ordered_distance(table, order), strict=True))  # fmt: skip
    assert by_class["476**"] == pytest.approx(0.375)
    assert by_class["4790*"] == pytest.approx(1 / 6)


def test_an_ordered_distance_refuses_a_value_without_a_place():
    with pytest.raises(SluiceError, match="needs a place"):
        ordered_distance(counted([0, 0], [0, 1]), [1])


def test_a_hierarchy_without_a_common_top_is_refused():
    with pytest.raises(SluiceError, match="at the top"):
        hierarchical_distance(counted([0, 0], [0, 4]), TREE[:2])


@given(records)
def test_likeness_and_disclosure_are_their_definitions(rows):
    table = numbered(rows)
    reference = table.reference()
    for kind in range(len(table.sizes)):
        q = shares(table, kind)
        here = q > 0
        gains = (q[here] - reference[here]) / reference[here]
        assert likeness(table)[kind] == pytest.approx(max(0, gains.max()))
        assert disclosure(table)[kind] == pytest.approx(
            np.abs(np.log(q[here] / reference[here])).max()
        )
        if (gains > -np.log(reference[here]) + 1e-9).any():
            assert np.isinf(enhanced_likeness(table)[kind])
        else:
            assert enhanced_likeness(table)[kind] == likeness(table)[kind]


def test_recursive_diversity_compares_the_commonest_with_the_rarer_ones():
    table = contingency(np.array([0] * 9 + [1] * 2), np.array([1] * 5 + [2] * 3 + [3, 1, 0]), 4)
    assert recursive_c(table, 2).tolist() == [5 / 4, np.inf]
    assert recursive_c(table, 3).tolist() == [5 / 1, np.inf]


def test_presence_and_k_map_compare_classes_with_their_population():
    sizes, population = np.array([2, 1, 0]), np.array([4, 10, 3])
    assert presence(sizes, population) == (0.0, 0.5)
    assert k_map(sizes, population) == 4
    assert k_map(np.array([5]), np.array([3])) == 5, "a register that lacks people hides nobody"
