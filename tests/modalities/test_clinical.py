"""Clinical tables from raw files to released ones, stage by stage, without Snakemake."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tests.pipeline.tiny import ADDRESS, CANARY, PEOPLE, Tiny, make_tiny, mrn, ward

from sluice.config import Config
from sluice.errors import SluiceError
from sluice.files import read_json
from sluice.files.tables import read_table, write_table
from sluice.identity import Vault
from sluice.jobs import Job
from sluice.modalities.clinical.apply import apply
from sluice.modalities.clinical.curate import curate
from sluice.modalities.clinical.describe import describe
from sluice.modalities.clinical.facts import facts
from sluice.modalities.clinical.inventory import inventory
from sluice.modalities.clinical.minimize import minimize
from sluice.modalities.clinical.utility import kept_information
from sluice.modalities.shared.consent import write_consent
from sluice.planning import plan

TIER = "controlled"


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return make_tiny(tmp_path)


def job_of(tiny: Tiny, stage: str, tier: str = "") -> Job:
    return Job(Config.load(tiny.config, ADDRESS), stage, tier, "clinical")  # type: ignore[arg-type]


def curated(tiny: Tiny) -> dict[str, pd.DataFrame]:
    """Run intake and curate; return the curated tables."""
    job = job_of(tiny, "intake")
    with job.writing(job.layout.intake("clinical")) as out:
        inventory(job, out)
    job = job_of(tiny, "curate")
    folder = job.layout.curate("clinical", "all")
    with job.writing(folder) as out:
        curate(job, out)
    return {name: read_table(folder / f"{name}.parquet") for name in ("people", "visits", "events")}


def released(tiny: Tiny) -> dict[str, pd.DataFrame]:
    """Run every stage up to apply; return the released tables."""
    curated(tiny)
    job = job_of(tiny, "consent")
    with job.writing(job.layout.consent) as out:
        write_consent(job, out)
    return tier_of(tiny, TIER)


def tier_of(tiny: Tiny, tier: str) -> dict[str, pd.DataFrame]:
    """Run a tier's stages up to apply; return its released tables."""
    job = job_of(tiny, "minimize", tier)
    with job.writing(job.layout.minimize(tier, "clinical", "all")) as out:
        minimize(job, out)
    job = job_of(tiny, "facts", tier)
    write_table(job.layout.facts(tier, "clinical"), facts(job))
    plan(job_of(tiny, "plan", tier))
    job = job_of(tiny, "apply", tier)
    folder = job.layout.data(tier, "clinical", "all")
    with job.writing(folder) as out:
        apply(job, out)
    return {name: read_table(folder / f"{name}.parquet") for name in ("people", "visits", "events")}


def bytes_of(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file())


def test_curated_tables_join_number_and_ward_by_subject(tiny: Tiny) -> None:
    tables = curated(tiny)
    assert len(tables["people"]) == PEOPLE and len(tables["visits"]) == 4 * PEOPLE
    assert set(tables["visits"]["subject"]) == set(tables["people"]["subject"])
    assert tables["people"]["sex"].unique().tolist() in (["female", "male"], ["male", "female"])
    assert tables["events"].empty and "code_system" in tables["events"]


def test_direct_identifiers_stay_in_the_vault(tiny: Tiny) -> None:
    tables = curated(tiny)
    layout = Config.load(tiny.config, ADDRESS).layout
    assert CANARY in (tiny.raw / "people.csv").read_text()
    assert tables["people"]["note"].eq("stable seen by").all(), "free text keeps its other words"
    assert not any(t.astype(str).apply(lambda c: c.str.contains(CANARY)).any(axis=None)
                   for t in tables.values())  # fmt: skip
    assert CANARY.encode() not in bytes_of(layout.base / "intake")
    kept = read_table(layout.people("clinical"))
    assert {"mrn", "name", "ward_id", "visit_id"} <= set(kept["kind"])
    assert {mrn(0), ward(0)} <= set(kept["value"])


def test_visit_numbers_that_start_anew_for_each_participant_stay_apart(tiny: Tiny) -> None:
    rows = tiny.rows("visits.csv")
    for place, row in enumerate(rows):
        row["visit_id"] = str(place % 4 + 1)
    tiny.write("visits.csv", rows)
    visits = curated(tiny)["visits"]
    assert visits["visit_id"].nunique() == len(visits) == 4 * PEOPLE


