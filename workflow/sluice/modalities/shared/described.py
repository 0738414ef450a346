"""Dictionary rows of released expression files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sluice.config.policy import FieldRule, TierPolicy
from sluice.files import read_json
from sluice.jobs import Job
from sluice.modalities.clinical.describe import said

Row = dict[str, Any]


def row(
    file: str, column: str, kind: str, description: str, policy_key: str, rule: str, unit: str = ""
) -> Row:
    """Return one dictionary row."""
    return {
        "file": file,
        "column": column,
        "type": kind,
        "unit": unit,
        "description": description,
        "policy_key": policy_key,
        "rule": rule,
    }


def tier_rules(job: Job) -> TierPolicy:
    """Return the policy of the job's tier."""
    return job.config.policy.tiers[job.tier]


def field_rows(
    job: Job, file: str, columns: Iterable[tuple[str, str, str]], tables: tuple[str, ...]
) -> list[Row]:
    """Describe released fields. ``columns``: (released name, name in the file, type)."""
    rules: dict[str, tuple[str, FieldRule]] = {
        rule.as_ or field.partition(".")[2]: (field, rule)
        for field, rule in tier_rules(job).modalities[job.modality].fields.items()
        if field.partition(".")[0] in tables
    }
    node = read_json(job.layout.plan(job.tier))["recoding"]["node"]
    rows = []
    for name, column, kind in columns:
        field, rule = rules[name]
        unit = {"interval": "days", "shift_date": "ISO date"}.get(rule.rule, "")
        key = f"{job.tier}.{job.modality}.{field}"
        rows.append(
            row(file, column, kind, rule.need, key, said(rule, int(node.get(name, 0))), unit)
        )
    return rows


def h5ad_rows(
    job: Job,
    file: str,
    columns: dict[str, str],
    *,
    what: str,
    product: str,
    unit: str,
    tables: tuple[str, ...],
) -> list[Row]:
    """Describe an h5ad: matrix, names, the policy's fields, the two words of ``uns``.

    Parameters
    ----------
    columns
        Element → type, as :func:`sluice.modalities.shared.h5ad.h5ad_columns` returns them.
    what
        What one row is: ``sample`` or ``cell``.
    """
    linkage, genes = f"{job.tier}.linkage", f"{job.tier}.{job.modality}.settings.exclude_genes"
    title = f"{job.tier}.products.{product}.title"
    fixed = {
        "X": (f"Expression, {what}s by genes", genes, "as curated, rounded", unit),
        "obs/_index": (f"Pseudonym of the {what}", linkage, "keyed pseudonym", ""),
        "obs/donor_id": (
            "Pseudonym of the participant, `person` of the tables; joins all files of this tier",
            linkage,
            "keyed pseudonym",
            "",
        ),
        "var/_index": ("Ensembl gene id without version", genes, "groups of genes left out", ""),
        "var/feature_name": (
            "Gene symbol of the shipped annotation",
            genes,
            "from the gene id",
            "",
        ),
        "uns/title": ("What the file is, and its release", title, "constant", ""),
        "uns/schema": ("Layout of the file and kind of its values", title, "constant", ""),
    }
    rows = [
        row(file, name, kind, fixed[name][0], fixed[name][1], fixed[name][2], fixed[name][3])
        for name, kind in columns.items()
        if name in fixed
    ]
    others = [(n.partition("/")[2], n, k) for n, k in columns.items() if n not in fixed]
    return rows + field_rows(job, file, others, tables)
