"""The two profiles agree where they must, and speak of rules that exist."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]


def profile(name: str) -> dict[str, Any]:
    """Return a profile's settings."""
    return YAML(typ="safe").load(ROOT / "profiles" / name / "config.yaml")


def test_both_profiles_rerun_for_the_same_reasons() -> None:
    for key in ("rerun-triggers", "rerun-incomplete", "scheduler", "keep-going"):
        assert profile("default")[key] == profile("slurm")[key]
    assert "code" not in profile("default")["rerun-triggers"]


def test_resources_are_set_for_rules_that_exist() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "snakemake", "--list-rules", "--quiet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(profile("slurm")["set-resources"]) <= set(listed.stdout.split())


def test_neither_profile_prints_commands_or_keeps_a_place_of_one_site() -> None:
    for name in ("default", "slurm"):
        assert profile(name)["printshellcmds"] is False
        assert "slurm_partition" not in profile(name).get("default-resources", {})
