"""What a field costs, and the smallest change that passes: against brute force."""

from __future__ import annotations

from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import SluiceError
from sluice.tables.explain import front, smallest_changes, without_each
from sluice.tables.recode import search

FIELDS = ("a", "b", "c")


def same(values: pd.Series) -> pd.Series:
    return values


def half(values: pd.Series) -> pd.Series:
    return values.map(lambda v: "low" if str(v) in "01low" else "high")


def nothing(values: pd.Series) -> pd.Series:
    return pd.Series("*", index=values.index, name=values.name, dtype=object)


LADDERS = {name: [same, half, nothing] for name in FIELDS}


def table(seed: int, rows: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({name: rng.choice([*"0123"], rows) for name in FIELDS})


def searching(df: pd.DataFrame, k: int = 4):
    return lambda ladders, limit: search(df, ladders, k, max_suppression=limit)


@given(seed=st.integers(0, 10_000))
def test_the_risk_without_a_field_is_that_of_the_others(seed: int) -> None:
    df = table(seed)
    for name, risk in without_each(df, FIELDS, 0.09).items():
        others = [q for q in FIELDS if q != name]
        sizes = df.groupby(others)[name].transform("size")
        assert risk.highest == pytest.approx(1 / sizes.min())
        assert risk.mean == pytest.approx((1 / sizes).mean())
        assert risk.unique == pytest.approx((sizes == 1).mean())


def test_fields_that_tell_the_same_cost_something_only_together() -> None:
    df = table(7).assign(twin=lambda t: t["a"])
    risks = without_each(df, ["a", "twin", "b"], 0.09, {"both": ["a", "twin"], "else": ["z"]})
    whole = without_each(df, ["a", "twin", "b"], 0.09, {"none": ["b"]})["none"]
    assert risks["a"] == risks["twin"] and set(risks) == {"a", "twin", "b", "both"}
    assert risks["both"].mean < risks["a"].mean and risks["b"] == whole


def passes(df: pd.DataFrame, node: tuple[int, ...], k: int, limit: float) -> float | None:
    """Share suppressed at a node, if it is within the limit."""
    recoded = pd.DataFrame({q: LADDERS[q][i](df[q]) for q, i in zip(FIELDS, node, strict=True)})
    gone = (recoded.groupby([*FIELDS])["a"].transform("size") < k).mean()
    return gone if gone <= limit + 1e-9 else None


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_changes_of_a_node_are_all_the_single_steps_that_pass(seed: int) -> None:
    df, node, limit = table(seed), dict.fromkeys(FIELDS, 0), 0.1
    found = {(c.kind, c.field): c for c in smallest_changes(searching(df), LADDERS, node, limit)}
    for place, name in enumerate(FIELDS):
        tried = [
            level for level in (1, 2)
            if passes(df, tuple(level if p == place else 0 for p in range(3)), 4, limit) is not None
        ]  # fmt: skip
        coarser = found.get(("coarser", name))
        assert (coarser.level if coarser else None) == (tried[0] if tried else None)
        assert (("drop", name) in found) == (2 in tried)
    gone = passes(df, (0, 0, 0), 4, 1.0)
    more = found.get(("suppress", None))
    assert gone is not None
    assert (more.suppressed if more else None) == (pytest.approx(gone) if gone < 1 else None)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_without_a_node_the_smallest_suppression_is_that_of_any_node(seed: int) -> None:
    df = table(seed, 24)
    levels = {name: [same, half] for name in FIELDS}
    k = 6
    shares = [passes(df, node, k, 1.0) for node in product((0, 1), repeat=3)]
    least = min(share for share in shares if share is not None)
    changes = smallest_changes(searching(df, k), levels, None, 0.0)
    more = [c for c in changes if c.kind == "suppress"]
    assert len(more) == (least < 1)
    for change in more:
        assert change.suppressed == pytest.approx(least)
    dropped = {c.field for c in changes if c.kind == "drop"}
    for name in FIELDS:
        others = [
            passes(
                df, tuple(2 if q == name else i for q, i in zip(FIELDS, node, strict=True)), k, 0
            )
            for node in product((0, 1), repeat=3)
        ]
        assert (name in dropped) == any(share is not None for share in others)


def test_changes_come_in_the_order_of_what_they_lose() -> None:
    df = table(5, 200)
    found = smallest_changes(searching(df, 8), LADDERS, dict.fromkeys(FIELDS, 0), 0.5)
    assert len(found) > 2
    assert [c.loss for c in found] == sorted(c.loss for c in found)
    assert found == smallest_changes(searching(df.sample(frac=1, random_state=1), 8), LADDERS,
                                     dict.fromkeys(FIELDS, 0), 0.5)  # fmt: skip


def test_the_front_never_gains_by_more_protection() -> None:
    df = table(3, 300)
    steps = front(partial(_best, df), (12, 2, 5, 40, 400))
    assert [step.k for step in steps] == [2, 5, 12, 40], "of 300 people no class of 400"
    assert all(step.highest <= 1 / step.k for step in steps)
    losses = [step.loss for step in steps]
    assert losses == sorted(losses)
    for step in steps:
        assert step.loss == pytest.approx(_best(df, step.k).loss)


def _best(df: pd.DataFrame, k: int):
    return search(df, LADDERS, k, max_suppression=0.05)


def test_where_nothing_helps_there_is_no_change() -> None:
    def refuse(ladders, limit):
        raise SluiceError("No recoding")

    assert smallest_changes(refuse, LADDERS, None, 0.1) == []
    assert front(lambda k: refuse({}, k), (2, 5)) == []
