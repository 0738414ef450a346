"""An archive that holds our patients' studies."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.dicom.pacs.world import World, population
from tests.system.orthanc import Orthanc


@pytest.fixture(scope="session")
def objects() -> dict[str, bytes]:
    """What lies in the archive, by UID."""
    return population()


@pytest.fixture
def world(orthanc: Orthanc, objects: dict[str, bytes], tmp_path: Path) -> World:
    """A new folder, and the archive as it is filled at first."""
    held = {entry["MainDicomTags"]["SOPInstanceUID"] for entry in orthanc.instances()}
    if held != objects.keys():
        orthanc.empty()
        for content in objects.values():
            orthanc.add(content)
    return World(tmp_path, orthanc)


@pytest.fixture
def lone(tmp_path: Path) -> World:
    """A folder, without an archive."""
    return World(tmp_path, Orthanc(tmp_path, 1, 1))
