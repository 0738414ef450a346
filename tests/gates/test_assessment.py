"""The risk assessment: initial risk, threshold, residual risk, attackers; and what stays inside."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.gates.small import SCORES, plan, score
from tests.gates.test_review import reviewed
from tests.release.test_report import reported, text_of

from sluice.config import load_policy
from sluice.config.policy import TierPolicy
from sluice.gates.assessment import assessment
from sluice.gates.evidence import Evidence
from sluice.resources import shipped
from sluice.scores import Score

INITIAL = {"highest": 1.0, "mean": 0.8137, "over": 0.99, "unique": 0.7391, "n": 147}
RESIDUAL = {"highest": 0.0556, "mean": 0.0387, "over": 0.0, "unique": 0.0}
WITHOUT = {
    "age": {"highest": 0.0311, "mean": 0.0119, "over": 0.0, "unique": 0.0, "n": 143},
    "sex": {"highest": 0.0556, "mean": 0.0387, "over": 0.0, "unique": 0.0, "n": 143},
}
FRONT = [
    {"k": 5, "highest": 0.1429, "suppressed": 0.021, "loss": 0.2113},
    {"k": 12, "highest": 0.0556, "suppressed": 0.034, "loss": 0.3137},
]


def counted(name: str = "prosecutor", **detail: Any) -> Score:
    found = RESIDUAL | {"initial": INITIAL} | detail
    return score(name, limit_key=None, evidence={}, detail=found, estimate=0.0556, upper=0.0556)


EXPLAINED = [
    counted(without=WITHOUT),
    counted("attacker_colleague", knows=["age", "has_imaging"], judged_by="highest"),
]
PLANNED = plan(recoding=plan()["recoding"] | {"front": FRONT, "untold": ["has_imaging"]})


@pytest.fixture
def rules() -> TierPolicy:
    return load_policy(shipped() / "config", "default").tiers["registered"]


def assessed(rules: TierPolicy, *, exact: bool) -> dict[str, Any]:
    evidence = [Evidence("scenario", "joint", found, "d") for found in EXPLAINED]
    gates = [{"gate": "prosecutor", "verdict": "pass"}]
    found = assessment(rules, PLANNED, gates, evidence, exact=exact)
    assert found is not None
    return found


def test_risk_is_given_before_and_after_beside_its_threshold_and_reason(rules: TierPolicy) -> None:
    highest, mean, alone, over = assessed(rules, exact=True)["rows"]
    assert (highest["initial"], highest["limit"], highest["residual"]) == (1.0, 0.09, 0.0556)
    assert highest["verdict"] == "pass" and "EMA" in highest["reason"]
    assert (mean["initial"], mean["limit"]) == (0.8137, 0.09)
    assert (alone["limit"], alone["residual"]) == (0, 0.0)
    assert over["limit"] is None


def test_each_attacker_is_told_by_what_they_know(rules: TierPolicy) -> None:
    (colleague,) = assessed(rules, exact=True)["attackers"]
    assert colleague["knows"] == "age, has imaging"
    assert (colleague["initial"], colleague["highest"], colleague["limit"]) == (1.0, 0.0556, 0.09)


def test_outside_the_house_risks_are_rounded_up_and_the_search_is_not_told(
    rules: TierPolicy,
) -> None:
    inside, outside = assessed(rules, exact=True), assessed(rules, exact=False)
    assert [row["residual"] for row in outside["rows"]] == [0.06, 0.04, 0.0, 0.0]
    assert outside["rows"][1]["initial"] == 0.82
    assert inside["front"] == FRONT and inside["fields"][0]["name"] == "age"
    assert inside["fields"][0]["adds"] == pytest.approx(0.0387 - 0.0119)
    assert inside["free"] == ["sex"], "who lacks it finds as many"
    assert not {"front", "front_plot", "fields", "field_plot", "free"} & set(outside)
    assert outside["most"] == inside["most"] == [("clinical visits", 5)]


def test_a_tier_whose_classes_were_not_attacked_has_no_assessment(rules: TierPolicy) -> None:
    assert assessment(rules, plan(), [], [], exact=True) is None
    plain = [Evidence("scenario", "joint", score("prosecutor", detail={}), "d")]
    assert assessment(rules, plan(), [], plain, exact=True) is None


def test_the_board_sees_fields_and_other_k(tmp_path: Path) -> None:
    _, page = reviewed(tmp_path, scores=[*SCORES, *EXPLAINED], planned=PLANNED)
    for expected in ("0.814", "0.0387", "0.0119", "0.314", "Nothing of this tier shows"):
        assert expected in page, expected
    assert page.count("<svg") == 5
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert page.count("<table>") == page.count("<caption")


def test_the_report_tells_the_method_and_neither_search_nor_exact_number(tmp_path: Path) -> None:
    told = text_of(reported(tmp_path, scores=[*SCORES, *EXPLAINED], planned=PLANNED))
    for expected in (
        "Risk assessment",
        "Initial",
        "Threshold",
        "Residual",
        "0.82",
        "age: level 20",
    ):
        assert expected in told, expected
    for inside in ("0.8137", "0.0556", "0.0387", "0.0119", "0.2113", "0.314", "0.7391"):
        assert inside not in told, inside


@pytest.mark.usefixtures("chromium")
def test_both_pages_open_without_errors_or_requests(tmp_path: Path) -> None:
    from tests.system.browser import PageReport, inspect

    config, _ = reviewed(tmp_path / "a", scores=[*SCORES, *EXPLAINED], planned=PLANNED)
    reported(tmp_path / "b", scores=[*SCORES, *EXPLAINED], planned=PLANNED)
    assert inspect(config.layout.review("registered") / "index.html") == PageReport()
    assert inspect(tmp_path / "b" / "report.html") == PageReport()
