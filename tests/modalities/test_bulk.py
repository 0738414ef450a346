from __future__ import annotations

import shutil

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from tests.modalities.expression_lab import ADDRESS, Lab, lab

from sluice.cli import sluice
from sluice.errors import SluiceError
from sluice.expression.aggregate import Floors
from sluice.expression.genes import excluded, gene_sets, load_genes
from sluice.expression.values import log_normalise
from sluice.expression.write import h5ad_digest
from sluice.files import read_json
from sluice.modalities.bulk.contribute import contribute, public_scores
from sluice.modalities.bulk.describe import describe
from sluice.modalities.bulk.propose import propose
from sluice.modalities.shared.groups import floor_faults
from sluice.release.dictionary import columns_of

__all__ = ["lab"]

IDENTIFIERS = ("donor_id", "sample_id", "operator", "mrn", "family_name")


@pytest.fixture(scope="module")
def scores(lab):
    return lab.score("controlled", "bulk")


def released(lab):
    return anndata.read_h5ad(lab.data("controlled", "bulk") / "expression.h5ad")


def test_every_field_is_inventoried_and_no_value_of_it(lab):
    table = pd.read_parquet(lab.config.layout.intake("bulk") / "inventory.parquet")
    sheet = pd.read_csv(lab.folder / "raw/demo/bulk/samples.csv", dtype=str)
    assert {f"samples.{name}" for name in sheet.columns} <= set(table["field"])
    assert {"counts.genes", "counts.samples", "counts.values"} <= set(table["field"])
    values = {v for name in ("donor_id", "sample_id", "operator") for v in sheet[name]}
    assert not values & set(table.astype(str).to_numpy().ravel())


def test_a_column_without_a_role_stops_intake(lab, tmp_path):
    other = lab.copy(tmp_path / "lab")
    other.amend("cohorts/demo.yaml", "          batch: {role: quasi}\n", "")
    with pytest.raises(SluiceError, match="not classified"):
        other.raw_steps("bulk")


def test_curation_keeps_the_values_and_forgets_the_names(lab):
    folder = lab.config.layout.curate("bulk", "all")
    raw = pd.read_csv(lab.folder / "raw/demo/bulk/counts.tsv", sep="\t", index_col=0)
    with h5py.File(folder / "matrix.h5") as file:
        assert file.attrs["value_kind"] == "counts"
        values = file["values"][:]
        genes = file["genes"].asstr()[:]
    assert sorted(values.sum(axis=1)) == sorted(raw.loc[genes].sum())
    samples = pd.read_parquet(folder / "samples.parquet")
    assert not set(samples["sample_id"]) & set(raw.columns)
    assert samples["subject"].str.fullmatch(r"s[a-z2-7]{20}").all()


def test_a_sample_without_a_row_in_the_sheet_is_left_out_and_counted(lab, tmp_path):
    other = lab.copy(tmp_path / "lab")
    path = other.folder / "raw/demo/bulk/samples.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-3]))
    other.raw_steps("bulk")
    folder = other.config.layout.curate("bulk", "all")
    assert len(pd.read_parquet(folder / "samples.parquet")) == len(lines) - 4
    counts = read_json(other.config.layout.record(folder))["counts"]
    assert counts["columns without a known sample left out"] == 3


def test_identifiers_stand_in_raw_and_nowhere_in_the_release(lab, tmp_path):
    copy = tmp_path / "raw"
    copy.mkdir()
    raw = pd.read_csv(lab.folder / "raw/demo/bulk/samples.csv")
    raw.to_csv(copy / "samples.csv", index=False)
    assert {"donor_id", "sample_id", "operator"} <= lab.leaks(copy, *IDENTIFIERS)
    assert lab.leaks(lab.data("controlled", "bulk"), *IDENTIFIERS) == set()
    layout = lab.config.layout
    for folder in (layout.intake("bulk"), layout.curate("bulk", "all")):
        assert lab.leaks(folder, *IDENTIFIERS) == set()


