from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sluice.attacks.relink import half_split, relink, relink_profiles
from sluice.errors import SluiceError
from sluice.expression.profiles import Profiles, read_profiles
from sluice.expression.singlecell import open_cells
from sluice.expression.values import log_normalise

RNG = np.random.default_rng(4)
START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def same_draws_in_any_order():
    RNG.bit_generator.state = START


def two_pipelines(people=60, genes=80, noise=0.4):
    truth = RNG.normal(size=(people, genes))
    scale, shift = RNG.uniform(0.5, 2, genes), RNG.normal(size=genes)
    return truth, truth * scale + shift + noise * RNG.normal(size=truth.shape) * scale


def test_raw_profiles_are_linked_whatever_the_order_and_a_shuffled_release_is_not():
    known, raw = two_pipelines()
    order = RNG.permutation(60)
    open_release = relink(known, raw[order], np.argsort(order), "k", "p")
    assert open_release.estimate == 1.0
    independent = RNG.normal(size=raw.shape)
    score = relink(known, independent, np.arange(60), "k", "p", raw=raw)
    assert score.evidence == {"raw": 1.0, "works": True}
    assert score.upper < 0.2 < open_release.lower


def test_noise_of_one_sd_is_a_weak_defence():
    known, raw = two_pipelines()
    noisy = raw + raw.std(axis=0) * RNG.normal(size=raw.shape)
    assert relink(known, noisy, np.arange(60), "k", "p", raw=raw).lower > 0.9


def test_equal_rows_are_not_linked_by_their_order():
    known, raw = two_pipelines()
    flat = np.tile(raw[:1], (60, 1))
    assert relink(known, flat, np.arange(60), "k", "p", raw=raw).upper < 0.15


def test_donors_who_are_not_released_do_not_count():
    known, raw = two_pipelines()
    truth = np.where(np.arange(60) < 40, np.arange(60), -1)
    score = relink(known, raw[:40], truth, "k", "p")
    assert (score.n, score.chance) == (40, 1 / 40)
    assert score.estimate > 0.95


def test_tables_that_do_not_fit_stop():
    known, raw = two_pipelines()
    for released, truth in (
        (raw[:, :5], np.arange(60)),
        (raw, np.full(60, -1)),
        (raw[:9], np.arange(60)),
    ):
        with pytest.raises(SluiceError):
            relink(known, released, truth, "k", "p")


def test_a_donor_is_found_across_modalities_and_tiers():
    """Bulk counts against the means of the donor's own cells, as a tier writes them."""
    rates = np.exp(RNG.normal(size=(40, 150)) * 0.5 + RNG.normal(size=150))
    names, genes = [f"d{n}" for n in range(40)], [f"g{n}" for n in range(150)]
    bulk = Profiles(names, genes, RNG.poisson(rates * 200).astype(float), "counts")
    cells = RNG.poisson(rates / rates.sum(axis=1, keepdims=True) * 900, size=(30, 40, 150))
    logs = np.stack([np.asarray(log_normalise(cell)) for cell in cells])
    means = np.asarray(logs.mean(axis=0).round(2))
    order = RNG.permutation(40)
    shown = Profiles([f"P{n}" for n in range(40)], genes[::-1], means[order][:, ::-1], "log")
    partner = {names[donor]: f"P{place}" for place, donor in enumerate(order)}
    assert relink_profiles(bulk, shown, partner).lower > 0.8
    dealt = Profiles(shown.samples, shown.genes, RNG.permuted(shown.values, axis=0), "log")
    assert relink_profiles(bulk, dealt, partner).upper < 0.25
    for strangers in (None, {"d0": "nobody"}):
        with pytest.raises(SluiceError, match="so hits cannot be counted"):
            relink_profiles(bulk, shown, strangers)
    with pytest.raises(SluiceError, match="no gene in common"):
        relink_profiles(bulk, Profiles(names, [f"x{g}" for g in genes], means, "log"))


def test_84_donors_are_found_again_in_another_pipeline(shared_data):
    folder = shared_data / "expression"
    one = read_profiles(folder / "geuvadis_qtltools/genes.50percent.chr22.bed.gz", "one")
    two = read_profiles(folder / "humangender/counts.csv.gz", "two")
    score = relink_profiles(one, two)
    assert (score.n, score.detail["genes"]) == (84, 263)
    assert score.estimate == 1.0
    people, genes = (sorted(set(a) & set(b)) for a, b in ((one.samples, two.samples),
                                                          (one.genes, two.genes)))  # fmt: skip
    tables = [
        profiles.logarithms().columns(genes)[[profiles.samples.index(name) for name in people]]
        for profiles in (one, two)
    ]
    noisy = tables[1] + 4 * tables[1].std(axis=0) * RNG.normal(size=tables[1].shape)
    weak = relink(tables[0], noisy, np.arange(84), "k", "p", raw=tables[1])
    assert weak.estimate > 0.5, "noise of four SDs is a weak defence"


def test_the_two_halves_of_a_donors_cells_find_each_other(shared_data):
    path = shared_data / "expression/melanoma19/melanoma19.h5ad"
    source = open_cells(path, "h5ad", value_kind="log")
    cells = pd.DataFrame({"row": np.arange(source.n_cells), "donor": source.column("patient")})
    one, two, truth = half_split(source, cells)
    score = relink(one, two, truth, "k", "p")
    assert score.n >= 15
    assert score.estimate >= 0.85
