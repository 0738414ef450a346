"""What a policy may set for single-cell expression, tier by tier."""

from __future__ import annotations

from pydantic import Field

from sluice.config.loader import Model, parse
from sluice.config.policy import ModalityPolicy
from sluice.expression.aggregate import Floors


class CellSettings(Model):
    """Settings of an individual-level tier."""

    exclude_genes: list[str] = Field(description="Groups of resources/genes/exclusions.tsv")
    max_samples: int | None = Field(
        default=None, ge=1, description="Most samples of one donor: of the first file, the earliest"
    )
    max_cells: int | None = Field(default=None, ge=1, description="Most cells of one donor")
    min_cells: int = Field(ge=1, description="Donors with fewer cells are left out, also of groups")
    min_donors: int = Field(ge=2, description="Donors inside a group, and outside unless nobody is")
    max_donor_share: float = Field(gt=0, le=1, description="Of a group's cells from one donor")
    min_genes: int = Field(default=10, ge=1, description="Measured genes that a set needs")
    decimals: int = Field(ge=0, le=6, description="Rounding of released values")
    dimension_share: float | None = Field(
        default=None, gt=0, le=1, description="Numbers of a donor group: this share of its donors"
    )

    @property
    def floors(self) -> Floors:
        """What an aggregate must reach to leave."""
        return Floors(self.min_donors, self.min_cells, self.max_donor_share)


class PublicCellSettings(Model):
    """Settings of the public tier."""

    min_cells: int = Field(ge=1, description="Donors with fewer cells do not contribute")


def individual_settings(policy: ModalityPolicy, tier: str) -> CellSettings:
    """Check the settings of an individual-level tier."""
    return parse(CellSettings, policy.settings, _place(tier))


def public_settings(policy: ModalityPolicy) -> PublicCellSettings:
    """Check the settings of the public tier."""
    return parse(PublicCellSettings, policy.settings, _place("public"))


def _place(tier: str) -> str:
    return f"policy, tier {tier}, modality singlecell, settings"