def test_the_matrix_holds_raw_counts_of_the_permitted_genes(lab):
    data = released(lab)
    assert data.obs["donor_id"].tolist() == sorted(data.obs["donor_id"])
    assert not excluded(data.var_names.tolist(), ["HLA", "KIR", "IG", "TCR"]).any()
    raw = pd.read_csv(lab.folder / "raw/demo/bulk/counts.tsv", sep="\t", index_col=0)
    assert excluded(raw.index.tolist(), ["HLA", "KIR", "IG", "TCR"]).any()
    totals = raw.loc[data.var_names].sum()
    assert set(np.asarray(data.X.sum(axis=1)).ravel()) <= set(totals.astype(float))
    assert set(data.uns) == {"title", "schema"}
    assert "demo/2026q1/controlled" in data.uns["title"]
    assert not (data.layers or data.obsm or data.raw)


def test_dates_move_by_the_same_shift_as_the_clinical_ones(lab):
    obs = released(lab).obs
    samples = pd.read_parquet(lab.config.layout.curate("bulk", "all") / "samples.parquet")
    links = lab.crosswalk("controlled", "bulk", "sample").merge(
        samples, left_on="original", right_on="sample_id"
    )
    moved = pd.to_datetime(obs["date"].astype(str)).reindex(links["new"]).to_numpy() - links["date"]
    maps = lab.job("apply", "controlled", "clinical").pseudonyms()
    expected = links["subject_x"].map(maps.shift)
    assert (moved.dt.days.to_numpy() == expected.to_numpy()).all()
    assert not set(obs["date"]) <= set(samples["date"].dt.strftime("%Y-%m-%d"))


def test_a_person_suppressed_in_one_table_is_in_no_other(lab):
    people = pd.read_parquet(lab.config.layout.plan_people("controlled"))
    gone = set(people.loc[~people["kept"], "subject"])
    assert gone
    for modality in ("bulk", "singlecell", "clinical"):
        assert not gone & set(lab.crosswalk("controlled", modality, "person")["subject"])
    clinical = pd.read_parquet(lab.data("controlled", "clinical") / "people.parquet")
    assert set(released(lab).obs["donor_id"]) <= set(clinical["person"])


def test_group_means_are_a_function_of_the_released_matrix(lab):
    data = released(lab)
    table = pd.read_parquet(lab.data("controlled", "bulk") / "group_means.parquet")
    assert table["donors"].min() >= 10
    logs = log_normalise(data.X.toarray())
    genes = [i for i, gene in enumerate(data.var_names) if gene in set(gene_sets()["WP23"])]
    frame = data.obs.assign(score=logs[:, genes].mean(axis=1))
    means = frame.groupby(["tissue", "donor_id"], observed=True)["score"].mean()
    means = means.groupby("tissue", observed=True).mean()
    shown = table[table["feature"] == "WP23"].set_index("tissue")["mean"]
    assert np.allclose(shown, means[shown.index], atol=1e-4)


def test_the_floor_check_finds_what_a_weak_release_would_show(lab):
    keys = released(lab).obs.rename(columns={"donor_id": "donor"})[["donor", "tissue"]]
    table = pd.read_parquet(lab.data("controlled", "bulk") / "group_means.parquet")
    assert floor_faults(table, keys, ["tissue"], Floors(10)) == 0
    assert floor_faults(table, keys, ["tissue"], Floors(40)) > 0
    few = keys.groupby("tissue", observed=True).head(5)
    assert floor_faults(table, few, ["tissue"], Floors(10)) > 0


def test_groups_under_the_floor_are_refused_by_the_plan(lab, tmp_path):
    other = lab.copy(tmp_path / "lab")
    other.amend(
        "policies/default.yaml",
        "          groups: [tissue]\n          min_donors: 10\n",
        "          groups: [tissue]\n          min_donors: 80\n",
    )
    other.tier_steps("controlled", "clinical", "bulk", "singlecell", score=False)
    plan = read_json(other.config.layout.plan("controlled"))
    assert plan["modalities"]["bulk"]["groups"]["kept"] == []
    assert plan["products"]["group_means"]["status"] == "off"
    files = {path.name for path in other.data("controlled", "bulk").iterdir()}
    assert files == {"expression.h5ad"}


