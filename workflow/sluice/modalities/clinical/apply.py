"""Released clinical tables, written anew from values."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sluice.config.policy import FieldRule
from sluice.files.tables import write_table
from sluice.identity import Pseudonyms
from sluice.jobs import Job
from sluice.modalities.clinical.facts import known_values
from sluice.modalities.shared.plan import cell_levels, kept_subjects, node_level, on_cells
from sluice.modalities.shared.rules import (
    GENERALISING,
    allowed_tokens,
    intervals,
    ladder,
    shift_dates,
)

TABLES = ("people", "visits", "events")


def apply(job: Job, out: Path) -> None:
    """Write people, visits and events of the kept participants under their pseudonyms."""
    folder = job.layout.minimize(job.tier, "clinical", "all")
    kept = kept_subjects(job)
    maps = job.pseudonyms()
    minimized = {name: job.read(folder / f"{name}.parquet") for name in TABLES}
    minimized = {name: t[t["subject"].isin(kept)] for name, t in minimized.items()}
    for name, table in minimized.items():
        released = _released(job, name, table.reset_index(drop=True), minimized["visits"], maps)
        order = [c for c in released.columns if c in ("person", "visit", "date", "code")]
        job.write(out / f"{name}.parquet", released.sort_values([*order], kind="stable"))
        job.counts[f"{name}: rows released"] += len(released)
    _write_crosswalk(job, minimized, maps)


def _released(
    job: Job, name: str, table: pd.DataFrame, visits: pd.DataFrame, maps: Pseudonyms
) -> pd.DataFrame:
    assert job.settings.modality is not None
    released = pd.DataFrame({"person": table["subject"].map(maps.person)})
    if "visit_id" in table:
        released["visit"] = table["visit_id"].map(
            lambda v: None if v is None or v != v else maps.item(v)
        )
    for field, rule in job.settings.modality.fields.items():
        where, _, column = field.partition(".")
        if where == name and column in table:
            label = rule.as_ or column
            released[label] = _values(job, table, column, rule, visits, maps).to_numpy()
            job.counts[f"{field}: {rule.rule}"] += len(table)
    return released


def _values(
    job: Job,
    table: pd.DataFrame,
    column: str,
    rule: FieldRule,
    visits: pd.DataFrame,
    maps: Pseudonyms,
) -> pd.Series:
    if rule.rule == "shift_date":
        return shift_dates(table[column], table["subject"], maps.shift)
    if rule.rule == "interval":
        return intervals(table[column], table["subject"], rule)
    if rule.rule == "text":
        return allowed_tokens(table[column], rule)
    known = known_values(table.set_index("subject"), column, rule, visits, job)
    cells = cell_levels(job, job.tier, rule.as_ or column)
    if cells is not None:
        return on_cells(known, dict(enumerate(ladder(rule))), cells)
    level = node_level(job, rule.as_ or column)
    return ladder(rule)[level](known) if rule.rule in GENERALISING or level else known


def _write_crosswalk(job: Job, minimized: dict[str, pd.DataFrame], maps: Pseudonyms) -> None:
    people = sorted(set(minimized["people"]["subject"]))
    visits = minimized["visits"][["subject", "visit_id"]].drop_duplicates()
    rows = [(s, maps.person(s), "person", s, maps.person(s)) for s in people]
    rows += [
        (s, maps.person(s), "visit", v, maps.item(v))
        for s, v in visits.itertuples(index=False)
        if v is not None
    ]
    columns = ["subject", "person", "kind", "original", "new"]
    write_table(
        job.vault.place(job.layout.crosswalk(job.tier, "clinical", "all")),
        pd.DataFrame(rows, columns=columns).sort_values(columns).reset_index(drop=True),
    )
