"""Who was in a published group is kept for good; no release is compared with too few of them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from tests.release.test_publish import TIER, approved
from tests.release.world import World

from sluice.errors import SluiceError
from sluice.files import write_json
from sluice.files.tables import read_table, write_table
from sluice.identity.lineage import lineage_digest, published_groups
from sluice.ledger.chain import Ledger
from sluice.release.groups import keep_groups
from sluice.release.publish import publish

__all__ = ["approved"]


def groups_of(world: World, *products: str) -> None:
    table = pd.DataFrame({"product": products, "donor": [f"s{n}" for n in range(len(products))]})
    write_table(world.layout.groups(TIER, "bulk"), table)


def scored_against(world: World, lineage: str) -> None:
    path = world.layout.score(TIER, "bulk") / "differencing.group_means.json"
    write_json(path, {"detail": {"lineage": lineage}})


def earlier(world: World, version: str = "v0") -> Path:
    """Record that another version was published, as publishing it would."""
    file = world.layout.vault_cohort / version / "published" / TIER / "bulk.parquet"
    file.parent.mkdir(parents=True)
    write_table(file, pd.DataFrame({"product": ["group_means"], "donor": ["s1"]}))
    return file


def test_only_groups_that_are_shown_are_kept_and_the_ledger_holds_their_digest(
    approved: World,
) -> None:
    groups_of(approved, "gene_matrix", "group_means")
    publish(approved.config, TIER)
    kept = approved.layout.published_groups(TIER, "bulk")
    assert read_table(kept)["product"].tolist() == ["gene_matrix"], "group_means was dropped"
    assert kept.parent.stat().st_mode & 0o077 == 0
    with Ledger.open(approved.layout.ledger) as ledger:
        assert list(ledger.rows("publish")[0].body["groups"]) == ["bulk"]
    assert "groups" not in json.dumps(
        json.loads((approved.layout.published(TIER) / "release.json").read_text())
    )


def test_a_release_is_not_its_own_past(approved: World) -> None:
    before = lineage_digest(approved.layout, TIER)
    groups_of(approved, "gene_matrix")
    publish(approved.config, TIER)
    assert lineage_digest(approved.layout, TIER) == before
    assert published_groups(approved.layout, TIER, "bulk") == {}
    assert publish(approved.config, TIER) == "already published"


def test_a_published_version_is_rebuilt_against_the_lineage_of_its_day(approved: World) -> None:
    earlier(approved, "v0")
    groups_of(approved, "gene_matrix")
    publish(approved.config, TIER)
    then = lineage_digest(approved.layout, TIER)
    earlier(approved, "v2")
    assert lineage_digest(approved.layout, TIER) == then
    assert list(published_groups(approved.layout, TIER, "bulk")) == ["v0"]


def test_a_publication_that_died_before_it_appeared_sees_what_came_out_meanwhile(
    approved: World,
) -> None:
    keep_groups(approved.config, TIER)
    earlier(approved, "v2")
    assert list(published_groups(approved.layout, TIER, "bulk")) == ["v2"]


def test_a_release_published_since_the_scoring_stops_this_one(approved: World) -> None:
    groups_of(approved, "gene_matrix")
    scored_against(approved, lineage_digest(approved.layout, TIER))
    earlier(approved)
    with pytest.raises(SluiceError, match=r"published since.*sluice run"):
        publish(approved.config, TIER)
    assert not approved.layout.published(TIER).exists()
    scored_against(approved, lineage_digest(approved.layout, TIER))
    assert publish(approved.config, TIER) == "published"


@pytest.mark.parametrize("lost", [True, False])
def test_a_lost_or_altered_record_of_an_earlier_release_stops_publishing(
    approved: World, lost: bool
) -> None:
    file = earlier(approved)
    body = {"cohort": "world", "version": "v0", "tier": TIER, "groups": {"bulk": "0" * 64}}
    with Ledger.open(approved.layout.ledger) as ledger:
        ledger.append("publish", body)
    if lost:
        file.unlink()
    with pytest.raises(SluiceError, match=r"no longer holds.*backup"):
        publish(approved.config, TIER)
    assert not approved.layout.published(TIER).exists()
