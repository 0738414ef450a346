"""What was planted in raw is nowhere else: not in a bundle, page, log, record, path or table."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from tests.pipeline.demo.home import TIERS, Home
from tests.pipeline.demo.people import released_days, shifts
from tests.pipeline.demo.search import DATES, UNREADABLE, Search, days, files, planted

DATA = (".parquet", ".h5ad", ".h5", ".dcm")
#: The cut date and the calendar's limits stand in the release's own configuration.
NAMED_DAYS = {"1899-06-30", "1800-01-01"}


@pytest.fixture(scope="module")
def search(demo: Home) -> Search:
    """For every planted identifier that is no date."""
    listed = planted(demo.layout.vault_cohort)
    return Search.of(c.value for c in listed if c.kind not in (*DATES, UNREADABLE))


def test_the_search_finds_each_canary_in_the_raw_file_that_hides_it(
    demo: Home, search: Search
) -> None:
    hidden: dict[str, set[str]] = defaultdict(set)
    for canary in planted(demo.layout.vault_cohort):
        if canary.kind not in (*DATES, UNREADABLE):
            hidden[canary.place.partition(":")[0]].add(canary.value)
    missed = {
        path: values - search.in_file(demo.layout.raw_cohort / path)
        for path, values in hidden.items()
    }
    assert sum(map(len, hidden.values())) > 4000
    assert {path: values for path, values in missed.items() if values} == {}


@pytest.fixture(scope="module")
def devices(demo: Home) -> set[str]:
    """Serial numbers of devices: controlled keeps them by its policy."""
    assert demo.config.policy.tiers["controlled"].modalities["imaging"].settings["keep_device"]
    return {c.value for c in planted(demo.layout.vault_cohort) if c.kind == "device"}


def curated(demo: Home) -> list[Path]:
    """Folders of the work tables that rules have not yet worked on."""
    tiers = (demo.layout.tier(tier) / "minimize" for tier in TIERS)
    return [demo.layout.base / "curate", *tiers]


def leaks(search: Search, devices: set[str], root: Path, *skip: Path) -> dict[str, int]:
    """Return how many canaries are found by path, without devices where those are permitted."""
    found = search.in_tree(root, *skip)
    left = {p: v - devices if _controlled_image(p) else v for p, v in found.items()}
    return {path: len(values) for path, values in left.items() if values}


def test_no_canary_is_left_in_any_byte_of_the_run(
    demo: Home, search: Search, devices: set[str]
) -> None:
    skip = [demo.path / "raw", demo.path / "vault", *curated(demo)]
    searched = {p.relative_to(demo.path).parts[0] for p in files(demo.path, *skip)}
    assert {"work", "store", ".snakemake", "config"} <= searched
    assert leaks(search, devices, demo.path, *skip) == {}


def test_no_work_table_holds_a_direct_identifier(
    demo: Home, search: Search, devices: set[str]
) -> None:
    for folder in curated(demo):
        assert len(files(folder)) > 5
        assert leaks(search, devices, folder) == {}


def _controlled_image(path: str) -> bool:
    """Tell whether a file may name a device: raw headers as curated, and what comes of them."""
    return "imaging/" in path and path.endswith((".dcm", "tags.parquet"))


def test_no_birth_date_is_left_after_the_facts_are_taken(demo: Home) -> None:
    born = {c.value for c in planted(demo.layout.vault_cohort) if c.kind == "birth_date"}
    assert born & days(demo.layout.raw_cohort / "clinical/patients.csv")
    places = (demo.layout.store, demo.path / ".snakemake")
    left = [
        *files(demo.layout.base, *curated(demo)),
        *(p for place in places for p in files(place)),
    ]
    assert {p.name for p in left if born & days(p)} == set()


def test_no_day_of_anybody_stands_outside_the_data(demo: Home) -> None:
    places = (demo.layout.base, demo.layout.store, demo.path / ".snakemake")
    texts = [p for place in places for p in files(place) if p.suffix not in DATA]
    assert len(texts) > 200
    found = {p.name: days(p) - NAMED_DAYS for p in texts}
    assert {name: found_days for name, found_days in found.items() if found_days} == {}


def test_each_day_is_moved_by_its_persons_one_shift_in_every_modality(demo: Home) -> None:
    moved = shifts(demo)
    assert len(moved) > 90
    for distances in moved.values():
        assert len(distances) == 1
        assert all(30 <= abs(distance) <= 365 for distance in distances)
    assert len(set().union(*moved.values())) > 60


def test_registered_and_public_hold_no_day_at_all(demo: Home) -> None:
    for tier in ("registered", "public"):
        released = files(demo.layout.published(tier))
        assert {p.name: found for p in released if (found := days(p) - NAMED_DAYS)} == {}


def test_every_modality_with_days_was_looked_at(demo: Home) -> None:
    assert set(released_days(demo)) == set(demo.config.modalities)


def test_no_file_of_the_run_can_be_read_by_others(demo: Home) -> None:
    places = [demo.path / "work", demo.path / "vault", demo.path / ".snakemake"]
    assert [p for p in places if p.stat().st_mode & 0o077] == []
    assert _open_to_others(demo.layout.base) == []
    assert _open_to_others(demo.layout.vault_cohort) == []


def _open_to_others(root: Path) -> list[str]:
    return [p.name for p in root.rglob("*") if p.lstat().st_mode & 0o077]
