"""The same inputs and vault give the same bytes anywhere; another vault shares nothing."""

from __future__ import annotations

import pandas as pd
import pytest
from ruamel.yaml import YAML
from scipy.stats import binom
from tests.pipeline.demo.conftest import Again, Published
from tests.pipeline.demo.home import INDIVIDUAL, TIERS, Home, copy_raw, edit_yaml, new_home
from tests.pipeline.demo.people import TIER, crosswalk, shifts

from sluice.config import Layout

CHANCE = 1 / (2 * (365 - 30 + 1))  # a shift is uniform over ±30 … ±365
MODALITIES = ("clinical", "imaging")


@pytest.mark.parametrize("tier", TIERS)
def test_a_build_elsewhere_gives_the_same_bytes(
    published: Published, again: Again, tier: str
) -> None:
    assert again.built.trees[tier] == published.built.trees[tier]
    assert again.built.candidates[tier] == published.built.candidates[tier]


def test_a_build_elsewhere_spends_nothing(published: Published, again: Again) -> None:
    kinds = {row.kind for row in published.built.ledger}
    assert {"reserve", "seal", "approval", "publish"} <= kinds
    assert again.built.ledger == published.built.ledger


@pytest.fixture(scope="module")
def stranger(demo: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Another vault for the same raw files, as far as controlled's released tables and images."""
    home = new_home(tmp_path_factory.mktemp("stranger") / "home", demo.checkout)
    copy_raw(demo, home)
    modalities = YAML(typ="safe").load(home.file.parent / "cohorts/demo.yaml")["modalities"]
    modalities["imaging"]["parts"] = 1
    kept = {name: modalities[name] for name in MODALITIES}
    edit_yaml(home.file.parent / "cohorts/demo.yaml", {"modalities": kept})
    home.take_listing()
    layout, parts = home.layout, home.config.parts
    released = [layout.data(TIER, m, part) for m in MODALITIES for part in parts(m)]
    home.snakemake("intake", "--cores", "2")
    home.snakemake(*(str(Layout.index(folder)) for folder in released), "--cores", "2")
    return home


@pytest.mark.parametrize("kind", ["person", "visit", "uid"])
def test_another_vault_gives_no_identifier_twice(demo: Home, stranger: Home, kind: str) -> None:
    ours, theirs = (_new(home, kind) for home in (demo, stranger))
    assert len(ours) > 50
    assert ours & theirs == set()


def _new(home: Home, kind: str) -> set[str]:
    table = crosswalk(home, TIER)
    return set(table.loc[table["kind"] == kind, "new"])


def test_the_same_vault_gives_every_identifier_and_shift_again(demo: Home, again: Again) -> None:
    for tier in INDIVIDUAL:
        ours, theirs = (crosswalk(home, tier) for home in (demo, again.home))
        columns = list(ours.columns)
        pd.testing.assert_frame_equal(
            ours.sort_values(columns, ignore_index=True),
            theirs.sort_values(columns, ignore_index=True),
        )
    assert shifts(demo) == shifts(again.home)


def test_shifts_of_another_vault_agree_for_no_more_people_than_chance_explains(
    demo: Home, stranger: Home
) -> None:
    ours, theirs = shifts(demo), shifts(stranger)
    both = ours.keys() & theirs.keys()
    assert len(both) > 80
    agreeing = sum(ours[mrn] == theirs[mrn] for mrn in both)
    at_least_as_many = binom.sf(agreeing - 1, len(both), CHANCE)
    assert at_least_as_many > 1e-6


def test_tiers_share_no_identifier_either(demo: Home) -> None:
    controlled, registered = (set(crosswalk(demo, tier)["new"]) for tier in INDIVIDUAL)
    assert len(registered) > 80
    assert controlled & registered == set()
