"""Dictionary rows of the released clinical tables."""

from __future__ import annotations

from typing import Any

from sluice.config.policy import FieldRule
from sluice.files import read_json
from sluice.files.tables import column_types
from sluice.jobs import Job
from sluice.modalities.shared.rules import GENERALISING, level_names

KEYS = {
    "person": "Pseudonym of the participant; joins all files of this tier",
    "visit": "Pseudonym of the visit; joins visits and events",
}


def describe(job: Job) -> list[dict[str, Any]]:
    """Return one row for each released column."""
    assert job.settings.tier is not None
    rules = job.settings.tier.modalities["clinical"].fields
    recoding = read_json(job.layout.plan(job.tier))["recoding"]
    node, changed = recoding["node"], recoding.get("local", {"fields": {}})["fields"]
    rows = []
    for table in ("people", "visits", "events"):
        path = job.layout.data(job.tier, "clinical", "all") / f"{table}.parquet"
        for column, kind in column_types(path).items():
            found = [
                (field, rule)
                for field, rule in rules.items()
                if field.startswith(f"{table}.") and (rule.as_ or field.partition(".")[2]) == column
            ]
            field, rule = found[0] if found else ("", None)
            single = "; single cells coarser or removed" if column in changed else ""
            rows.append(
                {
                    "file": f"data/clinical/{table}.parquet",
                    "column": column,
                    "type": kind,
                    "unit": "days" if rule and rule.rule == "interval" else "",
                    "description": rule.need if rule else KEYS[column],
                    "policy_key": f"{job.tier}.clinical.{field}" if rule else f"{job.tier}.linkage",
                    "rule": said(rule, int(node.get(column, 0))) + single
                    if rule
                    else "keyed pseudonym",
                }
            )
    return rows


def said(rule: FieldRule, level: int) -> str:
    """Say a rule in words, with the level that the plan chose."""
    if rule.rule in GENERALISING or level:
        top = f", top-coded at {rule.top}" if rule.top is not None else ""
        return f"{rule.rule}, level {level_names(rule)[level]}{top}"
    if rule.rule == "interval":
        return f"days since own first date, bins of {rule.bin or 1}, top-coded at {rule.top}"
    names = {"shift_date": "shifted by the participant's one shift", "text": "allow-listed words"}
    return names.get(rule.rule, "as curated")
