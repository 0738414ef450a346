from pathlib import Path

import pandas as pd
import pytest

from sluice.errors import SluiceError
from sluice.tables.hierarchyfiles import match_files, read_hierarchy
from sluice.tables.recode import search

CANARY = "CANARY"


@pytest.fixture
def file(tmp_path):
    def write(content: str | bytes, name: str = "x_age.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def labels(path, values, level):
    return read_hierarchy(path).levels()[level](pd.Series(values, name="age", dtype=object))


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_the_delimiter_is_found(file, delimiter):
    path = file("\n".join(delimiter.join(row) for row in ["ax*", "bx*", "cy*"]))
    assert labels(path, ["a", "c"], 1).tolist() == ["x", "y"]
    assert read_hierarchy(path).values == ["a", "b", "c"]


def test_cells_may_be_quoted_and_hold_other_delimiters(file):
    path = file('\ufeff"a;1";"[0, 5[";*\r\n"b ""2""";"[5, 9[";*\r\n')
    assert labels(path, ["a;1", 'b "2"'], 1).tolist() == ["[0, 5[", "[5, 9["]


def test_commas_inside_the_cells_of_another_delimiter_do_not_mislead(file):
    assert labels(file("1,0;a,b;*\n2,0;a,b;*\n"), ["2,0"], 1).tolist() == ["a,b"]


def test_a_number_finds_its_text_and_a_missing_value_stays_missing_below_the_top(file):
    path = file("39;30s;*\n41;40s;*\n")
    assert labels(path, [39, 41.0], 1).tolist() == ["30s", "40s"]
    assert labels(path, ["39", None], 1).tolist() == ["30s", None]
    assert labels(path, ["39", None], 2).tolist() == ["*", "*"]


def test_one_text_may_mean_different_things_on_different_levels(file):
    """ARX writes such files: what is above a text depends on the level that it stands on."""
    path = file("Other;Rest;*\nx;Other;*\n")
    found = search(pd.DataFrame({"age": ["Other", "x", "x"]}),
                   {"age": read_hierarchy(path).levels()}, 1)  # fmt: skip
    assert found.node == {"age": 0}
    assert labels(path, ["Other", "x"], 1).tolist() == ["Rest", "Other"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{CANARY};x;*\nb;x;*\n{CANARY};y;*\n", "twice.*line 3"),
        (f"a;{CANARY};p;*\nb;{CANARY};q;*\n", "does not nest.*column 2.*line 2"),
        (f"a;x;*\n{CANARY};x\n", "same number of cells"),
        (f";{CANARY};*\n", "no value.*line 1"),
        (f"{CANARY}\nb\n", "same number of cells"),
        ("", "same number of cells"),
        (b"\xff\xfe;x;*\n", "UTF-8"),
    ],
)
def test_a_hierarchy_that_is_none_is_refused_by_line_and_never_shown(file, content, message):
    with pytest.raises(SluiceError, match=message) as caught:
        read_hierarchy(file(content))
    assert CANARY not in str(caught.value) and "x_age.csv" in str(caught.value)


def test_the_same_line_twice_is_no_fault(file):
    assert read_hierarchy(file("a;x;*\na;x;*\n")).values == ["a"]


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SluiceError, match="no such hierarchy"):
        read_hierarchy(tmp_path / "none.csv")


def test_a_value_of_the_table_that_the_file_lacks_is_named_by_its_row(file):
    with pytest.raises(SluiceError, match=r"absent.*x_age.csv, row 3 of column age") as caught:
        labels(file("a;x;*\nb;x;*\n"), ["a", "b", CANARY], 0)
    assert CANARY not in str(caught.value)


def test_files_belong_to_the_longest_column_that_they_end_with(file, tmp_path):
    long, short = file("a;*", "adult_salary-class.csv"), file("a;*", "adult_class.csv")
    columns = ["class", "salary-class", "age"]
    assert match_files(tmp_path, ["class", "salary-class"], columns) == {
        "class": short, "salary-class": long,
    }  # fmt: skip
    short.unlink()
    with pytest.raises(SluiceError, match=r"no hierarchy.*field class"):
        match_files(tmp_path, ["class"], columns)
    file("a;*", "a_age.csv"), file("a;*", "b_age.csv")
    with pytest.raises(SluiceError, match=r"several hierarchies.*field age"):
        match_files(tmp_path, ["age"], columns)
    with pytest.raises(SluiceError, match="no such folder"):
        match_files(tmp_path / "none", ["age"], columns)
