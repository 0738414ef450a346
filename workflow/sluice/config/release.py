"""``releases/<cohort>/<version>.yaml``: one frozen release."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from sluice.config.loader import Model

Tier = Literal["public", "registered", "controlled"]


class Release(Model):
    """What one release is made of. Nothing in a bundle depends on the day it was built."""

    cohort: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    version: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,39}$")
    title: str = Field(description="Title on the bundle and in the catalogue")
    cut_date: date = Field(description="Consent and data are taken as of this day")
    published: date = Field(description="datePublished in the bundle")
    policy: str = Field(description="Name of the file in policies/")
    tiers: list[Tier] = Field(min_length=1)
    supersedes: str | None = Field(default=None, description="The version that this one replaces")
    carry_forward: list[str] = Field(
        default_factory=list, description="Public queries whose earlier sealed answer is kept"
    )
    reissue: bool = Field(
        default=False,
        description="Replaces that version because a participant withdrew: its public answers may "
        "spend the reserve",
    )
    waivers: list[str] = Field(
        default_factory=list,
        description="Signed exceptions, by their names in waivers/<cohort>/; see docs/policy.md",
    )
    changes: list[str] = Field(default_factory=list, description="What changed, for recipients")

    @model_validator(mode="after")
    def _names_the_earlier(self) -> Release:
        """Without it, an answer that was to be carried would be drawn anew, and spent."""
        if self.supersedes is None and (self.carry_forward or self.reissue):
            raise ValueError("supersedes beside carry_forward or reissue")
        return self
