"""``config.yaml``: where things are at this facility."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from sluice.config.loader import Model


class ReferenceCohort(Model):
    """Donors of another study whose expression and genotypes are both known: what the linking
    attack learns from and is judged on. They are read, and never released."""

    expression: Path = Field(description="Donors by genes: BED of QTLtools, a table or h5ad")
    genotypes: Path = Field(description="Of the same donors: VCF, or a table of dosages")
    donors: Path | None = Field(
        default=None,
        description="Who of them, one a line; a second is the name in the genotypes",
    )
    value_kind: Literal["tpm", "log"] = Field(
        default="tpm", description="Scale of the expression: as measured, or logarithms"
    )

    @property
    def files(self) -> dict[str, Path]:
        """Its files by what they hold."""
        named = {"expression": self.expression, "genotypes": self.genotypes, "donors": self.donors}
        return {name: path for name, path in named.items() if path is not None}


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
    reference: ReferenceCohort | None = Field(
        default=None,
        description="For the attack that links expression to genotypes; at least 80 donors",
    )
    facility: str = Field(default="the facility", description="Name on pages and in terms")
    contact: str = Field(default="", description="Where recipients write to")
    demo: bool = Field(default=False, description="Stamp every page DEMO")

    @property
    def reference_files(self) -> list[Path]:
        """The files of the reference cohort; none where there is no such cohort."""
        return list(self.reference.files.values()) if self.reference else []
