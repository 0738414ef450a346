"""Attackers who subtract, solve linear programs and try all tables recover small counts from tables
as they are, and none from the protected ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from sluice.errors import SluiceError
from sluice.tables.complementary import suppress_counts
from sluice.tables.counts import ALL, MISSING, count_table, published_intervals, with_margins
from sluice.tables.rounding import round_counts

N = 4  # threshold of the small tables


def margins(cells: list[list[int]] | np.ndarray) -> np.ndarray:
    """A table of counts from its inner cells."""
    return with_margins(np.pad(np.array(cells), [(0, 1)] * np.ndim(cells)))


def hidden(counts: np.ndarray, cells: np.ndarray) -> np.ndarray:
    return np.where(cells, np.nan, counts)


def tables(shape: tuple[int, ...], most: int = 12) -> st.SearchStrategy[np.ndarray]:
    size = int(np.prod(shape))
    inner = st.lists(st.integers(0, most), min_size=size, max_size=size)
    return inner.map(lambda cells: margins(np.reshape(cells, shape)))


def subtract(shown: np.ndarray) -> np.ndarray:
    """Fill in whatever one line with one gap tells, again and again: what anybody does first."""
    out = shown.copy()
    while True:
        before = np.isnan(out).sum()
        for axis in range(out.ndim):
            view = np.moveaxis(out, axis, -1)
            for place in np.ndindex(view.shape[:-1]):
                line = view[place]
                gap = np.flatnonzero(np.isnan(line))
                if len(gap) == 1:
                    parts = np.delete(line[:-1], gap[0]) if gap[0] < len(line) - 1 else line[:-1]
                    line[gap[0]] = line[-1] - parts.sum() if gap[0] < len(line) - 1 else parts.sum()
        if np.isnan(out).sum() == before:
            return out


def small(counts: np.ndarray, threshold: int = N) -> np.ndarray:
    return (np.abs(counts) > 0) & (np.abs(counts) < threshold)


def possible(shown: np.ndarray, most: int) -> np.ndarray:
    """Every table of whole numbers up to ``most`` that agrees with what is shown."""
    inner = shown[tuple(slice(-1) for _ in shown.shape)]
    gaps = np.flatnonzero(np.isnan(inner))
    tried = np.indices([most + 1] * len(gaps)).reshape(len(gaps), -1).T
    cells = np.tile(np.nan_to_num(inner.ravel()), (len(tried), 1))
    cells[:, gaps] = tried
    found = np.zeros((len(tried), *shown.shape))
    found[:, *(slice(-1) for _ in shown.shape)] = cells.reshape(-1, *inner.shape)
    for axis in range(1, found.ndim):
        along = np.moveaxis(found, axis, 0)
        along[-1] = along[:-1].sum(axis=0)
    agrees = np.isnan(shown) | (found == shown)
    return found[agrees.reshape(len(found), -1).all(axis=1)]


def widths(low: np.ndarray, high: np.ndarray, small_cells: np.ndarray) -> np.ndarray:
    """Feasibility intervals by linear programs over the inner cells: no code of ours."""
    inner = tuple(size - 1 for size in low.shape)
    rows = []
    for cell in np.ndindex(low.shape):
        row = np.zeros(inner)
        row[tuple(slice(None) if c == n else c for c, n in zip(cell, inner, strict=True))] = 1
        rows.append(row.ravel())
    sums = np.array(rows)
    bounded = np.isfinite(high.ravel())
    limits = {
        "A_ub": np.vstack([sums[bounded], -sums]),
        "b_ub": np.concatenate([high.ravel()[bounded], -low.ravel()]),
    }
    found = []
    for place in np.flatnonzero(small_cells):
        ends = [linprog(sign * sums[place], **limits, bounds=(0, None)) for sign in (1, -1)]
        found.append(np.inf if ends[1].status == 3 else -ends[1].fun - ends[0].fun)
    return np.array(found)


# --- counting -------------------------------------------------------------------------------------


def test_every_record_is_counted_once_in_each_cell_and_margin() -> None:
    df = pd.DataFrame({"a": ["x", "y", "y", None], "b": ["p", "p", "q", "q"]})
    table = count_table(df, ["a", "b"])
    assert table.labels == ((MISSING, "x", "y"), ("p", "q"))
    assert table.counts.tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 2], [2, 2, 4]]
    assert table.cells()[0] == (MISSING, "p") and table.cells()[-1] == (ALL, ALL)


@pytest.mark.parametrize("fields", [[], ["a", "a"], ["a", "b", "c", "d"], ["z"]])
def test_a_table_over_other_than_one_to_three_columns_is_refused(fields) -> None:
    df = pd.DataFrame({name: ["x"] for name in "abcd"})
    with pytest.raises(SluiceError):
        count_table(df, fields)


def test_a_value_that_reads_like_a_margin_is_refused() -> None:
    with pytest.raises(SluiceError, match="reads like a margin"):
        count_table(pd.DataFrame({"a": ["(all)", "x"]}), ["a"])


# --- suppression ----------------------------------------------------------------------------------


def test_subtraction_gives_back_a_cell_that_is_hidden_alone_and_not_one_that_is_protected() -> None:
    counts = margins([[20, 3, 30], [40, 50, 60]])
    assert subtract(hidden(counts, small(counts)))[0, 1] == 3
    found = suppress_counts(counts, N)
    assert found.primary.sum() == 1 and found.secondary.sum() == 3
    told = subtract(hidden(counts, found.cells))
    assert np.isnan(told[found.cells]).all()


@given(tables((2, 3), most=7))
@settings(max_examples=60)
def test_trying_all_tables_leaves_as_many_values_as_the_threshold_for_a_small_count(counts) -> None:
    found = suppress_counts(counts, N)
    assert (small(counts) <= found.cells).all() and (counts[found.cells] > 0).all()
    assume(0 < found.cells[:-1, :-1].sum() <= 5)
    fits = possible(hidden(counts, found.cells), most=7 + N)
    for place in zip(*np.nonzero(small(counts)), strict=True):
        values = fits[(slice(None), *place)]
        assert len(np.unique(values)) >= N


@given(st.one_of(tables((6,)), tables((3, 4)), tables((2, 2, 3))))
@settings(max_examples=25)
def test_no_linear_program_narrows_a_small_count(counts) -> None:
    found = suppress_counts(counts, N)
    low = np.where(found.cells, 0, counts)
    high = np.where(found.cells, np.inf, counts)
    assert (widths(low, high, small(counts)) >= N - 1 - 1e-6).all()
    ours = np.subtract(
        *published_intervals(counts, found.cells, np.flatnonzero(small(counts)))[::-1]
    )
    assert ours == pytest.approx(widths(low, high, small(counts)), abs=1e-6)


def line_sums(shown: np.ndarray, group: np.ndarray) -> list[float]:
    """What each line tells of the sum of a group of cells, where it tells it."""
    told = []
    for axis in range(shown.ndim):
        values = np.moveaxis(shown, axis, -1).reshape(-1, shown.shape[axis])
        chosen = np.moveaxis(group, axis, -1).reshape(-1, shown.shape[axis])[:, :-1]
        for line, here in zip(values, chosen, strict=True):
            rest = line[-1] - line[:-1][~here].sum()
            told.append(rest if np.isnan(line[:-1][here].sum()) else line[:-1][here].sum())
    return told


@given(st.one_of(tables((3, 4)), tables((2, 2, 3))))
@settings(max_examples=40)
def test_no_line_tells_a_small_rest(counts) -> None:
    found = suppress_counts(counts, N)
    rests = np.array(line_sums(hidden(counts, found.cells), found.cells))
    assert not small(rests[~np.isnan(rests)]).any()


moves = st.lists(st.tuples(st.integers(0, 11), st.integers(-5, 8)), max_size=5)


@given(tables((3, 4), most=20), moves)
@settings(max_examples=40)
def test_nothing_small_follows_from_an_earlier_release(first, changes) -> None:
    cells = first[:-1, :-1].copy()
    for place, change in changes:
        cells.flat[place] = max(0, cells.flat[place] + change)
    second = margins(cells)
    before = hidden(first, suppress_counts(first, N).cells)
    found = suppress_counts(second, N, [before])
    now = hidden(second, found.cells)
    then, after = subtract(before), subtract(now)
    assert not small((after - then)[~np.isnan(after - then)]).any()
    for group in (np.isnan(before), np.isnan(now), np.isnan(before) | np.isnan(now)):
        rests = np.array(line_sums(now, group)) - np.array(line_sums(before, group))
        assert not small(rests[~np.isnan(rests)]).any()


def test_two_releases_tell_who_joined_unless_the_second_knows_of_the_first() -> None:
    first, second = margins([[20, 30], [40, 50]]), margins([[20, 31], [40, 50]])
    assert small(second - first)[0, 1], "one newcomer is seen where both are published"
    careless = hidden(second, suppress_counts(second, N).cells)
    assert (subtract(careless) - first)[0, 1] == 1
    careful = hidden(second, suppress_counts(second, N, [first.astype(float)]).cells)
    assert np.isnan(subtract(careful)[0, 1])
    same = suppress_counts(first, N, [first.astype(float)])
    assert not same.cells.any(), "nothing changed, nothing is told"


def test_a_group_that_was_hidden_and_grew_by_one_stays_unknown() -> None:
    first, second = np.array([3, 9, 30, 40, 82]), np.array([4, 9, 30, 40, 83])
    before = hidden(first, suppress_counts(first, N).cells)
    assert np.isnan(before[:2]).all()
    now = hidden(second, suppress_counts(second, N, [before]).cells)
    assert np.isnan(line_sums(now, np.isnan(before))[0])


def test_too_many_cells_are_refused() -> None:
    with pytest.raises(SluiceError, match="at most 2500"):
        suppress_counts(margins(np.ones((60, 60), dtype=int)), N)


@pytest.mark.shared
@pytest.mark.parametrize("by", [["education", "race"], ["race", "workclass", "sex"]])
def test_real_tables_are_protected(shared_data, by) -> None:
    path = shared_data / "clinical" / "adult" / "adult.csv"
    counts = count_table(pd.read_csv(path, sep=";", dtype=str), by).counts
    careless = subtract(hidden(counts, small(counts, 11)))
    assert small(careless, 11).any(), "hiding the small cells alone is no protection"
    found = suppress_counts(counts, 11)
    assert np.isnan(subtract(hidden(counts, found.cells))[found.cells]).all()
    low, high = np.where(found.cells, 0, counts), np.where(found.cells, np.inf, counts)
    assert widths(low, high, small(counts, 11)).min() >= 10 - 1e-6
    assert found.secondary.sum() < found.primary.sum() * 1.5, "not all is hidden"


# --- rounding -------------------------------------------------------------------------------------


@given(st.one_of(tables((6,), 30), tables((3, 4), 30)), st.sampled_from([3, 5, 10]))
@settings(max_examples=40)
def test_rounded_counts_are_multiples_and_none_is_small(counts, base) -> None:
    shown = round_counts(counts, 11, base)
    told = shown[~np.isnan(shown)]
    assert (told % base == 0).all() and not small(told, 11).any()
    assert (shown[counts == 0] == 0).all() and np.isnan(shown[small(counts, 11)]).all()
    off = np.abs(shown - counts)
    assert off[~np.isnan(off)].max() <= base / 2


def test_a_margin_that_undoes_the_rounding_takes_another_count_with_it() -> None:
    counts = np.array([1, 13, 13, 27])
    careless = np.array([np.nan, 15, 15, 25])
    low = np.where(np.isnan(careless), 1, careless - 2)
    high = np.where(np.isnan(careless), 12, careless + 2)
    assert widths(low, high, small(counts, 11)) == pytest.approx(0), "27 - 13 - 13 at the most: 1"
    assert np.isnan(round_counts(counts, 11, 5)).tolist() == [True, True, False, False]


@given(st.one_of(tables((6,), 30), tables((3, 4), 30)), st.sampled_from([3, 5, 10]))
@settings(max_examples=25)
def test_margins_leave_as_many_values_as_the_base_for_a_small_count(counts, base) -> None:
    shown = round_counts(counts, 11, base)
    largest = max(10, 10 // base * base + (base - 1) // 2)
    blank = np.isnan(shown)
    own = blank & ((counts < 11) | (np.floor(counts / base + 0.5) * base < 11))
    low = np.where(blank, np.where(own, 1, 0), np.maximum(shown - base // 2, 11 * (shown > 0)))
    high = np.where(
        blank, np.where(own, largest, np.inf), np.where(shown > 0, shown + (base - 1) // 2, 0)
    )
    found = widths(low, high, small(counts, 11))
    assert (np.floor(found + 1e-6) + 1 >= min(base, largest)).all()
