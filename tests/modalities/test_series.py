"""A cohort is released again: who left hides among others, who is alone waits, levels only rise."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.pipeline.tiny import PEOPLE, Tiny, make_tiny, mrn, ward

from sluice.attacks.joint import joint_scenarios
from sluice.config import Config
from sluice.errors import SluiceError
from sluice.files import read_json, write_json
from sluice.files.tables import read_table, write_table
from sluice.jobs import Job
from sluice.modalities.clinical.apply import apply
from sluice.modalities.clinical.curate import curate
from sluice.modalities.clinical.facts import facts
from sluice.modalities.clinical.inventory import inventory
from sluice.modalities.clinical.minimize import minimize
from sluice.modalities.shared.consent import write_consent
from sluice.modalities.shared.series import read_record
from sluice.planning import plan
from sluice.release.groups import keep_groups
from sluice.tables.sequential import joint_sizes

TIER = "controlled"
K = 5


def candidate(tiny: Tiny, version: str) -> Config:
    """Make a release's candidate from the raw files, every stage up to apply."""
    if version != "v1":
        first = tiny.home / "config/releases/tiny/v1.yaml"
        text = first.read_text().replace("version: v1", f"version: {version}\nsupersedes: v1")
        first.with_name(f"{version}.yaml").write_text(text)
    config = Config.load(tiny.config, f"tiny/{version}")

    def job(stage: Any, tier: str = "") -> Job:
        return Job(config, stage, tier, "clinical")

    layout = config.layout
    for stage, folder, run in (
        ("intake", layout.intake("clinical"), inventory),
        ("curate", layout.curate("clinical", "all"), curate),
        ("consent", layout.consent, write_consent),
        ("minimize", layout.minimize(TIER, "clinical", "all"), minimize),
    ):
        made = job(stage, TIER if stage == "minimize" else "")
        with made.writing(folder) as out:
            run(made, out)
    write_table(layout.facts(TIER, "clinical"), facts(job("facts", TIER)))
    plan(job("plan", TIER))
    made = job("apply", TIER)
    with made.writing(layout.data(TIER, "clinical", "all")) as out:
        apply(made, out)
    return config


def publish(config: Config) -> None:
    """Keep what publishing keeps of a release whose gates all passed."""
    write_json(config.layout.candidate_digest(TIER), {"products": ["clinical_table"]})
    keep_groups(config, TIER)


def joint(*configs: Config) -> pd.Series:
    """How many share each one's history over these candidates."""
    layouts = [config.layout for config in configs]
    return joint_sizes([read_record(TIER, at.version, at.classes(TIER)).told for at in layouts])


def scores(config: Config) -> dict[str, float]:
    found = joint_scenarios(Job(config, "score", TIER, "joint"))
    return {score.name: score.upper for score in found}


def withdraw(tiny: Tiny, *people: int) -> None:
    for person in people:
        tiny.set_cell("consent.csv", person, "withdrawn_on", "2024-06-01")


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return make_tiny(tmp_path)


def test_one_who_left_is_found_by_subtraction_unless_others_go_too(tiny: Tiny) -> None:
    first = candidate(tiny, "v1")
    assert scores(first)["sequential_k"] >= K
    withdraw(tiny, 7)
    second = candidate(tiny, "v2")
    assert joint(first, second).min() == 1, "the attack works: nothing was published yet"
    publish(first)
    assert scores(second)["sequential_k"] == 1, "a plan that did not look is caught"
    again = candidate(tiny, "v2")
    assert joint(first, again).min() >= K
    assert scores(again)["sequential_k"] >= K
    people = read_json(again.layout.plan(TIER))["people"]
    assert people["kept"] > 0.7 * PEOPLE and people["suppressed"] >= K - 1


