"""From the identifiers in raw files to subjects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from sluice.config.cohort import Alias, Source
from sluice.errors import SluiceError
from sluice.jobs import Job
from sluice.modalities.shared.rawfiles import source_format, source_path
from sluice.modalities.shared.rawtables import read_raw_table


@dataclass(frozen=True)
class Participants:
    """Resolves what a raw file calls a participant into the internal key ``subject``."""

    job: Job

    @cached_property
    def _aliases(self) -> dict[str, dict[str, str]]:
        return {a.alias_field: self._links(a) for a in self.job.settings.aliases or []}

    def _links(self, alias: Alias) -> dict[str, str]:
        table = read_alias_table(self.job, alias)
        links: dict[str, str] = {}
        for row, (other, participant) in enumerate(
            zip(table[alias.alias_field], table[alias.participant_field], strict=True), 2
        ):
            if other is None or participant is None:
                continue
            if links.setdefault(other.strip(), participant.strip()) != participant.strip():
                raise SluiceError(
                    "One alias names two participants",
                    where=f"source {alias.file}, row {row}",
                    mend="keep one link for each alias",
                )
        return links

    def subjects(self, source: Source, values: pd.Series) -> pd.Series:
        """Return the subject of each value; ``None`` where it is missing or not linked."""
        alias = source.alias or source.participant_field
        links = self._aliases.get(str(alias))
        if links is None and source.alias:
            raise SluiceError(
                "A source names an alias that no alias table has",
                where=f"source {source.file}",
                mend="add it under `aliases:`",
            )
        known: dict[str, str | None] = {}
        for value in values.dropna().unique():
            text = str(value).strip()
            participant = links.get(text) if links is not None else (text or None)
            known[value] = self.job.vault.subject(participant) if participant else None
        return values.map(known).astype(object).where(values.notna(), None)


def read_alias_table(job: Job, alias: Alias) -> pd.DataFrame:
    """Read an alias table and check that it has its two columns."""
    source = Source(file=alias.file, table="aliases")
    path = source_path(job.layout.raw_cohort, alias.file)
    table = read_raw_table(path, source_format(source), alias.file)
    for column in (alias.alias_field, alias.participant_field):
        require_column(table, column, alias.file)
    return table


def require_column(table: pd.DataFrame, column: str | None, name: str) -> None:
    """Refuse a table that lacks a column which the cohort file names."""
    if column not in table.columns:
        raise SluiceError(
            "A source lacks a column that the cohort file names",
            where=f"source {name}, column `{column}`",
            mend="mend the cohort file or the export",
        )
