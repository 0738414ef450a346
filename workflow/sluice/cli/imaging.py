"""`sluice imaging`: commands for DICOM files on their own, without a cohort."""

from __future__ import annotations

import click

from sluice.cli import Commands


@click.group(cls=Commands, modules={"deidentify": "deidentify", "pull": "pacs", "push": "pacs"})
def imaging() -> None:
    """Work on DICOM files without a cohort: fetch them from an archive, store them in one."""
