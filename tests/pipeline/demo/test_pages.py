"""Every page of the demo opens in a real browser without a complaint and without the network."""

from __future__ import annotations

import pytest
from tests.pipeline.demo.home import Home
from tests.system.browser import inspect

PAGES = [
    "store/index.html",
    "store/demo/2026q1/controlled/bundle/report.html",
    "store/demo/2026q1/public/bundle/report.html",
    "work/demo/2026q1/controlled/review/index.html",
    "work/demo/2026q1/public/review/index.html",
    "work/demo/2026q1/controlled/datadocs/index.html",
    "work/demo/2026q1/controlled/datadocs/controlled_people.html",
]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_without_an_error_or_a_request(chromium: str, demo: Home, page: str) -> None:
    report = inspect(demo.path / page)
    assert report.console_errors == []
    assert report.requests == []


def test_every_page_of_the_demo_is_stamped(demo: Home) -> None:
    found = [*demo.layout.base.rglob("*.html"), *demo.layout.store.rglob("*.html")]
    assert len(found) > 10
    assert [p.name for p in found if "DEMO" not in p.read_text(encoding="utf-8")] == []


def test_no_page_names_an_address_that_a_browser_would_fetch(demo: Home) -> None:
    pages = [*demo.layout.base.rglob("*.html"), *demo.layout.store.rglob("*.html")]
    loading = ('src="http', "src='http", 'href="http:', "@import", 'srcset="http', "url(http")
    assert [p.name for p in pages if any(word in p.read_text("utf-8") for word in loading)] == []
