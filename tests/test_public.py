"""Public answers of a release: spent once, replayed byte for byte, reissued after a withdrawal."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from sluice.config import Config
from sluice.dp.accounting import epsilon_spent, gaussian_multiplier, within
from sluice.errors import SluiceError
from sluice.files import folder_index, write_json
from sluice.files.tables import read_table, write_table
from sluice.jobs import Job
from sluice.ledger.chain import Ledger
from sluice.ledger.spends import Noise, SpendRequest, measure, spends
from sluice.public import measure_products, questions
from tests.modalities.expression_lab import Lab, lab

__all__ = ["lab"]

FIRST, SECOND = "2026q1", "2026q2"
ORDINARY = """
cohort: demo
version: 2026q2
title: Demo cohort, second quarter of 2026
cut_date: 1899-09-30
published: 2026-06-30
policy: demo
tiers: [controlled, registered, public]
supersedes: 2026q1
"""


@pytest.fixture
def house(lab: Lab, tmp_path: Path) -> Lab:
    """A copy of the lab with passed gates, and a second version of the same data."""
    copy = lab.copy(tmp_path / "house")
    for tier in ("controlled", "registered"):
        write_json(copy.config.layout.gates(tier), {"verdict": "pass"})
    shutil.copytree(copy.folder / f"work/demo/{FIRST}", copy.folder / f"work/demo/{SECOND}")
    release(copy, ORDINARY)
    return copy


def release(house: Lab, text: str) -> None:
    (house.folder / f"config/releases/demo/{SECOND}.yaml").write_text(text, encoding="utf-8")


def job_of(house: Lab, version: str) -> Job:
    config = Config.load(house.folder / "config/config.yaml", f"demo/{version}")
    return Job(config, "dp_measure", "public")


def answer(house: Lab, version: str, folder: str = "out") -> Path:
    out = house.folder / folder / version
    out.mkdir(parents=True, exist_ok=True)
    measure_products(job_of(house, version), out)
    return out


def spent(house: Lab) -> list[SpendRequest]:
    with Ledger.open(house.config.layout.ledger) as ledger:
        ledger.verify()
        return spends(ledger, "demo")


def use_up_all_but_the_reserve(house: Lab) -> None:
    """Spend in releases of before until no ordinary release fits any more."""
    budget = house.config.policy.tiers["public"].budget
    assert budget is not None
    noise = Noise("gaussian", gaussian_multiplier(0.5, budget.release_delta), 1.0)
    past = SpendRequest("demo", "", "q", "m", noise, 0.5, budget.release_delta, "d")
    with Ledger.open(house.config.layout.ledger) as ledger:
        for number in range(100):
            try:
                request = replace(past, release=f"earlier{number}")
                measure(ledger, request, lambda: [0.0], within(budget))
            except SluiceError:
                return
    raise AssertionError("the budget never ends")


def withdraw(house: Lab, *days: str) -> None:
    table = pd.DataFrame({"subject": [f"s{n}" for n in range(len(days))], "day": list(days)})
    path = job_of(house, SECOND).layout.consent / "withdrawn.parquet"
    write_table(path, table.assign(day=pd.to_datetime(table["day"])))


def test_a_rerun_gives_the_same_bytes_and_spends_nothing(house: Lab) -> None:
    first, before = answer(house, FIRST), spent(house)
    assert before
    again = answer(house, FIRST, "again")
    assert folder_index(first) == folder_index(again)
    assert spent(house) == before


def test_the_same_release_with_one_participant_less_is_refused(house: Lab) -> None:
    answer(house, FIRST)
    before = spent(house)
    path = house.config.layout.minimize("public", "clinical", "all") / "people.parquet"
    people = read_table(path)
    write_table(path, people[people["subject"] != people["subject"].iloc[0]])
    with pytest.raises(SluiceError, match=r"data changed.*new version"):
        answer(house, FIRST, "again")
    assert spent(house) == before


def test_a_second_release_draws_anew_and_both_add_up(house: Lab) -> None:
    answer(house, FIRST)
    answer(house, SECOND)
    requests = spent(house)
    assert {request.release for request in requests} == {FIRST, SECOND}
    budget = house.config.policy.tiers["public"].budget
    assert budget is not None
    both = epsilon_spent([request.noise for request in requests], budget.lifetime_delta)
    one = epsilon_spent([r.noise for r in requests if r.release == FIRST], budget.lifetime_delta)
    assert one < both == pytest.approx(2 * one, rel=1e-4), "Laplace noise adds up"
    with Ledger.open(house.config.layout.ledger) as ledger:
        assert len({tuple(row.body["values"]) for row in ledger.rows("seal")}) == len(requests)


def test_the_reserve_is_spent_by_a_reissue_after_a_withdrawal_and_by_nothing_else(
    house: Lab,
) -> None:
    answer(house, FIRST)
    use_up_all_but_the_reserve(house)
    before = spent(house)
    with pytest.raises(SluiceError, match="but for the reserve"):
        answer(house, SECOND)

    release(house, ORDINARY + "reissue: true\n")
    withdraw(house)
    with pytest.raises(SluiceError, match="only after a withdrawal"):
        answer(house, SECOND)
    withdraw(house, "1899-06-30", "1899-10-01")
    with pytest.raises(SluiceError, match="only after a withdrawal"):
        answer(house, SECOND)
    assert spent(house) == before, "refused before any draw"

    withdraw(house, "1899-08-01")
    answer(house, SECOND)
    new = spent(house)[len(before) :]
    assert [(request.release, request.reissue) for request in new] == [(SECOND, True)] * len(new)
    asked = [request.query for request in before if request.release == FIRST]
    assert [request.query for request in new] == asked


def test_a_reissue_of_what_was_never_measured_is_refused(house: Lab) -> None:
    release(house, ORDINARY + "reissue: true\n")
    withdraw(house, "1899-08-01")
    with pytest.raises(SluiceError, match="nothing to reissue"):
        answer(house, SECOND)
    assert spent(house) == []


@pytest.mark.parametrize("line", ["reissue: true", "carry_forward: [clinical_counts]"])
def test_a_release_that_leans_on_an_earlier_one_names_it(house: Lab, line: str) -> None:
    release(house, ORDINARY.replace("supersedes: 2026q1", line))
    with pytest.raises(SluiceError, match="supersedes"):
        job_of(house, SECOND)


def test_an_exhausted_budget_carries_the_earlier_answer_unchanged(house: Lab) -> None:
    first = read_table(answer(house, FIRST) / "clinical_counts.parquet")
    use_up_all_but_the_reserve(house)
    before = spent(house)
    release(house, ORDINARY + "carry_forward: [clinical_count]\n")
    with pytest.raises(SluiceError, match="no public question"):
        answer(house, SECOND)
    release(house, ORDINARY + "carry_forward: [clinical_counts]\n")
    second = read_table(answer(house, SECOND) / "clinical_counts.parquet")
    pd.testing.assert_frame_equal(first, second)
    assert spent(house) == before


def test_nothing_is_drawn_before_the_other_tiers_passed(house: Lab) -> None:
    write_json(house.config.layout.gates("registered"), {"verdict": "fail"})
    with pytest.raises(SluiceError, match="nothing was spent"):
        answer(house, FIRST)
    assert spent(house) == []


def test_shares_of_the_shipped_policy_fit_the_release_together(house: Lab) -> None:
    job = job_of(house, FIRST)
    budget = job.settings.budget
    assert budget is not None
    noises = [plan.noise for plan in questions(job).values()]
    assert epsilon_spent(noises, budget.release_delta) <= budget.release_epsilon * (1 + 1e-6)
