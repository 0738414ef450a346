#!/usr/bin/env python
"""Take the README's picture: a published report of the demo as a browser shows it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sluice.config import load_site
from sluice.console import guard
from sluice.errors import SluiceError

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the browser is a tool of the tests

from tests.system.browser import screenshot  # noqa: E402


def newest_report(store: Path, cohort: str, tier: str) -> Path:
    """Return the report of the cohort's newest published version that has the tier."""
    reports = sorted(store.glob(f"{cohort}/*/{tier}/bundle/report.html"))
    if not reports:
        raise SluiceError(
            "No published report was found", where=f"{cohort}, {tier}", mend="run `make demo` first"
        )
    return reports[-1]


def main() -> None:
    """Read the arguments and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=ROOT / "config" / "config.yaml")
    parser.add_argument("--cohort", default="demo")
    parser.add_argument("--tier", default="registered")
    parser.add_argument("--page", type=Path, help="this page instead of a report of the store")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "report.png")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 1100), metavar=("W", "H"))
    chosen = parser.parse_args()

    page = chosen.page or newest_report(load_site(chosen.config).store, chosen.cohort, chosen.tier)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    screenshot(page, chosen.out, *chosen.size)
    print(f"Wrote {chosen.out}")


if __name__ == "__main__":
    sys.exit(guard(main))
