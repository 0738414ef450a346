from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sluice.attacks.membership import membership, release_of
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


def test_real_means_give_their_members_away(shared_data):
    path = shared_data / "expression/geuvadis_qtltools/genes.50percent.chr22.bed.gz"
    values = pd.read_csv(path, sep="\t").iloc[:, 6:].T.to_numpy()
    ranks = stats.norm.ppf((stats.rankdata(values, axis=0) - 0.5) / len(values))
    small = release_of(ranks, group(20, len(ranks)), None)
    large = release_of(ranks[:, :10], group(180, len(ranks)), 2)
    assert membership(small, small, "m", "p").estimate >= 0.97
    assert membership(large, small, "m", "p").estimate < 0.7
