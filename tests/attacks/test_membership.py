from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sluice.attacks.membership import membership, regrouped_membership, release_of
from sluice.errors import SluiceError

RNG = np.random.default_rng(6)
START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def same_draws_in_any_order():
    RNG.bit_generator.state = START


def group(n, of):
    return np.isin(np.arange(of), RNG.choice(of, n, replace=False))


def correlated(people, genes):
    return RNG.normal(size=(people, genes)) @ RNG.normal(size=(genes, genes))


def test_a_small_groups_wide_mean_tells_and_a_large_groups_narrow_mean_does_not():
    wide = correlated(600, 200)
    raw = release_of(wide, group(20, 600), None)
    leak = membership(raw, raw, "m", "p")
    assert leak.lower > 0.9
    narrow = release_of(wide[:, :5], group(300, 600), 2)
    safe = membership(narrow, raw, "m", "p")
    assert safe.evidence["works"]
    assert safe.upper < 0.65


def test_whitening_finds_what_gene_by_gene_misses():
    factors = RNG.normal(size=(600, 4)) @ RNG.normal(size=(4, 150)) * 3
    release = release_of(factors + RNG.normal(size=(600, 150)), group(30, 600), None)
    auc = membership(release, release, "m", "p").detail["auc"]
    whitened = max(value for name, value in auc.items() if name.startswith("whitened"))
    independent = max(value for name, value in auc.items() if name.startswith("independent"))
    assert whitened > 0.85 > independent + 0.1


def test_rounding_to_two_decimals_is_a_weak_defence():
    values = correlated(600, 200) / 10
    mask = group(20, 600)
    score = membership(release_of(values, mask, 2), release_of(values, mask, None), "m", "p")
    assert score.lower > 0.9


def test_a_mean_of_other_people_tells_nothing():
    values = RNG.normal(size=(600, 50))
    mask = group(60, 600)
    raw = release_of(values, mask, None)
    stranger = release_of(values, mask, None).__class__(
        RNG.normal(size=50) / 8, raw.members, raw.outsiders, raw.reference
    )
    assert membership(stranger, raw, "m", "p").estimate < 0.62


def test_too_few_outsiders_fail_closed_and_no_reference_stops():
    values = RNG.normal(size=(100, 10))
    raw = release_of(values, group(20, 100), None)
    few = release_of(values, group(93, 100), None)
    assert membership(few, raw, "m", "p").upper == 1.0
    with pytest.raises(SluiceError):
        membership(release_of(values, group(99, 100), None), raw, "m", "p")


def test_a_few_members_who_are_told_for_certain_are_counted_beside_the_area():
    values = correlated(600, 200)
    raw = release_of(values, group(20, 600), None)
    leak = membership(raw, raw, "m", "p").detail["tpr_at_1_percent_fpr"]
    assert leak["estimate"] > 0.3 and leak["lower"] > 0.1
    narrow = release_of(values[:, :2], group(300, 600), 2)
    assert membership(narrow, raw, "m", "p").detail["tpr_at_1_percent_fpr"]["upper"] < 0.1


def test_regrouping_judges_a_kind_of_product_more_sharply_than_one_group_can():
    values = correlated(200, 60)
    wide = regrouped_membership(values, values, 20, 2, "m", "p", rounds=8)
    assert wide.lower > 0.75
    safe = regrouped_membership(values[:, :2], values, 20, 2, "m", "p", rounds=8)
    one = release_of(values[:, :2], group(20, 200), 2)
    raw = release_of(values, group(10, 200), None)
    assert safe.evidence["works"]
    assert safe.upper <= 0.65
    assert safe.upper - safe.estimate < 0.08 < 0.1 < membership(one, raw, "m", "p").upper - 0.5
    weak = regrouped_membership(values[:, :40], values, 20, 1, "m", "p", rounds=8)
    assert weak.upper > 0.65, "twice as many dimensions as donors"
    all_but_few = regrouped_membership(values, values, 191, 2, "m", "p", rounds=2)
    assert all_but_few.detail["members"] == 100
    with pytest.raises(SluiceError, match="and 20 of them"):
        regrouped_membership(values[:19], values[:19], 8, 2, "m", "p")


@pytest.fixture(scope="module")
def geuvadis(shared_data):
    """Logarithms of 608 genes of 358 donors."""
    path = shared_data / "expression/geuvadis_qtltools/genes.50percent.chr22.bed.gz"
    return np.log1p(pd.read_csv(path, sep="\t").iloc[:, 6:].T.to_numpy())


def test_a_raw_mean_of_twenty_is_told_over_thirty_groupings(geuvadis):
    score = regrouped_membership(geuvadis, geuvadis, 20, None, "m", "p")
    assert score.estimate >= 0.97
    assert score.detail["strongest"].startswith("whitened")
    assert score.detail["tpr_at_1_percent_fpr"] > 0.5
    unscaled = np.expm1(geuvadis)
    assert regrouped_membership(unscaled, geuvadis, 20, None, "m", "p").estimate >= 0.97


def test_means_of_two_sets_for_twenty_donors_hold_their_members_and_of_forty_do_not(geuvadis):
    """The rule of effective dimension: a tenth of the donors passes, twice as many fail."""
    sets = np.column_stack([geuvadis[:, first::40].mean(axis=1) for first in range(40)])
    sound = regrouped_membership(sets[:, :2], geuvadis, 20, 2, "m", "p")
    assert sound.evidence["works"]
    assert sound.upper <= 0.65
    weak = regrouped_membership(sets, geuvadis, 20, 2, "m", "p")
    assert weak.lower > 0.65


def test_real_means_give_their_members_away(shared_data):
    path = shared_data / "expression/geuvadis_qtltools/genes.50percent.chr22.bed.gz"
    values = pd.read_csv(path, sep="\t").iloc[:, 6:].T.to_numpy()
    ranks = stats.norm.ppf((stats.rankdata(values, axis=0) - 0.5) / len(values))
    small = release_of(ranks, group(20, len(ranks)), None)
    large = release_of(ranks[:, :10], group(180, len(ranks)), 2)
    assert membership(small, small, "m", "p").estimate >= 0.97
    assert membership(large, small, "m", "p").estimate < 0.7
