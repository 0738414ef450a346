from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sluice.attacks.auc import folded_auc, found_at_few_false, regrouped_auc
from sluice.attacks.group_traits import infer_group_traits
from sluice.attacks.traits import infer_traits, kinds, read_binary
from sluice.errors import SluiceError
from sluice.expression.aggregate import set_means
from sluice.expression.genes import excluded, gene_sets, to_ensembl
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


def read(raw, released, labels=SEX, **more):
    return infer_traits(raw, released, {"sex": labels}, "traits", "p", **more)


def test_sex_is_read_from_raw_and_not_from_a_release_without_its_gene():
    raw = cohort()
    leaky = read(raw, raw)
    assert leaky.estimate > 0.99
    safe = read(raw, raw[:, 1:])
    assert safe.evidence["works"]
    assert safe.estimate < 0.7 < leaky.lower
    assert safe.estimate <= safe.upper < 0.75


def test_a_weak_defence_fails():
    raw = cohort()
    noisy = raw + RNG.normal(size=raw.shape)
    assert read(raw, noisy).upper > 0.95


def test_a_trait_that_no_single_gene_tells_is_read_too():
    values = RNG.normal(size=(100, 400))
    values[SEX == "m"] += 0.25
    areas = read_binary(values, SEX == "m")
    assert areas["linear"].estimate > 0.9
    assert areas["linear"].estimate > areas["few features"].estimate


def test_no_evidence_where_raw_does_not_tell():
    values = cohort()[:, 1:]
    assert not read(values, values).evidence["works"]


def test_shuffled_labels_tell_what_the_strongest_of_several_reaches_by_chance():
    raw = cohort(features=6)
    shuffled = read(raw, raw, permutations=2).detail["shuffled"]
    assert 0.5 <= shuffled["mean"] < 0.7
    assert shuffled["p"] == pytest.approx(1 / 3)


def test_choosing_features_outside_the_folds_would_have_found_a_trait_in_noise():
    """With 3,000 features of noise a leak of labels into the choice reaches an area near 1."""
    noise = RNG.normal(size=(100, 3000))
    male = SEX == "m"
    assert max(auc.estimate for auc in read_binary(noise, male).values()) < 0.7
    order = np.argsort(-np.abs(noise[male].mean(axis=0) - noise[~male].mean(axis=0)))
    assert read_binary(noise[:, order[:20]], male)["linear"].estimate > 0.9


def test_the_worst_attribute_and_its_worst_kind_count():
    raw = cohort()
    stage = np.array((["i", "ii", "iii"] * 34)[:100])
    raw[stage == "iii", 1] += 6
    age = RNG.uniform(20, 90, 100)
    score = infer_traits(raw, raw[:, 1:], {"sex": SEX, "stage": stage, "age": age}, "traits", "p")
    found = score.detail["attributes"]
    assert found["stage"]["estimate"] > 0.99 and score.estimate == found["stage"]["estimate"]
    assert (found["stage"]["kinds"], found["age"]["kinds"]) == (3, 2)
    assert found["sex"]["estimate"] < 0.7 and found["age"]["estimate"] < 0.7
    assert not {"i", "ii", "iii"} & set(str(score.detail).split("'"))


def test_kinds_are_cut_pooled_and_known():
    known, masks = kinds(np.array(["a"] * 20 + ["b"] * 20 + ["c", "d", "e", "f", "g"] + [None, ""]))
    assert len(known) == 45
    assert sorted(mask.sum() for mask in masks) == [5, 20, 20]
    assert [mask.sum() for mask in kinds(np.arange(40))[1]] == [20]
    with pytest.raises(SluiceError):
        kinds(np.array(["a"] * 9))


def test_too_few_donors_fail_closed():
    few = np.array(["f"] * 3 + ["m"] * 20)
    score = read(cohort()[:23], cohort()[:23], few)
    assert score.upper == 1.0
    assert not score.evidence["works"]


@pytest.mark.parametrize("width", [1, 2])
def test_a_release_that_says_nothing_stays_at_chance(width):
    score = read(cohort(), np.ones((100, width)))
    assert score.estimate == 0.5
    assert 0.5 < score.upper < 0.65


def test_an_empty_release_and_strange_rows_stop():
    raw = cohort()
    for released, sex in ((raw[:, :0], SEX), (raw[:50], SEX), (raw, np.array(["f"] * 100))):
        with pytest.raises(SluiceError):
            read(raw, released, sex)
        with pytest.raises(SluiceError):
            infer_group_traits(released, raw, {"sex": sex}, 20, 2, "traits", "p")


