"""Studies come whole, once, and without telling who they are of."""

from __future__ import annotations

import errno
import logging
import re
import signal
import stat
import time
from collections import Counter
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from tests.dicom.pacs.gate import gate
from tests.dicom.pacs.world import (
    PATIENTS,
    PER_STUDY,
    PROTOCOLS,
    STUDIES,
    World,
    accession,
    content,
    leaks,
    made,
    number,
    study_uid,
)

EVERY = PATIENTS * STUDIES * PER_STUDY
both = pytest.mark.parametrize("protocol", PROTOCOLS)


@both
def test_every_object_comes_as_the_archive_holds_it(
    world: World, objects: dict[str, bytes], protocol: str
) -> None:
    done = world.pull(world.connection(protocol))
    assert done.code == 0, done.said
    assert f"{EVERY} of {EVERY} instances are here, {EVERY} of them new; 0 lack" in done.said
    fetched = world.fetched()
    assert fetched.keys() == objects.keys()
    for uid, path in fetched.items():
        mine, theirs = pydicom.dcmread(path), pydicom.dcmread(BytesIO(objects[uid]))
        assert mine == theirs
        assert mine.file_meta.TransferSyntaxUID == theirs.file_meta.TransferSyntaxUID
        # By DIMSE, no file is sent but a data set: the meta information is the receiver's.
        assert protocol == "dimse" or path.read_bytes() == objects[uid]
    assert {key: world.report[key] for key in ("expected", "received", "new", "missing")} == {
        "expected": EVERY, "received": EVERY, "new": EVERY, "missing": 0,
    }  # fmt: skip


@both
def test_names_messages_and_report_tell_nothing(world: World, protocol: str) -> None:
    done = world.pull(world.connection(protocol), world.worklist("nobody", accession(0, 0)))
    everywhere = done.said + (world.dst / "report.json").read_text()
    names = "".join(str(path.relative_to(world.dst)) for path in world.dst.rglob("*"))
    assert leaks(world.files[0].read_bytes().decode("latin-1")), "the needles are in the files"
    assert leaks(everywhere + names) == {} and "nobody" not in everywhere
    assert re.fullmatch(r"studies/[0-9a-f]{20}/[0-9a-f]{20}/[0-9a-f]{20}\.dcm",
                        world.files[0].relative_to(world.dst).as_posix())  # fmt: skip


