"""The policy of one tier, by its name."""

from __future__ import annotations

from sluice.config import Config
from sluice.config.policy import TierPolicy
from sluice.errors import SluiceError


def tier_policy(config: Config, tier: str) -> TierPolicy:
    """Return the rules of a tier.

    Raises
    ------
    SluiceError
        If the policy has no such tier.
    """
    rules = config.settings("bundle", tier).tier
    if rules is None:
        raise SluiceError("The policy has no such tier", where=f"tier {tier}")
    return rules
