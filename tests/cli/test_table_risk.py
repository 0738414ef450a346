"""`sluice table risk`: every measure, as numbers under field names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from sluice.cli import sluice
from sluice.errors import SluiceError

CANARY = "CANARY-7731"
FIELDS = "age,sex,town"


def population(people: int = 6000) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "age": rng.integers(20, 80, people),
            "sex": rng.choice(["f", "m"], people),
            "town": rng.choice([f"{CANARY}-{i}" for i in range(12)], people),
            "illness": rng.choice(["flu", "gout", "mumps"], people, p=[0.7, 0.2, 0.1]),
            "income": rng.integers(0, 5, people),
            "home": np.arange(people) // 3,
        }
    )


def call(*words: object) -> Result:
    return CliRunner().invoke(sluice, ["table", "risk", *map(str, words)])


@pytest.fixture
def people(tmp_path: Path) -> Path:
    population().iloc[:600].to_csv(tmp_path / "people.csv", index=False)
    population().to_csv(tmp_path / "all.csv", index=False)
    return tmp_path / "people.csv"


def risk(source: Path, *more: object) -> dict[str, Any]:
    out = source.with_name("out.json")
    done = call(source, "--quasi", FIELDS, *more, "--json", out)
    assert done.exit_code == 0, done.output
    assert CANARY not in out.read_text() and CANARY not in done.output
    return json.loads(out.read_text())


def test_risks_are_those_of_the_classes(people: Path):
    found = risk(people)
    sizes = population().iloc[:600].groupby(FIELDS.split(","))["age"].transform("size")
    risks = 1 / sizes
    assert found["n"] == 600 and found["k"] == sizes.min() == 1
    assert found["prosecutor"]["mean"] == pytest.approx(risks.mean())
    assert found["prosecutor"]["over"] == pytest.approx((risks > 0.09).mean())
    assert found["prosecutor"]["unique"] == pytest.approx((sizes == 1).mean())
    assert found["average_risk"] == found["marketer"]["prosecutor"]
    for name in FIELDS.split(","):
        rest = [other for other in FIELDS.split(",") if other != name]
        left = 1 / population().iloc[:600].groupby(rest)["age"].transform("size")
        assert found["by_field"][name]["mean"] == pytest.approx(risks.mean() - left.mean())
    assert found["population_uniqueness"] is None and found["household"] is None


def test_a_register_tells_the_journalists_risk_and_who_is_alone(people: Path):
    found = risk(people, "--population", people.with_name("all.csv"))
    everyone = population()
    sizes = everyone.groupby(FIELDS.split(","))["age"].transform("size")
    assert found["journalist"]["mean"] == pytest.approx((1 / sizes[:600]).mean())
    assert found["k_map"] == sizes[:600].min()
    assert found["journalist"]["mean"] < found["prosecutor"]["mean"]
    alone = found["population_uniqueness"]
    assert alone["exact"] == pytest.approx((sizes == 1).mean())
    assert alone["recommended"]["lower"] <= alone["exact"] <= alone["recommended"]["upper"]
    assert 0 <= found["delta_presence"]["lowest"] < found["delta_presence"]["highest"] <= 1


def test_a_fraction_stands_for_a_register(people: Path):
    found = risk(people, "--sampling-fraction", 0.1)
    exact = risk(people, "--population", people.with_name("all.csv"))
    assert found["journalist"]["mean"] == pytest.approx(exact["journalist"]["mean"], rel=0.35)
    assert found["population_uniqueness"]["population"] == 6000
    assert 0 < found["special_uniques"]["dis"]["highest"] < 1


def test_homes_and_sensitive_fields_have_their_measures(people: Path):
    found = risk(people, "--household", "home", "--sensitive", "illness,income")
    assert found["household"]["households"] == 200 and found["household"]["largest"] == 3
    assert found["household"]["any_member"]["mean"] > found["prosecutor"]["mean"]
    assert found["household"]["composition"]["unique"] > found["prosecutor"]["unique"]
    illness, income = (found["sensitive"][name] for name in ("illness", "income"))
    assert illness["distinct_l"] == 1 and illness["values"] == 3
    assert illness["t_ordered"] is None and income["t_ordered"] > 0


def test_a_table_generalised_until_it_is_safe_has_less_of_everything(people: Path):
    before = risk(people, "--sampling-fraction", 0.1)
    table = pd.read_csv(people).assign(age=lambda t: t["age"] // 30, town="x")
    table.to_csv(people, index=False)
    after = risk(people, "--sampling-fraction", 0.1)
    assert after["k"] >= 11 and after["prosecutor"]["highest"] <= 1 / 11
    assert before["special_uniques"]["records"] > 100 > after["special_uniques"]["records"] == 0
    best = [found["population_uniqueness"]["recommended"] for found in (before, after)]
    assert best[0]["uniqueness"] > 0.001 > 1e-9 > best[1]["upper"]


def test_records_have_their_own_numbers_and_formats_agree(people: Path):
    records = people.with_name("records.parquet")
    found = risk(people, "--records", records)
    table = pq.read_table(records).to_pandas()
    sizes = population().iloc[:600].groupby(FIELDS.split(","))["age"].transform("size")
    assert table["row"].tolist() == list(range(1, 601))
    assert table["class_size"].tolist() == sizes.tolist()
    assert (table.loc[table["suda"] > 0, "class_size"] == 1).all()
    parquet = people.with_suffix(".parquet")
    pd.read_csv(people).to_parquet(parquet)
    again = risk(parquet)
    assert {**again, "seconds": 0} == {**found, "seconds": 0}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--quasi", ""], "No quasi-identifier"),
        (["--quasi", "age,age"], "named twice"),
        (["--quasi", "age,height"], "not a column"),
        (["--quasi", "age", "--sensitive", "age"], "two roles"),
        (["--quasi", "age", "--sampling-fraction", "0"], "above 0"),
        (["--quasi", "age", "--sampling-fraction", "0.5", "--population", "x.csv"], "give one"),
        (["--quasi", "age", "--threshold", "2"], "threshold"),
        (["--quasi", "age", "--population", "x.csv"], "no such file|not there|missing"),
        (["--quasi", "age", "--records", "x.csv"], "as Parquet"),
    ],
)
def test_what_makes_no_sense_is_refused(people: Path, words: list[str], message: str):
    out = people.with_name("out.json")
    done = call(people, *words, "--json", out)
    assert isinstance(done.exception, SluiceError), done.output
    pattern = "|".join(message.split("|")).casefold()
    assert any(part in str(done.exception).casefold() for part in pattern.split("|"))
    assert not out.exists() and CANARY not in str(done.exception)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("age,sex,town\n", "no rows"),
        ("", "empty"),
        ("age,sex,town\n,f,x\n,m,y\n", "no value in any row"),
        ("age,sex,town\n1,f\n2,m,x,y\n", "same number of cells"),
    ],
)
def test_tables_without_content_are_refused(tmp_path: Path, content: str, message: str):
    source, out = tmp_path / "t.csv", tmp_path / "out.json"
    source.write_text(content)
    done = call(source, "--quasi", FIELDS, "--json", out)
    assert isinstance(done.exception, SluiceError), done.output
    assert message in str(done.exception) and not out.exists()


def test_one_row_and_a_population_smaller_than_the_table(tmp_path: Path, people: Path):
    one = tmp_path / "one.csv"
    one.write_text("age,sex,town\n40,f,x\n")
    found = risk(one, "--sampling-fraction", 0.5)
    assert found["k"] == 1 and found["population_uniqueness"]["upper_bound"] == 1.0
    done = call(people, "--quasi", FIELDS, "--population", one, "--json", tmp_path / "x.json")
    assert isinstance(done.exception, SluiceError)
    assert "smaller than the sample" in str(done.exception)


def test_thirty_fields_are_searched_as_far_as_is_quick(tmp_path: Path):
    rng = np.random.default_rng(1)
    wide = pd.DataFrame(rng.integers(0, 4, (300, 30))).add_prefix("f")
    wide.to_csv(tmp_path / "wide.csv", index=False)
    out = tmp_path / "wide.json"
    done = call(tmp_path / "wide.csv", "--quasi", ",".join(map(str, wide)), "--json", out)
    assert done.exit_code == 0, done.output
    assert json.loads(out.read_text())["special_uniques"]["largest_set"] == 2