def test_rows_of_unknown_participants_are_left_out_and_counted(tiny: Tiny) -> None:
    rows = tiny.rows("visits.csv")
    tiny.write("visits.csv", [*rows, {**rows[0], "ward_id": f"{CANARY}-nobody"}])
    assert len(curated(tiny)["visits"]) == len(rows)
    layout = Config.load(tiny.config, ADDRESS).layout
    record = read_json(layout.record(layout.curate("clinical", "all")))
    assert record["counts"]["rows of unknown participants left out"] == 1
    assert CANARY not in str(record)


def test_a_participant_who_stands_twice_is_merged_or_refused(tiny: Tiny) -> None:
    rows = tiny.rows("people.csv")
    tiny.write("people.csv", [*rows, {**rows[0], "height_cm": ""}])
    assert len(curated(tiny)["people"]) == PEOPLE
    tiny.write("people.csv", [*rows, {**rows[0], "smoking": f"{CANARY} other"}])
    with pytest.raises(SluiceError, match=r"stands twice.*people.smoking, 1 participants") as told:
        curated(tiny)
    assert CANARY not in str(told.value)


def test_a_released_table_holds_no_identifier_date_or_word_of_the_raw_one(tiny: Tiny) -> None:
    tables = released(tiny)
    people, visits = tables["people"], tables["visits"]
    layout = Config.load(tiny.config, ADDRESS).layout
    raw_dates = {row["visit_date"] for row in tiny.rows("visits.csv")}
    content = bytes_of(layout.data(TIER, "clinical", "all"))
    assert CANARY.encode() not in content
    subjects = {s.encode() for s in read_table(layout.plan_people(TIER))["subject"]}
    assert not any(subject in content for subject in subjects)
    assert people["person"].is_unique and people["person"].is_monotonic_increasing
    assert set(people["note"]) == {"stable"}
    assert set(people["zip3"]) <= {"606", "000"} and "birth_date" not in people
    links = read_table(layout.crosswalk(TIER, "clinical", "all"))
    people_links = links[links["kind"] == "person"]
    back = dict(zip(people_links["person"], people_links["subject"], strict=True))
    raw = curated(tiny)["visits"].groupby("subject")["date"].apply(sorted)
    for person, rows in visits.groupby("person"):
        own = raw[back[str(person)]]
        shifts = {(new - old).days for new, old in zip(sorted(rows["date"]), own, strict=True)}
        assert len(shifts) == 1 and 30 <= abs(shifts.pop()) <= 365
    assert raw_dates, "raw dates exist"


def test_who_did_not_consent_or_withdrew_is_in_no_table(tiny: Tiny) -> None:
    rows = tiny.rows("consent.csv")
    rows[1]["withdrawn_on"] = "2024-06-01"
    tiny.write("consent.csv", rows[1:])
    tables = released(tiny)
    links = read_table(Config.load(tiny.config, ADDRESS).layout.crosswalk(TIER, "clinical", "all"))
    vault = Vault(tiny.home / "vault" / "tiny", "tiny")
    gone = {vault.subject(mrn(0)), vault.subject(mrn(1))}
    assert not gone & set(links["subject"])
    assert len(tables["people"]) == PEOPLE - 2
    assert set(tables["visits"]["person"]) == set(tables["people"]["person"])


def test_every_released_column_is_described(tiny: Tiny) -> None:
    tables = released(tiny)
    rows = describe(job_of(tiny, "bundle", TIER))
    said = {(row["file"], row["column"]) for row in rows}
    assert said == {(f"data/clinical/{n}.parquet", c) for n, t in tables.items() for c in t.columns}
    assert all(row["policy_key"].startswith("controlled.") and row["description"] for row in rows)


def test_the_same_input_gives_the_same_bytes_in_another_folder(tiny: Tiny, tmp_path: Path) -> None:
    released(tiny)
    other = make_tiny(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "vault").mkdir(mode=0o700)
    key = "tiny/keys/master.key"
    for place in ("tiny", "tiny/keys"):
        (tmp_path / "elsewhere/vault" / place).mkdir(mode=0o700)
    (tmp_path / "elsewhere/vault" / key).touch(0o600)
    (tmp_path / "elsewhere/vault" / key).write_bytes((tiny.home / "vault" / key).read_bytes())
    released(other)
    places = [Config.load(t.config, ADDRESS).layout for t in (tiny, other)]
    first, second = (bytes_of(p.data(TIER, "clinical", "all")) for p in places)
    assert first == second


