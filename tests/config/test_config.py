"""What a facility writes is checked as a whole before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.pipeline.tiny import ADDRESS, Tiny, make_tiny

from sluice.config import STAGES, Config, Layout, load_policy, part_names
from sluice.errors import SluiceError


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return make_tiny(tmp_path)


def refused(tiny: Tiny, address: str = ADDRESS) -> str:
    with pytest.raises(SluiceError) as told:
        Config.load(tiny.config, address)
    return str(told.value)


def test_a_good_configuration_loads_with_absolute_folders(tiny: Tiny) -> None:
    config = Config.load(tiny.config, ADDRESS)
    assert config.layout.raw_cohort == tiny.raw and config.layout.base == tiny.base
    assert config.modalities == ["clinical"] and config.tiers == ["controlled"]


def test_every_path_of_the_site_starts_at_its_file_or_is_expanded(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/kestrel")
    monkeypatch.setenv("LAB", "/lab")
    monkeypatch.chdir("/")
    _refer(tiny, "{expression: ../e.bed, genotypes: $LAB/g.vcf.gz, donors: ~/donors.txt}")
    _site(tiny, "store: ../store", "store: ~/store")
    site = Config.load(tiny.config, ADDRESS).site
    assert (site.raw, site.store) == (tiny.home / "raw", Path("/home/kestrel/store"))
    assert site.approvers == tiny.home / "config/approvers.yaml"
    assert site.reference_files == [
        tiny.home / "e.bed", Path("/lab/g.vcf.gz"), Path("/home/kestrel/donors.txt")
    ]  # fmt: skip


def test_without_a_reference_the_linking_attack_is_off_with_this_reason(tiny: Tiny) -> None:
    reason = Config.load(tiny.config, ADDRESS).policy.unavailable["genotype_linking"]
    assert reason == "config.yaml names no reference cohort with expression and genotypes"
    _refer(tiny, "{expression: e.bed, genotypes: g.vcf.gz}")
    config = Config.load(tiny.config, ADDRESS)
    assert "genotype_linking" not in config.policy.unavailable
    assert [path.name for path in config.site.reference_files] == ["e.bed", "g.vcf.gz"]


def _refer(tiny: Tiny, reference: str) -> None:
    _site(tiny, "demo: true", f"demo: true\nreference: {reference}")


def _site(tiny: Tiny, old: str, new: str) -> None:
    text = tiny.config.read_text()
    assert old in text
    tiny.config.write_text(text.replace(old, new))


@pytest.mark.parametrize("address", ["tiny", "tiny/", "tiny/v1/x", "../tiny/v1", "tiny/..", "/v1"])
def test_a_release_has_one_form_of_address(tiny: Tiny, address: str) -> None:
    assert refused(tiny, address)


COHORT = "config/cohorts/tiny.yaml"
RELEASE = "config/releases/tiny/v1.yaml"
POLICY = "config/policies/tiny.yaml"


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (COHORT, "mrn: {role: direct, kind: mrn}", "mrn: {role: secret}", "columns.mrn.role"),
        (COHORT, "file: people.csv", "file: ../other/people.csv", "inside the cohort's raw folder"),
        (COHORT, "file: people.csv", "file: /etc/passwd", "inside the cohort's raw folder"),
        (COHORT, "file: people.csv", "file: ''", "inside the cohort's raw folder"),
        (COHORT, "file: consent.csv", "file: ../consent.csv", "inside the cohort's raw folder"),
        (COHORT, "file: links.csv", "file: a/../../links.csv", "inside the cohort's raw folder"),
        (COHORT, "field: postcode", "field: subject", "another name than"),
        (COHORT, "field: postcode", "field: sex", "each curated field from one column"),
        (COHORT, "field: postcode", "field: Post Code", "pattern"),
        (COHORT, "male: [m]", "male: [m, F]", "each spelling means one term"),
        (COHORT, "  clinical:", "  ../clinical:", "modalities"),
        (COHORT, "cohort: tiny", "cohort: other", "name and its content disagree"),
        (COHORT, "aliases:", "alias:", "did you mean `aliases`"),
        (COHORT, "tiers: [controlled], ", "tiers: [controled], ", "consent.codes.ALL.tiers[1]"),
        (COHORT, "name: {role: direct, kind: name}", "name: {role: direct, field: note}",
         "each curated field from one column"),
        (RELEASE, "policy: tiny", "policy: tinny", "there is: default, tiny"),
        (RELEASE, "tiers: [controlled]", "tiers: [contrlled]", "key `tiers[1]`"),
        (RELEASE, "tiers: [controlled]", "tiers: [registered]", "add controlled to `tiers`"),
        (RELEASE, "version: v1", "version: v2", "name and its content disagree"),
        (RELEASE, "cut_date: 2025-01-01", "cut_date: soon", "valid date"),
        (POLICY, "{mode: frozen, node: {age: 2}}", "{mode: frozen}", "a node exactly when"),
        (POLICY, "node: {age: 2}", "node: {agee: 2}", "over names in quasi"),
        (POLICY, "node: {age: 2}}", "node: {age: 2}}\n      quasi: [agee, age]", "not agee"),
        (POLICY, "node: {age: 2}}", "node: {age: 2}}\n      attackers: {spy: {knows: [agee], "
         "reason: x}}", "not agee"),
        (POLICY, "node: {age: 2}}", "node: {age: 2}}\n      attackers: {spy: {knows: [], "
         "reason: x}}", "at least one thing"),
        (POLICY, "node: {age: 2}}", "node: {age: 2}}\n      attackers: {spy: {knows: [age], "
         "reason: x}}", "attacker_spy among what the product clinical_table requires"),
        (POLICY, "node: {age: 2}}", "node: {age: 2}}\n      attackers: {diary: {knows: [age], "
         "product: history}}", "attacker_diary among what the product history requires"),
        (POLICY, "node: {age: 2}}", "node: {age: 2}}\n    limits: {attacker_diary: null}",
         "a limit attacker_diary"),
        (POLICY, "{age: 2}}", "{age: 2}, local: suppress}", "local_fields exactly when"),
        (POLICY, "{age: 2}}", "{age: 2}, local_fields: [sex]}", "local_fields exactly when"),
        (POLICY, "{age: 2}}", "{age: 2}, local: recode, local_fields: [smoking]}", "over names in"),
        (POLICY, "{age: 2}}", "{age: 2}, local: suppress, local_fields: [has_bulk]}",
         "only the clinical table people has, not has_bulk"),
        (POLICY, "  controlled:\n", "  registered:\n    people:\n      recoding: "
         "{local: suppress, local_fields: [sex]}\n  controlled:\n", "in controlled only"),
        (POLICY, "extends: default", "extends: tiny", "extends itself"),
        (POLICY, "extends: default", "extends: none-such", "is missing"),
        (POLICY, "  controlled:\n", "  controlled:\n    source: controlled\n", "source"),
        (POLICY, "  controlled:\n", "  secret:\n", "tiers"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_before_anything_runs(
    tiny: Tiny, file: str, old: str, new: str, said: str
) -> None:
    tiny.edit(tiny.home / file, old, new)
    assert said in refused(tiny)


@pytest.mark.parametrize(
    ("role", "rule", "said"),
    [
        ("direct", "keep", "A direct identifier may not be released"),
        ("direct", "text, allow: [a]", "A direct identifier may not be released"),
        ("free_text", "keep", "Free text may only be released by rule text"),
        ("free_text", "map", "Free text may only be released by rule text"),
    ],
)
def test_a_role_forbids_a_rule(tiny: Tiny, role: str, rule: str, said: str) -> None:
    tiny.edit(
        tiny.cohort, "note: {role: free_text, field: note}", f"note: {{role: {role}, field: note}}"
    )
    _rule(tiny, f"people.note: {{rule: {rule}, need: x}}")
    assert said in refused(tiny) and "people.note" in refused(tiny)


def test_a_raw_date_may_not_be_kept_and_only_a_date_can_be_shifted(tiny: Tiny) -> None:
    _rule(tiny, "visits.date: {rule: keep, need: x}")
    assert "A date may not be released as it is" in refused(tiny)
    _rule(tiny, "visits.date: {rule: shift_date, need: x}")
    Config.load(tiny.config, ADDRESS)
    _rule(tiny, "people.height_cm: {rule: shift_date, need: x}")
    assert "needs a column of type date" in refused(tiny)


def _rule(tiny: Tiny, rule: str) -> None:
    path = tiny.home / POLICY
    lines = path.read_text().split("    modalities:")[0]
    path.write_text(f"{lines}    modalities:\n      clinical:\n        fields:\n          {rule}\n")


def test_a_policy_changes_only_what_it_writes(tiny: Tiny) -> None:
    folder = tiny.home / "config"
    changed, base = load_policy(folder, "tiny"), load_policy(folder, "default")
    people = changed.tiers["controlled"].people
    assert people is not None and people.recoding.mode == "frozen" and people.k == 5
    assert changed.tiers["controlled"].limits == base.tiers["controlled"].limits
    assert changed.tiers["registered"] == base.tiers["registered"]


def test_a_stage_sees_only_its_sections(tiny: Tiny) -> None:
    """The digest of a stage moves with what it may see, and with nothing else."""
    before = digests(tiny)
    tiny.edit(tiny.home / RELEASE, "title: A tiny release", "title: Another title")
    assert moved(tiny, before) == {"validate", "bundle"}
    tiny.edit(tiny.home / RELEASE, "cut_date: 2025-01-01", "cut_date: 2024-12-01")
    assert {"consent", "bundle"} <= moved(tiny, before)
    assert not {"intake", "curate", "minimize", "plan", "apply"} & moved(tiny, before)
    _rule(tiny, "people.sex: {need: Another reason}")
    assert {"minimize", "apply", "plan"} <= moved(tiny, before)
    assert not {"intake", "curate"} & moved(tiny, before)


def digests(tiny: Tiny) -> dict[str, str]:
    config = Config.load(tiny.config, ADDRESS)
    return {s: config.settings(s, "controlled", "clinical").digest for s in STAGES}


def moved(tiny: Tiny, before: dict[str, str]) -> set[str]:
    return {stage for stage, digest in digests(tiny).items() if digest != before[stage]}


def test_a_settings_object_of_intake_holds_no_policy(tiny: Tiny) -> None:
    settings = Config.load(tiny.config, ADDRESS).settings("intake", None, "clinical")
    assert settings.raw is not None and settings.people is None and settings.products is None


def test_parts_have_names_that_say_how_many_there_are() -> None:
    assert part_names(1) == ["all"]
    assert part_names(3) == ["p00of03", "p01of03", "p02of03"]


def test_every_path_lies_below_work_vault_or_store(tmp_path: Path) -> None:
    raw, work, vault, store = (tmp_path / r for r in ("raw", "work", "vault", "store"))
    layout = Layout(raw, work, vault, store, "c", "v")
    places = [
        layout.intake("clinical"), layout.consent, layout.curate("bulk", "all"),
        layout.minimize("t", "bulk", "all"), layout.facts("t", "bulk"), layout.plan("t"),
        layout.data("t", "bulk", "all"), layout.score("t", "joint"), layout.gates("t"),
        layout.candidate("t"), layout.seal("t"), layout.log("curate", "bulk", "all"),
    ]  # fmt: skip
    assert all(p.is_relative_to(layout.base) for p in places)
    hidden = [
        layout.manifest("bulk"), layout.people("bulk"), layout.crosswalk("t", "bulk", "all"),
        layout.ledger,
    ]  # fmt: skip
    assert all(p.is_relative_to(layout.vault_cohort) for p in hidden)
    index, record = Layout.index(layout.data("t", "bulk", "all")), Layout.record(layout.plan("t"))
    assert (index.name, record.name) == ("all.index.json", "plan.record.json")
