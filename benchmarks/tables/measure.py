"""All that ``make bench`` tells of tables: search beside its peer, single cells, risk, series."""

from __future__ import annotations

from typing import Any

from benchmarks.tables import cells, risk, search, series


def measure() -> dict[str, Any]:
    """Run every part and return the numbers of ``tables.json``; without shared data, say so."""
    found = search.measure()
    if "skipped" in found:
        return found
    return {**found, **cells.measure(), **risk.measure(), **series.measure()}