def test_who_left_as_a_group_of_k_costs_nobody_else(tiny: Tiny) -> None:
    first = candidate(tiny, "v1")
    publish(first)
    classes = read_record(TIER, "v1", first.layout.classes(TIER)).told.classes
    members = classes.index[classes == classes.mode()[0]][:K]
    links = read_table(first.layout.consent / "consent.parquet")
    assert set(members) <= set(links["subject"])
    vault = {Job(first, "curate", "", "clinical").vault.subject(mrn(n)): n for n in range(PEOPLE)}
    withdraw(tiny, *(vault[subject] for subject in members))
    second = candidate(tiny, "v2")
    assert joint(first, second).min() >= K
    kept = read_json(second.layout.plan(TIER))["people"]["kept"]
    before = read_json(first.layout.plan(TIER))["people"]["kept"]
    assert kept == before - K


def test_a_newcomer_waits_and_comes_with_others(tiny: Tiny) -> None:
    publish(candidate(tiny, "v1"))

    def join(start: int, count: int) -> None:
        rows, consents = tiny.rows("people.csv"), tiny.rows("consent.csv")
        links, visits = tiny.rows("links.csv"), tiny.rows("visits.csv")
        for number in range(start, start + count):
            smokes = ("never", "former", "current")[number % 3]
            rows.append(rows[0] | {"mrn": mrn(number), "smoking": smokes})
            consents.append(consents[0] | {"mrn": mrn(number)})
            links.append({"ward_id": ward(number), "mrn": mrn(number)})
            mine = [visit for visit in visits if visit["ward_id"] == ward(0)]
            visits += [
                visit | {"ward_id": ward(number), "visit_id": f"N{number}-{place}"}
                for place, visit in enumerate(mine)
            ]
        for name, table in (("people", rows), ("consent", consents), ("links", links),
                            ("visits", visits)):  # fmt: skip
            tiny.write(f"{name}.csv", table)

    join(PEOPLE, 1)
    second = candidate(tiny, "v2")
    told = read_json(second.layout.plan(TIER))["people"]
    assert told["held_back"] == 1
    publish(second)
    join(PEOPLE + 1, 5)
    third = candidate(tiny, "v3")
    people = read_json(third.layout.plan(TIER))["people"]
    assert people["held_back"] == 0 and people["kept"] == told["kept"] + 6
    assert scores(third)["sequential_k"] >= K


def test_who_was_suppressed_once_stays_out(tiny: Tiny) -> None:
    tiny.set_cell("people.csv", 0, "country", "FR")
    first = candidate(tiny, "v1")
    record = read_record(TIER, "v1", first.layout.classes(TIER))
    assert len(record.told.suppressed) == 1
    publish(first)
    tiny.set_cell("people.csv", 0, "country", "US")
    second = read_record(TIER, "v2", candidate(tiny, "v2").layout.classes(TIER))
    assert record.told.suppressed <= second.told.suppressed


def test_a_recoding_is_never_finer_and_coarser_only_with_a_reason(tiny: Tiny) -> None:
    publish(candidate(tiny, "v1"))
    policy = tiny.home / "config/policies/tiny.yaml"
    tiny.edit(policy, "node: {age: 2}", "node: {age: 1}")
    with pytest.raises(SluiceError, match=r"finer than an earlier release has it.*field age"):
        candidate(tiny, "v2")
    tiny.edit(policy, "node: {age: 1}", "node: {age: 3}")
    with pytest.raises(SluiceError, match=r"nothing says why.*field age.*reason"):
        candidate(tiny, "v2")
    tiny.edit(policy, "node: {age: 3}", "node: {age: 3}, reason: Fewer people than expected")
    second = candidate(tiny, "v2")
    assert read_json(second.layout.plan(TIER))["recoding"]["node"]["age"] == 3
    assert scores(second)["recoding_series"] == 0


def test_the_record_is_in_the_vault_only_and_holds_no_value(tiny: Tiny) -> None:
    config = candidate(tiny, "v1")
    publish(config)
    kept = config.layout.published_classes(TIER)
    assert kept.is_relative_to(config.layout.vault_release)
    assert b"CANARY" not in kept.read_bytes()
    table = read_table(kept)
    assert not {"never", "former", "current"} & set(table.astype(str).to_numpy().ravel())
    shutil.rmtree(config.layout.vault_release / "published")
    assert scores(config)["sequential_k"] >= K
