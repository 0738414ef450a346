from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sluice.attacks.auc import folded_auc
from sluice.attacks.sex import read_binary, sex_inference
from sluice.errors import SluiceError
from sluice.expression.genes import excluded, to_ensembl
from sluice.expression.values import log_normalise

RNG = np.random.default_rng(3)
START = RNG.bit_generator.state
SEX = np.repeat(["f", "m"], 50)


@pytest.fixture(autouse=True)
def same_draws_in_any_order():
    RNG.bit_generator.state = START


def cohort(features=20):
    values = RNG.normal(size=(100, features))
    values[SEX == "m", 0] += 6
    return values


def test_sex_is_read_from_raw_and_not_from_a_release_without_its_gene():
    raw = cohort()
    leaky = sex_inference(raw, raw, SEX, "trait", "p")
    assert leaky.estimate > 0.99
    safe = sex_inference(raw, raw[:, 1:], SEX, "trait", "p")
    assert safe.evidence["works"]
    assert safe.estimate < 0.7 < leaky.lower
    assert safe.estimate <= safe.upper < 0.75


def test_a_weak_defence_fails():
    raw = cohort()
    noisy = raw + RNG.normal(size=raw.shape)
    assert sex_inference(raw, noisy, SEX, "trait", "p").upper > 0.95


def test_no_evidence_where_raw_does_not_tell():
    values = cohort()[:, 1:]
    assert not sex_inference(values, values, SEX, "trait", "p").evidence["works"]


def test_too_few_donors_fail_closed():
    few = np.array(["f"] * 3 + ["m"] * 20)
    score = sex_inference(cohort()[:23], cohort()[:23], few, "trait", "p")
    assert score.upper == 1.0
    assert not score.evidence["works"]


@pytest.mark.parametrize("width", [1, 2])
def test_a_release_that_says_nothing_stays_at_chance(width):
    score = sex_inference(cohort(), np.ones((100, width)), SEX, "trait", "p")
    assert score.estimate == 0.5
    assert 0.5 < score.upper < 0.65


def test_an_empty_release_and_strange_rows_stop():
    raw = cohort()
    for released, sex in ((raw[:, :0], SEX), (raw[:50], SEX), (raw, np.array(["f"] * 100))):
        with pytest.raises(SluiceError):
            sex_inference(raw, released, sex, "trait", "p")


def test_the_area_is_folded_and_bounded():
    inside = np.arange(40) < 20
    assert folded_auc(-inside.astype(float), inside).estimate == 1.0
    assert folded_auc(inside.astype(float), inside).lower == pytest.approx(0.05 ** (1 / 20))
    flat = folded_auc(np.zeros(40), inside)
    assert (flat.estimate, flat.lower < 0.5 < flat.upper) == (0.5, True)


def test_the_upper_bound_covers_the_truth_in_about_95_of_100_draws():
    inside = np.arange(80) < 40
    truth = 0.7602  # Phi(1 / sqrt 2)
    covered = [folded_auc(RNG.normal(size=80) + inside, inside).upper >= truth for _ in range(400)]
    assert 0.91 <= np.mean(covered) <= 0.99


def test_all_sex_chromosome_genes_must_go_not_the_famous_ones(shared_data):
    folder = shared_data / "expression/humangender"
    counts = pd.read_csv(folder / "counts.csv.gz", index_col=0).T
    sex = pd.read_csv(folder / "coldata.csv", index_col=0).loc[counts.index, "group"].to_numpy()
    raw = log_normalise(counts.to_numpy())
    genes = list(counts.columns)
    famous = to_ensembl(["RPS4Y1", "DDX3Y", "UTY", "KDM5D", "EIF1AY", "XIST"])[0]
    without_famous = raw[:, ~np.isin(genes, famous)]
    assert read_binary(without_famous, sex == "Male")["best_features"].estimate > 0.99
    mask = excluded(genes, ["chrX", "chrY"])
    score = sex_inference(raw, raw[:, ~mask], sex, "trait", "p")
    assert score.evidence == {"raw": 1.0, "works": True}
    assert score.detail["auroc"]["best_features"] < 0.75
    assert mask.mean() < 0.06  # the product isn't empty
