"""All that ``make bench`` tells of tables: the search beside its peer, single cells, and risk."""

from __future__ import annotations

from typing import Any

from benchmarks.tables import cells, risk, search


def measure() -> dict[str, Any]:
    """Run every part and return the numbers of ``tables.json``; without shared data, say so."""
    found = search.measure()
    return found if "skipped" in found else {**found, **cells.measure(), **risk.measure()}
