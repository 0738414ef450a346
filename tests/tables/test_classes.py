import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import SluiceError
from sluice.tables.classes import class_sizes, dense, encode, mixed_radix

TABLE = pd.DataFrame({"sex": ["F", "F", "M", None, None], "age": [40, 40, 40, 40, 41]})

rows = st.lists(
    st.tuples(st.sampled_from(["a", "b", None]), st.integers(0, 3), st.booleans()), min_size=1
)


def test_a_missing_value_is_a_category_of_its_own():
    assert class_sizes(TABLE, ["sex"]).tolist() == [2, 2, 1, 2, 2]
    assert class_sizes(TABLE, ["sex", "age"]).tolist() == [2, 2, 1, 1, 1]


def test_without_columns_everyone_is_in_one_class():
    assert class_sizes(TABLE, []).tolist() == [5] * 5


def test_text_and_number_of_the_same_look_are_different_values():
    assert class_sizes(pd.DataFrame({"x": ["1", 1]}), ["x"]).tolist() == [1, 1]


@given(rows)
def test_sizes_equal_a_plain_count(records):
    table = pd.DataFrame(records, columns=["x", "y", "z"])
    plain = [records.count(record) for record in records]
    assert class_sizes(table, ["x", "y", "z"]).tolist() == plain


@given(rows, st.randoms())
def test_the_numbering_does_not_depend_on_the_order_of_rows(records, random):
    table = pd.DataFrame(records, columns=["x", "y", "z"])
    order = random.sample(range(len(records)), len(records))
    codes, sizes = encode(table, ["x", "y", "z"])
    shuffled, same_sizes = encode(table.iloc[order], ["x", "y", "z"])
    assert shuffled.tolist() == codes[order].tolist()
    assert same_sizes.tolist() == sizes.tolist()


def test_keys_that_outgrow_64_bits_stay_distinct_and_ordered():
    codes = np.array([0, 1, 2, 2], dtype=np.int64)
    keys, space = mixed_radix([(codes, 2**20)] * 6, 4)
    assert dense(keys, space)[0].tolist() == [0, 1, 2, 2]


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(SluiceError, match="not a column"):
        class_sizes(TABLE, ["postcode"])
