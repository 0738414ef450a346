"""Whatever fails, one line is printed, and never a value."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sluice.errors import SluiceError

SECRET = "CANARY-7731"

_SCRIPT = """
import sys
from sluice.console import guard
SECRET = "CANARY-" + "7731"

def main():
    {body}

raise SystemExit(guard(main))
"""


def run(body: str, *, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(body=body)], capture_output=True, text=True, cwd=cwd
    )


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("raise ValueError(SECRET)", 3, "internal fault ValueError at"),
        ("int(SECRET)", 3, "internal fault ValueError"),
        ("{}[SECRET]", 3, "internal fault KeyError"),
        ("import pandas as pd; pd.to_datetime([SECRET])", 3, "internal fault"),
        ("f = lambda: f(); f()", 3, "internal fault RecursionError"),
        ("raise OSError(SECRET)", 3, "internal fault OSError"),
        ("open('/proc/1/nothing-' + SECRET)", 2, "No such file or directory"),
        ("import errno; raise OSError(errno.ENOSPC, SECRET)", 2, "No space left on device"),
        ("raise ExceptionGroup(SECRET, [ValueError(SECRET)])", 3, "internal fault ExceptionGroup"),
    ],
)
def test_a_fault_prints_its_kind_and_place_and_no_value(
    tmp_path: Path, body: str, code: int, said: str
) -> None:
    done = run(body, cwd=tmp_path)
    assert done.returncode == code
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert said in done.stderr and "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "body",
    [
        "import warnings; warnings.warn(SECRET)",
        "import logging; logging.getLogger('pydicom').error(SECRET)",
        "import threading; t = threading.Thread(target=int, args=(SECRET,)); t.start(); t.join()",
        "exec('class X:\\n def __del__(self): int(SECRET)'); eval('X()')",
        "from pydicom.dataset import Dataset; d = Dataset(); d.PatientBirthDate = SECRET",
    ],
    ids=["warning", "log", "thread", "finaliser", "pydicom"],
)
def test_a_library_that_talks_prints_no_value(tmp_path: Path, body: str) -> None:
    plain = subprocess.run(
        [sys.executable, "-c", f"SECRET = 'CANARY-' + '7731'\n{body}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert SECRET in plain.stderr, "the library would have said it"
    done = run(body, cwd=tmp_path)
    assert done.returncode == 0
    assert SECRET not in done.stdout + done.stderr and "Traceback" not in done.stderr


def test_an_error_of_the_user_is_its_one_sentence(tmp_path: Path) -> None:
    body = "from sluice.errors import SluiceError; raise SluiceError('A', where='b', mend='c')"
    done = run(body, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: A (b); c.\n")
    assert str(SluiceError("A")) == "A."


def test_everything_that_is_written_is_private(tmp_path: Path) -> None:
    assert (
        run("open('f', 'w').close(); import os; os.makedirs('a/b')", cwd=tmp_path).returncode == 0
    )
    assert {(tmp_path / n).stat().st_mode & 0o077 for n in ("f", "a", "a/b")} == {0}


def test_a_reader_that_goes_away_is_no_fault(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(body="print('x' * 10**6, flush=True)")],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    os.close(write)
    assert done.returncode != 0 and "Traceback" not in done.stderr and "error" not in done.stderr