def test_attacks_succeed_on_raw_and_are_printed_for_controlled(scores):
    sex = scores["sex_inference.gene_matrix"]
    assert sex.evidence["works"] and sex.evidence["raw"] > 0.95
    assert sex.estimate > 0.95, "sex is released here, and its genes are kept"
    link = scores["donor_relink.gene_matrix"]
    assert link.evidence["works"] and link.estimate > 0.8
    assert scores["group_floor.group_means"].upper == 0
    subtracted = scores["differencing.group_means"]
    assert subtracted.evidence["works"] and subtracted.upper == 0


def test_the_release_is_useful(scores):
    utility = scores["gene_utility.gene_matrix"]
    assert utility.lower > 0.99
    assert utility.detail["genes_kept"] > 0.9
    assert scores["group_utility.group_means"].estimate == 1


def test_what_the_release_says_is_borne_out_by_other_donors_as_well_as_raw_is(scores):
    for name in ("fold_changes", "differential", "markers", "coexpression", "prediction"):
        score = scores[f"{name}.gene_matrix"]
        assert score.limit_key is None, "printed, not judged"
        assert score.lower <= score.estimate <= score.upper
        assert score.estimate == pytest.approx(score.detail["ceiling"], abs=0.05)


def test_the_dictionary_names_exactly_the_columns_that_were_written(lab):
    rows = describe(lab.job("bundle", "controlled", "bulk"))
    for path in lab.data("controlled", "bulk").iterdir():
        told = [row["column"] for row in rows if row["file"] == f"data/bulk/{path.name}"]
        assert len(told) == len(set(told))
        assert set(told) == columns_of(path)
    assert all(row["policy_key"] and row["description"] for row in rows)


def test_the_same_inputs_give_the_same_bytes(lab, tmp_path):
    other = lab.copy(tmp_path / "lab")
    index = other.config.layout.index(other.data("controlled", "bulk"))
    before = index.read_bytes()
    other.apply("controlled", "bulk")
    assert index.read_bytes() == before
    assert all("content" in file for file in read_json(index)["files"])


def test_the_content_digest_sees_values_and_not_compression(lab, tmp_path):
    path = tmp_path / "a.h5ad"
    shutil.copy(lab.data("controlled", "bulk") / "expression.h5ad", path)
    first = h5ad_digest(path)
    with h5py.File(path, "r+") as file:
        data = file["X/data"][:]
        del file["X/data"]
        file["X"].create_dataset("data", data=data)
    assert h5ad_digest(path) == first
    with h5py.File(path, "r+") as file:
        file["X/data"][0] += 1
    assert h5ad_digest(path) != first


def test_registered_releases_nothing_individual(lab):
    assert list(lab.data("registered", "bulk").iterdir()) == []
    plan = read_json(lab.config.layout.plan("registered"))
    assert "genotype_linking" in plan["products"]["group_means"]["reason"]
    part = plan["modalities"]["bulk"]
    assert len(part["sets"]) <= 0.1 * 20 + 1, "at most a tenth of a group's donors"
    assert lab.crosswalk("registered", "bulk", "person").empty


def test_registered_means_come_from_the_controlled_matrix_and_are_attacked(
    lab, tmp_path, shared_data
):
    other = lab.copy(tmp_path / "lab")
    folder = shared_data / "expression/geuvadis_qtltools"
    other.amend(
        "config.yaml",
        "store: ../store\n",
        f"store: ../store\nreference:\n  expression: {folder / 'genes.50percent.chr22.bed.gz'}\n"
        f"  genotypes: {folder / 'genotypes.chr22.vcf.gz'}\n",
    )
    shutil.rmtree(other.folder / "raw")
    other.tier_steps("registered", "clinical", "bulk", "singlecell", score=False)
    table = pd.read_parquet(other.data("registered", "bulk") / "group_means.parquet")
    assert list(table.columns) == ["tissue", "feature", "mean", "donors"]
    assert table["donors"].min() >= 20
    scores = other.score("registered", "bulk")
    assert scores["group_floor.group_means"].upper == 0
    assert scores["membership.group_means"].evidence["works"]
    linked = scores["genotype_linking.group_means"]
    assert linked.evidence["works"] and linked.detail["genes"] >= 20_000
    assert linked.upper <= 0.05
    assert 0.5 <= scores["traits.group_means"].estimate <= scores["traits.group_means"].upper
    assert 0 < scores["effective_dimension.group_means"].upper <= 0.1


