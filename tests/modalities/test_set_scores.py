"""Individual scores of gene sets: off by default, and what is measured once a policy wants them."""

from __future__ import annotations

import shutil
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML
from tests.modalities.expression_lab import lab

from sluice import questions
from sluice.attacks.differencing import Statement
from sluice.attacks.joint import joint_scenarios, released_wide
from sluice.attacks.relink import relink
from sluice.config import load_policy
from sluice.errors import SluiceError
from sluice.expression.genes import excluded, gene_sets
from sluice.expression.profiles import read_profiles
from sluice.files import read_json, write_json
from sluice.gates import judge
from sluice.knowledge import LINKED, MISSING
from sluice.modalities.bulk import scenarios
from sluice.modalities.bulk.describe import describe
from sluice.modalities.bulk.individual import donor_scores
from sluice.modalities.bulk.settings import score_settings
from sluice.modalities.shared.h5ad import open_released
from sluice.modalities.shared.lineage import numbers_told
from sluice.modalities.shared.means import hidden_traits
from sluice.planning import plan
from sluice.release.dictionary import columns_of
from sluice.release.report import write_report
from sluice.resources import shipped

__all__ = ["lab"]

EVERY = ("clinical", "bulk", "singlecell")
OFF = "title: Individual scores of gene sets\n        enabled: false\n"
MEANS = "title: Mean expression of gene sets by tissue\n        aggregate: true\n"
SAMPLES = (
    "max_samples: 1  # who has more would stand out; raise it where most people have as many\n"
)
NEEDS = "        requires: [group_floor, differencing, membership"


def two_data_sets(folder):
    """Logarithms of the same donors and genes from two pipelines, and the donors' names."""
    one = read_profiles(folder / "geuvadis_qtltools/genes.50percent.chr22.bed.gz", "one")
    two = read_profiles(folder / "humangender/counts.csv.gz", "two")
    donors = sorted(set(one.samples) & set(two.samples))
    genes = sorted(set(one.genes) & set(two.genes))
    tables = [
        profiles.logarithms().columns(genes)[[profiles.samples.index(name) for name in donors]]
        for profiles in (one, two)
    ]
    return *tables, donors


def switched_on(lab, folder, shared_data):
    """A copy of the lab whose registered policy wants individual scores, and can judge them."""
    other = lab.copy(folder)
    data = shared_data / "expression/geuvadis_qtltools"
    other.amend(
        "config.yaml",
        "store: ../store\n",
        f"store: ../store\nreference:\n  expression: {data / 'genes.50percent.chr22.bed.gz'}\n"
        f"  genotypes: {data / 'genotypes.chr22.vcf.gz'}\n",
    )
    other.amend("policies/default.yaml", OFF, OFF.replace("false", "true"))
    # Linking is tried once a product: means have a test of their own.
    other.amend("policies/default.yaml", MEANS + NEEDS, MEANS + "        enabled: false\n" + NEEDS)
    return other


def hide_nothing(lab):
    """Let registered tell each attribute that controlled tells, in classes of five."""
    path = lab.folder / "config/policies/default.yaml"
    yaml = YAML()
    yaml.preserve_quotes = True
    policy = yaml.load(path)
    controlled, registered = (policy["tiers"][tier] for tier in ("controlled", "registered"))
    for field in ("height_cm", "note", "postcode"):
        del controlled["modalities"]["clinical"]["fields"][f"people.{field}"]
    for known in (controlled["people"]["quasi"], *_named(controlled)):
        for field in ("height_cm", "zip3"):
            if field in known:
                known.remove(field)
    del registered["modalities"]["clinical"]["fields"]["people.sex"]["levels"]
    registered["people"]["k"] = 5
    yaml.dump(policy, path)


def _named(tier):
    attackers = tier["people"]["attackers"].values()
    return [who["knows"] for who in attackers if who["knows"] != "everything"]


