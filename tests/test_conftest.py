"""A part that a machine lacks is a skip with its reason, or a failure where it is required."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

def test_that_needs_data(shared_data):
    pass

@pytest.mark.skip(reason="only by moonlight")
def test_that_is_skipped_for_another_reason():
    pass

@pytest.mark.xfail(strict=True)
def test_that_is_known_to_fail():
    assert 1 == 2
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A small suite under our conftest, with no shared data beside it."""
    tests = tmp_path / "suite" / "tests"
    tests.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("conftest.py"), tests)
    (tests / "test_parts.py").write_text(TESTS)
    (tests.parent / "pytest.ini").write_text("[pytest]\nmarkers = shared: needs data\n")
    return tests.parent


def run(suite: Path, require: str) -> subprocess.CompletedProcess[str]:
    """Run the suite with ``SLUICE_REQUIRE=require``."""
    env = {key: value for key, value in os.environ.items() if key != "SLUICE_SHARED"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=suite,
        env=env | {"SLUICE_REQUIRE": require},
        capture_output=True,
        text=True,
    )


def test_a_missing_part_is_skipped_and_the_run_closes_with_the_reasons(suite: Path) -> None:
    done = run(suite, "")
    assert done.returncode == 0
    assert "2 skipped, 1 xfailed" in done.stdout
    assert "    1  no shared data: set SLUICE_SHARED" in done.stdout
    assert "    1  only by moonlight" in done.stdout


def test_a_required_part_that_is_missing_fails_and_no_other_skip_does(suite: Path) -> None:
    done = run(suite, "slurm,data")
    assert done.returncode == 1
    assert "1 skipped, 1 xfailed, 1 error" in done.stdout
    assert "SLUICE_REQUIRE forbids this skip: Skipped: no shared data" in done.stdout


def test_an_unknown_part_is_refused(suite: Path) -> None:
    done = run(suite, "slrum")
    assert done.returncode != 0
    assert "SLUICE_REQUIRE names slrum" in done.stderr + done.stdout
