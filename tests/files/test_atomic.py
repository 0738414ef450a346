"""A file or folder under its name is whole, whatever happens to its writer."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sluice.files import atomic, replacing_file, replacing_folder

_KILLED = """
import importlib.util, os, signal, sys
from pathlib import Path

# Alone, without the package's other imports: they take a second.
spec = importlib.util.spec_from_file_location("atomic", sys.argv[3])
atomic = importlib.util.module_from_spec(spec)
spec.loader.exec_module(atomic)

def die():
    os.kill(os.getpid(), signal.SIGKILL)

path, moment = Path(sys.argv[1]), sys.argv[2]
writers = {"file": atomic.replacing_file, "folder": atomic.replacing_folder}
kind, _, moment = moment.partition(" ")
renames = 0
rename = os.rename
def counted(*args):
    global renames
    if moment == f"before rename {renames}":
        die()
    rename(*args)
    renames += 1
    if moment == f"after rename {renames}":
        die()
os.rename = os.replace = counted
with writers[kind](path) as out:
    inner = out if kind == "file" else out / "inner"
    with inner.open("w") as handle:
        handle.write("half")
        handle.flush()
        if moment == "writing":
            die()
        handle.write(" and half")
"""


def killed(path: Path, moment: str) -> None:
    source = str(atomic.__file__)
    done = subprocess.run([sys.executable, "-c", _KILLED, str(path), moment, source], check=False)
    assert done.returncode == -signal.SIGKILL


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("file writing", "old"),
        ("file before rename 0", "old"),
        ("file after rename 1", "half and half"),
    ],
)
def test_a_writer_that_is_killed_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, moment: str, text: str
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    killed(path, moment)
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("folder writing", "old"),
        ("folder before rename 0", "old"),
        ("folder before rename 1", None),  # between the two renames: absent, never half
        ("folder after rename 2", "half and half"),
    ],
)
def test_a_folder_whose_writer_is_killed_is_old_new_or_absent_and_the_next_writer_tidies(
    tmp_path: Path, moment: str, text: str | None
) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "inner").write_text("old")
    killed(path, moment)
    assert (path / "inner").read_text() == text if text else not path.exists()
    with replacing_folder(path) as out:
        (out / "inner").write_text("next")
    assert names(tmp_path) == ["folder"]
    assert (path / "inner").read_text() == "next"


def test_a_writer_that_fails_changes_nothing(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("old")
    folder.mkdir()
    (folder / "inner").write_text("old")
    with pytest.raises(ZeroDivisionError), replacing_file(file) as out:
        out.write_text("new")
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), replacing_folder(folder) as out:
        (out / "inner").write_text("new")
        raise ZeroDivisionError
    assert (file.read_text(), (folder / "inner").read_text()) == ("old", "old")
    assert names(tmp_path) == ["file", "folder"]


def test_a_new_folder_holds_nothing_of_the_old_one(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with replacing_folder(tmp_path / "folder") as out:
            (out / name).write_text(name)
    assert names(tmp_path / "folder") == ["second"]
