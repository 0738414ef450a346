"""A real Orthanc on loopback, as the archive that studies are fetched from and stored in."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

PROGRAM = "/usr/sbin/Orthanc"
DICOMWEB = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
AE, USER, PASSWORD = "ORTHANC", "sluice", "kestrel"


@dataclass(frozen=True)
class Orthanc:
    """A running archive that asks for a user, and for its AE title."""

    lab: Path
    web_port: int
    dicom_port: int

    @property
    def url(self) -> str:
        return f"http://localhost:{self.web_port}"

    def rest(self, method: str, path: str, content: bytes | None = None) -> Any:
        """Call Orthanc's own interface, which Sluice does not use."""
        answer = requests.request(
            method,
            f"{self.url}/{path}",
            data=content,
            auth=(USER, PASSWORD),
            timeout=20,
        )
        answer.raise_for_status()
        kind = answer.headers.get("Content-Type", "")
        return answer.json() if "json" in kind else answer.content

    def add(self, content: bytes) -> str:
        """Store an object; return the name that Orthanc gives it."""
        return str(self.rest("POST", "instances", content)["ID"])

    def instances(self) -> list[dict[str, Any]]:
        """Every object that it holds."""
        return list(self.rest("GET", "instances?expand"))

    def empty(self) -> None:
        """Forget everything."""
        for patient in self.rest("GET", "patients"):
            self.rest("DELETE", f"patients/{patient}")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(lab: Path, **settings: Any) -> Iterator[Orthanc]:
    """Start an Orthanc whose files lie in ``lab``; end it by its pid."""
    orthanc = Orthanc(lab, _free_port(), _free_port())
    known = {
        "StorageDirectory": str(lab / "storage"),
        "IndexDirectory": str(lab / "storage"),
        "HttpPort": orthanc.web_port,
        "DicomPort": orthanc.dicom_port,
        "DicomAet": AE,
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "RemoteAccessAllowed": False,
        "SyncStorageArea": False,
        "Plugins": [DICOMWEB],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (lab / "orthanc.json").write_text(json.dumps(known | settings))
    with (lab / "log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, lab / "orthanc.json"], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait(orthanc, process)
        yield orthanc
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(orthanc: Orthanc, process: subprocess.Popen) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            orthanc.rest("GET", "system")
            return
        except requests.ConnectionError:
            if process.poll() is not None or time.monotonic() > until:
                log = (orthanc.lab / "log").read_text(errors="replace")
                raise AssertionError(f"Orthanc does not come up: {log[-2000:]}") from None
            time.sleep(0.05)
