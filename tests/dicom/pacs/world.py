"""Patients whose studies lie in an archive, and a way to fetch them by either protocol."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from click.testing import CliRunner
from pydicom.dataset import FileDataset
from pydicom.uid import NuclearMedicineImageStorage
from tests.dicom.corpus import BUNDLED, saved
from tests.system.orthanc import AE, PASSWORD, USER, Orthanc

from sluice.cli.imaging import imaging
from sluice.console import USER_ERROR
from sluice.dicom.reader import read
from sluice.errors import SluiceError

PROTOCOLS = ("dicomweb", "dimse")
PATIENTS, STUDIES = 3, 2
# A plain series, a compressed one, a contour, and one that is most of the bytes: what, and how
# many in each study.
SERIES = (("MR_small_implicit.dcm", 3), ("JPEG2000.dcm", 2), ("rtstruct.dcm", 1),
          ("CT_small.dcm", 4))  # fmt: skip
PER_STUDY = sum(count for _, count in SERIES)
NAME = "KESTREL"


def accession(patient: int, study: int) -> str:
    return f"{NAME}A{patient}{study}"


def number(patient: int) -> str:
    return f"{NAME}P{patient}"


def study_uid(patient: int, study: int) -> str:
    return f"1.9.7734.{patient + 1}.{study + 1}"


def made(template: str, patient: int, study: int, series: int, instance: int) -> FileDataset:
    """An object of our patients, out of one of pydicom's."""
    dataset = read(BUNDLED / template)
    if template == "JPEG2000.dcm":  # a scintigram that says it is a secondary capture
        dataset.SOPClassUID = NuclearMedicineImageStorage
    dataset.pop("DataSetTrailingPadding", None)  # a DIMSE node may leave it out
    dataset.PatientName, dataset.PatientID = f"{NAME}^{patient}", number(patient)
    dataset.AccessionNumber = accession(patient, study)
    dataset.StudyInstanceUID = study_uid(patient, study)
    dataset.SeriesInstanceUID = f"{study_uid(patient, study)}.{series + 1}"
    dataset.SOPInstanceUID = f"{dataset.SeriesInstanceUID}.{instance + 1}"
    dataset.InstanceNumber = instance + 1
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def population() -> dict[str, bytes]:
    """All objects by their UID: 3 patients with 2 studies of 10 objects each."""
    return {
        str(dataset.SOPInstanceUID): content(dataset)
        for patient in range(PATIENTS)
        for study in range(STUDIES)
        for series, (template, count) in enumerate(SERIES)
        for instance in range(count)
        for dataset in [made(template, patient, study, series, instance)]
    }


def content(dataset: FileDataset) -> bytes:
    dataset.preamble = bytes(128)
    return saved(dataset)


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    said: str


@dataclass(frozen=True)
class World:
    """A folder with a worklist and connections, and a destination."""

    folder: Path
    orthanc: Orthanc

    @property
    def dst(self) -> Path:
        return self.folder / "dst"

    @property
    def report(self) -> dict[str, Any]:
        return json.loads((self.dst / "report.json").read_text())

    @property
    def files(self) -> list[Path]:
        return sorted((self.dst / "studies").rglob("*.dcm"))

    def fetched(self) -> dict[str, Path]:
        """What has been fetched, by UID."""
        return {str(pydicom.dcmread(path).SOPInstanceUID): path for path in self.files}

    def port(self, protocol: str) -> int:
        """Where the archive listens."""
        return {"dicomweb": self.orthanc.web_port, "dimse": self.orthanc.dicom_port}[protocol]

    def worklist(self, *values: str, column: str = "accession") -> Path:
        """Write a worklist; without values, of every study."""
        every = [accession(p, s) for p in range(PATIENTS) for s in range(STUDIES)]
        path = self.folder / "worklist.csv"
        path.write_text("\n".join([f"no,{column}", *(f"1,{v}" for v in values or every)]) + "\n")
        return path

    def connection(self, protocol: str, port: int = 0, **changes: object) -> Path:
        """Write a connection file; changed keys replace those of its section."""
        secret = self.folder / "password"
        secret.write_text(PASSWORD + "\n")
        secret.chmod(0o600)
        port = port or self.port(protocol)
        section: dict[str, object] = (
            {"url": f"http://localhost:{port}/dicom-web",
             "user": USER, "password_file": "password"}
            if protocol == "dicomweb"
            else {"host": "localhost", "port": port, "called_ae": AE,
                  "calling_ae": "SLUICE"}
        )  # fmt: skip
        path = self.folder / "pacs.yaml"
        written = {protocol: section | changes, "wait_seconds": 0.05}
        path.write_text(json.dumps(written))  # JSON is YAML
        return path

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """Start ``sluice imaging``."""
        return subprocess.Popen(
            [sys.executable, "-m", "sluice", "imaging", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words: str | Path) -> Done:
        """Run ``sluice imaging`` in this process, which saves the time of starting."""
        result = CliRunner().invoke(imaging, [str(word) for word in words])
        if isinstance(result.exception, SluiceError):
            return Done(USER_ERROR, f"{result.output}error: {result.exception}\n")
        if result.exception is not None:
            raise result.exception
        return Done(result.exit_code, result.output)

    def pull(self, connection: Path, worklist: Path | None = None) -> Done:
        """Run ``sluice imaging pull``."""
        return self.run("pull", worklist or self.worklist(), self.dst, "--from", connection)


def leaks(text: str) -> Counter[str]:
    """Count what a text must not hold: names, numbers, UIDs of the archive, the password."""
    needles = [NAME, "1.9.7734", PASSWORD]
    return Counter({needle: text.count(needle) for needle in needles if needle in text})
