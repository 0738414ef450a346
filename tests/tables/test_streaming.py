"""Classes made column by column are those of the whole table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import SluiceError
from sluice.tables import streaming
from sluice.tables.classes import class_sizes
from sluice.tables.streaming import classify, code_column, numbers_of, split, stack

CELLS = {
    "text": st.sampled_from(["a", "b", "c", None]),
    "whole": st.sampled_from([-5, 0, 7, None]),
    "wide": st.sampled_from([-(2**62), 0, 2**62, None]),
    "number": st.sampled_from([0.5, 1.0, float("nan"), None]),
    "yes": st.sampled_from([True, False, None]),
}


def chunked(values: list[object], kind: pa.DataType | None = None) -> pa.ChunkedArray:
    half = len(values) // 2
    kind = kind or pa.array(values, from_pandas=True).type
    parts = [values[:half], values[half:]]
    return pa.chunked_array([pa.array(part, kind, from_pandas=True) for part in parts])


@pytest.mark.parametrize("small", [1, 1 << 22])
@given(rows=st.lists(st.tuples(*CELLS.values()), min_size=1, max_size=30))
def test_sizes_are_those_of_the_whole_table(monkeypatch_module, small, rows):
    monkeypatch_module.setattr(streaming, "_SMALL", small)
    table = pd.DataFrame(rows, columns=list(CELLS)).astype(object)
    columns = {
        name: chunked(list(values))
        for name, values in zip(CELLS, zip(*rows, strict=True), strict=True)
        if any(v is not None and v == v for v in values)
    }
    if not columns:
        return
    found = classify(code_column(values, name) for name, values in columns.items())
    assert found.sizes[found.of_row].tolist() == class_sizes(table, list(columns)).tolist()
    assert found.sizes.sum() == len(rows)
    assert len(np.unique(found.codes, axis=0)) == len(found.codes) == len(found.sizes)


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_codes_tell_which_value_a_class_has():
    found = classify([code_column(chunked([30, 31, None, 30]), "age")])
    numbers = found.numbers[0]
    assert numbers is not None
    assert numbers[found.codes[found.of_row, 0]].tolist()[:2] == [30, 31]
    assert np.isnan(numbers[found.codes[found.of_row[2], 0]])
    assert numbers_of(pa.array(["1", "x"])) is None


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint8(), pa.int64(), pa.uint64()])
def test_whole_numbers_of_every_width_keep_apart(kind):
    ends = {pa.int8(): [-128, 127], pa.uint8(): [0, 255]}.get(kind, [0, 2**62])
    column = code_column(chunked([*ends, None, ends[0]], kind), "x")
    assert len(set(column.codes.tolist())) == 3
    assert column.codes[0] == column.codes[3] and column.codes[2] == 0


def test_a_dictionary_that_differs_from_chunk_to_chunk_is_one():
    parts = [pa.array(p).dictionary_encode() for p in (["a", "b"], ["b", "c", None])]
    column = code_column(pa.chunked_array(parts), "x")
    assert column.codes[1] == column.codes[2]
    assert len(set(column.codes.tolist())) == 4


def test_a_population_is_matched_by_spelling_whatever_its_type():
    both = stack(code_column(chunked([1, 2, None]), "x"), code_column(chunked(["2", "3"]), "x"))
    sample, inside, elsewhere = split(classify([both]), 3)
    assert sample.rows == 3
    assert sorted(inside.tolist()) == [0, 0, 1] and elsewhere.tolist() == [1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pa.chunked_array([pa.nulls(3, pa.string())]), "no value"),
        (pa.chunked_array([pa.array([float("nan")] * 2)]), "no value"),
        (pa.chunked_array([pa.array([[1], [2]])]), "lists or bytes"),
    ],
)
def test_columns_that_cannot_be_judged_are_refused(values, message):
    with pytest.raises(SluiceError, match=message):
        code_column(values, "x")
