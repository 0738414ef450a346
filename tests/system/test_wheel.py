"""The wheel carries all that the command needs, and works where there is no checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def build(folder: Path) -> Path:
    """Build the wheel into ``folder`` with the locked build tools, without the network."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
        text=True,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    return build(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_carries_the_workflow_and_every_shipped_file(wheel: Path) -> None:
    carried = set(zipfile.ZipFile(wheel).namelist())
    tracked = [ROOT / "Snakefile", ROOT / "envs" / "requirements.txt"]
    for folder in ("config", "profiles", "resources", "workflow/rules", "workflow/scripts"):
        tracked += [p for p in (ROOT / folder).rglob("*") if p.is_file() and p.suffix != ".pyc"]
    expected = {f"sluice/_shipped/{path.relative_to(ROOT).as_posix()}" for path in tracked}
    modules = {
        path.relative_to(ROOT / "workflow").as_posix()
        for path in (ROOT / "workflow" / "sluice").rglob("*.py")
    }
    assert expected | modules <= carried


def test_the_wheel_carries_nothing_else(wheel: Path) -> None:
    for name in zipfile.ZipFile(wheel).namelist():
        assert name.startswith(("sluice/", "sluice-")), name
        assert not name.endswith(".pyc"), name


def test_two_builds_are_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == wheel.read_bytes()


@pytest.mark.slow
def test_the_command_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    for what in (
        ["--require-hashes", "-r", ROOT / "envs" / "requirements.txt"],
        ["--no-deps", wheel],
    ):
        install = ["pip", "install", "-qq", "--disable-pip-version-check", "--no-compile"]
        subprocess.run([python, "-m", *install, *map(str, what)], check=True)

    home = tmp_path / "home"
    home.mkdir()
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [python.with_name("sluice"), "doctor"],
        cwd=home,
        env=env | {"HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
    assert "Traceback" not in done.stderr
