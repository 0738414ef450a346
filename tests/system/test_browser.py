"""The browser check can fail: each thing that a page must not do is seen when a page does it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.system.browser import inspect, screenshot

pytestmark = pytest.mark.usefixtures("chromium")


def page(folder: Path, body: str) -> Path:
    """Write an HTML file with ``body``."""
    path = folder / "page.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><title>t</title><body>{body}")
    return path


def test_a_page_that_keeps_to_its_own_files_is_clean(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("body {color: red}")
    body = (
        '<link rel=stylesheet href=style.css><img alt="" src="data:image/gif;base64,'
        'R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==">'
        "<script>console.log('fine'); console.warn('mind')</script>"
    )
    report = inspect(page(tmp_path, body))
    assert report.console_errors == []
    assert report.requests == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<script>console.error('broken', 7)</script>", "broken 7"),
        ("<script>nobody.home()</script>", "nobody is not defined"),
        ("<script>Promise.reject(new Error('left alone'))</script>", "left alone"),
        ("<script>setTimeout(() => console.error('late'), 300)</script>", "late"),
        ("<script>console.assert(false, 'wrong')</script>", "wrong"),
        ("<img alt='' src=missing.png>", "ERR_FILE_NOT_FOUND"),
    ],
)
def test_a_console_error_is_seen(tmp_path: Path, body: str, expected: str) -> None:
    report = inspect(page(tmp_path, body))
    assert any(expected in said for said in report.console_errors), report


@pytest.mark.parametrize(
    "body",
    [
        "<script src=http://library.invalid/x.js></script>",
        "<img alt='' src=https://library.invalid/x.png>",
        "<link rel=stylesheet href=//library.invalid/x.css><link rel=icon href=http://library.invalid/x.ico>"
        "<img alt='' src=http://library.invalid/y.png>",
        "<script>fetch('http://library.invalid/x').catch(() => 0)</script>",
        "<script>new WebSocket('ws://library.invalid/x')</script>",
        "<script>navigator.sendBeacon('http://library.invalid/x', '1')</script>",
        "<iframe src=http://library.invalid/x></iframe>",
        "<style>@font-face{font-family:f;src:url(http://library.invalid/f.woff)}p{font-family:f}</style><p>a",
    ],
)
def test_a_request_to_the_network_is_seen(tmp_path: Path, body: str) -> None:
    report = inspect(page(tmp_path, body))
    assert any("//library.invalid/" in address for address in report.requests), report


def test_a_screenshot_has_the_size_that_was_asked_for(tmp_path: Path) -> None:
    png = tmp_path / "page.png"
    screenshot(page(tmp_path, "<h1>Run 7</h1>"), png, 640, 400)
    head = png.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(head[16:20]), int.from_bytes(head[20:24])) == (640, 400)


def test_a_missing_page_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        inspect(tmp_path / "absent.html")
