"""What a bundle tells of the releases before it."""

from __future__ import annotations

from sluice.config import Config
from sluice.files import read_json
from sluice.gates.judge import Gate
from sluice.release.policy import tier_policy

COUNTED = ("sequential_k", "coalition_k")
"""Gates that count people."""


def effective_k(config: Config, tier: str) -> int | None:
    """Return with how many people, over all releases, everybody shares their history at least.

    ``None`` where it was not measured.
    """
    step = tier_policy(config, tier).count_rounding
    for gate in read_json(config.layout.gates(tier))["gates"]:
        if gate["gate"] == "sequential_k" and gate["bound"] is not None:
            return told_people(gate, step)
    return None


def told_people(gate: Gate, step: int) -> int:
    """Return a gate's number of people as it may be told: rounded down, but not below its limit."""
    people, limit = int(gate["bound"]), int(gate["limit"] or 0)
    return max(people // step * step, min(people, limit))
