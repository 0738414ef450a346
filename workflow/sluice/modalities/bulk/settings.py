"""What a policy may set for bulk expression, tier by tier."""

from __future__ import annotations

from pydantic import Field

from sluice.config.loader import Model, parse
from sluice.config.policy import ModalityPolicy, Product


class BulkSettings(Model):
    """Settings of an individual-level tier."""

    exclude_genes: list[str] = Field(description="Groups of resources/genes/exclusions.tsv")
    groups: list[str] = Field(min_length=1, description="Released sample fields that make groups")
    min_donors: int = Field(ge=2, description="Donors inside a group, and outside unless nobody is")
    min_genes: int = Field(default=10, ge=1, description="Measured genes that a set needs")
    decimals: int = Field(ge=0, le=6, description="Rounding of released values")
    max_samples: int | None = Field(
        default=None, ge=1, description="Most samples of one donor: the earliest"
    )
    dimension_share: float | None = Field(
        default=None, gt=0, le=1, description="Sets of a group: at most this share of its donors"
    )


class ScoreSettings(Model):
    """Settings of the product of individual scores: no policy may pass decision 1's caps."""

    sets: int = Field(ge=1, le=10, description="Scores a donor, at most")
    min_genes: int = Field(ge=50, description="Measured genes that a set needs")


class PublicBulkSettings(Model):
    """Settings of the public tier."""

    exclude_genes: list[str] = Field(description="Groups of resources/genes/exclusions.tsv")
    sets: int = Field(ge=1, le=50, description="How many of the fixed sets, in the file's order")


def individual_settings(policy: ModalityPolicy, tier: str) -> BulkSettings:
    """Check the settings of an individual-level tier."""
    return parse(BulkSettings, policy.settings, _place(tier))


def score_settings(product: Product, tier: str) -> ScoreSettings:
    """Check the settings of ``set_scores``."""
    return parse(ScoreSettings, product.settings, f"policy, tier {tier}, product set_scores")


def public_settings(policy: ModalityPolicy) -> PublicBulkSettings:
    """Check the settings of the public tier."""
    return parse(PublicBulkSettings, policy.settings, _place("public"))


def excluded_groups(policy: ModalityPolicy, tier: str) -> list[str]:
    """Return the gene groups that a tier leaves out."""
    if tier == "public":
        return public_settings(policy).exclude_genes
    return individual_settings(policy, tier).exclude_genes


def _place(tier: str) -> str:
    return f"policy, tier {tier}, modality bulk, settings"
