"""What a policy may set for clinical tables, tier by tier."""

from __future__ import annotations

from pydantic import Field

from sluice.config.loader import Model, parse
from sluice.config.policy import ModalityPolicy


class ClinicalSettings(Model):
    """Settings of any tier."""

    max_visits: int | None = Field(
        default=None, ge=1, description="Most visits of one person: the earliest, with their events"
    )


def clinical_settings(policy: ModalityPolicy, tier: str) -> ClinicalSettings:
    """Check the settings of a tier."""
    where = f"policy, tier {tier}, modality clinical, settings"
    return parse(ClinicalSettings, policy.settings, where)
