"""One measured number about a candidate, with its bounds: what attacks and utilities return."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Score:
    """What one scenario or utility measure found.

    Parameters
    ----------
    name
        Scenario or measure, as the policy names it.
    product
        The product that is judged by it, or ``"tier"`` for all of them.
    attacker_knows
        One sentence for a reader; for utility: what is compared with what.
    estimate, lower, upper
        Point estimate and one-sided 95 % bounds, all in the unit of the limit.
    n
        Independent units (participants or donors) behind the estimate.
    chance
        What guessing reaches; ``None`` where it has no meaning.
    limit_key
        Key of the policy's limit that judges ``upper`` (utility: a floor that judges ``lower``).
    evidence
        The positive control: the same attack on raw, e.g. ``{"raw": 0.97, "works": True}``.
        Empty for deterministic counts, which need none.
    note
        Assumptions and limits, one sentence.
    detail
        Further numbers for tables and plots. Never a value of the data.
    """

    name: str
    product: str
    attacker_knows: str
    estimate: float
    lower: float
    upper: float
    n: int
    chance: float | None = None
    limit_key: str | None = None
    evidence: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Score:
        """Build a score from :meth:`to_json`."""
        return cls(**record)
