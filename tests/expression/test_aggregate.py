from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.expression.aggregate import (
    Floors,
    cell_type_proportions,
    effective_dimension,
    group_means,
    pseudobulk,
    set_means,
)
from sluice.expression.singlecell import open_cells
from sluice.expression.values import COUNTS_PER, log_normalise

RNG = np.random.default_rng(5)


def source(folder, x):
    obs = pd.DataFrame(index=[f"c{i}" for i in range(len(x))])
    var = pd.DataFrame(index=[f"g{j}" for j in range(x.shape[1])])
    ad.AnnData(x.astype(np.float32), obs, var).write_h5ad(folder / "a.h5ad")
    return open_cells(folder / "a.h5ad", "h5ad")


def test_pseudobulk_sums_each_donor_and_refuses_small_ones(tmp_path):
    x = RNG.poisson(2, (40, 6))
    donors = np.array(["a"] * 15 + ["b"] * 9 + ["c"] * 16)
    cells = pd.DataFrame({"row": np.arange(40), "donor": donors}).sample(frac=1, random_state=1)
    bulk = pseudobulk(source(tmp_path, x), cells, ["donor"], block=7)
    assert bulk.keys["donor"].tolist() == ["a", "c"]
    assert bulk.keys["cells"].tolist() == [15, 16]
    assert np.array_equal(bulk.values, [x[donors == "a"].sum(0), x[donors == "c"].sum(0)])
    assert bulk.refused == 1


def test_log_pseudobulk_averages_each_cell_alone(tmp_path):
    x = RNG.poisson(2, (20, 6)) + 1
    cells = pd.DataFrame({"row": np.arange(20), "donor": "a", "cell_type": ["T", "B"] * 10})
    bulk = pseudobulk(source(tmp_path, x), cells, ["donor", "cell_type"], log=True, block=6)
    expected = np.log1p(x / x.sum(1, keepdims=True) * COUNTS_PER)
    assert np.allclose(bulk.values, [expected[1::2].mean(0), expected[::2].mean(0)], rtol=1e-5)


def test_an_empty_row_stays_zero():
    assert (log_normalise(np.zeros((1, 3))) == 0).all()


def test_set_means_use_the_genes_present_and_leave_thin_sets_out():
    values = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    sets = {"big": ["g0", "g2", "absent"], "thin": ["g1", "absent"]}
    scores, names = set_means(values, ["g0", "g1", "g2"], sets, min_genes=2)
    assert names == ["big"]
    assert scores.tolist() == [[2.0], [5.0]]
    assert set_means(values, ["x"] * 3, sets, min_genes=2)[0].shape == (2, 0)


def people(sizes: dict[str, int], **more) -> pd.DataFrame:
    rows = [(f"{g}{i}", g) for g, n in sizes.items() for i in range(n)]
    return pd.DataFrame(rows, columns=["donor", "group"]).assign(**more)


def test_a_small_group_and_a_small_rest_are_refused_and_counted():
    keys = people({"a": 30, "b": 19})
    values = RNG.normal(size=(49, 2))
    out = group_means(keys, values, ["s1", "s2"], ["group"], Floors(20), decimals=2)
    assert out.table.empty
    assert out.refused == {"too few donors": 2, "too few donors outside": 2}
    keys, values = keys[:30], values[:30]
    out = group_means(keys, values, ["s1", "s2"], ["group"], Floors(20), decimals=2)
    assert np.allclose(out.table["mean"], values.mean(0).round(2))
    assert out.table["donors"].tolist() == [30, 30]


