"""Products judged at genome scale: weak defences fail, what the policy offers passes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.attacks.genotype_lab import planted

from sluice.attacks.genotypes import products
from sluice.attacks.genotypes.genome import emulate, halves
from sluice.attacks.genotypes.linking import genotype_linking, linked
from sluice.attacks.genotypes.reference import read_reference
from sluice.errors import SluiceError

LIMIT = 0.05


def scores(number, genes=50, group=1, seed=0):
    return lambda g: products.set_scores(products.random_sets(g, number, genes, seed), group)


def noise(sds):
    return lambda genome: products.with_noise(genome, sds)


@pytest.fixture(scope="module")
def judged():
    """A cohort of planted effects, judged on 16 copies."""
    makers = {
        "raw": products.every_gene,
        "noise": noise(2),
        "coarsened": lambda genome: products.coarsened(genome, 1.0),
        "dropped": products.without_detected,
        "set scores": scores(2, genes=100),
        "group means": scores(2, genes=100, group=20),
        "raw group means": lambda genome: products.every_gene(genome, 20),
    }
    reference = planted(donors=320, genes=60, effect=0.8).reference()
    found = genotype_linking(reference, list(makers.values()), copies=16, seed=1, genes_needed=0)
    return dict(zip(makers, found, strict=True))


def test_raw_is_linked_and_every_score_carries_that_proof(judged):
    assert judged["raw"].lower > 0.9
    assert all(score.evidence["works"] for score in judged.values())
    assert {score.n for score in judged.values()} == {320}


@pytest.mark.parametrize("weak", ["noise", "coarsened", "dropped", "raw group means"])
def test_weak_defences_fail(judged, weak):
    assert judged[weak].lower > LIMIT


@pytest.mark.parametrize("safe", ["set scores", "group means"])
def test_few_set_scores_and_means_of_twenty_pass(judged, safe):
    assert judged[safe].upper <= LIMIT


def test_nobody_hides_behind_a_better_ranked_member_of_his_own_group():
    scores = np.array([[9, 8, 1, 7, 2, 3], [0, 5, 0, 6, 1, 9]])
    assert linked(scores, group=3).tolist() == [True, True, False, True, False, True]
    assert linked(np.eye(6), group=1).all()
    assert not linked(np.zeros((2, 6)), group=3).any()


@given(st.integers(1, 6), st.integers(0, 99))
def test_a_larger_group_never_has_more_to_beat(group, seed):
    """The same profile of scores, seen as a row of one donor and of his group."""
    row = np.random.default_rng(seed).normal(size=12)
    alone = linked(np.tile(row, (12, 1)))
    together = linked(np.tile(row, (12 // group, 1)), group)
    assert (together | ~alone).all()


def test_chance_counts_the_outsiders_only(judged):
    assert judged["set scores"].chance == 1 / 160
    assert judged["group means"].chance == 1 / 141
    behind = judged["group means"].detail["best_candidate_is_behind_the_row"]
    assert (behind["rows"], behind["chance"]) == (16, 0.125)


def test_donors_without_genetic_effects_are_not_linked_and_that_is_no_evidence():
    reference = planted(donors=160, effect=0).reference()
    asked = [products.every_gene, scores(2, 30)]
    raw, few = genotype_linking(reference, asked, copies=2, genes_needed=0)
    assert raw.upper < 0.08
    assert not few.evidence["works"]


def test_what_looks_safe_on_one_chromosome_is_no_evidence():
    reference = planted(donors=160, effect=1.5).reference()
    on_few, on_all = (
        genotype_linking(reference, [noise(3)], copies=copies, genes_needed=2_000)[0]
        for copies in (1, 50)
    )
    assert on_few.evidence["raw"] > 0.9
    assert not on_few.evidence["works"]
    assert on_few.estimate < 0.3
    assert on_all.evidence["works"]
    assert on_all.estimate > 0.95


def test_who_is_learned_from_and_who_is_attacked_stay_apart_in_every_copy():
    cohort = planted(donors=80)
    marked = replace(cohort, expression=np.repeat(np.arange(80.0)[:, None], 40, axis=1))
    panel, target = halves(80, 3)
    genome = emulate(marked.reference(), panel, target, 5, 3)
    for side, own in ((genome.panel, panel), (genome.target, target)):
        for copy in range(5):
            inside = side.expression[:, genome.copy == copy]
            assert sorted(inside[:, 0].astype(int)) == own.tolist()
            assert (inside == inside[:, :1]).all()
    orders = genome.target.expression[:, ::40]
    assert (orders[:, 0] != orders[:, 1]).mean() > 0.9


def test_expression_and_genotypes_of_an_emulated_donor_are_one_persons_in_each_copy():
    cohort = planted(donors=80, effect=3.0)
    panel, target = halves(80, 0)
    genome = emulate(cohort.reference(), panel, target, 4, 0)
    pairs = zip(genome.target.expression.T, genome.target.genotypes.T, strict=True)
    r = [np.corrcoef(e, g)[0, 1] for e, g in pairs]
    assert min(r) > 0.7


def test_the_same_question_gives_the_same_answer():
    reference = planted(donors=60).reference()
    answers = [genotype_linking(reference, [noise(1)], copies=2)[0].to_json() for _ in range(2)]
    assert answers[0] == answers[1]


def test_a_reference_that_cannot_be_judged_on_is_refused():
    cohort = planted(donors=60)
    whole = cohort.reference()
    holes = whole.expression.copy()
    holes[3, 3] = np.nan
    for broken, ask in (
        (replace(whole, expression=holes), noise(1)),
        (replace(whole, dosages=whole.dosages[:, 1:]), noise(1)),
        (planted(donors=30).reference(), noise(1)),
        (whole, scores(2, 20, group=20)),
    ):
        with pytest.raises(SluiceError):
            genotype_linking(broken, [ask], copies=2)


@pytest.mark.slow
def test_real_donors_at_genome_scale(shared_data):
    """24,320 emulated genes: a noisy or a thinned matrix fails, what registered offers passes."""
    folder = shared_data / "expression/geuvadis_qtltools"
    reference = read_reference(
        folder / "genes.50percent.chr22.bed.gz", folder / "genotypes.chr22.vcf.gz"
    )
    asked = [
        noise(4),
        products.without_detected,
        lambda genome: products.every_gene(genome, 20),
        scores(10),
        scores(2, group=20),
        scores(8, group=89),
    ]
    found = genotype_linking(reference, asked)
    noisy, thinned, raw_means, ten, means, large = found
    assert all(score.n == 358 and score.evidence["works"] for score in found)
    assert noisy.estimate > 0.98
    assert thinned.estimate > 0.9
    assert raw_means.lower > 0.9
    assert max(ten.upper, means.upper, large.upper) <= LIMIT
    for group, number in ((20, 2), (89, 8)):
        assert agreement(reference, number, group) > 0.8


def agreement(reference, number, group):
    """Return the correlation of group means as published, two decimals, with the exact ones."""
    genome = emulate(reference, *halves(358, 0), 40, 0)
    exact = scores(number, group=group)(genome).transform(genome.target.expression, None)
    groups = [exact[start : start + group].mean(axis=0) for start in range(0, 178, group)]
    centred = np.array(groups) - exact.mean(axis=0)
    published = np.round(np.array(groups), 2) - exact.mean(axis=0)
    return np.corrcoef(centred.ravel(), published.ravel())[0, 1]
