"""The tiny cohort, fresh for a test or already run for all of them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.pipeline.tiny import Tiny, make_tiny, mrn

HTML = "<script>alert(1)</script>"


@pytest.fixture
def tiny_cohort(tmp_path: Path) -> Tiny:
    """The tiny cohort, fresh."""
    return make_tiny(tmp_path)


@dataclass(frozen=True)
class Resumed:
    """A run that was killed half-way and resumed.

    ``second`` is what a second run said while the first was at work, ``first_exit`` how the first
    ended, ``before`` the outputs that were there when it was killed, ``rerun`` what resuming said.
    """

    tiny: Tiny
    second: subprocess.CompletedProcess[str]
    first_exit: int
    before: list[str]
    rerun: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> Resumed:
    """One good run of the tiny cohort, with everything that may go wrong around it.

    Participant 0 has no consent, participant 1 withdrew, participant 2 has HTML in name and note.
    """
    tiny = make_tiny(tmp_path_factory.mktemp("tiny"))
    rows = tiny.rows("consent.csv")
    assert rows[0]["mrn"] == mrn(0)
    rows[1]["withdrawn_on"] = "2024-06-01"
    tiny.write("consent.csv", rows[1:])
    tiny.set_cell("people.csv", 2, "name", HTML)
    tiny.set_cell("people.csv", 2, "note", f"stable {HTML}")
    first = tiny.start()
    _await(first, tiny.base / "listing.json")
    second = tiny.run()
    _await(first, tiny.base / "curate/clinical/all.record.json")
    os.killpg(first.pid, signal.SIGKILL)  # the whole session, as when the node goes down
    first.communicate()
    before = sorted(p.relative_to(tiny.base).as_posix() for p in tiny.base.rglob("*.index.json"))
    left = tiny.base / "curate" / "clinical" / ".all.new-1"
    left.mkdir()  # what a job leaves that is killed while it writes
    (left / "people.parquet").write_bytes(b"half")
    return Resumed(tiny, second, first.returncode, before, tiny.run())


def _await(process: subprocess.Popen[str], path: Path) -> None:
    for _ in range(1200):
        if path.exists():
            return
        if process.poll() is not None:
            pytest.fail(f"the run ended early: {process.communicate()[1]}")
        time.sleep(0.05)
    pytest.fail(f"{path.name} did not appear")
