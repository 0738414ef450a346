"""What was released gets into an archive, and nothing else does."""

from __future__ import annotations

import signal
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import UID
from tests.dicom.pacs.gate import gate
from tests.dicom.pacs.world import (
    PATIENTS,
    PER_STUDY,
    PROTOCOLS,
    STUDIES,
    World,
    accession,
    leaks,
)

from sluice.files import read_json

EVERY = PATIENTS * STUDIES * PER_STUDY


def release(world: World) -> Path:
    """De-identify what was fetched, with the command that does it."""
    out = world.folder / "released"
    done = world.run("deidentify", world.dst / "studies", out, "--tier", "controlled",
                     "--vault", world.folder / "vault",
                     "--report", world.folder / "deidentified.json")  # fmt: skip
    assert done.code == 0, done.said
    return out


def in_archive(world: World, released: Path) -> dict[str, dict]:
    """The archive's entries of what was released, as its own interface tells."""
    uids = {path.stem for path in released.glob("*.dcm")}
    entries = {e["MainDicomTags"]["SOPInstanceUID"]: e for e in world.orthanc.instances()}
    return {uid: entry for uid, entry in entries.items() if uid in uids}


def push(world: World, released: Path, port: int = 0) -> tuple[str | Path, ...]:
    connection = world.connection("dicomweb", port)
    return "push", released, "--to", connection, "--report", world.folder / "push.json"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pulled_de_identified_and_pushed_every_object_arrives_once(
    world: World, protocol: str
) -> None:
    assert world.pull(world.connection(protocol)).code == 0
    released = release(world)
    done = world.run(*push(world, released))
    assert done.code == 0, done.said
    assert f"{EVERY} of {EVERY} instances are in the PACS, 0 of them from before" in done.said
    arrived = in_archive(world, released)
    assert len(arrived) == EVERY
    for uid, entry in arrived.items():
        stored = world.orthanc.rest("GET", f"instances/{entry['ID']}/file")
        assert stored == (released / f"{uid}.dcm").read_bytes()
        assert leaks(stored.decode("latin-1")) == {}
    report = read_json(world.folder / "push.json")
    assert (report["instances"], report["stored"], report["missing"]) == (EVERY, EVERY, 0)
    assert leaks(done.said + str(report)) == {} and report["finished"]
    # A second time, nothing is sent.
    with gate(world.port("dicomweb")) as noted:
        done = world.run(*push(world, released, noted.port))
    assert f"{EVERY} of them from before" in done.said and b"POST " not in noted.asked


def test_killed_in_the_middle_it_sends_only_what_lacks(world: World) -> None:
    assert world.pull(world.connection("dicomweb")).code == 0
    released = release(world)
    # The archive answers each study's batch after it has stored it: the gate keeps back the rest.
    with gate(world.port("dicomweb"), allowance=4_000) as held:
        process = world.start(*push(world, released, held.port))
        assert held.held.wait(60)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    before = set(in_archive(world, released))
    assert 0 < len(before) < EVERY
    with gate(world.port("dicomweb")) as noted:
        done = world.run(*push(world, released, noted.port))
    assert done.code == 0, done.said
    assert f"{EVERY} of {EVERY} instances are in the PACS, {len(before)} of them" in done.said
    assert noted.asked.count(b"DICM") == EVERY - len(before)


def test_an_object_that_was_not_released_stops_the_push_before_anything_is_sent(
    world: World,
) -> None:
    assert world.pull(world.connection("dicomweb"), world.worklist(accession(0, 0))).code == 0
    released = release(world)
    raw = world.files[0].read_bytes()
    (released / "zz.dcm").write_bytes(raw)
    with gate(world.port("dicomweb")) as noted:
        done = world.run(*push(world, released, noted.port))
    assert done.code == 2
    assert "error: 1 objects do not say that their patient's identity was removed" in done.said
    assert bytes(noted.asked) == b"" and in_archive(world, released) == {}


def test_an_object_that_the_archive_refuses_is_counted_with_its_reason(world: World) -> None:
    assert world.pull(world.connection("dicomweb"), world.worklist(accession(0, 0))).code == 0
    released = release(world)
    (released / "read.me").write_text("no object")
    (released / "copy.dcm").write_bytes(next(released.glob("2.25.*")).read_bytes())
    broken = pydicom.dcmread(next(released.glob("2.25.*")))
    broken.file_meta.MediaStorageSOPInstanceUID = broken.SOPInstanceUID = UID("2.25.1")
    del broken.SeriesInstanceUID
    broken.save_as(released / "2.25.1.dcm")
    done = world.run(*push(world, released))
    assert done.code == 2
    assert f"{PER_STUDY} of {PER_STUDY + 1} instances are in the PACS" in done.said
    assert "1 files are no DICOM objects" in done.said
    assert "1 files are copies of another" in done.said
    assert "error: 1 instances are not in the PACS" in done.said
    report = read_json(world.folder / "push.json")
    assert sum(report["studies"][0]["failures"].values()) == 1
    assert leaks(done.said + str(report)) == {}


def test_pushing_by_dimse_is_refused(world: World) -> None:
    done = world.run("push", world.folder, "--to", world.connection("dimse"))
    assert done.code == 2 and "Storing in an archive needs DICOMweb" in done.said


def test_a_folder_without_objects_is_refused(world: World) -> None:
    (world.folder / "empty").mkdir()
    done = world.run(*push(world, world.folder / "empty"))
    assert done.code == 2 and "The folder has no DICOM objects" in done.said
    done = world.run(*push(world, world.folder / "nowhere"))
    assert done.code == 2 and "There is no such folder to push" in done.said


def test_an_archive_that_is_not_there_is_told_in_one_sentence(world: World) -> None:
    assert world.pull(world.connection("dicomweb"), world.worklist(accession(0, 0))).code == 0
    done = world.run(*push(world, release(world), port=1))
    assert done.code == 2 and "error: No connection to the PACS" in done.said