def test_a_participant_adds_one_bounded_row_that_depends_on_nobody_else(lab, tmp_path):
    job = lab.job("minimize", "public", "bulk")
    frame = contribute(job)["set_means"]
    assert frame.index.is_unique and frame.shape[1] == 10
    assert frame.notna().all().all() and frame.std().min() > 0
    other = lab.copy(tmp_path / "lab")
    path = other.config.layout.minimize("public", "bulk", "all") / "samples.parquet"
    samples = pd.read_parquet(path)
    samples[samples["subject"] != frame.index[0]].to_parquet(path)
    rest = contribute(other.job("minimize", "public", "bulk"))["set_means"]
    pd.testing.assert_frame_equal(rest, frame.drop(index=frame.index[0]))


def test_public_scores_have_theoretical_centre_and_spread():
    genes = load_genes().query("biotype == 'protein_coding'").index.tolist()
    values = np.random.default_rng(1).normal(size=(400, len(genes)))
    names = list(gene_sets())[:3]
    scores = public_scores(values, genes, names)
    assert np.abs(scores.mean(axis=0)).max() < 0.2
    assert np.abs(scores.std(axis=0) - 1).max() < 0.15
    assert np.array_equal(public_scores(np.exp(values), genes, names), scores), "ranks only"
    with pytest.raises(SluiceError):
        public_scores(values, genes, ["WP0"])


def test_a_group_must_be_a_field_that_the_policy_releases(lab, tmp_path):
    other = lab.copy(tmp_path / "lab")
    other.amend(
        "policies/default.yaml", "          groups: [tissue]\n", "          groups: [batch]\n"
    )
    facts = pd.read_parquet(lab.config.layout.facts("controlled", "bulk"))
    with pytest.raises(SluiceError, match="no field that the policy releases"):
        propose(other.job("plan", "controlled", "bulk"), facts, {})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("          groups: [tissue]\n", "          grupos: [tissue]\n"),
        ("exclude_genes: [HLA, KIR, IG, TCR, chrX, chrY], sets: 10", "sets: 10"),
    ],
)
def test_settings_that_the_adapter_does_not_know_stop(tmp_path, old, new):
    other = Lab(make_config(tmp_path), [])
    other.amend("policies/default.yaml", old, new)
    from sluice.modalities.bulk.settings import excluded_groups

    policies = other.config.policy.tiers
    with pytest.raises(SluiceError, match="key"):
        for tier in ("controlled", "public"):
            excluded_groups(policies[tier].modalities["bulk"], tier)


def make_config(folder):
    from tests.modalities.expression_lab import ROOT

    shutil.copytree(ROOT / "config", folder / "config")
    return folder


def test_a_cohorts_minimized_matrix_is_swept(lab, tmp_path):
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        "limits: {relink: 0.05, membership: 0.65}\nsettings: [{noise: [1]}, {donors: [10]}]\n"
    )
    other = lab.copy(tmp_path / "lab")
    samples = other.config.layout.minimize("controlled", "bulk", "all") / "samples.parquet"
    table = pd.read_parquet(samples)  # too few gave PBMC for a sweep to compare
    table.assign(tissue=np.array(["PBMC", "whole blood"])[np.arange(len(table)) % 2]).to_parquet(
        samples
    )
    words = ["--cohort", ADDRESS, "--contrast", "tissue", "--settings", str(settings)]
    words += ["--config", str(other.folder / "config/config.yaml"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(sluice, ["sweep", *words])
    assert done.exit_code == 0, done.exception
    found = read_json(tmp_path / "out/sweep.json")
    matrix = anndata.read_h5ad(lab.data("controlled", "bulk") / "expression.h5ad")
    people = sum(found["donors"].values())
    assert people >= matrix.obs["donor_id"].nunique()
    assert found["chosen_on"][0]["verdict"] == "fail"
    whole = "".join(path.read_text() for path in (tmp_path / "out").iterdir()).lower()
    assert not {k for k, value, _ in lab.canaries if k in IDENTIFIERS and value.lower() in whole}
    both = CliRunner().invoke(sluice, ["sweep", *words, "--labels", str(settings)])
    assert "needs one source" in str(both.exception)
