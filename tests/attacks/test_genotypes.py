"""The published attacks link a matrix to genotypes, and strangers to nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.attacks.genotype_lab import planted

from sluice.attacks.genotypes import bayes, extremity
from sluice.attacks.genotypes.eqtl import Leads, lead_variants
from sluice.attacks.genotypes.expression import read_expression
from sluice.attacks.genotypes.genome import halves
from sluice.attacks.genotypes.matrix import METHODS, Material, at_genome_scale, hits, link_matrix
from sluice.attacks.genotypes.normalise import prepared, to_normal
from sluice.attacks.genotypes.variants import read_genotypes, sites
from sluice.errors import SluiceError
from sluice.tables.risk import lower_bound, upper_bound

ALL = list(METHODS)


def top1(material, methods=ALL, **settings):
    truth = np.arange(len(material.target))
    return {
        found.method: hits(found.scores, truth).mean()
        for found in link_matrix(material, methods, **settings)
    }


def test_every_attack_links_planted_genotypes_and_none_links_strangers():
    cohort = planted(donors=240, effect=1.5)
    panel, target = halves(240, 0)
    material = cohort.material(panel, target)
    linked = top1(material)
    assert linked["bayes"] > 0.95
    assert linked["every_gene"] > 0.95
    assert linked["extremity"] > 0.2
    assert linked["carriers"] > 0.2
    strangers = replace(material, gallery=np.roll(material.gallery, 7, axis=1))
    assert max(top1(strangers).values()) < 0.05


def test_a_matrix_of_other_people_tells_nothing():
    cohort = planted()
    panel, target = halves(120, 0)
    random = np.random.default_rng(0)
    material = cohort.material(panel, target)
    other = replace(material, target=random.normal(size=material.target.shape))
    assert max(top1(other).values()) < 0.12


def test_the_driving_variant_is_the_lead_and_genes_without_one_have_no_small_p():
    cohort = planted(donors=200, genes=30)
    silent = cohort.expression.copy()
    silent[:, 20:] = np.random.default_rng(1).normal(size=(200, 10))
    leads = lead_variants(
        prepared(silent, 0), cohort.dosages, cohort.gene_sites, cohort.variant_sites, factors=0
    )
    assert isinstance(leads, Leads)
    found = leads.below(1e-5)
    assert found.genes.tolist() == list(range(20))
    assert (found.variants == 4 * found.genes).all()


def test_a_variant_outside_the_window_is_not_tried_and_without_places_all_are():
    cohort = planted(donors=200, genes=10)
    far = cohort.gene_sites + np.array([0, 2_000_000])
    e = prepared(cohort.expression, 0)
    assert not len(lead_variants(e, cohort.dosages, far, cohort.variant_sites, factors=0).genes)
    leads = lead_variants(e, cohort.dosages, None, cohort.variant_sites, factors=0)
    assert (leads.variants == 4 * leads.genes).all()


def test_a_batch_that_hides_genotypes_is_removed_as_a_hidden_factor():
    cohort = planted(donors=240, genes=60, effect=0.8)
    random = np.random.default_rng(2)
    batch = 0.3 * random.normal(size=(240, 3)) @ random.normal(size=(3, 60))
    panel, target = halves(240, 0)
    hidden = replace(cohort, expression=cohort.expression + batch).material(panel, target)
    seen, cleaned = (top1(hidden, ["bayes"], factors=f)["bayes"] for f in (0, 10))
    assert cleaned > seen + 0.2


def test_missing_calls_add_nothing_and_break_nothing():
    cohort = planted(donors=240, effect=1.5)
    gone = np.random.default_rng(3).random(cohort.dosages.shape) < 0.2
    holes = replace(cohort, dosages=np.where(gone, -1, cohort.dosages).astype(np.int8))
    linked = top1(holes.material(*halves(240, 0)))
    assert linked["bayes"] > 0.8
    model = bayes.fit(cohort.expression, cohort.dosages[::4].T)
    nobody = np.full((3, 40), -1, dtype=np.int8)
    assert not bayes.scores(model, cohort.expression, nobody).any()


def test_a_panel_without_any_lead_is_refused():
    cohort = planted(effect=0)
    with pytest.raises(SluiceError, match="no variant that tells"):
        top1(cohort.material(*halves(120, 0)), ["bayes"])


def test_ties_are_not_broken_by_the_order_of_the_files():
    assert hits(np.zeros((100, 100)), np.arange(100)).sum() <= 1


def test_copies_make_a_weak_link_certain_and_leave_chance_at_chance():
    random = np.random.default_rng(4)
    weak = random.normal(size=(100, 100)) + 1.5 * np.eye(100)
    truth = np.arange(100)
    assert hits(weak, truth).mean() < 0.4
    assert hits(at_genome_scale(weak, truth, 40, 0), truth).mean() > 0.9
    nothing = random.normal(size=(100, 100))
    assert hits(at_genome_scale(nothing, truth, 40, 0), truth).mean() < 0.1


@given(st.permutations(range(12)), st.integers(0, 3))
def test_scores_follow_candidates_and_targets_in_any_order(order, seed):
    cohort = planted(donors=12, genes=6, seed=seed)
    genotypes = cohort.dosages[::4].T
    model = bayes.fit(cohort.expression, genotypes)
    one = bayes.scores(model, cohort.expression, genotypes)
    mixed = bayes.scores(model, cohort.expression[order], genotypes[order])
    assert np.allclose(mixed, one[np.ix_(order, order)])


@given(st.integers(0, 5))
def test_a_monotone_change_of_scale_changes_no_attack(seed):
    cohort = planted(donors=60, genes=8, seed=seed)
    assert np.allclose(to_normal(cohort.expression), to_normal(np.exp(cohort.expression)))
    upwards = np.ones(8, dtype=bool)
    genotypes = cohort.dosages[::4].T
    plain = extremity.scores(cohort.expression, genotypes, upwards)
    assert np.allclose(plain, extremity.scores(np.exp(cohort.expression), genotypes, upwards))


def test_the_gap_tells_sure_links_from_unsure_ones():
    cohort = planted(donors=240)
    panel, target = halves(240, 0)
    (found,) = link_matrix(cohort.material(panel, target), ["extremity"])
    right = hits(found.scores, np.arange(len(target)))
    gap = extremity.gaps(found.scores)
    sure = gap >= np.median(gap)
    assert right[sure].mean() > right[~sure].mean()


def test_real_donors_are_linked_as_published(shared_data):
    folder = shared_data / "expression/geuvadis_qtltools"
    genotypes = read_genotypes(folder / "genotypes.chr22.vcf.gz")
    expression = read_expression(folder / "genes.50percent.chr22.bed.gz", genotypes.donors)
    assert genotypes.dosages.shape == (85_485, 358)
    assert expression.values.shape == (358, 608)
    gene_sites, variant_sites = sites(genotypes, expression.chromosomes, expression.starts)
    values = expression.of(genotypes.donors, expression.genes)
    panel, target = halves(358, 0)
    material = Material(
        values[panel],
        values[target],
        genotypes.dosages[:, panel],
        genotypes.dosages[:, target],
        gene_sites,
        variant_sites,
    )
    chance, linked = 1 / 179, top1(material)
    assert linked["bayes"] >= 0.93
    assert linked["extremity"] >= 20 * chance
    assert lower_bound(linked["carriers"] * 179, 179, conf=0.99) > chance
    strangers = replace(material, gallery=np.roll(material.gallery, 1, axis=1))
    assert upper_bound(top1(strangers, ["bayes"])["bayes"] * 179, 179) < 0.05


def test_fractions_are_rounded_and_empty_cells_are_missing(dosage_file):
    found = read_genotypes(dosage_file)
    assert found.dosages.shape == (3, 2)
    assert found.dosages.tolist() == [[0, 2], [1, -1], [2, 1]]


@pytest.fixture
def dosage_file(tmp_path):
    table = pd.DataFrame(
        {"variant_id": list("abc"), "gene_id": "G", "chromosome": 1, "position": [5, 6, 7],
         "D1": [0, 1.2, 2], "D2": [2, np.nan, 0.9]}
    )  # fmt: skip
    table.to_csv(tmp_path / "g.tsv", sep="\t", index=False)
    return tmp_path / "g.tsv"
