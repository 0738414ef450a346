import json

import numpy as np
import pandas as pd
import pytest

from sluice.attacks.linkage import record_linkage
from sluice.errors import SluiceError
from sluice.tables.hierarchies import ladder
from sluice.tables.recode import apply_node, search
from sluice.tables.risk import upper_bound

FIELDS = ["age", "place", "seen", "sex"]
HIERARCHIES = {
    "age": ladder("age", {"levels": [1, 10, 20], "top": 80}),
    "place": ladder("zip3", {}),
    "seen": ladder("date", {"levels": ["day", "year"]}),
    "sex": ladder("country", {}),
}
RAW_NODE = {"age": 0, "place": 0, "seen": 0, "sex": 0}


def cohort(n, seed=3):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 95, n),
            "place": rng.choice(["02139", "02140", "10001", "94110"], n),
            "seen": pd.Timestamp("2019-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
            "sex": rng.choice([*"FM"], n),
        },
        index=[f"S{i:04d}" for i in range(n)],
    )


def attack(raw, node, kept=None, seed=1):
    """Release ``raw`` on a node under shuffled pseudonyms, and attack it."""
    kept = np.ones(len(raw), dtype=bool) if kept is None else kept
    released = apply_node(raw, node, HIERARCHIES)[kept]
    names = np.random.default_rng(9).permutation(len(released))
    truth = {subject: f"P{i:04d}" for subject, i in zip(released.index, names, strict=True)}
    released = released.set_axis([truth[s] for s in released.index]).sort_index()
    return record_linkage(
        raw, released, truth, lambda known: apply_node(known, node, HIERARCHIES), FIELDS,
        seed, "linkage", "table",
    )  # fmt: skip


def test_linkage_finds_most_people_in_raw_and_few_in_the_recoded_table():
    raw = cohort(400)
    plain = attack(raw, RAW_NODE)
    assert plain.estimate > 0.8 and plain.evidence["works"]
    found = search(raw, HIERARCHIES, 12, max_suppression=0.1)
    score = attack(raw, found.node, ~found.suppressed)
    assert score.n >= 360, "the release is not empty"
    assert score.evidence == {"raw": pytest.approx(plain.estimate, abs=0.1), "works": True}
    assert score.detail["claims"] == 0, "nobody is alone in a class"
    assert score.upper <= 0.09


def test_a_weak_recoding_fails_the_limit():
    assert attack(cohort(400), RAW_NODE | {"age": 1, "sex": 1}).upper > 0.5
    assert attack(cohort(400), RAW_NODE | {"seen": 1}).upper > 0.2


def test_ties_count_as_the_expected_value_of_a_guess():
    """Four people look the same, a tenth of knowledge is wrong: .9 / 4 by guessing, no claim."""
    raw = cohort(40).assign(age=30, place="02139", seen=pd.Timestamp("2020-01-01"))
    raw["sex"] = np.repeat([*"abcdefghij"], 4)
    score = attack(raw, RAW_NODE | {"seen": 1})
    assert score.detail["claims"] == 0
    assert score.detail["guesser"] == pytest.approx(0.225, abs=0.03)
    assert score.upper == max(score.estimate, upper_bound(0, 40))


def test_where_raw_people_look_alike_the_result_is_not_evidence():
    raw = cohort(60).assign(age=30, place="02139", seen=pd.Timestamp("2020-01-01"))
    score = attack(raw, RAW_NODE)
    assert score.upper < 0.09, "it looks safe, and yet"
    assert score.evidence["works"] is False


def test_the_same_seed_gives_the_same_score_and_another_one_other_errors():
    raw = cohort(200)
    first, second = attack(raw, RAW_NODE), attack(raw.sample(frac=1, random_state=1), RAW_NODE)
    assert first.detail["hits"] == second.detail["hits"]
    assert json.dumps(first.to_json()), "plain types only"


def test_only_released_people_are_targets():
    raw = cohort(300)
    score = attack(raw, RAW_NODE, np.arange(300) < 50)
    assert score.n == 50


def test_large_releases_are_judged_on_a_drawn_part():
    assert attack(cohort(2100), RAW_NODE).n == 2000


def test_a_truth_that_misses_a_released_person_is_refused():
    raw = cohort(5)
    released = raw.set_axis([*"vwxyz"])
    with pytest.raises(SluiceError, match="truth"):
        record_linkage(raw, released, {"S0000": "v"}, lambda t: t, FIELDS, 1, "limit", "table")
