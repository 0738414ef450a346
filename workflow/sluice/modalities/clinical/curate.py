"""Clinical sources into three typed tables keyed by subject."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from sluice.config.cohort import Source
from sluice.errors import SluiceError
from sluice.files.tables import read_table, write_table
from sluice.identity import sample_id
from sluice.jobs import Job
from sluice.modalities.shared.fields import convert_units, typed
from sluice.modalities.shared.participants import Participants
from sluice.modalities.shared.rawfiles import source_format, source_path
from sluice.modalities.shared.rawtables import read_raw_table

_WORD = re.compile(r"[\w-]+")
KEYS = {
    "people": ["subject"],
    "visits": ["subject", "visit_id", "date"],
    "events": ["subject", "visit_id", "date", "code_system", "code", "value", "unit"],
}


def curate(job: Job, out: Path) -> None:
    """Write ``people``, ``visits`` and ``events``.

    Rows of unknown participants are left out and counted. A participant who stands twice in
    people is merged when the rows agree and stops the run when they do not.
    """
    assert job.settings.raw is not None
    job.note_input(job.layout.part_list("clinical", "all"))
    participants = Participants(job)
    gathered: dict[str, list[pd.DataFrame]] = {name: [] for name in KEYS}
    for source in job.settings.raw.sources:
        if source.table not in KEYS:
            raise SluiceError(
                "A clinical source names a table that does not exist",
                where=f"source {source.file}",
                mend=f"choose one of: {', '.join(KEYS)}",
            )
        gathered[source.table].append(_curated(job, source, participants))
    for name, tables in gathered.items():
        table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
        for key in KEYS[name]:
            if key not in table:
                table[key] = pd.Series(dtype="datetime64[us]" if key == "date" else object)
        others = sorted(set(table.columns) - set(KEYS[name]))
        table = table[[*KEYS[name], *others]]
        table = _one_row_each(job, table) if name == "people" else table.drop_duplicates()
        order = [c for c in KEYS[name] if c != "value"]
        write_table(out / f"{name}.parquet", table.sort_values([*order, *others], kind="stable"))
        job.counts[f"{name}: rows"] += len(table)


def _curated(job: Job, source: Source, participants: Participants) -> pd.DataFrame:
    assert job.settings.calendar is not None
    path = source_path(job.layout.raw_cohort, source.file)
    raw = read_raw_table(path, source_format(source), source.file)
    table = pd.DataFrame({"subject": participants.subjects(source, raw[source.participant_field])})
    for name, column in source.columns.items():
        if column.field is None:
            continue
        if column.field == "visit_id":
            table["visit_id"] = _visits(job, table["subject"], raw[name])
        else:
            table[column.field] = typed(
                raw[name], name, column, job.settings.calendar, source.file, job.counts
            )
            if column.role == "free_text":
                table[column.field] = _without_identifiers(job, table[column.field])
    for field, value in source.constants.items():
        table[field] = value
    if source.conversions:
        table = convert_units(table, source.conversions, job.counts)
    unknown = table["subject"].isna()
    job.counts["rows of unknown participants left out"] += int(unknown.sum())
    return table[~unknown]


def _without_identifiers(job: Job, texts: pd.Series) -> pd.Series:
    """Keep the words of free text that are no part of anybody's identifier and hold no digit.

    After intake only the vault holds identifiers; which words a tier may have is its policy's.
    """
    known = read_table(job.layout.people("clinical"), ["value"])["value"]
    own = {word for value in known for word in _WORD.findall(value.casefold())}

    def kept(text: object) -> str | None:
        words = _WORD.findall(str(text)) if isinstance(text, str) else []
        plain = [w for w in words if w.replace("-", "").isalpha() and w.casefold() not in own]
        return " ".join(plain) or None

    return texts.map(kept).astype(object)


def _visits(job: Job, subjects: pd.Series, written: pd.Series) -> pd.Series:
    """Return keyed visit identifiers. Many sites count visits from 1 anew for each participant."""
    key = job.vault.key("visit")
    ids = [
        sample_id(key, f"{subject} {visit.strip()}")
        if isinstance(subject, str) and isinstance(visit, str)
        else None
        for subject, visit in zip(subjects, written, strict=True)
    ]
    return pd.Series(ids, index=written.index, dtype=object)


def _one_row_each(job: Job, people: pd.DataFrame) -> pd.DataFrame:
    """Merge sources and repeated rows of one participant; refuse contradictions."""
    fields = [c for c in people.columns if c != "subject"]
    distinct = people.groupby("subject")[fields].nunique(dropna=True)
    clash = distinct.gt(1)
    if clash.to_numpy().any():
        column = str(clash.any().idxmax())
        raise SluiceError(
            "A participant stands twice in people with different values",
            where=f"field people.{column}, {int(clash[column].sum())} participants",
            mend="keep one row a participant in the source",
        )
    job.counts["people: repeated rows merged"] += len(people) - len(distinct)
    return people.groupby("subject", as_index=False)[fields].first()