def test_one_donor_may_not_dominate_and_counts_no_more_than_another():
    keys = people({"a": 20}, cells=10)
    values = np.zeros((20, 1))
    values[0] = 20.0
    mean = group_means(keys, values, ["s"], ["group"], Floors(20), decimals=3).table["mean"]
    keys.loc[0, "cells"] = 30
    more = group_means(keys, values, ["s"], ["group"], Floors(20), decimals=3).table["mean"]
    assert mean.tolist() == more.tolist() == [1.0]
    keys.loc[0, "cells"] = 60
    out = group_means(keys, values, ["s"], ["group"], Floors(20), decimals=3)
    assert out.table.empty
    assert out.refused == {"one donor dominates": 1}


def test_donors_with_too_few_cells_do_not_count_towards_the_floor():
    keys = people({"a": 20}, cells=[9] + [10] * 19)
    out = group_means(keys, np.zeros((20, 1)), ["s"], ["group"], Floors(20), decimals=2)
    assert out.refused == {"too few donors": 1}


def test_the_rest_is_counted_within_the_same_cell_type():
    keys = pd.concat(
        [people({"a": 20, "b": 20}, cell_type="T"), people({"a": 20, "b": 3}, cell_type="B")],
        ignore_index=True,
    )
    by, values = ["group", "cell_type"], np.zeros((len(keys), 1))
    out = group_means(keys, values, ["s"], by, Floors(20), within=["cell_type"], decimals=2)
    assert out.table[by].apply(tuple, axis=1).tolist() == [("a", "T"), ("b", "T")]
    assert out.refused == {"too few donors outside": 1, "too few donors": 1}


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(2, 25))
def test_nothing_under_the_floor_ever_leaves(sizes, floor):
    keys = people({chr(97 + i): n for i, n in enumerate(sizes)})
    out = group_means(keys, np.zeros((len(keys), 1)), ["s"], ["group"], Floors(floor), decimals=1)
    rest = sum(sizes) - out.table["donors"]
    assert (out.table["donors"] >= floor).all()
    assert ((rest == 0) | (rest >= floor)).all()
    assert len(out.table) + sum(out.refused.values()) == len(sizes)


def test_proportions_weigh_donors_equally_and_hide_rare_types_so_that_no_sum_tells():
    rows = [(f"d{i}", "T" if j < 6 else "B") for i in range(20) for j in range(12)]
    rows += [("d0", "rare")] * 3
    cells = pd.DataFrame(rows, columns=["donor", "cell_type"]).assign(group="all")
    out = cell_type_proportions(cells, ["group"], Floors(20), decimals=3)
    assert out.refused == {"too few donors with the type": 2}
    assert out.table["cell_type"].tolist() == ["T"]
    assert out.table["proportion"].tolist() == [round((19 * 0.5 + 6 / 15) / 20, 3)]
    plain = cell_type_proportions(
        cells[cells["cell_type"] != "rare"], ["group"], Floors(20), decimals=3
    )
    assert plain.table["proportion"].tolist() == [0.5, 0.5]
    assert not plain.refused


def test_proportions_of_a_small_group_are_refused():
    cells = pd.DataFrame({"donor": np.repeat([f"d{i}" for i in range(19)], 10), "cell_type": "T"})
    out = cell_type_proportions(cells.assign(group="all"), ["group"], Floors(20), decimals=3)
    assert out.table.empty
    assert out.refused == {"too few donors": 1}


def test_effective_dimension_counts_directions_that_rounding_leaves_visible():
    basis = RNG.normal(size=(200, 5))
    wide = basis @ RNG.normal(size=(5, 40))
    assert effective_dimension(wide) == 5
    assert effective_dimension(basis[:, :3]) == 3
    assert effective_dimension(basis * [1, 1, 1, 1, 1e-6], decimals=2) == 4
    assert effective_dimension(basis * 1e-6, decimals=2) == 0
    assert effective_dimension(np.ones((10, 3))) == 0
    assert effective_dimension(RNG.normal(size=(8, 30))) == 7


@pytest.mark.parametrize("bad", [np.zeros((1, 3)), np.zeros((5, 0))])
def test_nothing_has_no_dimension(bad):
    assert effective_dimension(bad) == 0
