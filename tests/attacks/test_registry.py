from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sluice
from sluice.attacks.registry import SCENARIOS, scenario
from sluice.cli.attack import attack
from sluice.config import load_policy
from sluice.resources import shipped

NAMES = {known.name for known in SCENARIOS}
#: Names that a score bears only until its adapter gives it the policy's.
GENERIC = {"relink"}


def required() -> set[str]:
    """What the default policy demands of its products and can have, utilities left out."""
    policy = load_policy(shipped() / "config", "default")
    demanded = {
        name
        for tier in policy.tiers.values()
        for product in tier.products.values()
        for name in product.requires
    }
    scenarios = {n for n in demanded if not n.endswith("_utility")} - set(policy.unavailable)
    return {scenario(name).name for name in scenarios}


def returned() -> set[str]:
    """Every literal name that a score is given in attacks and in the adapters' scenarios."""
    root = Path(sluice.__file__).parent
    files = [*root.glob("attacks/**/*.py"), *root.glob("modalities/*/scenarios.py")]
    found = set()
    shared = [root / f"modalities/shared/{name}.py" for name in ("groups", "lineage")]
    for path in [*files, *shared]:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                found |= _name(call, call.func.id)
    return found - GENERIC


def _name(call: ast.Call, function: str) -> set[str]:
    makers = {"Score", "replace", "count_score", "_count", "_score", "_plan_score", "infer_traits"}
    given = [word.value for word in call.keywords if word.arg == "name"]
    if function in makers - {"replace", "infer_traits"} and call.args and not given:
        given = call.args[:1]
    literal = [value.value for value in given if isinstance(value, ast.Constant)]
    return {str(value) for value in literal} if function in makers else set()


def test_every_scenario_that_the_default_policy_demands_is_in_the_registry():
    assert required() <= NAMES


def test_every_name_that_a_score_is_given_is_in_the_registry_and_the_other_way_round():
    assert returned() - NAMES == set()
    in_other_ways = {
        "l_diversity", "t_closeness",  # named by a table of what was measured
        "sex_inference", "traits",  # named by an argument
        "genotype_linking",
        "attacker",  # with the policy's name of it
    }  # fmt: skip
    assert NAMES - returned() - in_other_ways == set()


def test_each_scenario_says_what_its_attacker_knows_and_how_it_proves_itself():
    assert len(NAMES) == len(SCENARIOS)
    for known in SCENARIOS:
        assert known.knows and known.control
    assert scenario("traits").command == "sluice attack traits"
    with pytest.raises(KeyError):
        scenario("nonsense")


def test_every_command_belongs_to_a_scenario():
    commands = {known.command.removeprefix("sluice attack ") for known in SCENARIOS} - {""}
    assert commands == set(attack.modules) - {"list"}
