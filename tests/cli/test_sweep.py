"""`sluice sweep` from files to the board's page; on GEUVADIS where the shared data are."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from tests.utility.invented import SETS, population

from sluice.cli import sluice
from sluice.config import load_policy
from sluice.config.sweep import load_sweep
from sluice.errors import SluiceError
from sluice.expression.genes import excluded
from sluice.expression.profiles import read_profiles
from sluice.files import folder_index
from sluice.resources import resource, shipped

SETTINGS = """\
limits: {relink: 0.05, membership: 0.65, effective_dimension: 0.1}
min_genes: 10
settings:
  - {noise: [0, 2]}
  - {donors: [20], sets: [1, 2, 12], decimals: [2]}
"""
CANARY = "DONOR-7Q4"


def write_inputs(folder: Path) -> Path:
    raw = population(240, 11)
    samples = [f"{CANARY}-{n}" for n in range(len(raw.values))]
    table = pd.DataFrame(raw.values.T, index=pd.Index(raw.features, name="gene"), columns=samples)
    table.to_csv(folder / "expression.tsv", sep="\t")
    pd.DataFrame({"sample": samples, "state": raw.labels}).to_csv(
        folder / "labels.csv", index=False
    )
    lines = [
        "\t".join([name, "invented", *(f"g{gene}" for gene in genes)])
        for name, genes in SETS.items()
    ]
    (folder / "sets.gmt").write_text("\n".join(lines) + "\n")
    (folder / "settings.yaml").write_text(SETTINGS)
    return folder


def call(folder: Path, out: Path, **other: object) -> Result:
    options = {
        "expression": folder / "expression.tsv",
        "labels": folder / "labels.csv",
        "contrast": "state",
        "sets": folder / "sets.gmt",
        "settings": folder / "settings.yaml",
        "out": out,
    } | other
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    return CliRunner().invoke(sluice, ["sweep", *words])


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def done(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("done") / "out"
    return out, call(inputs, out)


def test_it_recommends_a_setting_and_says_where_to_look(done):
    out, result = done
    assert result.exit_code == 0, result.exception
    assert "recommended, and confirmed on other donors: 2 gene sets" in result.output
    assert {path.name for path in out.iterdir()} == {
        "index.html",
        "sweep.csv",
        "sweep.json",
        "sweep.svg",
    }


def test_the_page_is_for_the_board_and_asks_nothing_of_the_network(done):
    page = (done[0] / "index.html").read_text(encoding="utf-8")
    assert "never part of a bundle" in page
    assert "not a finding of anonymity" in page
    assert "Recommended: 2 gene sets, groups of 20, 2 decimals." in page
    assert "<script" not in page
    assert 'role="img"' in page


def test_no_file_names_a_sample(done):
    for path in done[0].iterdir():
        assert CANARY.lower() not in path.read_text(encoding="utf-8").lower()


def test_table_and_json_hold_the_same_numbers(done):
    found = json.loads((done[0] / "sweep.json").read_text())
    rows = list(csv.DictReader((done[0] / "sweep.csv").open()))
    assert len(rows) == len(found["chosen_on"]) + 1 == 6
    for row, trial in zip(rows, [*found["chosen_on"], found["judged_on"]], strict=True):
        assert row["setting"] == trial["setting"]["label"]
        assert float(row["risk"]) == trial["risk"]
        for score in trial["utilities"]:
            assert float(row[score["name"]]) == score["estimate"]
            assert float(row[f"{score['name']}_ceiling"]) == score["detail"]["ceiling"]
    assert [row["recommended"] for row in rows].count("True") == 2


def test_the_plot_stands_alone_and_names_axes_limit_and_choice(done):
    text = (done[0] / "sweep.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    words = " ".join("".join(node.itertext()) for node in root.iter() if node.tag.endswith("text"))
    for expected in (
        "risk: largest bound",
        "utility: fold changes",
        "limit",
        "Recommended: 2 gene",
    ):
        assert expected in words
    assert "var(--" not in text


def test_the_same_inputs_give_the_same_bytes(inputs, done, tmp_path):
    assert call(inputs, tmp_path / "again").exit_code == 0
    assert folder_index(tmp_path / "again") == folder_index(done[0])


def test_a_sweep_is_replaced_by_the_next_and_nothing_else_is(inputs, tmp_path):
    short = tmp_path / "short.yaml"
    short.write_text("limits: {relink: 0.05}\nmin_genes: 10\nsettings: [{noise: [1]}]\n")
    out = tmp_path / "out"
    assert call(inputs, out, settings=short).exit_code == 0
    again = call(inputs, out, settings=short)
    assert again.exit_code == 0
    assert "nothing is recommended" in again.output
    assert "Nothing is recommended." in (out / "index.html").read_text()
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years")
    assert "something else" in refused(call(inputs, precious, settings=short))
    assert (precious / "thesis.txt").read_text() == "years"


def refused(result: Result) -> str:
    assert isinstance(result.exception, SluiceError), result.output
    sentence = str(result.exception)
    assert CANARY not in sentence
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SETTINGS + "seed: 1\nseed: 2\n", "stands twice"),
        (SETTINGS + "seed: 012\n", "octal"),
        (SETTINGS + "measure: NO\n", "unquoted"),
        (SETTINGS + "mesure: markers\n", "did you mean `measure`"),
        (SETTINGS + f"measure: {CANARY}\n", "key `measure`"),
        (SETTINGS.replace("0.65", "1.65"), "key `limits.membership`"),
        (SETTINGS.replace("relink", "relnik"), "it knows: effective_dimension"),
        (SETTINGS.replace("noise: [0, 2]", "noise: [0, -2]"), "key `settings[1].noise[2]`"),
        (SETTINGS.replace("noise: [0, 2]", "noise: []"), "key `settings[1].noise`"),
        (SETTINGS.replace("noise: [0, 2]", "noise: 2"), "valid list"),
        ("limits: {relink: 0.05}\nsettings: []\n", "key `settings`"),
        ("limits: {relink: 0.05}\nsettings: [{noise: [.nan]}]\n", "NaN"),
        ("- a list\n", "keys and values"),
    ],
)
def test_settings_with_a_mistake_are_refused_in_one_sentence(inputs, tmp_path, text, told):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text)
    assert told in refused(call(inputs, tmp_path / "out", settings=wrong))
    assert not (tmp_path / "out").exists()


def test_labels_that_do_not_fit_are_refused_in_one_sentence(inputs, tmp_path):
    assert "1 of the named columns" in refused(call(inputs, tmp_path / "out", contrast="stat"))
    strangers = tmp_path / "strangers.csv"
    strangers.write_text("sample,state\nx,ill\ny,well\n")
    assert "No sample" in refused(call(inputs, tmp_path / "out", labels=strangers))
    table = pd.read_csv(inputs / "labels.csv")
    table["state"] = "ill"
    table.to_csv(tmp_path / "one.csv", index=False)
    assert "at least two labels" in refused(
        call(inputs, tmp_path / "out", labels=tmp_path / "one.csv")
    )


def test_of_a_donor_with_two_labels_one_counts(inputs, tmp_path):
    table = pd.read_csv(inputs / "labels.csv")
    table["owner"] = [f"d{n // 2}" if n < 60 else f"d{n}" for n in range(len(table))]
    table.to_csv(tmp_path / "labels.csv", index=False)
    short = tmp_path / "short.yaml"
    short.write_text("limits: {relink: 0.05}\nmin_genes: 10\nsettings: [{noise: [1]}]\n")
    found = call(
        inputs, tmp_path / "out", labels=tmp_path / "labels.csv", donor="owner", settings=short
    )
    assert found.exit_code == 0, found.exception
    assert "30 samples" in found.output
    assert sum(json.loads((tmp_path / "out/sweep.json").read_text())["donors"].values()) == 210


def test_a_file_of_gene_sets_that_is_none_is_refused(inputs, tmp_path):
    wrong = tmp_path / "wrong.gmt"
    wrong.write_text("set one\tgene sets without a gene\n")
    assert "is not GMT" in refused(call(inputs, tmp_path / "out", sets=wrong))
    wrong.write_text("one\tt\tg1\tg2\none\tt\tg3\tg4\n")
    assert "occurs twice (GMT, set 2)" in refused(call(inputs, tmp_path / "out", sets=wrong))
    wrong.write_text("one\tt\tg1\tg2\n")
    assert "No gene set has 10 genes" in refused(call(inputs, tmp_path / "out", sets=wrong))


def test_two_samples_of_a_donor_are_one_row(inputs, tmp_path):
    table = pd.read_csv(inputs / "labels.csv")
    table["owner"] = [f"d{n // 4}{state}" for n, state in enumerate(table["state"])]
    table.to_csv(tmp_path / "labels.csv", index=False)
    short = tmp_path / "short.yaml"
    short.write_text("limits: {relink: 0.05}\nmin_genes: 10\nsettings: [{noise: [1]}]\n")
    out = tmp_path / "out"
    found = call(inputs, out, labels=tmp_path / "labels.csv", donor="owner", settings=short)
    assert found.exit_code == 0, found.exception
    donors = json.loads((out / "sweep.json").read_text())["donors"]
    assert donors["chosen_on"] + donors["judged_on"] == 120


def test_the_shipped_settings_judge_by_the_default_policy():
    plan = load_sweep(resource("sweep", "settings.yaml"))
    registered = load_policy(shipped() / "config", "default").tiers["registered"]
    limits = {name: registered.limits[name].max for name in ("membership", "effective_dimension")}
    assert plan.limits == {**limits, "relink": registered.limits["genotype_linking"].max}
    settings = registered.modalities["bulk"].settings
    assert plan.exclude == settings["exclude_genes"]
    assert plan.min_genes == settings["min_genes"]
    groups = [setting for setting in plan.expanded if setting.donors > 1]
    assert {setting.decimals for setting in groups} == {settings["decimals"]}
    assert settings["min_donors"] in {setting.donors for setting in groups}


def test_the_page_opens_from_disk_without_a_complaint(done, chromium):
    from tests.system.browser import inspect

    for width in (1280, 400):
        report = inspect(done[0] / "index.html", width=width)
        assert report.console_errors == []
        assert report.requests == []


def geuvadis(folder: Path, data: Path) -> dict[str, Path]:
    """Write labels and gene sets for the 358 donors.

    The set holds no trait. The strong contrast is the cohort's own first expression component (a
    covariate beside the matrix), cut at its median; the weak one is where samples were collected.
    Sets are blocks of 50 neighbouring genes: fixed by their places, not by any expression.
    """
    home = data / "expression/geuvadis_qtltools"
    bed = home / "genes.50percent.chr22.bed.gz"
    covariates = pd.read_csv(home / "genes.covariates.pc50.txt.gz", sep=" ", index_col=0)
    component = covariates[covariates.index.str.endswith("genes_1_1_svd_PC1")].iloc[0]
    samples = list(component.index)
    pd.DataFrame(
        {
            "sample": samples,
            "component": np.where(component > component.median(), "high", "low"),
            "origin": ["hg" if name.startswith("HG") else "na" for name in samples],
        }
    ).assign(origin=lambda t: t["origin"] + "_series").to_csv(folder / "labels.csv", index=False)
    plan = load_sweep(resource("sweep", "settings.yaml"))
    genes = read_profiles(bed, "bed").genes
    free = [g for g, out in zip(genes, excluded(genes, plan.exclude), strict=True) if not out]
    blocks = [free[start : start + 50] for start in range(0, len(free) - 49, 50)]
    (folder / "sets.gmt").write_text(
        "".join("\t".join([f"block{n}", "chr22", *block]) + "\n" for n, block in enumerate(blocks))
    )
    return {"expression": bed, "labels": folder / "labels.csv", "sets": folder / "sets.gmt"}


@pytest.mark.slow
def test_a_real_cohorts_recommendation_is_reproduced_on_donors_not_used_to_choose(
    shared_data, tmp_path
):
    files = geuvadis(tmp_path, shared_data)
    settings = resource("sweep", "settings.yaml")
    done = call(tmp_path, tmp_path / "out", contrast="component", settings=settings, **files)
    assert done.exit_code == 0, done.exception
    found = json.loads((tmp_path / "out/sweep.json").read_text())
    trials = {trial["setting"]["label"]: trial for trial in found["chosen_on"]}
    # Rows of single donors: linked on raw, and linked whatever noise, rounding or dropping does.
    for trial in trials.values():
        if trial["setting"]["donors"] == 1:
            score = next(score for score in trial["risks"] if score["name"] == "relink")
            assert score["evidence"]["raw"] == 1.0
            assert score["lower"] > 0.5
            assert trial["verdict"] == "fail"
    # Means of all genes: a named weak defence.
    assert trials["all genes, groups of 20, 2 decimals"]["verdict"] == "fail"
    # The recommendation: means over large groups, reproduced on the other half.
    assert found["holds"]
    judged = found["judged_on"]
    assert judged["setting"]["label"] == found["recommended"]
    assert judged["setting"]["donors"] >= 20
    assert judged["risk"] <= 1
    utility = next(u for u in judged["utilities"] if u["name"] == found["measure"])
    assert utility["lower"] > 0
    assert sum(found["donors"].values()) == 358


def test_a_real_contrast_that_large_groups_do_not_show_gets_no_recommendation(
    shared_data, tmp_path
):
    files = geuvadis(tmp_path, shared_data)
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        "limits: {membership: 0.65, effective_dimension: 0.1}\nexclude: [IG]\n"
        "settings: [{donors: [20, 50], sets: [1, 2, 5], decimals: [2]}]\n"
    )
    done = call(tmp_path, tmp_path / "out", contrast="origin", settings=settings, **files)
    assert done.exit_code == 0, done.exception
    found = json.loads((tmp_path / "out/sweep.json").read_text())
    assert "pass" in {trial["verdict"] for trial in found["chosen_on"]}
    assert found["recommended"] is None