@both
def test_no_library_logs_what_it_asks_for(
    world: World, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Both libraries log UIDs and whole answers for whoever listens; here nobody can."""
    caplog.set_level(logging.DEBUG)
    assert world.pull(world.connection(protocol), world.worklist(accession(0, 0))).code == 0
    assert world.pull(world.connection(protocol, port=1)).code == 2
    assert leaks(caplog.text) == {}


def test_names_cannot_be_computed_without_the_key_of_the_folder(world: World) -> None:
    first, second = (World(world.folder / name, world.orthanc) for name in "ab")
    for each in (first, second):
        each.folder.mkdir()
        assert each.pull(each.connection("dicomweb"), each.worklist(accession(0, 0))).code == 0
    names = [{path.name for path in each.files} for each in (first, second)]
    assert len(names[0]) == PER_STUDY and not names[0] & names[1]


def test_the_destination_is_private(world: World) -> None:
    worklist, connection = world.worklist(accession(0, 0)), world.connection("dicomweb")
    process = world.start("pull", worklist, world.dst, "--from", connection)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [world.dst, *world.dst.rglob("*")]}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


@both
def test_a_second_run_fetches_nothing_and_leaves_the_files_alone(
    world: World, protocol: str
) -> None:
    connection = world.connection(protocol)
    assert world.pull(connection).code == 0
    before = {path: path.stat().st_mtime_ns for path in world.files}
    done = world.pull(connection)
    assert done.code == 0 and "0 of them new; 0 lack" in done.said
    assert {path: path.stat().st_mtime_ns for path in world.files} == before


@both
def test_killed_in_the_middle_it_resumes_and_asks_only_for_what_lacks(
    world: World, objects: dict[str, bytes], protocol: str
) -> None:
    worklist = world.worklist()
    middle = {"dicomweb": 650_000, "dimse": 560_000}[protocol]  # in the third study's last series
    with gate(world.port(protocol), allowance=middle) as held:
        process = world.start(
            "pull", worklist, world.dst, "--from", world.connection(protocol, held.port)
        )
        assert held.held.wait(60)
        until = time.monotonic() + 60
        while len(world.files) < 2 * PER_STUDY + 7 and time.monotonic() < until:
            time.sleep(0.01)  # what has passed the gate is still on its way
        process.send_signal(signal.SIGKILL)
        process.communicate()
    before = {uid: path.stat().st_mtime_ns for uid, path in world.fetched().items()}
    last_series = Counter(uid.rpartition(".")[0] for uid in before if uid.split(".")[5] == "4")
    assert min(last_series.values()) < 4, "a series is there in part"
    leftover = world.files[0].with_name(".half.dcm.new-1")
    leftover.write_bytes(b"DICM")

    with gate(world.port(protocol)) as noted:
        done = world.pull(world.connection(protocol, noted.port), worklist)
    assert done.code == 0, done.said
    assert f"{EVERY - len(before)} of them new; 0 lack" in done.said
    after = world.fetched()
    assert after.keys() == objects.keys() and not leftover.exists()
    assert before == {uid: after[uid].stat().st_mtime_ns for uid in before}
    asked = requested(bytes(noted.asked), protocol, objects)
    assert asked == objects.keys() - before.keys()


def requested(sent: bytes, protocol: str, objects: Iterable[str]) -> set[str]:
    """Read from what went over the wire which objects were asked for."""
    if protocol == "dimse":
        # In a C-GET's identifier, the UIDs stand in one value, parted by backslashes.
        values = re.findall(rb"\x08\0\x18\0.{4}([.0-9\\]+)", sent, re.DOTALL)
        return {uid.decode() for value in values for uid in value.split(b"\\") if uid}
    paths = re.findall(rb"GET /dicom-web/studies/[.0-9]+/series/([.0-9]+)([^ ?]*)", sent)
    whole = {series.decode() for series, rest in paths if not rest}
    singly = {rest.rpartition(b"/")[2].decode() for _, rest in paths if rest}
    return singly | {uid for uid in objects if uid.rpartition(".")[0] in whole}


@both
def test_a_connection_that_breaks_is_taken_up_again(
    world: World, objects: dict[str, bytes], protocol: str
) -> None:
    with gate(world.port(protocol), allowance=500_000, cuts=True) as cut:
        done = world.pull(world.connection(protocol, cut.port))
        assert cut.held.is_set()
    assert done.code == 0, done.said
    # Orthanc answers a series without a length: by DICOMweb, its end may come early unnoticed.
    assert protocol == "dicomweb" or "the connection broke; trying again in 0.05 s" in done.said
    for uid, path in world.fetched().items():
        assert pydicom.dcmread(path) == pydicom.dcmread(BytesIO(objects[uid]))
    asked = requested(bytes(cut.asked), protocol, objects)
    assert asked == objects.keys()


@both
def test_an_archive_that_goes_away_ends_the_run_with_a_report_of_what_is_there(
    world: World, protocol: str
) -> None:
    with gate(world.port(protocol), allowance=500_000, cuts=True) as cut:
        process = world.start(
            "pull", world.worklist(), world.dst, "--from", world.connection(protocol, cut.port)
        )
        assert cut.held.wait(60)
        cut.close()
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "error: No connection to the PACS" in said and leaks(said) == {}
    assert world.report["finished"] is False and len(world.report["studies"]) >= 1


@both
def test_a_study_that_grows_between_two_runs_is_made_whole(world: World, protocol: str) -> None:
    connection, worklist = world.connection(protocol), world.worklist(accession(0, 0))
    assert world.pull(connection, worklist).code == 0
    name = world.orthanc.add(content(made("CT_small.dcm", 0, 0, 0, 77)))
    try:
        done = world.pull(connection, worklist)
    finally:
        world.orthanc.rest("DELETE", f"instances/{name}")
    assert done.code == 0
    assert f"{PER_STUDY + 1} of {PER_STUDY + 1} instances are here, 1 of them new" in done.said
    # And when it shrinks again, what was fetched stays, and is counted.
    done = world.pull(connection, worklist)
    assert done.code == 0
    assert "1 instances here that the PACS does not list for this worklist" in done.said
    assert world.report["not_listed"] == 1 and len(world.files) == PER_STUDY + 1


def test_rows_that_match_nothing_are_counted_and_the_others_fetched(world: World) -> None:
    worklist = world.worklist("nobody", accession(0, 0), "nothing", accession(0, 0))
    done = world.pull(world.connection("dicomweb"), worklist)
    assert done.code == 2 and len(world.files) == PER_STUDY
    assert "1 repeated worklist rows" in done.said
    assert (
        "error: Not everything on the worklist is here (worklist; nothing found for rows 1, 3)"
        in done.said
    )
    assert world.report["unmatched"] == [1, 3] and world.report["duplicates"] == 1


@both
def test_a_patient_s_studies_are_all_fetched(world: World, protocol: str) -> None:
    worklist = world.worklist(number(1), column="patient")
    assert world.pull(world.connection(protocol), worklist).code == 0
    found = {str(pydicom.dcmread(path).StudyInstanceUID) for path in world.files}
    assert found == {study_uid(1, study) for study in range(STUDIES)}
    assert len(world.files) == STUDIES * PER_STUDY


def test_an_answer_to_another_number_is_not_fetched(world: World) -> None:
    """Orthanc compares without case: it finds a patient that nobody asked for."""
    other = number(1).lower()
    section = "studies?PatientID=" + other
    assert world.orthanc.rest("GET", "dicom-web/" + section), "the archive does find it"
    done = world.pull(world.connection("dicomweb"), world.worklist(other, column="patient"))
    assert done.code == 2 and "nothing found for row 1" in done.said
    assert f"{STUDIES} answers to another number, not fetched" in done.said
    assert world.files == []


@both
def test_a_number_of_two_patients_is_not_fetched(world: World, protocol: str) -> None:
    stranger = made("CT_small.dcm", 1, 7, 0, 0)
    stranger.AccessionNumber = accession(0, 0)
    name = world.orthanc.add(content(stranger))
    try:
        done = world.pull(world.connection(protocol), world.worklist(accession(0, 0)))
    finally:
        world.orthanc.rest("DELETE", f"instances/{name}")
    assert done.code == 2 and "more than one patient found for row 1" in done.said
    assert world.files == [] and world.report["ambiguous"] == [1]


@both
def test_a_wrong_port_is_told_in_one_sentence(world: World, protocol: str) -> None:
    done = world.pull(world.connection(protocol, port=1))
    assert done.code == 2
    assert done.said.startswith("error: No connection to the PACS")
    assert len(done.said.splitlines()) == 1 and "trying again" not in done.said


def test_a_port_that_speaks_another_protocol_is_told_in_one_sentence(world: World) -> None:
    done = world.pull(world.connection("dimse", port=world.orthanc.web_port))
    assert done.code == 2 and "does not speak DICOM" in done.said
    done = world.pull(world.connection("dicomweb", port=world.orthanc.dicom_port))
    assert done.code == 2 and "No connection to the PACS" in done.said


def test_a_wrong_ae_title_is_told_in_one_sentence(world: World) -> None:
    done = world.pull(world.connection("dimse", called_ae="ELSEWHERE"))
    assert done.code == 2
    assert "does not go by the AE title that it was called (dimse.called_ae)" in done.said


def test_a_wrong_password_is_told_in_one_sentence(world: World) -> None:
    connection = world.connection("dicomweb")
    (world.folder / "password").write_text("wrong\n")
    done = world.pull(connection)
    assert done.code == 2 and "does not let us in (HTTP 401)" in done.said
    assert "wrong" not in done.said


def test_a_wrong_path_is_told_in_one_sentence(world: World) -> None:
    url = f"http://localhost:{world.orthanc.web_port}/elsewhere"
    done = world.pull(world.connection("dicomweb", url=url))
    assert done.code == 2 and "HTTP 404" in done.said and "dicomweb.url" in done.said


def test_a_folder_that_holds_something_else_is_refused(world: World) -> None:
    world.dst.mkdir(mode=0o700)
    (world.dst / "thesis.txt").write_text("mine")
    done = world.pull(world.connection("dicomweb"))
    assert done.code == 2 and "The destination holds other files" in done.said
    assert [path.name for path in world.dst.iterdir()] == ["thesis.txt"]


def test_a_folder_that_others_can_read_is_refused(world: World) -> None:
    world.dst.mkdir()
    world.dst.chmod(0o755)
    done = world.pull(world.connection("dicomweb"))
    assert done.code == 2 and "The destination can be read by others" in done.said


def test_a_git_tree_is_refused(world: World) -> None:
    (world.folder / ".git").mkdir()
    done = world.pull(world.connection("dicomweb"))
    assert done.code == 2 and "The destination lies inside a git tree" in done.said
    assert not world.dst.exists()


def test_two_commands_do_not_fetch_into_one_folder(world: World) -> None:
    with gate(world.port("dicomweb"), allowance=0) as held:
        first = world.start("pull", world.worklist(), world.dst, "--from",
                            world.connection("dicomweb", held.port))  # fmt: skip
        assert held.held.wait(60)
        second = world.pull(world.connection("dicomweb"))
        first.kill()
        first.communicate()
    assert second.code == 2 and "Another command fetches into the destination" in second.said


def test_a_damaged_state_is_refused(world: World) -> None:
    connection, worklist = world.connection("dicomweb"), world.worklist(accession(0, 0))
    assert world.pull(connection, worklist).code == 0
    (world.dst / "pull-state.json").write_text("{}")
    done = world.pull(connection, worklist)
    assert done.code == 2 and "The destination's state is damaged" in done.said


@both
def test_a_full_disk_ends_the_run_and_leaves_nothing_half_written(
    world: World, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if ".dcm" not in path.name:
            return whole(path, content)
        whole(path, content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        world.pull(world.connection(protocol))
    assert [path for path in (world.dst / "studies").rglob("*") if path.is_file()] == []
    assert world.report["finished"] is False and world.report["received"] == 0