@pytest.fixture(scope="module")
def on(lab, tmp_path_factory, shared_data):
    """Scores switched on for 84 real donors of one tissue with one sample each."""
    other = switched_on(lab, tmp_path_factory.mktemp("on") / "lab", shared_data)
    hide_nothing(other)
    folder = shared_data / "expression"
    raw = other.folder / "raw/demo/bulk"
    sheet = pd.read_csv(raw / "samples.csv", dtype=str).drop_duplicates("donor_id").head(84)
    sheet.assign(tissue="whole blood").to_csv(raw / "samples.csv", index=False)
    real = pd.read_csv(folder / "humangender/counts.csv.gz", index_col=0)
    real = real[two_data_sets(folder)[2]].set_axis(sheet["sample_id"], axis=1)
    real.rename_axis("gene_id").to_csv(raw / "counts.tsv", sep="\t")
    other.raw_steps("bulk")
    other.tier_steps("controlled", *EVERY, score=False)
    shutil.rmtree(other.folder / "raw")
    other.tier_steps("registered", *EVERY, score=False)
    return other


@pytest.fixture(scope="module")
def scores(on):
    return on.score("registered", "bulk")


@pytest.fixture(scope="module")
def joint(on):
    job = on.job("score", "registered", "joint")
    found = joint_scenarios(job)
    with job.writing(job.layout.score("registered", "joint")) as out:
        for score in found:
            write_json(out / f"{score.name}.{score.product}.json", score.to_json())
    return {score.name: score for score in found}


def released(lab):
    return pd.read_parquet(lab.data("registered", "bulk") / "set_scores.parquet")


def test_switched_off_registered_holds_no_donors_expression(lab):
    policy = load_policy(shipped() / "config", "default")
    offering = [tier for tier, rules in policy.tiers.items() if "set_scores" in rules.products]
    assert offering == ["registered"]
    assert not policy.tiers["registered"].products["set_scores"].enabled
    plan = read_json(lab.config.layout.plan("registered"))
    assert plan["products"]["set_scores"]["status"] == "off"
    assert LINKED not in plan["recoding"]["quasi"]
    assert list(lab.data("registered", "bulk").iterdir()) == []
    assert lab.crosswalk("registered", "bulk", "person").empty


def test_ten_scores_find_84_donors_again_in_another_data_set(shared_data):
    """They do not protect: hence the joint classes that take every link as made."""
    known, raw, donors = two_data_sets(shared_data / "expression")
    truth = np.arange(len(donors))
    assert (len(donors), relink(known, raw, truth, "k", "p").estimate) == (84, 1.0)

    def by_scores(sets):
        drawn = [np.random.default_rng(n).choice(raw.shape[1], 50, False) for n in range(sets)]
        mine, theirs = (
            np.column_stack([v[:, m].mean(axis=1) for m in drawn]) for v in (known, raw)
        )
        return relink(mine, theirs.round(2), truth, "k", "p", raw=raw, known_raw=known)

    ten, two = by_scores(10), by_scores(2)
    assert ten.evidence == two.evidence == {"raw": 1.0, "works": True}
    assert ten.lower > 0.9
    assert ten.chance < two.estimate and two.upper < 0.5


def test_a_row_is_a_persons_score_of_a_fixed_set_and_nothing_else(on):
    table = released(on)
    assert list(table.columns) == ["person", "feature", "score"]
    people = pd.read_parquet(on.data("registered", "clinical") / "people.parquet")["person"]
    assert set(table["person"]) < set(people), "some people have no expression"
    persons, sets = table["person"].nunique(), table["feature"].nunique()
    assert len(table) == persons * sets
    assert 0 < sets <= min(10, 0.1 * persons)
    genes = set(
        pd.read_parquet(on.config.layout.minimize("registered", "bulk", "all") / "genes.parquet")[
            "gene_id"
        ]
    )
    for name in table["feature"].unique():
        assert len(genes.intersection(gene_sets()[name])) >= 50
        assert not excluded(gene_sets()[name], ["chrX", "chrY"]).any()
    plan = read_json(on.config.layout.plan("registered"))["modalities"]["bulk"]
    assert sorted(plan["score_sets"]) == sorted(table["feature"].unique())


