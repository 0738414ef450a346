"""`sluice demo` from an empty folder to the catalogue, once; again it changes nothing."""

from __future__ import annotations

from tests.pipeline.demo.conftest import Published
from tests.pipeline.demo.home import ADDRESS, TIERS

from sluice.files import folder_index, read_json
from sluice.release.verify import verify


def test_the_demo_says_one_line_a_tier_and_where_the_catalogue_is(published: Published) -> None:
    *tiers, catalogue = published.said.strip().splitlines()
    assert [line.split(":")[0] for line in tiers] == [f"{ADDRESS} {tier}" for tier in TIERS]
    for line in tiers:
        assert "released" in line
        assert "largest bound" in line
        assert "utility" in line
    assert catalogue == f"catalogue: {published.home.layout.store / 'index.html'}"
    assert (published.home.layout.store / "index.html").is_file()


def test_what_is_published_is_the_candidate_and_verifies(published: Published) -> None:
    for tier in TIERS:
        bundle = published.home.layout.published(tier) / "bundle"
        assert folder_index(bundle) == published.built.trees[tier]
        assert verify(bundle) == []


def test_each_individual_tier_releases_every_modality_or_says_why_not(published: Published) -> None:
    for tier in ("controlled", "registered"):
        gates = read_json(published.home.layout.gates(tier))
        assert gates["verdict"] == "pass"
        for name, product in gates["products"].items():
            assert product["status"] == "released" or product["reason"], name
    controlled = read_json(published.home.layout.gates("controlled"))["products"]
    assert [n for n, p in controlled.items() if p["status"] != "released"] == []


def test_the_demo_again_is_already_published_and_spends_nothing(published: Published) -> None:
    home = published.home
    store, rows = folder_index(home.layout.store), home.ledger()
    done = home.sluice("demo", "--cores", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("already published") == len(TIERS)
    assert home.ledger() == rows
    assert folder_index(home.layout.store) == store
