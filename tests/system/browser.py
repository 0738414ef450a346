"""Open a local page in headless Chromium: its complaints, its network requests, a picture.

Chromium is driven by its DevTools protocol over a pipe (JSON messages ended by a zero byte; it
reads descriptor 3 and writes 4), so that no web-socket library and no open port is needed.
Nothing leaves the machine: every host name is made unknown to the browser.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

_FLAGS = [
    "--headless",
    "--no-sandbox",  # Chromium refuses to run as root with one
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
]
_LOCAL = {"file", "data", "blob", "about"}
_PATIENCE = 60.0  # seconds until a silent browser counts as hung
_QUIET = 1.0  # seconds without a word after which a loaded page is done


@dataclass
class PageReport:
    """What one page did: messages of level error, and addresses outside the page's own files."""

    console_errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def inspect(page: Path, *, width: int = 1280, height: int = 900) -> PageReport:
    """Open ``page`` and report its console errors and every request that is not file, data or blob.

    Parameters
    ----------
    page
        An HTML file.
    width, height
        Window, in CSS pixels: a page may load other things when it is narrow.

    Raises
    ------
    TimeoutError, ConnectionError
        If the browser hangs or dies.
    """
    report = PageReport()
    with _opened(page, width, height) as (_, events):
        for event in events:
            _note(report, event["method"], event["params"])
    return report


def screenshot(page: Path, png: Path, width: int = 1280, height: int = 900) -> None:
    """Write what the top ``width`` x ``height`` CSS pixels of ``page`` look like to ``png``."""
    with _opened(page, width, height) as (tab, _):
        picture = tab.ask("Page.captureScreenshot", format="png")
    png.write_bytes(base64.b64decode(picture["data"]))


def _note(report: PageReport, method: str, params: dict[str, Any]) -> None:
    if method == "Runtime.exceptionThrown":
        detail = params["exceptionDetails"]
        thrown = detail.get("exception", {}).get("description")
        report.console_errors.append(thrown or detail["text"])
    elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
        said = (str(arg.get("value", arg.get("description", ""))) for arg in params["args"])
        report.console_errors.append(" ".join(said))
    elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
        report.console_errors.append(params["entry"]["text"])
    elif method == "Network.requestWillBeSent":
        _note_address(report, params["request"]["url"])
    elif method == "Network.webSocketCreated":
        _note_address(report, params["url"])


def _note_address(report: PageReport, address: str) -> None:
    if urlsplit(address).scheme not in _LOCAL:
        report.requests.append(address)


@contextmanager
def _opened(page: Path, width: int, height: int) -> Iterator[tuple[_Tab, list[dict[str, Any]]]]:
    """Yield the tab in which ``page`` has loaded and fallen silent, and every event until then."""
    with _Browser() as browser:
        target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
        session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = _Tab(browser, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.ask(f"{domain}.enable")
        tab.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        browser.events.clear()
        failure = tab.ask("Page.navigate", url=page.resolve().as_uri()).get("errorText")
        if failure:
            raise FileNotFoundError(f"Chromium cannot open the page {page.name}: {failure}")
        yield tab, browser.listen_until("Page.loadEventFired")


class _Browser:
    """One Chromium with a throw-away profile, spoken to over its pipe."""

    def __init__(self) -> None:
        program = shutil.which("chromium")
        if program is None:
            raise FileNotFoundError("chromium is not installed; run make system")
        self.events: deque[dict[str, Any]] = deque()
        self._profile = tempfile.TemporaryDirectory(
            prefix="sluice-chromium-", ignore_cleanup_errors=True
        )
        self._pending = b""
        self._last = 0
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        # The shell moves the two pipe ends to descriptors 3 and 4, where Chromium looks for them.
        wiring = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", wiring, "-", program, *_FLAGS, f"--user-data-dir={self._profile.name}"],
            pass_fds=(to_read, to_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)

    def __enter__(self) -> _Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        os.close(self._to)  # Chromium ends when its pipe does
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._from)
        self._profile.cleanup()

    def ask(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send one command and return its result; events that come before it are kept."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + _PATIENCE
        while True:
            answer = self._next(until - time.monotonic())
            if answer is None:
                raise TimeoutError(f"Chromium does not answer {method}")
            if answer.get("id") == self._last:
                if "error" in answer:
                    reason = answer["error"]["message"]
                    raise ConnectionError(f"Chromium refuses {method}: {reason}")
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def listen_until(self, method: str) -> list[dict[str, Any]]:
        """Return every event up to ``method`` and then on until the browser is silent."""
        until = time.monotonic() + _PATIENCE
        heard = any(event["method"] == method for event in self.events)
        while time.monotonic() < until:
            event = self._next(_QUIET if heard else until - time.monotonic())
            if event is None:
                break
            if "method" in event:
                self.events.append(event)
                heard = heard or event["method"] == method
        if not heard:
            raise TimeoutError(f"Chromium never said {method}")
        return list(self.events)

    def _next(self, seconds: float) -> dict[str, Any] | None:
        """Return the next message, or None after ``seconds`` of silence."""
        while b"\0" not in self._pending:
            ready, _, _ = select.select([self._from], [], [], max(seconds, 0))
            if not ready:
                return None
            chunk = os.read(self._from, 1 << 16)
            if not chunk:
                raise ConnectionError("Chromium ended early")
            self._pending += chunk
        message, _, self._pending = self._pending.partition(b"\0")
        return json.loads(message)


@dataclass(frozen=True)
class _Tab:
    """One page of a browser."""

    browser: _Browser
    session: str

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command to this page."""
        return self.browser.ask(method, session=self.session, **params)
