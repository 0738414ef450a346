"""`sluice table`: generalise, score and count tables of anybody's, without a cohort."""

from __future__ import annotations

import click

from sluice.cli import Commands


@click.group(
    cls=Commands,
    modules={
        "anonymize": "table_anonymize",
        "counts": "table_counts",
        "propose": "table_propose",
        "risk": "table_risk",
    },
)
def table() -> None:
    """Generalise tables of individual records, and say what it costs and what risk stays."""
