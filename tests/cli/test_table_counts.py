"""`sluice table counts`: records in, a table out from which no small count can be read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from sluice.cli import sluice
from sluice.errors import SluiceError

CANARY = "CANARY-7731"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    rng = np.random.default_rng(8)
    n = 400
    table = pd.DataFrame(
        {
            "mrn": [f"{CANARY}-{i}" for i in range(n)],
            "ward": rng.choice(["north", "south", "east"], n, p=[0.7, 0.27, 0.03]),
            "sex": rng.choice(["f", "m"], n),
            "smoker": rng.choice(["yes", "no", ""], n, p=[0.3, 0.68, 0.02]),
        }
    )
    table.to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


def call(*words: object) -> Result:
    return CliRunner().invoke(sluice, ["table", "counts", *map(str, words)])


def counted(source: Path, method: str, *more: object, by: str = "ward,sex") -> pd.DataFrame:
    out, report = source.with_name("out.csv"), source.with_name("out.json")
    result = call(
        source, out, "--by", by, "--threshold", 11, "--method", method, "--json", report, *more
    )
    assert result.exit_code == 0, result.output
    return pd.read_csv(out, dtype={"count": "Int64"})


def refused(source: Path, *more: object) -> str:
    out, report = source.with_name("out.csv"), source.with_name("out.json")
    result = call(source, out, "--threshold", 11, "--json", report, *more)
    assert isinstance(result.exception, SluiceError), result.output
    assert CANARY not in str(result.exception) and not out.exists() and not report.exists()
    return str(result.exception)


def test_suppression_writes_every_cell_and_leaves_small_ones_empty(people: Path) -> None:
    table = counted(people, "suppress")
    assert len(table) == 4 * 3 and list(table.columns) == ["ward", "sex", "count"]
    told = table["count"].dropna()
    assert (told >= 11).all() and told.max() == 400
    report = json.loads(people.with_name("out.json").read_text())
    assert report["empty"] == table["count"].isna().sum() == report["primary"] + report["secondary"]
    assert report["narrowest_interval"] >= 10 and report["earlier"] == 0
    assert CANARY not in people.with_name("out.json").read_text()


def test_the_order_of_rows_does_not_matter(people: Path) -> None:
    first = counted(people, "suppress", by="ward,sex,smoker")
    pd.read_csv(people, dtype=str).sample(frac=1, random_state=2).to_csv(people, index=False)
    pd.testing.assert_frame_equal(counted(people, "suppress", by="ward,sex,smoker"), first)


def test_an_earlier_release_hides_who_joined_since(people: Path) -> None:
    first = counted(people, "suppress")
    earlier = people.with_name("earlier.csv")
    people.with_name("out.csv").rename(earlier)
    newcomer = pd.DataFrame({"mrn": ["new"], "ward": ["west"], "sex": ["f"], "smoker": ["no"]})
    pd.concat([pd.read_csv(people, dtype=str), newcomer]).to_csv(people, index=False)
    second = counted(people, "suppress", "--earlier", earlier)
    both = first.merge(second, on=["ward", "sex"])
    change = (both["count_y"] - both["count_x"]).dropna()
    assert len(change) and ((change == 0) | (change.abs() >= 11)).all()
    assert counted(people, "suppress")["count"].max() == 401, "without it the newcomer is told"


def test_rounding_and_cell_keys_tell_no_small_count(people: Path) -> None:
    rounded = counted(people, "round", "--base", 5)["count"].dropna()
    assert (rounded % 5 == 0).all() and ((rounded == 0) | (rounded >= 11)).all()
    key = people.with_name("key")
    key.write_bytes(b"a key of more than sixteen bytes")
    keyed = counted(people, "cellkey", "--key-file", key, "--id", "mrn")["count"]
    assert keyed.notna().all() and ((keyed == 0) | (keyed >= 11)).all()
    again = counted(people, "cellkey", "--key-file", key, "--id", "mrn")["count"]
    assert again.equals(keyed)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "ward,age", "--method", "suppress"], "column age"),
        (["--by", "ward,ward", "--method", "suppress"], "one to three different"),
        (["--by", "ward", "--method", "cellkey"], "need --key-file and --id"),
        (["--by", "ward", "--method", "round", "--id", "mrn"], "nothing else does"),
        (["--by", "ward", "--method", "round", "--earlier", "x.csv"], "leave --earlier out"),
        (["--by", "ward", "--method", "suppress", "--earlier", "none.csv"], "no such file"),
        (["--by", "ward", "--method", "cellkey", "--key-file", "none", "--id", "mrn"], "no such"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(people: Path, words: list[str], said: str) -> None:
    assert said in refused(people, *words)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ward,count\nnorth,280\n(all),400\n", "columns are ward, sex, count"),
        ("ward,sex,count\nnorth,f,280\n(all),(all),400\n", "lacks cells or margins"),
        ("ward,sex,count\nnorth,f,many\n(all),(all),400\n", "not a cell and its count"),
        ("ward,sex,count\nnorth,f,1.5\n(all),(all),400\n", "not a cell and its count"),
        ("ward,sex,count\nnorth,f,20\nnorth,f,20\n", "not a cell and its count"),
    ],
)
def test_an_earlier_release_that_is_none_is_refused(people: Path, text: str, said: str) -> None:
    earlier = people.with_name("earlier.csv")
    earlier.write_text(text)
    words = ["--by", "ward,sex", "--method", "suppress", "--earlier", earlier]
    assert said in refused(people, *words)


def test_a_column_that_is_named_as_the_counts_is_refused(people: Path) -> None:
    pd.read_csv(people, dtype=str).rename(columns={"ward": "count"}).to_csv(people, index=False)
    assert "column count" in refused(people, "--by", "count,sex", "--method", "suppress")
