"""All that ``make bench`` tells of expression: attacks on public data, and streams of cells."""

from __future__ import annotations

from typing import Any

from benchmarks.expression import inference, linking, streaming


def measure() -> dict[str, Any]:
    """Run every part and return the numbers of ``expression.json``."""
    return {"linking": linking.measure(), **inference.measure(), **streaming.measure()}
