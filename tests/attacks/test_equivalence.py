import pandas as pd
import pytest

from sluice.attacks.equivalence import joint_uniqueness, journalist, marketer, prosecutor
from sluice.errors import SluiceError
from sluice.tables.recode import suppress

PEOPLE = pd.DataFrame(
    {"band": [*"aaaabbbbc"], "scans": [0, 0, 0, 0, 0, 0, 1, 1, 1]},
    index=[f"P{i}" for i in range(9)],
)


def test_one_person_alone_gives_risk_one_and_suppression_takes_it_away():
    assert prosecutor(PEOPLE, ["band"], "limit", "table").upper == 1.0
    kept = PEOPLE[suppress(PEOPLE, ["band"], 4)]
    score = prosecutor(kept, ["band"], "limit", "table")
    assert (score.estimate, score.upper, score.n) == (0.25, 0.25, 8)


def test_the_marketer_gets_one_person_a_class():
    score = marketer(PEOPLE, ["band"], "limit", "table")
    assert score.estimate == pytest.approx(3 / 9)


def test_a_register_lowers_only_the_journalists_risk():
    register = pd.concat([PEOPLE] * 5)
    alone = journalist(PEOPLE, ["band"], "limit", "table")
    hidden = journalist(PEOPLE, ["band"], "limit", "table", register)
    assert (alone.estimate, hidden.estimate) == (1.0, 0.2)


def test_modalities_make_people_unique_who_were_not():
    kept = PEOPLE[PEOPLE["band"] != "c"].assign(region=[*"xxxxxxyz"])
    assert joint_uniqueness(kept, ["band"], "limit", "tier").upper == 0.0
    joint = joint_uniqueness(kept, ["band", "scans", "region"], "limit", "tier")
    assert joint.estimate == pytest.approx(2 / 8)


def test_a_count_is_exact_and_names_its_limit():
    score = marketer(PEOPLE, ["band"], "marketer_mean", "table")
    assert score.lower == score.estimate == score.upper
    assert (score.limit_key, score.product, score.evidence) == ("marketer_mean", "table", {})


@pytest.mark.parametrize("attack", [prosecutor, journalist, marketer, joint_uniqueness])
def test_an_empty_release_is_no_evidence_of_safety(attack):
    with pytest.raises(SluiceError, match="without people"):
        attack(PEOPLE.iloc[:0], ["band"], "limit", "table")


def test_a_person_with_several_rows_is_refused():
    with pytest.raises(SluiceError, match="several rows"):
        prosecutor(pd.concat([PEOPLE, PEOPLE]), ["band"], "limit", "table")
