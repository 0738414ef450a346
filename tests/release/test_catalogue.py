"""The catalogue lists what the store holds, whatever state it is in, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sluice.config import Site
from sluice.errors import SluiceError
from sluice.files import write_json
from sluice.release.catalogue import write_catalogue

DIGEST = "ab12" * 16


def site(root: Path, *, demo: bool = False) -> Site:
    return Site(
        raw=root / "raw",
        work=root / "work",
        vault=root / "vault",
        store=root / "store",
        facility="Core <Facility>",
        contact="data@example.org",
        demo=demo,
    )


def publish(store: Path, address: str, **changes: Any) -> Path:
    """Write one release record with a bundle that has a README."""
    cohort, version, tier = address.split("/")
    folder = store / address
    (folder / "bundle").mkdir(parents=True)
    (folder / "bundle" / "README.md").write_text("read me")
    record = {
        "cohort": cohort,
        "version": version,
        "tier": tier,
        "title": f"Release {version}",
        "state": "published",
        "bundle_digest": DIGEST,
        "published": "2026-03-31",
        "policy": "default",
        "edition": "2026.1",
        "supersedes": None,
        "replaced_by": None,
        "products": [{"name": "clinical_table", "title": "People & visits"}],
        "dropped": [{"name": "group_means", "reason": "comes later"}],
        "approvals": [{"role": "privacy_officer", "name": "A. Officer"}],
        "demo": False,
        "bytes": 1234,
        "files": 7,
        "statements": ["One.", "Two.", "Three."],
    }
    write_json(folder / "release.json", record | changes)
    return folder


def catalogue(store: Path, where: Site) -> str:
    write_catalogue(store, where)
    return (store / "index.html").read_text()


def test_an_empty_store_has_a_page_that_says_so(tmp_path: Path) -> None:
    assert "Nothing has been published yet" in catalogue(tmp_path / "store", site(tmp_path))


def test_every_release_is_listed_with_state_digest_links_and_how_to_verify(tmp_path: Path) -> None:
    store = tmp_path / "store"
    publish(store, "demo/2026q1/registered", supersedes="2025q4")
    publish(store, "demo/2025q4/registered", state="superseded", replaced_by="2026q1")
    publish(store, "demo/2025q3/public", state="retracted", replaced_by="2025q4")
    publish(store, "other/v1/public")
    page = catalogue(store, site(tmp_path))
    for expected in (
        DIGEST,
        "superseded",
        "Replaced by version 2026q1",
        "retracted",
        "delete it and tell us",
        "sluice verify BUNDLE",
        "sha256sum --check",
        "A. Officer",
        "comes later",
        "People &amp; visits",
        "Cohort other",
        "Core &lt;Facility&gt;",
        "data@example.org",
    ):
        assert expected in page, expected


def test_newest_versions_and_open_tiers_come_first(tmp_path: Path) -> None:
    store = tmp_path / "store"
    publish(store, "demo/2025q4/public", published="2025-12-31")
    publish(store, "demo/2026q1/controlled")
    publish(store, "demo/2026q1/public")
    page = catalogue(store, site(tmp_path))
    order = re.findall(r'<article class="card" id="([^"]+)"', page)
    assert order == ["demo-2026q1-public", "demo-2026q1-controlled", "demo-2025q4-public"]


def test_only_files_that_are_there_are_linked(tmp_path: Path) -> None:
    store = tmp_path / "store"
    publish(store, "demo/2026q1/public")
    page = catalogue(store, site(tmp_path))
    links = [t for t in re.findall(r'href="([^"#]+)"', page) if not t.startswith("data:")]
    assert "demo/2026q1/public/bundle/README.md" in links
    assert all((store / link).exists() for link in links)


def test_what_is_still_staged_is_not_shown(tmp_path: Path) -> None:
    store = tmp_path / "store"
    publish(store, "demo/2026q1/.public.new-7")
    assert "2026q1" not in catalogue(store, site(tmp_path))


def test_demo_releases_stamp_the_page(tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert "DEMO" not in catalogue(store, site(tmp_path))
    assert "DEMO" in catalogue(store, site(tmp_path, demo=True))
    publish(store, "demo/2026q1/public", demo=True)
    assert "DEMO" in catalogue(store, site(tmp_path))


def test_the_same_store_gives_the_same_page_wherever_it_lies(tmp_path: Path) -> None:
    texts = []
    for name in ("a", "b"):
        publish(tmp_path / name / "store", "demo/2026q1/public")
        texts.append(catalogue(tmp_path / name / "store", site(tmp_path / name)))
    assert texts[0] == texts[1]


def test_a_damaged_record_leaves_the_old_page(tmp_path: Path) -> None:
    store = tmp_path / "store"
    folder = publish(store, "demo/2026q1/public")
    before = catalogue(store, site(tmp_path))
    (folder / "release.json").write_text("{")
    with pytest.raises(SluiceError, match="damaged"):
        write_catalogue(store, site(tmp_path))
    assert (store / "index.html").read_text() == before


@pytest.mark.usefixtures("chromium")
def test_the_catalogue_opens_without_errors_or_requests(tmp_path: Path) -> None:
    from tests.system.browser import PageReport, inspect

    publish(tmp_path / "store", "demo/2026q1/public")
    write_catalogue(tmp_path / "store", site(tmp_path))
    assert inspect(tmp_path / "store" / "index.html") == PageReport()
