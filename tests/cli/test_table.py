"""`sluice table`: files of anybody's, without a cohort; and what a tier's recoding could be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from tests.pipeline.tiny import ADDRESS, Tiny, make_tiny
from tests.test_planning import EVEN, TIER, planned

from sluice.cli import sluice
from sluice.errors import SluiceError

CANARY = "CANARY-7731"
AGES = "".join(f"{age};{age // 10}0s;{age // 20};*\n" for age in range(20, 60))


def call(*words: object) -> Result:
    return CliRunner().invoke(sluice, ["table", *map(str, words)])


def refused(*words: object) -> str:
    result = call(*words)
    assert isinstance(result.exception, SluiceError), result.output
    assert CANARY not in str(result.exception)
    return str(result.exception)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """120 rows, one of them alone, and the hierarchies of age, sex and place."""
    rng = np.random.default_rng(4)
    table = pd.DataFrame(
        {
            "name": [f"{CANARY}-{n}" for n in range(120)],
            "age": rng.integers(20, 59, 120),
            "sex": rng.choice(["F", "M"], 120),
            "place": rng.choice(["north;a", "north;b", "south"], 120, p=[0.6, 0.3, 0.1]),
            "illness": rng.choice(["flu", "cold", "none"], 120),
            "note": "seen",
        }
    )
    table.loc[7, "age"], table.loc[7, "place"] = 59, "south"
    table.loc[9, "place"] = None
    table.to_csv(tmp_path / "in.csv", index=False)
    (tmp_path / "h").mkdir()
    (tmp_path / "h" / "x_age.csv").write_text(AGES)
    (tmp_path / "h" / "x_sex.csv").write_text("F,*\nM,*\n")
    (tmp_path / "h" / "x_place.csv").write_text('"north;a";N;*\n"north;b";N;*\nsouth;S;*\n')
    return tmp_path


def anonymized(home: Path, *more: object, source: str = "in.csv", out: str = "out.csv") -> Any:
    result = call("anonymize", home / source, home / out, "--quasi", "age,sex,place",
                  "--hierarchies", home / "h", "--k", 5, "--suppression-limit", 0.1,
                  "--json", home / "out.json", *more)  # fmt: skip
    assert result.exit_code == 0, (result.output, result.exception)
    assert CANARY not in result.output
    return json.loads((home / "out.json").read_text())


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_what_comes_out_has_classes_of_k_and_as_many_rows_as_the_json_says(home: Path) -> None:
    found = anonymized(home)
    out = read(home / "out.csv")
    gone = (out == "*").all(axis=1)
    assert list(out.columns) == ["age", "sex", "place"]
    assert (len(out), gone.sum()) == (120, found["suppressed"])
    assert 0 < found["suppressed"] <= 12 and found["optimal"] and found["gap"] == 0
    sizes = out[~gone].value_counts()
    assert (sizes.min(), len(sizes)) == (found["k"], found["classes"]) and found["k"] >= 5
    assert found["left_out"] == ["name", "illness", "note"]
    assert CANARY not in (home / "out.csv").read_text()
    assert set(found["node"]) == {"age", "sex", "place"} and 0 < found["loss"] < 1


def test_each_row_is_its_own_generalised_and_keeps_its_place(home: Path) -> None:
    found = anonymized(home)
    raw, out = read(home / "in.csv"), read(home / "out.csv")
    if found["node"]["age"] == 1:
        kept = out["sex"] != "*"
        assert (out["age"][kept] == raw["age"][kept].str[0] + "0s").all()
    assert found["node"]["age"] in (1, 2)


def test_a_suppressed_row_tells_nothing_at_all(home: Path) -> None:
    found = anonymized(home, "--sensitive", "illness", "--l", 2, "--t", 0.5, "--keep", "note")
    out = read(home / "out.csv")
    gone = out["age"] == "*"
    assert gone.any() and (out.loc[gone, ["illness", "note"]] == "").all(axis=None)
    assert (out.loc[~gone, "note"] == "seen").all()
    groups = out[~gone].groupby(["age", "sex", "place"])["illness"].nunique()
    assert groups.min() == found["sensitive"]["illness"]["l"] >= 2
    assert found["sensitive"]["illness"]["t"] <= 0.5


@pytest.mark.parametrize("form", ["in.parquet", "in.tsv", "semicolon.csv"])
def test_every_format_gives_the_same_result(home: Path, form: str) -> None:
    table = pd.read_csv(home / "in.csv")
    if form == "in.parquet":
        table.to_parquet(home / form)
    else:
        table.to_csv(home / form, index=False, sep="\t" if form.endswith("tsv") else ";")
    first, second = anonymized(home), anonymized(home, source=form, out="again.parquet")
    for found in (first, second):
        found.pop("seconds")
    assert first == second
    again = pd.read_parquet(home / "again.parquet").fillna("")
    pd.testing.assert_frame_equal(again, read(home / "out.csv"), check_dtype=False)


def test_parquet_holds_no_list_of_what_was_taken_out(home: Path) -> None:
    anonymized(home, "--keep", "name", out="out.parquet")
    gone = pd.read_parquet(home / "out.parquet")["name"].isna()
    names = read(home / "in.csv")["name"][gone]
    content = (home / "out.parquet").read_bytes()
    metadata = pq.read_metadata(home / "out.parquet")
    assert gone.any() and not any(name.encode() in content for name in names)
    assert metadata.metadata is None
    assert not metadata.row_group(0).column(0).is_stats_set


def test_the_delimiter_of_the_source_is_kept_and_cells_are_quoted_where_they_must(
    home: Path,
) -> None:
    raw = read(home / "in.csv")
    raw.to_csv(home / "s.csv", index=False, sep=";")
    anonymized(home, "--weights", "place=50", source="s.csv")
    written = (home / "out.csv").read_text()
    assert written.startswith('"age";"sex";"place"\n') and '"north;a"' in written
    raw.assign(place=raw["place"].str.replace(";", "")).to_csv(home / "s.csv", index=False, sep=";")
    (home / "h" / "x_place.csv").write_text("northa,N,*\nnorthb,N,*\nsouth,S,*\n")
    anonymized(home, "--weights", "place=50", source="s.csv")
    assert (home / "out.csv").read_text().startswith("age;sex;place\n")


def test_weight_keeps_a_field_fine_and_little_effort_leaves_a_gap(home: Path) -> None:
    assert anonymized(home, "--weights", "place=50")["node"]["place"] == 0
    short = anonymized(home, "--effort", 0)
    assert not short["optimal"] and short["gap"] == short["loss"] - short["bound"] > 0


def test_the_same_table_gives_the_same_bytes(home: Path) -> None:
    anonymized(home)
    first = (home / "out.csv").read_bytes()
    anonymized(home)
    assert (home / "out.csv").read_bytes() == first


WORDS = ["--quasi", "age", "--k", "2", "--json", "j.json"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--quasi", ""], "No quasi-identifier"),
        (["--quasi", "age,age"], "named twice"),
        (["--quasi", "age,heigth"], "not a column.*heigth"),
        (["--quasi", "age,name"], "no hierarchy.*field name"),
        (["--suppression-limit", "1.5"], "between 0 and 1.*--suppression-limit"),
        (["--suppression-limit", "nan"], "between 0 and 1"),
        (["--t", "-0.1", "--sensitive", "illness"], "between 0 and 1.*--t"),
        (["--l", "3"], "guards no field"),
        (["--sensitive", "age"], "two roles"),
        (["--weights", "age"], "not a number"),
        (["--weights", "sex=2"], "not in --quasi"),
        (["--weights", "age=nan"], "no weight"),
        (["--weights", "age=0"], "must be positive"),
        (["--k", "200"], "fewer rows than one class"),
        (["--k", "90", "--sensitive", "illness", "--l", "4"], "No recoding satisfies"),
    ],
)
def test_options_that_make_no_sense_are_refused_and_nothing_is_written(
    home: Path, options: list[str], message: str
) -> None:
    words = [*WORDS, "--hierarchies", str(home / "h"), *options]
    said = refused("anonymize", home / "in.csv", home / "out.csv", *words)
    assert pd.Series([said]).str.contains(message).all(), said
    assert not (home / "out.csv").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("age\n30\n", "fewer rows"),
        ("age\n", "fewer rows"),
        ("", "is empty"),
        ("age,x\n,1\n,2\n,3\n", "no value in any row.*column age"),
        (f"age,x\n30,1\n{CANARY},2\n", "hierarchy.*column age, row 2"),
        (f"age,x\n30,1\n31,1,{CANARY}\n", "same number of cells"),
        ("age,age\n30,1\n31,1\n", "same name"),
        (b"age,x\n\xff\xfe,1\n31,1\n", "UTF-8"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(
    home: Path, content: str | bytes, message: str
) -> None:
    (home / "bad.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    words = [*WORDS, "--hierarchies", home / "h"]
    said = refused("anonymize", home / "bad.csv", home / "out.csv", *words)
    assert pd.Series([said]).str.contains(message).all(), said
    assert not (home / "out.csv").exists()


def test_files_that_are_not_there_or_not_read_are_refused(home: Path) -> None:
    words = [*WORDS, "--hierarchies", home / "h"]
    assert "no such file" in refused("anonymize", home / "none.csv", home / "o.csv", *words)
    assert "format" in refused("anonymize", home / "in.csv", home / "o.xlsx", *words)
    assert "its source" in refused("anonymize", home / "in.csv", home / "in.csv", *words)
    pd.DataFrame({"age": [[1], [2]]}).to_parquet(home / "lists.parquet")
    assert "lists or bytes" in refused("anonymize", home / "lists.parquet", home / "o.csv", *words)
    (home / "torn.parquet").write_bytes(b"PAR1")
    assert "damaged" in refused("anonymize", home / "torn.parquet", home / "o.csv", *words)


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return make_tiny(tmp_path)


def test_the_proposed_lines_freeze_what_the_search_found(tiny: Tiny) -> None:
    policy = tiny.home / "config/policies/tiny.yaml"
    frozen = "recoding: {mode: frozen, node: {age: 2}}"
    tiny.edit(policy, frozen, "recoding: {mode: search}")
    searched, people = planned(tiny, EVEN)
    result = call("propose", ADDRESS, "--tier", TIER, "--config", tiny.config)
    assert result.exit_code == 0, result.exception
    assert "A person must decide" in result.stderr
    said = result.stdout
    assert f"loss {searched['recoding']['loss']:.5f} (optimal)" in said
    assert f"{searched['people']['suppressed']} of {len(people)} people" in said
    lines = said.splitlines()
    start = lines.index("      recoding:")
    pasted = "\n".join(line for line in lines[start:] if not line.startswith("#"))
    tiny.edit(policy, "      recoding: {mode: search}", pasted)
    after, same_people = planned(tiny, EVEN)
    assert after["recoding"]["mode"] == "frozen"
    assert after["recoding"]["node"] == searched["recoding"]["node"]
    pd.testing.assert_frame_equal(same_people, people)


def test_a_proposal_needs_a_tier_of_individuals_and_a_run(tiny: Tiny) -> None:
    with_config = ["--config", tiny.config]
    assert "sluice run" in refused("propose", ADDRESS, "--tier", TIER, *with_config)
    assert "no such tier" in refused("propose", ADDRESS, "--tier", "public", *with_config)
