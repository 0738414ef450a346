"""`sluice imaging deidentify`: a folder of DICOM files, without a cohort."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from sluice.errors import SluiceError
from sluice.files import write_json
from sluice.identity import Vault
from sluice.modalities.imaging.folder import TIERS, Report, deidentify_folder


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--tier", type=click.Choice(TIERS), required=True, help="Preset to follow.")
@click.option("--vault", "folder", type=click.Path(path_type=Path), required=True,
              help="Where the keys and the crosswalk live; made if it is missing.")  # fmt: skip
@click.option("--report", type=click.Path(path_type=Path), required=True,
              help="JSON file for the counts; it holds no value of anybody.")  # fmt: skip
@click.option("--processes", type=click.IntRange(1), default=os.cpu_count() or 1,
              help="How many work at once; all cores unless told.")  # fmt: skip
def deidentify(
    source: Path, target: Path, tier: str, folder: Path, report: Path, processes: int
) -> None:
    """De-identify every DICOM file below SOURCE into TARGET.

    Each output is named after its new SOP instance. What cannot be processed is quarantined: it
    stays where it is, and the report counts why.
    """
    if not source.is_dir():
        raise SluiceError("The source is no folder", mend="name the folder that holds the files")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SluiceError("The target is not an empty folder", mend="name a new or an empty one")
    if target.resolve().is_relative_to(source.resolve()):
        raise SluiceError("The target lies inside the source", mend="name a folder outside it")
    # A process works on one file after the other: NumPy's threads would only wait beside it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    vault = Vault(folder / "imaging", "imaging")
    target.mkdir(parents=True, exist_ok=True)
    found = deidentify_folder(source, target, tier, vault, _Progress(), processes)
    write_json(report, found.as_json())
    _summary(found)


class _Progress:
    """Says how far a step is, once a second and at its end."""

    def __init__(self) -> None:
        self._said = 0.0

    def __call__(self, step: str, done: int, total: int) -> None:
        if done == total or time.monotonic() - self._said >= 1:
            self._said = time.monotonic()
            click.echo(f"{done} of {total} files {step}", err=True)


def _summary(report: Report) -> None:
    click.echo(f"{report.files_out} of {report.files_in} files de-identified")
    for reason, count in report.quarantined.most_common():
        click.echo(f"  {count} quarantined: {reason}")
    if report.faces:
        click.echo(
            f"  {report.faces} may show a face: deface them before anybody receives them", err=True
        )
