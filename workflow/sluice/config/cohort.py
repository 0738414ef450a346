"""``cohorts/<cohort>.yaml``: what the raw files are and what every field is."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from sluice.config.loader import Model
from sluice.config.release import Tier

Role = Literal["direct", "quasi", "sensitive", "linkage", "free_text", "safe"]
FieldType = Literal["string", "category", "date", "number", "integer"]

#: Keys of Sluice's own tables: a raw column under such a name would stand in for a pseudonym.
_RESERVED = frozenset({"subject", "person", "visit", "donor_id"})


def _inside(value: str) -> str:
    if not value or value.startswith("/") or ".." in value.split("/"):
        raise ValueError("a path inside the cohort's raw folder, without `..`")
    return value


def _not_reserved(value: str) -> str:
    if value in _RESERVED:
        raise ValueError(f"another name than {', '.join(sorted(_RESERVED))}")
    return value


RawPath = Annotated[str, AfterValidator(_inside)]
CuratedName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$"), AfterValidator(_not_reserved)
]
ModalityName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,39}$")]


class Column(Model):
    """One raw column: its role, and the curated field that it becomes."""

    role: Role = Field(description="What the field is; an unclassified field stops the run")
    field: CuratedName | None = Field(
        default=None, description="Curated name; without one the column is inventoried, not curated"
    )
    type: FieldType = Field(default="string")
    kind: str | None = Field(default=None, description="For direct: name, mrn, phone, …")
    unit: str | None = Field(default=None, description="Unit of the curated value")
    vocabulary: dict[str, list[str]] | None = Field(
        default=None, description="Curated term to the raw spellings that mean it"
    )
    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="after")
    def _one_meaning(self) -> Column:
        spelled: set[str] = set()
        for term, spellings in (self.vocabulary or {}).items():
            words = {word.strip().lower() for word in (term, *spellings)}
            if words & spelled:
                raise ValueError("a vocabulary in which each spelling means one term")
            spelled |= words
        return self


class Conversion(Model):
    """Turn a value of one code from one unit into another: ``new = old × factor``."""

    code: str
    from_unit: str
    to_unit: str
    factor: float


class Source(Model):
    """One raw file (or folder) and how to read it. ``file`` is relative to the cohort's folder."""

    file: RawPath = Field(description="Path below raw/<cohort>/")
    table: str = Field(description="Curated table: people, visits, events, samples, matrix, cells")
    format: Literal["csv", "tsv", "xlsx", "parquet", "gct", "h5ad", "10x", "dicom"] | None = Field(
        default=None, description="Taken from the ending where it is clear"
    )
    participant_field: str | None = Field(
        default=None, description="Column (or DICOM keyword) that names the participant"
    )
    alias: str | None = Field(
        default=None, description="The alias that participant_field holds, if not the participant"
    )
    columns: dict[str, Column] = Field(default_factory=dict, description="Role of every column")
    constants: dict[CuratedName, str] = Field(
        default_factory=dict, description="Curated fields with one value, e.g. code_system"
    )
    conversions: list[Conversion] = Field(default_factory=list)
    orientation: Literal["genes_by_samples", "samples_by_genes"] = "genes_by_samples"
    id_column: str | None = Field(default=None, description="Column of gene (or sample) ids")
    value_kind: Literal["counts", "tpm", "log"] | None = None
    layer: str | None = Field(default=None, description="h5ad: X, raw, or a layer's name")
    samples: str | None = Field(
        default=None,
        description="10x: column of the sample sheet that what follows a barcode's last `-` names",
    )

    @model_validator(mode="after")
    def _one_column_a_field(self) -> Source:
        named = [c.field for c in self.columns.values() if c.field] + list(self.constants)
        if len(named) != len(set(named)):
            raise ValueError("each curated field from one column or constant")
        return self


class CohortModality(Model):
    """The raw sources of one modality."""

    sources: list[Source] = Field(min_length=1)
    parts: int = Field(default=1, ge=1, le=512, description="Imaging: number of parts")


class Alias(Model):
    """A table that links another identifier to the participant's."""

    file: RawPath
    alias_field: str
    participant_field: str


class ConsentCode(Model):
    """What one consent code permits."""

    tiers: list[Tier]
    modalities: list[str] = Field(description="Modalities, or [all]")
    duo: list[str] = Field(default_factory=list, description="Data Use Ontology codes")


class Consent(Model):
    """Where consent stands and what its codes mean. No row means no consent."""

    file: RawPath
    participant_field: str
    code_field: str
    signed_field: str
    withdrawn_field: str | None = None
    codes: dict[str, ConsentCode]


class Calendar(Model):
    """How dates are written and the years that are possible."""

    date_format: str = "%Y-%m-%d"
    earliest: date = date(1900, 1, 1)
    latest: date = date(2100, 1, 1)


class Cohort(Model):
    """One cohort: the participants whose raw data we hold."""

    cohort: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    title: str
    description: str = ""
    project: str = Field(default="core", description="Names the keys: pseudonyms differ by project")
    defined_by: list[str] = Field(
        default_factory=list,
        description="Fields that everybody is known to share (the diagnosis that makes the cohort)",
    )
    reference_date: date | None = Field(
        default=None, description="Ages are taken at this day where no visit is known"
    )
    calendar: Calendar = Calendar()
    aliases: list[Alias] = Field(default_factory=list)
    consent: Consent
    modalities: dict[ModalityName, CohortModality] = Field(min_length=1)
    attack_inputs: list[RawPath] = Field(
        default_factory=list, description="Files that only attacks may read (genotypes)"
    )
    genome: str = Field(default="GRCh38", description="Annotation of gene identifiers")

    @model_validator(mode="after")
    def _dates(self) -> Cohort:
        if self.calendar.earliest >= self.calendar.latest:
            raise ValueError("the calendar's earliest day before its latest")
        return self
