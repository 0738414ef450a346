"""``config.yaml``: where things are at this facility."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, field_validator

from sluice.config.loader import Model


class Site(Model):
    """Folders of this facility. ``~`` and ``$VARIABLES`` are expanded; relative paths start at
    the configuration file's folder."""

    raw: Path = Field(description="Raw cohorts, one folder a cohort; only ever read")
    work: Path = Field(description="Intermediate files (restricted)")
    vault: Path = Field(description="Keys, people, crosswalks, ledger (restricted; back it up)")
    store: Path = Field(description="Published bundles and the catalogue")
    approvers: Path = Field(
        default=Path("approvers.yaml"), description="Who may approve, with public keys"
    )
    facility: str = Field(default="the facility", description="Name on pages and in terms")
    contact: str = Field(default="", description="Where recipients write to")
    demo: bool = Field(default=False, description="Stamp every page DEMO")

    @field_validator("raw", "work", "vault", "store", "approvers", mode="before")
    @classmethod
    def _expand(cls, value: object) -> object:
        return (
            Path(os.path.expandvars(os.path.expanduser(value))) if isinstance(value, str) else value
        )