def test_scores_are_a_function_of_controlleds_matrix(on):
    matrix = open_released(on.data("controlled", "bulk") / "expression.h5ad")
    keys = pd.DataFrame({"donor": matrix.obs["donor_id"].to_numpy(), "row": range(len(matrix.obs))})
    genes = pd.read_parquet(
        on.config.layout.minimize("registered", "bulk", "all") / "genes.parquet"
    )["gene_id"]
    table = released(on).pivot(index="person", columns="feature", values="score")
    whole = donor_scores(matrix, keys, genes, list(table.columns))
    links = on.crosswalk("registered", "bulk", "person")
    expected = whole.loc[links["subject"]].round(2)
    assert np.array_equal(expected.to_numpy(), table.loc[links["new"]].to_numpy())
    assert not set(links["new"]) & set(links["subject"]), "fresh pseudonyms"


def test_the_same_inputs_give_the_same_bytes_and_no_identifier(on):
    index = on.config.layout.index(on.data("registered", "bulk"))
    before = index.read_bytes()
    on.apply("registered", "bulk")
    assert index.read_bytes() == before
    assert on.leaks(on.data("registered", "bulk"), "donor_id", "sample_id", "mrn") == set()
    assert set(on.crosswalk("registered", "bulk", "person")["new"]) == set(released(on)["person"])


def test_the_attacks_work_on_raw_and_their_bounds_are_scores(scores):
    link = scores["donor_relink.set_scores"]
    assert link.evidence["works"] and link.evidence["raw"] > 0.95
    assert link.n >= 59 and link.detail["proportion"] is True
    assert link.chance < link.estimate <= link.upper
    assert scores["tier_relink.set_scores"].estimate > 0.95, "a function of controlled"
    genotypes = scores["genotype_linking.set_scores"]
    assert genotypes.evidence["works"] and genotypes.detail["genes"] >= 20_000
    assert genotypes.detail["best_candidate_is_behind_the_row"]["rows"] == genotypes.n, "donors"
    assert 0 < scores["effective_dimension.set_scores"].upper <= 0.1


def test_only_what_the_tier_hides_is_read_from_scores(lab, scores, tmp_path):
    nothing = scores["traits.set_scores"]
    assert (nothing.estimate, nothing.evidence) == (0.5, {})
    other = lab.copy(tmp_path / "lab")
    path = other.data("controlled", "clinical") / "people.parquet"
    people = pd.read_parquet(path)[["person", "smoking"]]
    random = np.random.default_rng(3)
    tall = random.integers(0, 2, len(people))
    people.assign(height_cm=np.where(tall, "180-189", "160-169")).to_parquet(path)
    raw = random.normal(size=(len(people), 60))
    raw[:, 0] += 3 * tall
    job = other.job("score", "registered", "bulk")

    def read_from(columns):
        return hidden_traits(job, list(people["person"]), raw[:, columns], raw, "set_scores")

    weak, blind = read_from(slice(0, 5)), read_from(slice(1, 6))
    assert set(weak.detail["attributes"]) == {"height_cm"}, "smoking is told anyway"
    assert weak.evidence["works"] and blind.evidence["works"]
    assert weak.lower > 0.8 and blind.estimate < 0.7


def test_the_release_is_useful(scores):
    assert scores["score_utility.set_scores"].lower > 0.95


def test_donors_with_scores_are_linked_in_the_joint_classes(on, joint):
    plan = read_json(on.config.layout.plan("registered"))
    quasi = plan["recoding"]["quasi"]
    assert quasi[-1] == LINKED
    table = released_wide(on.job("score", "registered", "joint"), quasi)
    linked = set(table.index[table[LINKED] != MISSING])
    assert linked == set(released(on)["person"])
    seen = Counter(table[LINKED])
    assert {text.split("; ")[0] for text in seen} == {"bulk_samples: 1", MISSING}
    assert any("singlecell_samples" in text for text in seen), "across modalities"
    assert all("tissue" in text for text in seen if text != MISSING)
    sizes = table.groupby(quasi).size()
    assert joint["prosecutor"].estimate == pytest.approx(1 / sizes.min())
    assert sizes.min() >= 5 and joint["joint_uniqueness"].upper == 0
    assert joint["record_linkage"].evidence["works"]


