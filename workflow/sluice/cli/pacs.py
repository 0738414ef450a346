"""`sluice imaging pull`, `push`: studies out of an archive, released ones into it."""

from __future__ import annotations

from pathlib import Path

import click

from sluice.config.pacs import Pacs, load_pacs
from sluice.dicom.pacs import pull as pulling
from sluice.dicom.pacs import push as pushing
from sluice.dicom.pacs.archive import Archive, Patience
from sluice.dicom.pacs.dimse import DimseArchive
from sluice.dicom.pacs.landing import Landing
from sluice.dicom.pacs.web import WebArchive
from sluice.dicom.pacs.worklist import read_worklist
from sluice.errors import SluiceError
from sluice.files import write_json

_PATH = click.Path(path_type=Path)
_SHOWN = 10


@click.command()
@click.argument("worklist", type=_PATH)
@click.argument("dst", type=_PATH)
@click.option("--from", "pacs_file", type=_PATH, required=True, help="pacs.yaml of the archive")
@click.option("--report", "report_file", type=_PATH, help="JSON [default: DST/report.json]")
def pull(worklist: Path, dst: Path, pacs_file: Path, report_file: Path | None) -> None:
    """Fetch the studies of WORKLIST from a PACS into DST; run again, it fetches what lacks.

    WORKLIST is a CSV or TSV file with one column `accession` or `patient`. The objects are as
    the archive holds them, with their patients' names: DST is made with mode 0700. Names of files
    and folders tell nothing.
    """
    wanted = read_worklist(worklist)
    pacs = load_pacs(pacs_file)
    archive = _archive(pacs)
    report = pulling.Report()
    with Landing.opened(dst) as landing:
        try:
            pulling.pull(wanted, landing, archive, _patience(pacs), report, _say)
        finally:
            write_json(report_file or dst / "report.json", report.as_json())
    _tell_pull(report)


@click.command()
@click.argument("src", type=_PATH)
@click.option("--to", "pacs_file", type=_PATH, required=True, help="pacs.yaml of the archive")
@click.option("--report", "report_file", type=_PATH, help="JSON [default: none]")
def push(src: Path, pacs_file: Path, report_file: Path | None) -> None:
    """Store the released objects below SRC in a PACS; run again, it stores what lacks there.

    Refused as a whole if any object does not say that its patient's identity was removed.
    """
    pacs = load_pacs(pacs_file)
    if pacs.dicomweb is None:
        raise SluiceError(
            "Storing in an archive needs DICOMweb", where=pacs_file.name, mend="write `dicomweb`"
        )
    store = WebArchive(pacs.dicomweb)
    report = pushing.Report()
    try:
        pushing.push(src, store, _patience(pacs), report, _say)
    finally:
        if report_file:
            write_json(report_file, report.as_json())
    _tell_push(report)


def _archive(pacs: Pacs) -> Archive:
    if pacs.dicomweb is not None:
        return WebArchive(pacs.dicomweb)
    assert pacs.dimse is not None
    return DimseArchive(pacs.dimse)


def _patience(pacs: Pacs) -> Patience:
    return Patience(pacs.attempts, pacs.wait_seconds, _say)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _tell_pull(report: pulling.Report) -> None:
    totals = report.as_json()
    click.echo(
        f"{totals['received']} of {totals['expected']} instances are here, {totals['new']} of them "
        f"new; {report.missing} lack"
    )
    counts = {
        "repeated worklist rows": report.duplicates,
        "answers to another number, not fetched": report.not_asked_for,
        "instances here that the PACS does not list for this worklist": report.not_listed,
    }
    for what, count in counts.items():
        if count:
            click.echo(f"{count} {what}")
    for study in report.studies:
        for reason, count in study.failures.items():
            click.echo(f"{_rows(study.rows)} of the worklist: {count} not sent: {reason}")
    incomplete = [row for study in report.studies if study.missing for row in study.rows]
    wrong = {
        "nothing found for": report.unmatched,
        "more than one patient found for": report.ambiguous,
        "incomplete:": sorted(set(incomplete)),
    }
    if told := [f"{what} {_rows(rows)}" for what, rows in wrong.items() if rows]:
        raise SluiceError(
            "Not everything on the worklist is here",
            where=f"worklist; {'; '.join(told)}",
            mend="mend the worklist, or run the same command again to fetch what lacks",
        )


def _tell_push(report: pushing.Report) -> None:
    totals = report.as_json()
    click.echo(
        f"{totals['stored']} of {totals['instances']} instances are in the PACS, "
        f"{totals['already']} of them from before"
    )
    for what, count in {
        "files are no DICOM objects": report.other_files,
        "files are copies of another": report.copies,
    }.items():
        if count:
            click.echo(f"{count} {what}")
    for ordinal, study in enumerate(report.studies, 1):
        for reason, count in study.failures.items():
            click.echo(f"study {ordinal}: {count} not taken: {reason}")
    if report.missing:
        raise SluiceError(
            f"{report.missing} instances are not in the PACS",
            mend="see the reasons above, then run the same command again",
        )


def _rows(rows: list[int]) -> str:
    shown = ", ".join(map(str, rows[:_SHOWN])) + (", …" if len(rows) > _SHOWN else "")
    return f"row {shown}" if len(rows) == 1 else f"rows {shown}"