def test_a_group_of_nearly_everybody_is_judged_as_half_of_them():
    raw = cohort()
    score = infer_group_traits(raw, raw, {"sex": SEX}, 95, 2, "traits", "p", rounds=2)
    assert score.detail["members"] == 50
    rare = np.where(np.arange(100) < 8, "x", "y")
    assert infer_group_traits(raw, raw, {"rare": rare}, 20, 2, "traits", "p").upper == 1.0


def test_a_members_sex_is_read_from_a_raw_mean_and_not_from_one_without_its_gene():
    raw = cohort()
    leaky = infer_group_traits(raw, raw, {"sex": SEX}, 20, 2, "traits", "p")
    assert leaky.lower > 0.75
    safe = infer_group_traits(raw[:, 1:], raw, {"sex": SEX}, 20, 2, "traits", "p")
    assert safe.evidence["works"]
    assert safe.upper < 0.6


def test_rounding_alone_is_a_weak_defence_of_a_mean():
    raw = cohort()
    rounded = infer_group_traits(raw, raw, {"sex": SEX}, 20, 1, "traits", "p")
    assert rounded.upper > 0.75


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


def test_regrouping_bounds_over_donors_and_not_over_rounds():
    """Ten rounds on the same donors know little more than one."""
    donors = 80
    truth = 0.7602
    covered, widths = [], []
    for _ in range(200):
        own = RNG.normal(size=donors)
        inside = np.array([RNG.permutation(donors) < 40 for _ in range(10)])
        found = regrouped_auc(own + inside, inside)
        covered.append(found.upper >= truth)
        widths.append(found.upper - found.estimate)
    assert np.mean(covered) >= 0.91
    one = regrouped_auc((own + inside)[:1], inside[:1])
    plain = folded_auc((own + inside)[0], inside[0])
    assert one.estimate == pytest.approx(plain.estimate)
    assert one.upper == pytest.approx(plain.upper, abs=0.01)
    assert np.mean(widths) < plain.upper - plain.estimate


def test_the_share_found_at_few_false_alarms_is_bounded_over_members():
    inside = np.arange(300) < 100
    scores = np.where(np.arange(300) < 30, 9.0, RNG.uniform(size=300))
    found = found_at_few_false(scores, inside)
    assert 0.3 <= found.estimate < 0.4
    assert found.lower < found.estimate < found.upper
    assert found_at_few_false(np.zeros(300), inside).estimate == 0
    assert found_at_few_false(-scores, inside).estimate == found.estimate


@pytest.fixture(scope="module")
def tuscans(shared_data):
    """Logarithms of 10,101 genes, their names, and the sex of 85 donors."""
    folder = shared_data / "expression/humangender"
    counts = pd.read_csv(folder / "counts.csv.gz", index_col=0).T
    sex = pd.read_csv(folder / "coldata.csv", index_col=0).loc[counts.index, "group"].to_numpy()
    return log_normalise(counts.to_numpy()), list(counts.columns), sex


def test_dropping_the_famous_genes_leaves_sex_in_raw_profiles(tuscans):
    raw, genes, sex = tuscans
    famous = to_ensembl(["RPS4Y1", "DDX3Y", "UTY", "KDM5D", "EIF1AY", "XIST"])[0]
    male = sex == "Male"
    assert read_binary(raw, male)["few features"].estimate >= 0.99
    assert read_binary(raw[:, ~np.isin(genes, famous)], male)["few features"].estimate >= 0.95


def test_individual_profiles_tell_sex_even_without_its_chromosomes(tuscans):
    """Why registered holds no gene matrix: autosomal genes together still tell."""
    raw, genes, sex = tuscans
    mask = excluded(genes, ["chrX", "chrY"])
    areas = read_binary(raw[:, ~mask], sex == "Male")
    assert areas["few features"].estimate < 0.75
    assert areas["linear"].estimate > 0.75
    assert mask.mean() < 0.06  # the matrix isn't empty


def test_means_of_twenty_by_the_policys_rules_keep_the_members_sex(tuscans):
    raw, genes, sex = tuscans
    mask = excluded(genes, ["HLA", "KIR", "IG", "TCR", "chrX", "chrY"])
    kept = [gene for gene, out in zip(genes, mask, strict=True) if not out]
    scores, names = set_means(raw[:, ~mask], kept, gene_sets(), min_genes=50)
    labels = {"sex": sex}
    assert len(names) > 100
    score = infer_group_traits(scores, raw, labels, 20, 2, "traits", "p")
    assert score.evidence["works"]
    assert score.upper <= 0.65
    weak = infer_group_traits(raw, raw, labels, 20, 2, "traits", "p", rounds=5)
    assert weak.lower > 0.8, "a mean of all genes of 20 donors"