def test_a_plan_that_forgot_the_link_fails_the_joint_gates(lab, tmp_path, shared_data, monkeypatch):
    """Two samples, and cells beside them: such donors stand alone."""
    other = switched_on(lab, tmp_path / "lab", shared_data)
    other.amend("policies/default.yaml", SAMPLES, "max_samples: 2\n")
    other.amend("policies/default.yaml", "        - bulk_samples\n", "")
    other.tier_steps("controlled", *EVERY, score=False)
    with monkeypatch.context() as patch:
        patch.setattr(questions, "is_offered", lambda job, product: False)
        other.tier_steps("registered", *EVERY, score=False)
    assert len(released(other))
    found = {s.name: s for s in joint_scenarios(other.job("score", "registered", "joint"))}
    assert found["joint_uniqueness"].upper > 0
    assert found["prosecutor"].upper > 0.09
    monkeypatch.setattr(scenarios, "linking", lambda *_: None)
    monkeypatch.setattr(scenarios, "hidden_traits", lambda *_: None)
    mine = {s.name: s for s in scenarios.scenarios(other.job("score", "registered", "bulk"))}
    link = mine["donor_relink"]
    assert link.attacker_knows.endswith("one of the samples that the scores average")
    persons = released(other)["person"].nunique()
    assert 5 <= link.n < persons
    assert link.evidence["works"] and link.lower > 1 / persons
    with pytest.raises(SluiceError, match="No recoding satisfies the rules"):
        plan(other.job("plan", "registered"))


def test_the_bound_stands_in_the_report(on, scores, joint, tmp_path):
    gates = judge(on.config, "registered")
    mine = {gate["gate"]: gate for gate in gates["gates"] if gate["product"] == "set_scores"}
    assert mine["contract_registered_bulk_set_scores"]["verdict"] == "pass"
    link = mine["donor_relink"]
    assert (link["verdict"], link["bound"]) == ("pass", scores["donor_relink.set_scores"].upper)
    assert gates["products"]["set_scores"]["status"] == "released", gates["products"]
    write_json(on.config.layout.gates("registered"), gates)
    write_report(on.config, "registered", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "a named profile of each donor with noise" in page
    assert f"{np.ceil(link['bound'] * 100) / 100:g}" in page


def test_a_score_that_is_missing_fails_the_product(on, scores, joint):
    path = on.config.layout.score("registered", "bulk") / "donor_relink.set_scores.json"
    kept = path.read_bytes()
    path.unlink()
    try:
        gates = judge(on.config, "registered")
    finally:
        path.write_bytes(kept)
    assert gates["products"]["set_scores"]["status"] == "dropped"


def test_the_dictionary_names_exactly_the_columns_that_were_written(on):
    rows = describe(on.job("bundle", "registered", "bulk"))
    file = "data/bulk/set_scores.parquet"
    told = [row["column"] for row in rows if row["file"] == file]
    assert set(told) == columns_of(on.data("registered", "bulk") / "set_scores.parquet")
    assert len(told) == 3 and all(row["policy_key"] for row in rows)
    record = read_json(on.config.layout.record(on.data("registered", "bulk")))
    assert record["counts"]["individual scores released"] == len(released(on))


def test_a_later_release_of_other_sets_is_counted_with_the_earlier_ones():
    donors = {f"s{n}": f"c{n}" for n in range(100)}

    def told(release, features, content=donors):
        return Statement(release, "scores", "all donors", content, frozenset(features))

    first, again = (told(version, ["WP1", "WP2"]) for version in ("1", "2"))
    assert numbers_told([first, again], "2") == 2
    assert numbers_told([first, told("2", ["WP3", "WP4"])], "2") == 4
    changed = told("2", ["WP1", "WP2"], {"s0": "other"})
    assert numbers_told([first, changed], "2") == 4, "another measurement"
    assert numbers_told([told("1", ["WP1"], {"gone": "c"}), again], "2") == 2


@pytest.mark.parametrize("settings", [{"sets": 11, "min_genes": 50}, {"sets": 10, "min_genes": 49}])
def test_no_policy_may_pass_the_caps(settings):
    policy = load_policy(shipped() / "config", "default")
    product = policy.tiers["registered"].products["set_scores"]
    score_settings(product, "registered")
    with pytest.raises(SluiceError):
        score_settings(product.model_copy(update={"settings": settings}), "registered")
