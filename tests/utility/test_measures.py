from __future__ import annotations

import numpy as np
import pytest
from tests.utility.invented import GENES, SET, SETS, SHIFTED, population

from sluice.config.sweep import Setting
from sluice.errors import SluiceError
from sluice.utility.candidates import make_candidate
from sluice.utility.findings import Table, changes, differential
from sluice.utility.measures import MEASURES, Released, Yardstick, as_released, utilities

RAW, OTHERS = population(120, 1, shift=1.8), population(80, 2, shift=1.8)
YARDSTICK = Yardstick(OTHERS, SETS)


def measured(released, raw=RAW, yardstick=YARDSTICK):
    return {score.name: score for score in utilities(released, raw, yardstick, "p")}


def under(**setting):
    made = make_candidate(Setting(**setting), RAW, OTHERS, SETS, seed=0)
    assert made is not None
    return made.released


def with_values(values):
    return Released(Table(values, RAW.features, RAW.labels), as_released(RAW).parts)


def test_a_release_that_changes_nothing_reaches_the_ceiling_in_every_measure():
    found = measured(as_released(RAW))
    assert set(found) == set(MEASURES)
    for score in found.values():
        assert score.estimate == score.detail["ceiling"]
        assert score.lower > score.chance + 0.15
        assert score.n == len(OTHERS.values)


def test_pure_noise_is_worth_nothing_in_any_measure():
    rng = np.random.default_rng(5)
    draws = [measured(with_values(rng.normal(size=RAW.values.shape))) for _ in range(8)]
    for name in MEASURES:
        scores = [draw[name] for draw in draws]
        assert max(score.estimate for score in scores) < scores[0].detail["ceiling"] - 0.15, name
        assert abs(np.mean([score.estimate - score.chance for score in scores])) < 0.15, name


def test_more_noise_costs_more():
    found = [measured(under(noise=noise)) for noise in (0, 3, 12)]
    for name in ("fold_changes", "differential", "markers", "coexpression"):
        little, some, much = (scores[name].estimate for scores in found)
        assert little > some >= much, name


def test_bounds_enclose_the_estimate():
    for score in measured(under(noise=1)).values():
        assert score.lower <= score.estimate <= score.upper


def test_true_and_false_positives_are_told_apart():
    detail = measured(as_released(RAW))["differential"].detail
    assert detail["true_positive_rate"] > 0.9
    assert detail["false_positive_rate"] < 0.1
    everything = with_values(RAW.values + 9 * (RAW.labels == "ill")[:, None])
    careless = measured(everything)["differential"]
    assert careless.detail["true_positive_rate"] == 1
    assert careless.detail["false_positive_rate"] > 0.9
    assert careless.estimate < 0.1


def test_genes_that_were_dropped_count_as_unchanged():
    """Else a release of one gene that is right would be perfect."""
    unshifted = np.arange(SHIFTED, GENES)
    parts = tuple(np.array([gene]) for gene in unshifted)
    found = measured(Released(RAW.columns(unshifted), parts))
    assert found["fold_changes"].estimate < 0.2
    assert found["markers"].estimate < 0.2


def test_published_means_are_judged_by_what_means_can_tell():
    found = measured(under(donors=60))
    assert set(found) == {"fold_changes", "gene_sets", "markers"}
    assert found["fold_changes"].estimate == pytest.approx(
        found["fold_changes"].detail["ceiling"], abs=1e-9
    )


def test_gene_sets_speak_for_their_genes_and_only_released_ones_count():
    few, all_of_them = measured(under(sets=2)), measured(under(sets=len(SETS)))
    assert set(few) == {"fold_changes", "gene_sets", "prediction"}
    assert 0.3 < few["gene_sets"].estimate < all_of_them["gene_sets"].estimate
    assert 0.3 < few["fold_changes"].estimate < all_of_them["fold_changes"].estimate


def test_a_large_group_weighs_as_many_donors_as_it_has():
    table = Table(
        np.array([[0.0], [3.0], [1.0]]), ("g",), np.array(["a", "b", "b"]), np.array([5, 1, 3])
    )
    assert changes(table, ["a", "b"]).tolist() == [[1.5]]


def test_every_one_of_three_labels_is_contrasted_with_the_others():
    table = Table(np.array([[1.0], [2.0], [6.0]]), ("g",), np.array(["a", "b", "c"]))
    assert changes(table, ["a", "b", "c"]).ravel().tolist() == [-3.0, -1.5, 4.5]


def test_a_label_of_which_nothing_is_released_has_no_changes():
    assert changes(RAW.rows(RAW.labels == "ill"), ["ill", "well"]).tolist() == [[0.0] * GENES]


def test_differential_genes_are_those_of_scanpy():
    anndata, scanpy = pytest.importorskip("anndata"), pytest.importorskip("scanpy")
    data = anndata.AnnData(RAW.values.copy())
    data.var_names = list(RAW.features)
    data.obs["label"] = RAW.labels
    data.obs["label"] = data.obs["label"].astype("category")
    scanpy.tl.rank_genes_groups(data, "label", groups=["well"], reference="ill", method="t-test")
    told = scanpy.get.rank_genes_groups_df(data, "well").set_index("names")["pvals_adj"]
    ours = differential(RAW, ["ill", "well"])[0]
    assert ours.tolist() == [bool(told[gene] <= 0.05) for gene in RAW.features]
    assert ours[:SHIFTED].sum() > SHIFTED - SET


def test_too_few_donors_of_a_label_are_refused():
    with pytest.raises(SluiceError, match="two labels with 5 donors"):
        Yardstick(RAW.rows(np.arange(8)), SETS)


def test_the_same_tables_give_the_same_scores():
    one, two = measured(under(noise=1)), measured(under(noise=1), yardstick=Yardstick(OTHERS, SETS))
    assert {n: s.to_json() for n, s in one.items()} == {n: s.to_json() for n, s in two.items()}
