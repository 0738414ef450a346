"""A cohort is released again with one participant less: exact means are stopped, linked or not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.modalities.expression_lab import Lab, lab

from sluice.config import Config
from sluice.files import write_json
from sluice.files.tables import read_table, write_table
from sluice.release.groups import keep_groups
from sluice.scores import Score

__all__ = ["lab"]

EVERY = ("clinical", "bulk", "singlecell")
TIER = "registered"
PRODUCTS = {"bulk": "group_means", "singlecell": "cell_groups"}
SECOND = """
cohort: demo
version: 2026q2
title: Demo cohort, second quarter of 2026
cut_date: 1899-06-30
published: 2026-06-30
policy: demo
tiers: [controlled, registered, public]
supersedes: 2026q1
"""


class SecondLab(Lab):
    """The same folder, one release later."""

    @property
    def config(self) -> Config:
        return Config.load(self.folder / "config/config.yaml", "demo/2026q2")


@pytest.fixture(scope="module", params=["series", "release"])
def first(lab: Lab, tmp_path_factory: pytest.TempPathFactory, request) -> Lab:
    """Registered means are published, under pseudonyms of the series or of the release."""
    house = lab.copy(tmp_path_factory.mktemp("first"))
    house.amend("policies/default.yaml", "linkage: series", f"linkage: {request.param}")
    policy = house.folder / "config/policies/default.yaml"
    text = policy.read_text(encoding="utf-8")
    for needs in ("genotype_linking, ", "traits, ", "genotype_linking", "traits"):
        text = text.replace(f"membership, {needs}", "membership, ")
    policy.write_text(text, encoding="utf-8")
    for tier in ("controlled", TIER):
        house.tier_steps(tier, *EVERY, score=False)
    keep(house)
    return house


def keep(house: Lab) -> None:
    """What publishing keeps of a release whose gates all passed.

    But for the classes: with them the plan would let others go with one who leaves, and here the
    means are judged by themselves.
    """
    write_json(house.config.layout.candidate_digest(TIER), {"products": [*PRODUCTS.values()]})
    keep_groups(house.config, TIER)
    house.config.layout.published_classes(TIER).unlink()


def again(first: Lab, to: Path, *, without: str | None = None) -> Lab:
    """Make the next release of the same raw data, perhaps without one participant."""
    shutil.copytree(first.folder, to)
    house = SecondLab(to, first.canaries)
    (to / "config/releases/demo/2026q2.yaml").write_text(SECOND, encoding="utf-8")
    for root in ("work", "vault"):
        shutil.copytree(to / root / "demo/2026q1", to / root / "demo/2026q2")
    for made in ("groups", "published", "crosswalk"):
        shutil.rmtree(to / "vault/demo/2026q2" / made)
    path = house.config.layout.consent / "consent.parquet"
    consent = read_table(path)
    write_table(path, consent[consent["subject"] != without])
    for tier in ("controlled", TIER):
        house.tier_steps(tier, *EVERY, score=False)
    return house


def published(house: Lab, modality: str) -> pd.DataFrame:
    return read_table(house.folder / f"vault/demo/2026q1/published/{TIER}/{modality}.parquet")


def judged(house: Lab, modality: str) -> tuple[Score, Score]:
    scores = house.score(TIER, modality)
    product = PRODUCTS[modality]
    return scores[f"differencing.{product}"], scores[f"effective_dimension.{product}"]


def test_the_vault_knows_the_members_by_their_subject(first: Lab) -> None:
    for modality in PRODUCTS:
        table = published(first, modality)
        known = set(first.crosswalk("controlled", modality, "person")["subject"])
        assert len(table) >= 20
        assert set(table["donor"]) <= known
        shown = read_table(first.data(TIER, modality) / "group_means.parquet")
        if modality == "bulk":
            sizes = table.groupby("group")["donor"].nunique()
            assert sizes.to_dict() == shown.groupby("tissue")["donors"].first().to_dict()


def test_the_first_release_has_no_differences(first: Lab) -> None:
    for modality in PRODUCTS:
        score, _ = judged(first, modality)
        assert score.evidence["works"], "the attack rebuilds donors from raw"
        assert score.upper == 0
        assert score.detail["releases"] == 1


@pytest.mark.parametrize("first", ["release"], indirect=True)
def test_the_same_people_again_are_let_through_and_say_nothing_new(
    first: Lab, tmp_path: Path
) -> None:
    house = again(first, tmp_path / "second")
    for modality in PRODUCTS:
        score, dimension = judged(house, modality)
        assert (score.upper, score.detail["releases"]) == (0, 2)
        assert dimension.detail["releases"] == 2
        assert dimension.upper == pytest.approx(judged(first, modality)[1].upper, rel=0.3)


def test_one_participant_less_is_stopped(first: Lab, tmp_path: Path) -> None:
    both = set(published(first, "bulk")["donor"]) & set(published(first, "singlecell")["donor"])
    gone = min(both)
    house = again(first, tmp_path / "second", without=gone)
    for modality in PRODUCTS:
        score, _ = judged(house, modality)
        assert score.evidence["works"]
        assert score.upper >= 1
        assert 1 <= score.detail["fewest_donors"] < 20
        assert gone not in str(score.to_json())


@pytest.mark.parametrize("first", ["release"], indirect=True)
def test_one_participant_more_is_stopped(first: Lab, tmp_path: Path) -> None:
    """The smaller release came out first: the larger one is compared with it."""
    house = again(first, tmp_path / "second", without=min(published(first, "bulk")["donor"]))
    keep(house)
    shutil.rmtree(house.folder / "vault/demo/2026q1/published")
    score, dimension = judged(Lab(house.folder, house.canaries), "bulk")
    assert score.evidence["works"]
    assert score.upper >= 1
    assert 1 <= score.detail["fewest_donors"] < 20
    assert dimension.upper > 0.1, "and the newcomer alone stands behind as many numbers"
