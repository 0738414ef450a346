from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.release.world import World

from sluice.release import verify as module
from sluice.release.verify import MANIFEST, TAG_MANIFEST, verify


@pytest.fixture
def bundle(world: World) -> Path:
    world.build()
    return world.candidate()


def test_a_sound_bundle_has_nothing_wrong(bundle: Path) -> None:
    assert verify(bundle) == []


def _alter(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


CHANGES = {
    "data/clinical/visits.parquet: altered": lambda b: _alter(b / "data/clinical/visits.parquet"),
    "README.md: altered": lambda b: _alter(b / "README.md"),
    f"{MANIFEST}: altered": lambda b: (b / MANIFEST).write_text(
        "".join(reversed((b / MANIFEST).read_text().splitlines(keepends=True)))
    ),
    "TERMS.md: missing": lambda b: (b / "TERMS.md").unlink(),
    "data/x/y.txt: not listed": lambda b: (
        (b / "data/x").mkdir(),
        (b / "data/x/y.txt").write_text("x"),
    ),
    ".hidden: not listed": lambda b: (b / ".hidden").write_text("x"),
    "a link, not a file": lambda b: (
        (b / "README.md").rename(b.parent / "away.md"),
        (b / "README.md").symlink_to(b.parent / "away.md"),
    ),
    "not a digest and a path inside": lambda b: (b / TAG_MANIFEST).write_text(
        (b / TAG_MANIFEST).read_text() + f"{'0' * 64}  ../../outside\n"
    ),
    "stands twice": lambda b: (b / TAG_MANIFEST).write_text((b / TAG_MANIFEST).read_text() * 2),
    "bagit.txt: not listed": lambda b: (b / TAG_MANIFEST).write_text(
        "".join(
            line
            for line in (b / TAG_MANIFEST).read_text().splitlines(keepends=True)
            if "bagit.txt" not in line
        )
    ),
    "Payload-Oxum": lambda b: (b / "bag-info.txt").write_text("Payload-Oxum: 1.1\n"),
    "is missing": lambda b: (b / "bagit.txt").unlink(),
}


@pytest.mark.parametrize("expected", CHANGES)
def test_each_alteration_is_named(bundle: Path, expected: str) -> None:
    CHANGES[expected](bundle)
    assert any(expected in problem for problem in verify(bundle))


def test_no_folder_is_no_bundle(tmp_path: Path) -> None:
    assert verify(tmp_path / "none") == ["There is no such folder."]


def test_it_runs_alone_without_sluice_and_says_what_it_checked(
    bundle: Path, tmp_path: Path
) -> None:
    script = tmp_path / "verify.py"
    script.write_bytes(Path(module.__file__).read_bytes())
    command = [sys.executable, "-I", "-S", str(script), str(bundle)]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0
    assert "4 data files" in done.stdout
    assert "bundle digest" in done.stdout
    assert "INTACT, NOT AUTHENTICATED" in done.stdout
    _alter(bundle / "README.md")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "README.md: altered." in done.stderr