def test_a_policy_field_that_the_cohort_lacks_stops(tiny: Tiny) -> None:
    tiny.edit(tiny.cohort, ", field: height_cm, type: number", "")
    with pytest.raises(
        SluiceError, match=r"field that the cohort does not have.*people\.height_cm"
    ):
        released(tiny)


@pytest.mark.parametrize("local", ["suppress", "recode"])
def test_a_cell_that_the_plan_changes_is_released_as_it_says(tiny: Tiny, local: str) -> None:
    rows = tiny.rows("people.csv")
    for row in rows[:2]:
        row["birth_date"] = "1930-01-01"
    tiny.write("people.csv", rows)
    before = released(tiny)["people"]
    node = "node: {age: 2}}"
    tiny.edit(tiny.home / "config/policies/tiny.yaml", node,
              f"{node[:-1]}, local: {local}, local_fields: [age, sex]}}")  # fmt: skip
    people = released(tiny)["people"]
    layout = Config.load(tiny.config, ADDRESS).layout
    local_plan = read_json(layout.plan(TIER))["recoding"]["local"]
    assert len(people) == PEOPLE > len(before)
    quasi = people[["age", "sex", "zip3", "country", "diagnosis"]].fillna("")
    assert quasi.groupby(list(quasi)).size().min() >= 5
    removed = {name: int(people[name].isna().sum()) for name in ("age", "sex")}
    assert removed == {name: local_plan["fields"][name]["removed"] for name in ("age", "sex")}
    job = job_of(tiny, "bundle", TIER)
    said = {row["column"]: row["rule"] for row in describe(job)}
    assert said["age"].endswith("; single cells coarser or removed") and ";" not in said["zip3"]


def test_registered_lacks_the_cells_that_controlled_lacks(tiny: Tiny) -> None:
    rows = tiny.rows("people.csv")
    for row in rows[:14]:
        row["sex"] = ""
    rows[0]["birth_date"] = "1930-01-01"
    tiny.write("people.csv", rows)
    tiny.edit(tiny.home / "config/policies/tiny.yaml", "node: {age: 2}}",
              "node: {age: 2}, local: suppress, local_fields: [age, sex]}")  # fmt: skip
    tiny.edit(
        tiny.home / "config/releases/tiny/v1.yaml", "[controlled]", "[controlled, registered]"
    )
    tiny.edit(tiny.cohort, "{tiers: [controlled]", "{tiers: [controlled, registered]")
    controlled = released(tiny)["people"]
    layout = Config.load(tiny.config, ADDRESS).layout
    assert read_json(layout.plan(TIER))["recoding"]["local"]["fields"]["age"]["removed"]
    registered = tier_of(tiny, "registered")["people"]
    links = read_table(layout.crosswalk("registered", "clinical", "all"))
    before = links.set_index("new").loc[registered["person"], "original"]
    same = controlled.set_index("person").loc[before]
    missing = same["sex"].isna().to_numpy()
    assert missing.any() and (registered["sex"].isna() == missing).all()
    assert registered.groupby(["age", "sex"], dropna=False).size().min() >= 12


def test_a_source_for_a_table_that_does_not_exist_stops(tiny: Tiny) -> None:
    tiny.edit(tiny.cohort, "table: visits", "table: visit")
    with pytest.raises(SluiceError, match="choose one of: people, visits, events"):
        curated(tiny)


def test_kept_information_is_one_for_the_same_and_zero_for_nothing() -> None:
    raw = pd.Series(["a", "b", "c", "d"])
    assert kept_information(raw, raw) == pytest.approx(1)
    assert kept_information(raw, pd.Series(["*"] * 4)) == pytest.approx(0)
    assert 0 < kept_information(raw, pd.Series(["x", "x", "y", "y"])) < 1
    assert kept_information(pd.Series(["a", "a"]), pd.Series(["*", "*"])) == 1
