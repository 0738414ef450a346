from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import SluiceError
from sluice.tables.cellkey import outcomes, perturb_counts, record_keys
from sluice.tables.counts import count_table

KEY = b"sixteen bytes or more"
N = 11


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    sizes = {"a": [0.9, 0.07, 0.03], "b": [0.5, 0.45, 0.05], "c": [0.98, 0.02]}
    columns = {
        name: rng.choice(list("xyz")[: len(shares)], 400, p=shares)
        for name, shares in sizes.items()
    }
    return pd.DataFrame(columns).assign(id=[f"p{n}" for n in range(400)])


def perturbed(df: pd.DataFrame, by: list[str], key: bytes = KEY) -> np.ndarray:
    return perturb_counts(count_table(df, by), df, record_keys(df["id"], key), N)


@given(st.integers(1, 300), st.sampled_from([3, 5, 11, 20]), st.sampled_from([1.0, 4.0, 9.0]))
def test_what_is_added_has_mean_zero_and_the_variance_that_was_asked_for(count, n, variance):
    values, shares = outcomes(count, n, variance)
    assert shares.sum() == pytest.approx(1) and (shares >= 0).all()
    assert not ((values > 0) & (values < n)).any() and (values >= 0).all()
    assert shares @ values == pytest.approx(count, abs=1e-6)
    least = count * (n - count) if count < n else 0
    assert shares @ (values - count) ** 2 == pytest.approx(max(variance, least), abs=1e-3)


def test_zero_stays_zero_and_no_small_count_comes_out(people) -> None:
    counts = count_table(people, ["a", "b", "c"]).counts
    shown = perturbed(people, ["a", "b", "c"])
    assert (shown[counts == 0] == 0).all() and not ((shown > 0) & (shown < N)).any()
    assert ((counts > 0) & (counts < N)).any() and (shown != counts).any()


def test_a_cell_is_perturbed_the_same_in_every_table_and_order_of_rows(people) -> None:
    small, large = perturbed(people, ["a"]), perturbed(people, ["a", "b", "c"])
    assert (small == large[:, -1, -1]).all()
    shuffled = people.sample(frac=1, random_state=4)
    assert (perturbed(shuffled, ["a", "b"]) == perturbed(people, ["a", "b"])).all()
    assert (perturbed(people, ["a", "b"], b"another key of bytes") != large[:, :, -1]).any()


def test_over_many_keys_the_counts_are_right_on_average(people) -> None:
    counts = count_table(people, ["a", "b"]).counts
    drawn = np.array([perturbed(people, ["a", "b"], b"key number %08d" % n) for n in range(100)])
    spread = np.sqrt(np.where(counts < N, counts * (N - counts), 0).clip(4) / 100)
    assert (np.abs(drawn.mean(axis=0) - counts) <= 4.5 * spread)[counts > 0].all()


def test_subtraction_from_the_margins_gives_small_counts_of_the_raw_table_only(people) -> None:
    counts = count_table(people, ["a", "b"]).counts
    small = (counts[:-1, :-1] > 0) & (counts[:-1, :-1] < N)

    def right(shown: np.ndarray) -> float:
        others = shown[:-1, :-1].sum(axis=1, keepdims=True) - shown[:-1, :-1]
        return float(((shown[:-1, -1:] - others) == counts[:-1, :-1])[small].mean())

    assert right(counts) == 1
    assert np.mean([right(perturbed(people, ["a", "b"], b"key number %08d" % n))
                    for n in range(40)]) < 0.25  # fmt: skip


@pytest.mark.parametrize(
    ("ids", "key", "said"),
    [
        (["a", "b"], b"short", "too short.*5 bytes"),
        (["a", "a"], KEY, "one identifier"),
        (["a", None], KEY, "one identifier"),
    ],
)
def test_a_short_key_and_identifiers_that_are_not_are_refused(ids, key, said) -> None:
    with pytest.raises(SluiceError, match=said):
        record_keys(ids, key)
