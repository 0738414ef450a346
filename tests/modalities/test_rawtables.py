"""Raw tables in every format: read as text, or refused by place and without a value."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.worksheet.formula import ArrayFormula

from sluice.errors import SluiceError
from sluice.modalities.shared.rawtables import read_raw_table

SECRET = "CANARY-cell"


def refused(path: Path, kind: str) -> str:
    with pytest.raises(SluiceError) as told:
        read_raw_table(path, kind, path.name)
    assert SECRET not in str(told.value) and "\n" not in str(told.value)
    return str(told.value)


def text_table(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def book(tmp_path: Path, rows: list[list[object]]) -> Path:
    workbook = openpyxl.Workbook()
    sheet = workbook.worksheets[0]
    for row in rows:
        sheet.append(row)
    workbook.save(tmp_path / "t.xlsx")
    return tmp_path / "t.xlsx"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b\n", "no rows"),
        (f"a,b\n1,{SECRET},3\n", "row 2"),
        (f"a,b\n1,2\n{SECRET}", "another number of cells than the header (source t.csv, row 3)"),
        (f'a,b\n1,"{SECRET}', "damaged or cut off"),
        (f"a,a\n{SECRET},2\n", "Two columns have the same name (source t.csv, column 1)"),
        (f"a, a \n{SECRET},2\n", "same name"),
        (f"a,b\n{SECRET},\xe9\n".encode("latin-1"), "not UTF-8"),
        (f"a,b\n1,{SECRET}\n".encode("utf-16"), "not UTF-8"),
        (f"a,b\n1,{SECRET}\0\n", "control characters, e.g. NUL (source t.csv, row 2, column 2)"),
        (f"a,b\n1,{SECRET}\x1b[31m\n", "control characters"),
        (f"a,b\n1,={SECRET}\n", "a formula (source t.csv, row 2, column 2)"),
        (f"a,b\n1,  ={SECRET}\n", "a formula"),
        (f"a,b\n1,\t@{SECRET}\n", "a formula"),
        (f"a,b\n1,-{SECRET}\n", "a formula"),
        (f"a,b\n1,-2+3+cmd|' /C {SECRET}'!A0\n", "a formula"),
        (f"a,b\n1,+1+HYPERLINK({SECRET})\n", "a formula"),
        ("a,b\n1," + SECRET * 10_000 + "\n", "more than 100,000 characters"),
        ("a,b\n1," + SECRET * 100_000 + "\n", "damaged or cut off"),
    ],
)
def test_a_bad_text_table_is_refused_by_place(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    assert said in refused(text_table(tmp_path, content), "csv")


@pytest.mark.parametrize("cell", ["-5.2", "+1 (555) 123-4567", "-3.5 D", "a=b", "1-2", ".5", "-.5"])
def test_numbers_phones_and_text_are_no_formulas(tmp_path: Path, cell: str) -> None:
    assert read_raw_table(text_table(tmp_path, f"a,b\n1,{cell}\n"), "csv", "t")["b"][0] == cell


def test_missing_values_byte_order_mark_and_blank_lines(tmp_path: Path) -> None:
    table = read_raw_table(text_table(tmp_path, "\ufeffa,b\n\n1,NA\n"), "csv", "t")
    assert table.to_dict("list") == {"a": ["1"], "b": [None]}


def test_a_folder_or_an_unknown_format_is_no_table(tmp_path: Path) -> None:
    assert "is a folder" in refused(tmp_path, "csv")
    assert "cannot be in this format" in refused(text_table(tmp_path, "a\n1\n"), "gct")


def test_a_workbook_gives_the_same_cells_as_text(tmp_path: Path) -> None:
    rows: list[list[object]] = [["id", "day", "n", "x"], ["007", date(1893, 1, 2), 3, 2.5]]
    table = read_raw_table(book(tmp_path, [*rows, [None] * 4]), "xlsx", "t")
    assert table.to_numpy().tolist() == [["007", "1893-01-02", "3", "2.5"]]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["a", "b"]], "no rows"),
        ([["a", None], [1, 2]], "must name every column"),
        ([["a"], [1, SECRET]], "must name every column"),
        ([["a", "b"], [1, f"={SECRET}"]], "a formula (source t.xlsx, row 2, column 2)"),
        ([["a", "b"], [1, ArrayFormula("B2", f"=SUM({SECRET})")]], "a formula"),
        ([["a", "a"], [1, SECRET]], "same name"),
    ],
)
def test_a_bad_workbook_is_refused(tmp_path: Path, rows: list[list[object]], said: str) -> None:
    assert said in refused(book(tmp_path, rows), "xlsx")


def test_a_truncated_or_foreign_workbook_is_refused(tmp_path: Path) -> None:
    path = book(tmp_path, [["a"], [SECRET]])
    whole = path.read_bytes()
    for cut in range(0, len(whole), 97):
        path.write_bytes(whole[:cut])
        assert "is damaged" in refused(path, "xlsx")
    for name in ("[Content_Types].xml", "xl/worksheets/sheet1.xml"):
        path.write_bytes(_with(whole, name, b"<broken"))
        assert "is damaged" in refused(path, "xlsx")
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("readme.txt", SECRET)
    assert "is damaged" in refused(path, "xlsx")


def test_a_workbook_that_unpacks_to_too_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluice.modalities.shared.rawtables._LARGEST_WORKBOOK", 10_000)
    path = book(tmp_path, [["a"], ["x" * 20_000]])
    assert "unpacks to more than" in refused(path, "xlsx")


def _with(whole: bytes, name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.namelist():
            new.writestr(member, content if member == name else old.read(member))
    return out.getvalue()


def parquet(tmp_path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def test_identifiers_beyond_2_to_the_53_stay_two_people(tmp_path: Path) -> None:
    ids = pa.array([2**53, 2**53 + 1, None])
    assert len(set(ids.to_pandas().dropna())) == 1, "a gap makes pandas merge the two"
    table = read_raw_table(parquet(tmp_path, mrn=ids, x=["a", "b", "c"]), "parquet", "t")
    assert table["mrn"].tolist() == [str(2**53), str(2**53 + 1), None]


def test_typed_parquet_columns_are_spelled_as_text(tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        day=pa.array([date(1893, 1, 2), None]),
        n=pa.array([1.0, 2.5]),
        c=pa.array(["x", "y"]).dictionary_encode(),
    )
    assert read_raw_table(path, "parquet", "t").to_dict("list") == {
        "day": ["1893-01-02", None],
        "n": ["1", "2.5"],
        "c": ["x", "y"],
    }


@pytest.mark.parametrize(
    "column", [[[SECRET]], [{"x": SECRET}], [SECRET.encode()]], ids=["list", "struct", "bytes"]
)
def test_a_parquet_column_that_no_text_table_could_hold_is_refused(
    tmp_path: Path, column: object
) -> None:
    path = parquet(tmp_path, a=["1"], b=column)
    assert "lists or bytes (source t.parquet, column 2)" in refused(path, "parquet")


def test_a_truncated_parquet_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    path = parquet(tmp_path, a=[SECRET] * 50)
    whole = path.read_bytes()
    for cut in range(0, len(whole), 23):
        path.write_bytes(whole[:cut])
        assert "Parquet file is damaged" in refused(path, "parquet")


@given(content=st.binary(max_size=120))
@settings(max_examples=150)
def test_any_bytes_are_a_table_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    for kind in ("csv", "xlsx", "parquet"):
        try:
            read_raw_table(path, kind, "any")
        except SluiceError as error:
            assert "\n" not in str(error)
