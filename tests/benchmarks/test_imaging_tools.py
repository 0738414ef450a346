"""How tools are run and what is taken for their cost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.imaging import tools


def test_the_peak_is_the_command_s_own_and_not_its_caller_s() -> None:
    ballast = bytearray(300 << 20)
    _, _, small = tools.timed([sys.executable, "-S", "-c", "pass"])
    _, _, large = tools.timed([sys.executable, "-S", "-c", "len(bytearray(200 << 20))"])
    assert len(ballast) and small < 100 < 200 < large < 300


def test_children_of_a_command_count() -> None:
    child = "import subprocess,sys; subprocess.run([sys.executable,'-c','len(bytearray(200<<20))'])"
    assert tools.timed([sys.executable, "-c", child])[2] > 200


def test_a_command_that_fails_is_no_measure() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        tools.timed([sys.executable, "-c", "raise SystemExit(3)"])


def test_a_copy_gives_every_file_back(tmp_path: Path) -> None:
    (tmp_path / "raw" / "deep").mkdir(parents=True)
    (tmp_path / "raw" / "deep" / "a").write_bytes(b"a")
    outcome = tools.copy(tmp_path / "raw", tmp_path / "home")
    assert {name: path.read_bytes() for name, path in outcome.files.items()} == {"deep/a": b"a"}
