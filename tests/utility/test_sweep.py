from __future__ import annotations

import numpy as np
import pytest
from tests.utility.invented import SETS, population

from sluice.config.sweep import Setting, Sweep
from sluice.errors import SluiceError
from sluice.gates.tradeoff import as_json, write_tradeoff
from sluice.utility.candidates import make_candidate
from sluice.utility.findings import Table
from sluice.utility.risks import RISKS
from sluice.utility.sweep import Result, deal, sweep

LIMITS = {"relink": 0.05, "membership": 0.65, "effective_dimension": 0.1}
RAW = population(360, 11)


def plan(*settings, **more):
    """Return a plan; a setting's values may stand alone here, a list or not."""
    grids = [
        {k: v if isinstance(v, list) else [v] for k, v in setting.items() if v is not None}
        for setting in settings
    ]
    return Sweep.model_validate({"limits": LIMITS, "settings": grids} | more)


@pytest.fixture(scope="module")
def result() -> Result:
    return sweep(
        plan(
            {"noise": [0, 1, 4]},
            {"decimals": 0},
            {"suppress": 0.9},
            {"sets": 5},
            {"donors": [5, 20], "decimals": 2},
            {"donors": 20, "sets": [1, 2, 12], "decimals": 2},
            {"donors": 500},
        ),
        RAW,
        SETS,
    )


def by_label(result):
    return {trial.setting.label: trial for trial in result.trials}


def test_whatever_is_done_to_rows_of_single_donors_they_are_linked_again(result):
    rows = [trial for trial in result.trials if trial.setting.donors == 1]
    assert len(rows) == 6
    for trial in rows:
        score = trial.deciding
        assert score.name == "relink"
        assert score.evidence["raw"] == 1.0
        assert score.lower > 0.5, trial.setting.label
        assert trial.verdict == "fail"


def test_means_of_all_genes_are_a_named_weak_defence(result):
    for donors in (5, 20):
        trial = by_label(result)[f"all genes, groups of {donors}, 2 decimals"]
        membership = next(score for score in trial.risks if score.name == "membership")
        assert membership.evidence["works"]
        assert membership.lower > 0.65
        assert trial.verdict == "fail"


def test_the_recommendation_is_the_least_distortion_that_passes(result):
    assert result.chosen.setting.label == "2 gene sets, groups of 20, 2 decimals"
    passing = [trial for trial in result.trials if trial.verdict == "pass"]
    assert len(passing) == 2
    assert result.chosen.utility.lower == max(trial.utility.lower for trial in passing)
    assert by_label(result)["12 gene sets, groups of 20, 2 decimals"].verdict == "fail"


def test_the_recommendation_passes_on_donors_not_used_to_choose(result):
    assert result.judged.setting == result.chosen.setting
    assert result.judged.risk <= 1
    assert result.judged.columns == 2
    assert result.judged.utility.lower > 0.3
    assert result.holds
    assert sum(donors for donors, _ in result.donors) == len(RAW.values)


def test_the_recommendation_holds_for_strangers_of_the_same_population(result):
    again = sweep(plan(result.chosen.setting.model_dump()), population(360, 12), SETS)
    assert again.chosen is not None
    assert again.holds


def test_choosing_looks_at_no_value_of_the_donors_who_judge(result, tmp_path):
    """Other values for them change the judgement and nothing else."""
    values = RAW.values.copy()
    judges = deal(RAW.labels, 1 / 2, [result.plan.seed, 0])
    values[judges] = np.random.default_rng(3).normal(size=values[judges].shape)
    other = sweep(result.plan, Table(values, RAW.features, RAW.labels), SETS)
    assert as_json(other)["chosen_on"] == as_json(result)["chosen_on"]
    assert as_json(other)["recommended"] == as_json(result)["recommended"]
    assert not other.holds
    write_tradeoff(tmp_path / "out", other, 180)
    page = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    assert "Not confirmed: 2 gene sets" in page
    assert "Recommended: 2 gene sets, groups of 20, 2 decimals.</strong>" not in page


def test_a_setting_that_leaves_nothing_is_empty_and_never_chosen(result):
    empty = by_label(result)["all genes, groups of 500"]
    assert empty.verdict == "empty"
    assert empty.utility is None


def test_a_setting_that_no_chosen_attack_fits_does_not_pass(tmp_path):
    found = sweep(plan({"donors": 20, "sets": 1}, limits={"relink": 0.05}), RAW, SETS)
    assert found.trials[0].verdict == "not_attacked"
    assert found.chosen is None
    write_tradeoff(tmp_path / "out", found, 180)
    assert not (tmp_path / "out/sweep.svg").exists()
    assert "not attacked" in (tmp_path / "out/index.html").read_text(encoding="utf-8")


def test_an_attack_that_fails_on_raw_is_no_evidence():
    rng = np.random.default_rng(8)
    thin = Table(rng.normal(size=(240, 2)), ("a", "b"), np.array(["x", "y"] * 120))
    found = sweep(plan({"donors": 40, "decimals": 0}), thin, {"s": np.array([0, 1])})
    assert found.trials[0].verdict == "no_evidence"
    assert found.chosen is None


def test_a_useless_release_is_not_recommended_though_it_passes():
    noise = population(360, 13, shift=0)
    found = sweep(plan({"donors": 20, "sets": 1, "decimals": 2}), noise, SETS)
    assert found.trials[0].verdict == "pass"
    assert found.chosen is None


def test_a_trait_to_hide_is_read_from_rows():
    raw = population(240, 14)
    hidden = np.where(raw.values[:, :10].sum(axis=1) > 0, "yes", "no")
    found = sweep(plan({"sets": 3}, limits={"traits": 0.7}), raw, SETS, hidden=hidden)
    assert [score.name for score in found.trials[0].risks] == ["traits"]
    assert found.trials[0].verdict == "fail"


def test_a_limit_for_traits_without_a_trait_is_refused():
    with pytest.raises(SluiceError, match="--hidden"):
        sweep(plan({"noise": 1}, limits={"traits": 0.7}), RAW, SETS)


def test_a_limit_for_an_unknown_attack_is_refused():
    with pytest.raises(SluiceError, match="does not know"):
        sweep(plan({"noise": 1}, limits={"relnik": 0.05}), RAW, SETS)
    assert "relink" in RISKS


def test_settings_that_ask_for_more_sets_than_there_are_are_counted():
    found = sweep(plan({"sets": [1, 50], "donors": 20}), RAW, SETS)
    assert found.left_out == 1
    with pytest.raises(SluiceError, match="No gene set"):
        sweep(plan({"sets": 1}), RAW, {})


def test_a_candidate_is_what_its_setting_says():
    raw, others = population(60, 1), population(40, 2)
    made = make_candidate(
        Setting(donors=12, sets=3, decimals=1, suppress=0.5), raw, others, SETS, seed=4
    )
    assert made is not None
    table = made.released.table
    assert table.values.shape == (4, 3)
    assert (table.values == np.round(table.values, 1)).all()
    assert sorted(np.concatenate(made.groups).tolist()) == list(range(60))
    assert min(len(members) for members in made.groups) >= 12
    for members, label in zip(made.groups, table.labels, strict=True):
        assert set(raw.labels[members]) == {label}
    assert len(np.unique(np.concatenate(made.released.parts))) < 3 * 15


def test_a_settings_noise_does_not_depend_on_the_settings_beside_it():
    alone = sweep(plan({"noise": 2}), RAW, SETS).trials[0]
    assert by_label(sweep(plan({"noise": [1, 2]}), RAW, SETS))[alone.setting.label] == alone
