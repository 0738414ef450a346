"""One table of what may be known, over all modalities; and who is caught by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from sluice.attacks.equivalence import attacker, joint_uniqueness, prosecutor
from sluice.config.policy import Product
from sluice.jobs import Job
from sluice.knowledge import everybody, joint_table, linked_facts, untold
from sluice.modalities.shared.told import long
from sluice.tables.recode import suppress

PEOPLE = [f"s{n:02d}" for n in range(24)]


def facts(**columns: Mapping[str, Sequence[str | None]]) -> dict[str, pd.DataFrame]:
    """Facts by modality; of each attribute one value for each of the first people."""
    return {
        modality: long(pd.DataFrame(table, index=PEOPLE[: len(next(iter(table.values())))]))
        for modality, table in columns.items()
    }


def test_each_person_is_one_row_with_everything_that_is_told() -> None:
    table = joint_table(facts(clinical={"sex": ["f", "m", None]}, imaging={"region": ["chest"]}))
    assert table.index.tolist() == PEOPLE[:3]
    assert table["sex"].tolist()[:2] == ["f", "m"] and pd.isna(table["sex"].iloc[2])
    assert table["has_imaging"].tolist() == ["yes", "no", "no"]
    assert table["has_clinical"].tolist() == ["yes"] * 3
    assert table["region"].isna().tolist() == [False, True, True]


def test_what_two_modalities_call_alike_is_not_lost() -> None:
    told = facts(
        bulk={"tissue": ["blood", "blood", None]}, singlecell={"tissue": ["skin", "blood"]}
    )
    assert joint_table(told)["tissue"].tolist()[:2] == ["blood | skin", "blood"]


def test_an_attribute_that_nobody_has_is_a_column_still() -> None:
    assert joint_table(facts(clinical={"sex": [None, None]}))["sex"].isna().all()
    assert everybody(facts(clinical={"sex": [None, None]})) == PEOPLE[:2]


def test_a_perfect_link_tells_all_of_both_kinds_of_expression() -> None:
    told = facts(bulk={"tissue": ["blood", None]}, singlecell={"singlecell_samples": ["1"]})
    found = linked_facts(told, PEOPLE[:1])
    assert found.to_dict() == {"s00": "singlecell_samples: 1; tissue: blood"}


def job(**products: dict[str, Any]) -> Job:
    own: dict[str, Any] = {"title": "x", "reason": "x", "owner": "x"}
    offered = {name: Product(**own, **product) for name, product in products.items()}
    settings = SimpleNamespace(products=offered, unavailable={"later": "not yet"})
    return cast(Job, SimpleNamespace(settings=settings))


def test_a_modality_without_rows_of_single_people_tells_nothing() -> None:
    told = facts(clinical={"sex": ["f"]}, imaging={"region": ["chest"]}, bulk={"tissue": ["blood"]})
    table = {"modality": "clinical"}
    means = {"modality": "bulk", "aggregate": True}
    images = {"modality": "imaging"}
    blind = {"has_imaging", "region"}
    group = {"has_bulk", "tissue"}
    assert untold(job(table=table, means=means), told) == blind | group
    assert untold(job(table=table, means=means, images=images), told) == group
    off = images | {"enabled": False}
    assert untold(job(table=table, means=means, images=off), told) == blind | group
    later = images | {"requires": ["later"]}
    assert untold(job(table=table, means=means, images=later), told) == blind | group
    rows = {"modality": "bulk"}
    assert untold(job(table=table, means=means, rows=rows), told) == blind


@pytest.fixture
def cohort() -> pd.DataFrame:
    """Two clinical classes of twelve; one woman has cells of another tissue and two studies."""
    told = facts(
        clinical={"sex": ["f"] * 12 + ["m"] * 12},
        bulk={"tissue": ["skin"] + ["blood"] * 23},
        imaging={"studies": ["2"] + ["1"] * 23},
    )
    return joint_table(told)


CLINICAL, JOINT = ["sex"], ["sex", "tissue", "studies", "has_bulk", "has_imaging"]


def test_somebody_hidden_clinically_and_alone_jointly_is_caught(cohort: pd.DataFrame) -> None:
    assert prosecutor(cohort, CLINICAL, "x", "x").upper == pytest.approx(1 / 12)
    assert joint_uniqueness(cohort, CLINICAL, "x", "x").upper == 0
    assert joint_uniqueness(cohort, JOINT, "x", "x").upper == pytest.approx(1 / 24)
    kept = suppress(cohort, JOINT, 5)
    assert cohort.index[~kept].tolist() == ["s00"]
    assert prosecutor(cohort[kept], JOINT, "x", "x").upper == pytest.approx(1 / 11)


def test_each_attacker_is_tried_with_what_they_know(cohort: pd.DataFrame) -> None:
    register = attacker(cohort, ["sex"], "attacker_register", "highest", "table")
    colleague = attacker(cohort, JOINT, "attacker_colleague", "highest", "table")
    assert register.upper == pytest.approx(1 / 12) and colleague.upper == 1
    mean = attacker(cohort, JOINT, "attacker_colleague", "mean", "table")
    assert mean.estimate == pytest.approx(3 / 24) == mean.detail["mean"]
    assert mean.detail["highest"] == 1
    assert (mean.name, mean.limit_key, mean.product) == ("attacker_colleague",) * 2 + ("table",)
    assert "sex, tissue, studies" in mean.attacker_knows
    nothing = attacker(cohort, [], "attacker_none", "highest", "table")
    assert nothing.upper == pytest.approx(1 / 24)


def test_the_table_does_not_depend_on_the_order_of_facts(cohort: pd.DataFrame) -> None:
    told = facts(clinical={"sex": ["f", "m", "m"]}, bulk={"tissue": ["skin", "blood"]})
    rng = np.random.default_rng(1)
    mixed = {m: t.iloc[rng.permutation(len(t))] for m, t in reversed(told.items())}
    first, second = joint_table(told), joint_table(mixed)
    pd.testing.assert_frame_equal(first, second[first.columns])
