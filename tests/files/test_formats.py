"""The same values give the same bytes, and nothing but the values is in them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_series_equal

from sluice.errors import SluiceError
from sluice.files import canonical_json, folder_index, read_json, sha256_json, write_json
from sluice.files.tables import content_digest, read_table, write_table

SECRET = "CANARY-removed-row"

_texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
_columns = st.sampled_from(
    [st.none() | _texts, st.none() | st.integers(-(2**40), 2**40), st.floats(allow_nan=False)]
)
_rows = st.integers(0, 6).flatmap(
    lambda n: st.lists(
        _columns.flatmap(lambda cell: st.lists(cell, min_size=n, max_size=n)),
        min_size=1,
        max_size=3,
    )
)


def written(folder: Path, table: pd.DataFrame, name: str = "t") -> bytes:
    path = folder / f"{name}.parquet"
    write_table(path, table)
    return path.read_bytes()


@given(columns=_rows)
@settings(max_examples=40)
def test_the_same_values_give_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, columns: list[list[object]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    integers = [all(isinstance(v, int) for v in c) and bool(c) for c in columns]
    gaps = [any(v is None for v in c) and any(isinstance(v, int) for v in c) for c in columns]
    plain = pd.DataFrame(
        {
            f"c{n}": pd.array(column, dtype="Int64")  # type: ignore[call-overload]
            if integers[n] or gaps[n]
            else column
            for n, column in enumerate(columns)
        }
    )
    dressed = plain.copy()
    for name in dressed:
        dressed[name] = dressed[name].astype("category")
    dressed.index = pd.Index([f"{SECRET} {n}" for n in range(len(dressed))], name=SECRET)
    dressed.attrs["note"] = SECRET
    assert written(folder, plain) == written(folder, dressed)


def test_text_in_every_spelling_of_its_type_gives_the_same_bytes(tmp_path: Path) -> None:
    values = ["b", None, "a", "b"]
    tables = [
        pd.DataFrame({"x": pd.Series(values, dtype=kind)})
        for kind in (object, "string", "category", pd.ArrowDtype(pa.large_string()))
    ]
    assert len({written(tmp_path, table) for table in tables}) == 1


def test_integer_categories_with_a_gap_are_written(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": pd.Categorical([1, None, 3])})
    plain = pd.DataFrame({"x": pd.array([1, None, 3], dtype="Int64")})
    assert written(tmp_path, table) == written(tmp_path, plain)


def test_a_filtered_table_keeps_nothing_of_the_removed_rows(tmp_path: Path) -> None:
    raw = pd.DataFrame({"x": pd.Categorical(["kept", SECRET]), "y": ["kept", SECRET]})
    raw = raw.set_index(pd.Index(["kept", SECRET], name="who")).assign(z=["a", SECRET])
    filtered = raw[raw["y"] == "kept"]
    leaky = tmp_path / "pandas.parquet"
    filtered.to_parquet(leaky)  # the attack: pandas keeps the category of the row that is gone
    assert SECRET in str(pd.read_parquet(leaky)["x"].cat.categories)
    path = tmp_path / "t.parquet"
    write_table(path, filtered)
    assert SECRET.encode() not in path.read_bytes()
    assert SECRET not in str(pq.read_table(path).to_pydict())
    meta = pq.ParquetFile(path).metadata
    assert meta.metadata is None
    assert not any(meta.row_group(0).column(c).is_stats_set for c in range(meta.num_columns)), (
        "statistics hold the least and the greatest value"
    )


def test_an_all_missing_column_has_the_type_of_a_filled_one(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", pd.DataFrame({"x": [None, None]}))
    assert pq.read_schema(tmp_path / "t.parquet").field("x").type == pa.string()


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"t": ["a", None], "n": [1.5, None], "d": [pd.Timestamp("1893-01-02"), pd.NaT]}
    )
    write_table(tmp_path / "t.parquet", table)
    back = read_table(tmp_path / "t.parquet")
    assert back["t"].tolist()[0] == "a" and back["t"].isna().tolist() == [False, True]
    assert_series_equal(back["n"], table["n"])
    assert (back["d"].dropna() == pd.Timestamp("1893-01-02")).all() and back["d"].isna()[1]


def test_the_content_digest_sees_values_and_not_the_writer(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": ["a", "b"]})
    write_table(tmp_path / "t.parquet", table)
    table.to_parquet(tmp_path / "other.parquet", compression="gzip")
    write_table(tmp_path / "changed.parquet", table.replace("b", "c"))
    digest = content_digest(tmp_path / "t.parquet")
    assert digest == content_digest(tmp_path / "other.parquet")
    assert digest != content_digest(tmp_path / "changed.parquet")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)  # fmt: skip


@given(value=_json)
def test_canonical_json_is_one_spelling_and_says_the_same(value: object) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert text.isascii()
    if isinstance(value, dict):
        assert canonical_json(dict(reversed(value.items()))) == text


def test_nan_is_refused_in_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []
    assert sha256_json({"a": 1, "b": 2}) == sha256_json({"b": 2, "a": 1})


def test_a_missing_or_damaged_file_of_an_earlier_stage_is_told(tmp_path: Path) -> None:
    for read, name in ((read_json, "x.json"), (read_table, "x.parquet")):
        with pytest.raises(SluiceError, match="is missing"):
            read(tmp_path / name)
        (tmp_path / name).write_text(SECRET)
        with pytest.raises(SluiceError, match="is damaged") as told:
            read(tmp_path / name)
        assert SECRET not in str(told.value)


def test_a_folder_index_lists_nested_files_sorted(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_text("12")
    (tmp_path / "a").write_text("1")
    listed = folder_index(tmp_path)["files"]
    assert [(f["path"], f["bytes"]) for f in listed] == [("a", 1), ("b/c", 2)]
