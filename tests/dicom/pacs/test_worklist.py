"""A worklist asks for what stands in it, and for nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.dicom.pacs.worklist import Worklist, read_worklist
from sluice.errors import SluiceError


def read(folder: Path, text: str | bytes) -> Worklist:
    path = folder / "worklist.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_worklist(path)


def refused(folder: Path, text: str | bytes) -> str:
    with pytest.raises(SluiceError) as error:
        read(folder, text)
    assert "KESTREL" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "accession\n001\n002\n001\n",
        "\ufeffaccession\r\n001\r\n002\r\n001\r\n",
        "name;accession\n;001\n;002\n;001\n",
        'who\taccession\n"a\tb"\t 001 \n\n\t002\nx\t001',
        '"accession","note"\n"001","a, b"\n"002",""\n"001",""\n\n',
    ],
)
def test_values_are_read_from_any_usual_table(tmp_path: Path, text: str) -> None:
    worklist = read(tmp_path, text)
    assert worklist.key == "accession"
    assert list(worklist.rows) == ["001", "002"] and worklist.duplicates == 1


def test_rows_are_numbered_below_the_head_as_they_stand_in_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, "patient\nA\n\nB\nA\nC\n").rows == {"A": 1, "B": 3, "C": 5}


@pytest.mark.parametrize(
    "text", ["number\n1\n", "accession,patient\n1,2\n", "accession,accession\n1,2\n", "", "\n1\n",
             "Accession\n1\n"]
)  # fmt: skip
def test_without_exactly_one_known_column_it_is_refused(tmp_path: Path, text: str) -> None:
    assert "exactly one column named accession or patient" in refused(tmp_path, text)


@pytest.mark.parametrize("text", ["accession\n", "accession\n\n\n"])
def test_an_empty_one_is_refused(tmp_path: Path, text: str) -> None:
    assert "has no rows" in refused(tmp_path, text)


@pytest.mark.parametrize("value", ["*", "KESTREL*", "KESTREL?", "A\\KESTREL", "K\x01", "1" * 65])
def test_what_would_fetch_more_than_one_number_is_refused(tmp_path: Path, value: str) -> None:
    assert "no single number" in refused(tmp_path, f"patient\nA\n{value}\n")
    assert "row 2" in refused(tmp_path, f"patient\nA\n{value}\n")


def test_a_row_without_a_value_is_refused(tmp_path: Path) -> None:
    """An empty key matches every study of an archive."""
    assert "has no value (row 2)" in refused(tmp_path, "patient,x\nKESTREL,1\n ,1\n")


def test_a_row_of_another_width_is_refused(tmp_path: Path) -> None:
    assert "(row 1)" in refused(tmp_path, "patient,x\nKESTREL\n")


def test_what_is_no_text_table_is_refused(tmp_path: Path) -> None:
    assert "no UTF-8 text" in refused(tmp_path, b"patient\n\xff\xfe\n")
    assert "broken quotes" in refused(tmp_path, 'patient\n"KESTREL\n')
    with pytest.raises(SluiceError, match="There is no such worklist"):
        read_worklist(tmp_path / "nowhere.csv")
