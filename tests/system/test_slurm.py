"""The Slurm of the fixture is a real one, and the profile for clusters drives it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Slurm

ROOT = Path(__file__).resolve().parents[2]

WORKFLOW = """
rule all:
    input: "second.txt"

rule curate:
    output: "first.txt"
    shell: "echo first of job $SLURM_JOB_ID > {output}"

rule bundle:
    input: "first.txt"
    output: "second.txt"
    shell: "(cat {input}; echo second of job $SLURM_JOB_ID) > {output}"
"""


def test_a_job_runs_on_the_node(slurm: Slurm, tmp_path: Path) -> None:
    asked = subprocess.run(
        ["srun", "-n1", "printenv", "SLURM_JOB_ID"],
        env=slurm.env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(asked.stdout) >= 1


@pytest.mark.slow
def test_the_profile_runs_each_rule_as_a_job_of_its_own(slurm: Slurm, tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(WORKFLOW)
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "snakemake",
            "--workflow-profile",
            ROOT / "profiles" / "slurm",
            "--slurm-init-seconds-before-status-checks",
            "1",
            "--seconds-between-status-checks",
            "1",
            "--slurm-logdir",
            tmp_path / "logs",
        ],
        env=slurm.env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    first, second = (tmp_path / "second.txt").read_text().splitlines()
    assert first.startswith("first of job ")
    assert second.startswith("second of job ")
    assert first.split()[-1] != second.split()[-1]
    kept = list((tmp_path / "logs").rglob("*.log"))
    assert len(kept) == 2, "logs of jobs that succeeded are kept"


def test_another_lab_is_refused_while_one_is_up(slurm: Slurm, tmp_path: Path) -> None:
    second = subprocess.run(
        [ROOT / "tests" / "system" / "slurm_up.sh", tmp_path], capture_output=True, text=True
    )
    assert second.returncode == 1
    assert "Another lab is up" in second.stderr
    assert not list(tmp_path.iterdir())
