from collections import Counter
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from benchmarks.tables.cells import LEFT_OUT, violations
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import SluiceError
from sluice.tables.cells import suppress_cells

COLUMNS = ["a", "b", "c"]

rows = st.lists(
    st.tuples(st.sampled_from("pqrs"), st.sampled_from(["p", "q", None]), st.sampled_from("pq")),
    min_size=4,
    max_size=30,
)
modes = pytest.mark.parametrize("mode", ["strict", "wildcard"])


def table(records: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(records, columns=COLUMNS, dtype=object)


def after(df: pd.DataFrame, k: int, mode: str, **more: object) -> pd.DataFrame:
    return df.mask(suppress_cells(df, list(df), k, mode=mode, **more))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def adult(shared_data) -> pd.DataFrame:
    path = shared_data / "clinical" / "adult" / "adult.csv"
    return pd.read_csv(path, sep=";", dtype=str).drop(columns=LEFT_OUT)


@pytest.mark.parametrize(("mode", "most"), [("wildcard", 7_300), ("strict", 21_500)])
def test_adult_without_a_violation(adult, mode, most) -> None:
    cells = suppress_cells(adult, list(adult), 5, mode=mode)
    assert 0 < cells.sum() <= most
    assert violations(adult.mask(cells), 5, mode) == 0
    assert violations(adult, 5, "strict") == 15_353, "the verifier sees them in the table as it was"


@modes
@given(records=rows, k=st.integers(2, 4))
def test_every_record_is_one_of_k(mode, records, k) -> None:
    df = table(records)
    assert violations(after(df, k, mode), k, mode) == 0


@modes
@given(records=rows, seed=st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(mode, records, seed) -> None:
    df = table(records)
    order = np.random.default_rng(seed).permutation(len(df))
    first = suppress_cells(df, COLUMNS, 3, mode=mode)
    second = suppress_cells(df.iloc[order], COLUMNS, 3, mode=mode)
    assert (first[order] == second).all()


@modes
@given(records=rows)
def test_only_cells_that_hold_a_value_are_removed(mode, records) -> None:
    df = table(records)
    assert not (suppress_cells(df, COLUMNS, 3, mode=mode) & df.isna().to_numpy()).any()


@given(records=rows, k=st.integers(2, 4))
def test_wildcard_touches_no_safe_row_and_leaves_what_k_rows_shared_before(records, k) -> None:
    df = table(records)
    cells = suppress_cells(df, COLUMNS, k, mode="wildcard")
    before = df.fillna("").to_numpy()
    sizes = Counter(map(tuple, before.tolist()))
    for row, gone in zip(before, cells | (before == ""), strict=True):
        if (gone & (row != "")).any():
            assert sizes[tuple(row)] < k
            assert (before[:, ~gone] == row[~gone]).all(axis=1).sum() >= k


def fewest(records: list[tuple[str, str]], k: int) -> int:
    """The least number of cells whose removal leaves classes of k, by trying all."""

    def removed(gone: tuple[bool, ...]) -> Counter:
        shown = ["" if g else c for g, c in zip(gone, (c for r in records for c in r), strict=True)]
        return Counter(zip(shown[::2], shown[1::2], strict=True))

    every = product([False, True], repeat=2 * len(records))
    return min(sum(gone) for gone in every if min(removed(gone).values()) >= k)


@given(records=st.lists(st.tuples(*[st.sampled_from("pqr")] * 2), min_size=3, max_size=4))
@settings(max_examples=40)
def test_strict_takes_at_most_twice_the_least_number_of_cells_of_small_tables(records) -> None:
    df = pd.DataFrame(records, columns=["a", "b"], dtype=object)
    cells = suppress_cells(df, ["a", "b"], 2).sum()
    assert fewest(records, 2) <= cells <= 2 * fewest(records, 2)


def test_one_odd_cell_is_all_that_goes() -> None:
    df = table([("p", "p", "p")] * 4 + [("q", "p", "p")] * 4 + [("r", "p", "p"), ("s", "p", "p")])
    cells = suppress_cells(df, COLUMNS, 2)
    assert cells.tolist() == [[False] * 3] * 8 + [[True, False, False]] * 2
    spared = suppress_cells(df, COLUMNS, 2, mode="wildcard")
    assert spared.sum() == 1, "the one without the cell matches the other"


@modes
def test_cells_of_more_weight_stay(mode) -> None:
    df = table([(a, b, "x") for a in "pqr" for b in "pqr"])
    for name, other in ((0, 1), (1, 0)):
        cells = suppress_cells(df, COLUMNS, 3, mode=mode, weights={COLUMNS[name]: 5.0})
        assert not cells[:, name].any() and cells[:, other].any()


def test_who_fits_nowhere_joins_as_few_as_it_takes_where_that_costs_least() -> None:
    df = table([("p", "p", "p")] * 3 + [("q", "q", "q")] * 5 + [("q", "q", "t")])
    cells = suppress_cells(df, COLUMNS, 3)
    last = [False, False, True]
    assert cells.tolist() == [[False] * 3] * 3 + [last] * 2 + [[False] * 3] * 3 + [last]
    df = table([("p", "p", "p")] * 3 + [("q", "q", "q")] * 4 + [("r", "s", "t")])
    cells = suppress_cells(df, COLUMNS, 3)
    assert cells.tolist() == [[True] * 3] * 3 + [[False] * 3] * 4 + [[True] * 3], "a whole class"


@modes
def test_what_cannot_be_is_refused(mode) -> None:
    df, wide = (
        table([("p", "p", "p")] * 3),
        pd.DataFrame([["p"] * 20] * 3, columns=list("abcdefghijklmnopqrst")),
    )
    for wrong in (
        lambda: suppress_cells(df, COLUMNS, 4, mode=mode),
        lambda: suppress_cells(df, [], 2, mode=mode),
        lambda: suppress_cells(df, ["z"], 2, mode=mode),
        lambda: suppress_cells(df, COLUMNS, 2, mode=mode, weights={"a": 0.0}),
        lambda: suppress_cells(wide, [*wide.columns], 2, mode=mode),
    ):
        with pytest.raises(SluiceError):
            wrong()
