"""`sluice expression`: commands for expression files on their own, without a cohort."""

from __future__ import annotations

import click

from sluice.cli import Commands


@click.group(cls=Commands, modules={"release": "expression_release"})
def expression() -> None:
    """Work on expression files without a cohort: write what a tier may hold of one."""
