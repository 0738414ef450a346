"""Run one peer with its default settings over a folder: ``peer_driver.py PEER SRC DST``.

Runs in the peers' own environment, file by file in one process: the kindest way, for one object
that a tool cannot handle costs no other, and the names of the files tell what became of what.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

Run = Callable[[Path, Path], None]


def _dicom_anonymizer() -> Run:
    from dicomanonymizer.simpledicomanonymizer import anonymize_dicom_file

    def run(source: Path, target: Path) -> None:
        anonymize_dicom_file(str(source), str(target), {}, True)

    return run


def _dicognito() -> Run:
    import pydicom
    from dicognito.anonymizer import Anonymizer

    anonymizer = Anonymizer()

    def run(source: Path, target: Path) -> None:
        dataset = pydicom.dcmread(source, force=False)
        anonymizer.anonymize(dataset)
        dataset.save_as(target)

    return run


def _deid() -> Run:
    from deid.dicom import replace_identifiers

    def run(source: Path, target: Path) -> None:
        replace_identifiers(
            dicom_files=[str(source)], save=True, overwrite=True, output_folder=str(target.parent)
        )

    return run


PEERS = {"dicom-anonymizer": _dicom_anonymizer, "dicognito": _dicognito, "deid": _deid}


def main() -> None:
    """Clean every file of a folder; what a tool cannot handle is left out and counted."""
    name, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    run, failed = PEERS[name](), 0
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        goal = target / path.relative_to(source)
        goal.parent.mkdir(parents=True, exist_ok=True)
        try:
            run(path, goal)
        except Exception:  # a tool's own failure: the file is missing from what it hands in
            goal.unlink(missing_ok=True)
            failed += 1
    print(f"{name}: {failed} files failed")


if __name__ == "__main__":
    main()
