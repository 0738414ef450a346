"""Synthetic rows follow the measured counts and nothing else."""

import inspect
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sluice.dp import synthetic
from sluice.dp.plans import CountsPlan
from sluice.dp.synthetic import sample_rows
from sluice.errors import SluiceError
from sluice.ledger.spends import Answer

PLAN = CountsPlan(
    "q",
    {"sex": ("f", "m"), "age": ("young", "old"), "site": ("x", "y", "z")},
    (("sex",), ("sex", "age"), ("site", "age")),
    1.0,
    1e-6,
)
TREE = (("sex", "age"), ("age", "site"))
KEY = b"k" * 32
# sex 400/600; f young 300, f old 100, m young 0, m old 600; site × age: x young, y and z old
VALUES = (400.0, 600.0, 300.0, 100.0, 0.0, 600.0, 300.0, 0.0, 0.0, 350.0, 0.0, 350.0)
ANSWER = Answer(VALUES, "2026.1", "seal")


def draw(answer: Answer = ANSWER, key: bytes = KEY) -> pd.DataFrame:
    return sample_rows(PLAN, answer, TREE, key, rounding=5)


def test_rows_follow_the_measured_tables() -> None:
    rows = draw()
    assert list(rows.columns) == ["sex", "age", "site"]
    assert len(rows) == 1000
    assert (rows["sex"] == "f").mean() == pytest.approx(0.4, abs=0.06)
    assert set(rows[rows["sex"] == "m"]["age"]) == {"old"}
    assert set(rows[rows["age"] == "young"]["site"]) == {"x"}
    old = rows[rows["age"] == "old"]["site"].value_counts(normalize=True)
    assert old.to_dict() == pytest.approx({"y": 0.5, "z": 0.5}, abs=0.08)


def test_the_same_answer_gives_the_same_rows_and_another_key_or_seal_others() -> None:
    pd.testing.assert_frame_equal(draw(), draw())
    assert not draw().equals(draw(key=b"l" * 32))
    assert not draw().equals(draw(replace(ANSWER, seal="other")))


def test_the_generator_can_reach_nothing_but_the_answer() -> None:
    assert list(inspect.signature(sample_rows).parameters) == [
        "plan", "answer", "tree", "key", "rounding",
    ]  # fmt: skip
    assert not {"measure", "Ledger", "Account"} & set(vars(synthetic))


def test_the_number_of_rows_is_the_noisy_total_rounded() -> None:
    values = list(VALUES)
    values[0] += 23.0
    rows = draw(replace(ANSWER, values=tuple(values)))
    assert len(rows) % 5 == 0
    assert len(rows) > 1000


def test_negative_and_empty_cells_are_no_obstacle() -> None:
    noisy = tuple(np.array(VALUES) - 700.0)
    assert draw(replace(ANSWER, values=noisy)).empty
    values = (400.0, 600.0, 300.0, 100.0, -5.0, -5.0, *VALUES[6:])
    rows = draw(replace(ANSWER, values=values))
    # No positive cell for men: they take the shares of age itself.
    assert set(rows[rows["sex"] == "m"]["age"]) == {"young", "old"}


@pytest.mark.parametrize(
    "tree",
    [
        (),
        (("sex", "site"),),
        (("sex", "age"), ("age", "sex")),
        (("age", "site"), ("sex", "age")),
    ],
)
def test_what_is_no_tree_of_measured_tables_is_refused(tree: tuple) -> None:
    with pytest.raises(SluiceError, match="tree of measured"):
        sample_rows(PLAN, ANSWER, tree, KEY, rounding=5)
