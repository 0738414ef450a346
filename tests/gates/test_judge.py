"""Gates fail closed: nothing but a measured bound within its limit lets a product out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gates.small import SCORES, UTILITIES, plan, score, small_config

from sluice.config import Config
from sluice.errors import SluiceError
from sluice.files import write_json
from sluice.gates.evidence import Evidence, read_evidence
from sluice.gates.expectations import Contract
from sluice.gates.judge import sentence, verdicts
from sluice.scores import Score


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return small_config(tmp_path_factory.mktemp("gates"))


def judged(
    config: Config,
    scores: list[Score],
    *,
    utilities: list[Score] | None = None,
    contracts: list[Contract] | None = None,
    planned: dict[str, Any] | None = None,
) -> dict[str, Any]:
    found = [Evidence("scenario", "clinical", s, f"{s.name} {s.product}") for s in scores]
    found += [
        Evidence("utility", "clinical", s, f"{s.name} {s.product}")
        for s in (UTILITIES if utilities is None else utilities)
    ]
    settings = config.settings("validate", "registered")
    return verdicts("registered", settings, planned or plan(), found, contracts or [])


def row(result: dict[str, Any], gate: str, product: str = "clinical_table") -> dict[str, Any]:
    (found,) = [g for g in result["gates"] if (g["gate"], g["product"]) == (gate, product)]
    return found


def test_a_tier_whose_every_bound_keeps_to_its_limit_passes(config: Config) -> None:
    result = judged(config, SCORES)
    assert result["verdict"] == "pass"
    assert {p["status"] for p in result["products"].values()} == {"released"}
    assert {g["verdict"] for g in result["gates"]} == {"pass"}


def test_every_requirement_of_every_product_has_a_row(config: Config) -> None:
    required = {
        (name, product)
        for product, rules in config.policy.tiers["registered"].products.items()
        for name in rules.requires
    }
    for scores in (SCORES, [], SCORES[:1]):
        rows = {(g["gate"], g["product"]) for g in judged(config, scores)["gates"]}
        assert required <= rows


def test_the_bound_decides_and_not_the_estimate(config: Config) -> None:
    safe_estimate = score(estimate=0.0, upper=0.0901)
    result = judged(config, [safe_estimate, SCORES[1]])
    assert row(result, "linkage")["verdict"] == "fail"
    assert result["verdict"] == "fail", "on_fail: stop stops the tier"


def test_a_product_that_may_be_dropped_is_dropped_and_the_tier_passes(config: Config) -> None:
    result = judged(config, [SCORES[0], score("membership", "group_means", upper=0.66, detail={})])
    assert row(result, "membership", "group_means")["verdict"] == "dropped"
    assert result["products"]["group_means"]["status"] == "dropped"
    assert "0.66" in result["products"]["group_means"]["reason"]
    assert result["products"]["clinical_table"]["status"] == "released"
    assert result["verdict"] == "pass"


def test_an_attack_that_did_not_run_fails(config: Config) -> None:
    gate = row(judged(config, SCORES[1:]), "linkage")
    assert gate["verdict"] == "fail"
    assert "did not run" in gate["reason"]


def test_an_attack_that_fails_on_raw_is_no_evidence_however_low_its_bound(config: Config) -> None:
    blunt = score(upper=0.0, estimate=0.0, lower=0.0, evidence={"raw": 0.01, "works": False})
    gate = row(judged(config, [blunt, SCORES[1]]), "linkage")
    assert gate["verdict"] == "fail"
    assert gate["bound"] is None
    assert "Not evidence" in gate["reason"]
    assert "not evidence" in sentence(gate)


@pytest.mark.parametrize(("n", "verdict"), [(31, "too_few"), (32, "pass")])
def test_too_few_people_fail_even_with_no_hit(config: Config, n: int, verdict: str) -> None:
    claimed = score(estimate=0.0, lower=0.0, upper=0.0893, n=n)
    result = judged(config, [claimed, SCORES[1]])
    assert row(result, "linkage")["verdict"] == verdict
    assert result["verdict"] == ("pass" if verdict == "pass" else "fail")


def test_too_few_people_drop_a_product_that_may_be_dropped(config: Config) -> None:
    few = score("membership", "group_means", estimate=0.0, upper=0.99, n=1, limit_key="linkage")
    result = judged(config, [SCORES[0], few])
    assert row(result, "membership", "group_means")["verdict"] == "too_few"
    assert result["products"]["group_means"]["status"] == "dropped"
    assert result["verdict"] == "pass"


def test_a_score_that_asks_for_a_limit_that_the_policy_lacks_fails(config: Config) -> None:
    gate = row(judged(config, [score(limit_key="lnkage"), SCORES[1]]), "linkage")
    assert gate["verdict"] == "fail"
    assert "lnkage" in gate["mend"]


def test_a_bound_that_is_not_a_number_fails(config: Config) -> None:
    gate = row(judged(config, [score(upper=float("nan")), SCORES[1]]), "linkage")
    assert gate["verdict"] == "fail"


def test_utility_is_judged_by_its_lower_bound(config: Config) -> None:
    poor = score("kept", estimate=0.9, lower=0.49, upper=1.0, detail={}, evidence={})
    gate = row(judged(config, SCORES, utilities=[poor]), "kept")
    assert (gate["direction"], gate["bound"], gate["verdict"]) == ("min", 0.49, "fail")


def test_a_product_that_is_off_keeps_the_plans_reason(config: Config) -> None:
    planned = plan()
    planned["products"]["group_means"] |= {"status": "off", "reason": "traits comes later"}
    result = judged(config, SCORES[:1], planned=planned)
    assert row(result, "membership", "group_means")["verdict"] == "dropped"
    assert row(result, "membership", "group_means")["reason"] == "traits comes later"
    assert result["products"]["group_means"] == {"status": "off", "reason": "traits comes later"}
    assert result["verdict"] == "pass"


def test_a_product_that_the_plan_forgot_is_not_released(config: Config) -> None:
    planned = plan()
    del planned["products"]["group_means"]
    assert judged(config, SCORES, planned=planned)["products"]["group_means"]["status"] == "off"


def test_a_failed_contract_stops_or_drops_its_product(config: Config) -> None:
    broken = Contract("means", "about", "group_means", 5, ("does not hold: x (column mean)",))
    result = judged(config, SCORES, contracts=[broken])
    assert result["products"]["group_means"]["status"] == "dropped"
    assert "column mean" in row(result, "contract_means", "group_means")["reason"]
    stray = Contract("files_of_bulk", "about", "tier", 1, ("released files belong to no product",))
    assert judged(config, SCORES, contracts=[stray])["verdict"] == "fail"


def test_an_attack_that_nobody_asked_for_counts_if_it_names_a_limit(config: Config) -> None:
    unasked = score("dates", upper=0.5, limit_key="linkage")
    result = judged(config, [*SCORES, unasked])
    assert row(result, "dates")["verdict"] == "fail"
    assert result["verdict"] == "fail"


def test_a_class_below_k_stops_the_tier(config: Config) -> None:
    planned = plan()
    planned["people"]["smallest"] = 2
    assert judged(config, SCORES, planned=planned)["verdict"] == "fail"


def test_a_tier_without_any_product_left_does_not_pass(config: Config) -> None:
    planned = plan()
    for product in planned["products"].values():
        product |= {"status": "off", "reason": "no"}
    result = judged(config, [], planned=planned)
    assert result["verdict"] == "fail"
    assert "No product" in row(result, "products_left", "tier")["reason"]


def test_a_sentence_names_numbers_and_mend(config: Config) -> None:
    gate = row(judged(config, [score(upper=0.1234), SCORES[1]]), "linkage")
    assert sentence(gate) == (
        "Linkage of clinical table: does not keep to the limit "
        "(upper bound 0.1234, limit 0.09, n=143); coarsen a field."
    )


@given(
    upper=st.floats(0, 1),
    n=st.integers(0, 400),
    works=st.booleans(),
    proportion=st.booleans(),
    key=st.sampled_from(["linkage", "none"]),
)
def test_only_a_working_attack_with_a_reachable_bound_in_its_limit_passes(
    config: Config, upper: float, n: int, works: bool, proportion: bool, key: str
) -> None:
    one = score(
        upper=upper,
        n=n,
        evidence={"works": works},
        detail={"proportion": proportion},
        limit_key=key,
    )
    result = judged(config, [one, SCORES[1]])
    may = works and upper <= 0.09 and (n >= 32 or not proportion) and key == "linkage"
    assert (row(result, "linkage")["verdict"] == "pass") == may
    assert (result["products"]["clinical_table"]["status"] == "released") == may


def test_a_damaged_score_is_a_plain_sentence(config: Config) -> None:
    folder = config.layout.score("registered", "bulk")
    write_json(folder / "x.json", {"name": "x"})
    with pytest.raises(SluiceError, match=r"bulk/x\.json"):
        read_evidence(config.layout, "registered", config.modalities)
