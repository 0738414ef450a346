"""Singling out, linkability and inference from synthetic tables, beside a control set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from sluice.attacks.synthetic_tables import SyntheticTable, inference, linkability, singling_out
from sluice.cli import sluice
from sluice.errors import SluiceError
from sluice.scores import Score

PARTS = (["age", "town", "job"], ["weight", "illness", "pills"])
KNOWN = ["age", "town", "job", "weight"]


def people(count: int, seed: int) -> pd.DataFrame:
    """Draw people whose weight and illness follow their age, and the rest nothing."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 90, count)
    return pd.DataFrame(
        {
            "age": age,
            "town": rng.choice([f"t{i}" for i in range(40)], count),
            "job": rng.choice([f"j{i}" for i in range(25)], count),
            "weight": (60 + age / 4 + rng.normal(0, 12, count)).round(1),
            "illness": np.where(rng.random(count) < age / 100, "yes", "no"),
            "pills": rng.integers(0, 30, count),
        }
    )


def release(kind: str) -> SyntheticTable:
    """Synthetic rows that copy members, or that know the population alone."""
    members, control = people(400, 1), people(400, 2)
    rng = np.random.default_rng(3)
    if kind == "population":
        rows = people(400, 4)
    else:
        rows = members.copy()
        other = rng.random(rows.shape) < {"copies": 0.0, "near copies": 0.15}[kind]
        for place, name in enumerate(rows):
            rows.loc[other[:, place], name] = rng.permutation(rows[name])[other[:, place]]
    return SyntheticTable(rows, members, control)


def attacks(made: SyntheticTable) -> dict[str, Score]:
    return {
        "singling_out": singling_out(made, "key", "p"),
        "linkability": linkability(made, PARTS, "key", "p"),
        "inference": inference(made, KNOWN, "pills", "key", "p"),
    }


def test_copies_of_the_members_give_them_away_and_fresh_rows_do_not():
    copied, fresh = attacks(release("copies")), attacks(release("population"))
    for name, score in copied.items():
        assert score.evidence["works"] and score.lower > 0.5, name
        assert fresh[name].evidence["works"] and fresh[name].estimate < 0.1, name
        assert fresh[name].lower == 0


def test_copies_with_some_cells_changed_lie_between():
    copied, near, fresh = (
        attacks(release(kind)) for kind in ("copies", "near copies", "population")
    )
    for name in copied:
        found = [scores[name].estimate for scores in (copied, near, fresh)]
        assert found[0] > found[1] > found[2], name


def test_what_holds_for_everybody_is_no_leak():
    """Whoever knows the population guesses many illnesses; that is not the synthetic table's."""
    made = release("population")
    score = inference(made, ["age", "weight"], "illness", "key", "p")
    assert score.detail["members"] > 0.4 and score.detail["control"] > 0.4
    assert score.estimate < 0.15


def test_bounds_hold_the_truth_where_nothing_leaks():
    hits = 0
    for seed in range(40):
        made = SyntheticTable(people(150, seed), people(150, 100 + seed), people(150, 200 + seed))
        hits += inference(made, KNOWN, "illness", "key", "p", seed=seed).lower == 0
    assert hits >= 36


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda m: linkability(m, (["age"], ["age"]), "k", "p"), "share no column"),
        (lambda m: inference(m, ["pills"], "pills", "k", "p"), "not among them"),
        (lambda m: inference(m, ["height"], "pills", "k", "p"), "not a column of the table"),
        (
            lambda m: singling_out(SyntheticTable(m.synthetic, m.members, m.control[:0]), "k", "p"),
            "a control set",
        ),
    ],
)
def test_questions_that_cannot_be_asked_are_refused(attempt, message):
    with pytest.raises(SluiceError, match=message):
        attempt(release("population"))


def write(tmp_path: Path, made: SyntheticTable) -> list[str]:
    words = []
    for role in ("synthetic", "members", "control"):
        path = tmp_path / f"{role}.csv"
        getattr(made, role).to_csv(path, index=False)
        words += [f"--{role}", str(path)]
    return words


def test_the_command_tries_all_three_and_names_no_value(tmp_path: Path):
    words = ["attack", "synthetic", *write(tmp_path, release("copies"))]
    out = tmp_path / "out.json"
    done = CliRunner().invoke(
        sluice, [*words, "--secret", "illness", "--secret", "pills", "--json", str(out)]
    )
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())["attacks"]
    assert set(found) == {"singling_out", "linkability", "inference.illness", "inference.pills"}
    assert all(found[key]["lower"] > 0.3 for key in found)
    assert found["inference.pills"]["detail"]["known"] == 5
    assert "t17" not in out.read_text() + done.output
    again = tmp_path / "again.json"
    done = CliRunner().invoke(sluice, [*words, "--secret", "height", "--json", str(again)])
    assert isinstance(done.exception, SluiceError) and not again.exists()
