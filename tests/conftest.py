"""What every test may ask for, and what happens with a test whose part this machine lacks.

A test that needs a system part or the shared data skips where it is missing, and the run closes
with a table of the skips. ``SLUICE_REQUIRE=slurm,orthanc,data`` turns such a skip into a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from tests.system.orthanc import Orthanc

ROOT = Path(__file__).resolve().parents[1]
SYSTEM = ROOT / "tests" / "system"

# The fixture that brings a part, the marker that it gives to its tests, the part's name in
# SLUICE_REQUIRE.
PARTS = {
    "slurm": ("slurm", "slurm"),
    "chromium": ("chromium", "chromium"),
    "orthanc": ("orthanc", "orthanc"),
    "shared_data": ("shared", "data"),
}

# Tests below these paths share a published demo or a Slurm, and so a process.
ONCE = ("tests/pipeline/demo/", "tests/system/test_slurm")

# The same examples in every run, and no judgement of a busy machine's speed.
settings.register_profile("sluice", derandomize=True, deadline=None)
settings.load_profile("sluice")


def _required() -> set[str]:
    return {part.strip() for part in os.environ.get("SLUICE_REQUIRE", "").split(",")} - {""}


def pytest_configure(config: pytest.Config) -> None:
    """Refuse an unknown part: a typing error must not weaken a check."""
    known = {part for _, part in PARTS.values()}
    if unknown := _required() - known:
        names, parts = ", ".join(sorted(unknown)), ", ".join(sorted(known))
        raise pytest.UsageError(f"SLUICE_REQUIRE names {names}; known are {parts}.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test the marker of the parts that its fixtures need."""
    for item in items:
        for fixture, (marker, _) in PARTS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Deal whole files to the processes, and together what can be there only once.

    That is a published demo, which is dear to build, and a Slurm, which has fixed ports.
    """
    return _Together(config, log)


class _Together(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0]
        return "once" if path.startswith(ONCE) else path


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail instead of skip where the skipped test's part is required."""
    report = yield
    needs = {part for marker, part in PARTS.values() if item.get_closest_marker(marker)}
    if report.skipped and not hasattr(report, "wasxfail") and needs & _required():
        report.outcome = "failed"
        report.longrepr = f"SLUICE_REQUIRE forbids this skip: {_reason(report)}"
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Close with one line for each reason that tests were skipped for."""
    reasons = Counter(
        _reason(report).removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
    )
    if reasons:
        terminalreporter.section("skipped")
        for reason, tests in sorted(reasons.items()):
            terminalreporter.write_line(f"{tests:5d}  {reason}")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The public data sets that lie beside the repository (never inside it)."""
    data = Path(os.environ.get("SLUICE_SHARED", ROOT.parent / "shared")) / "data"
    if not data.is_dir():
        pytest.skip("no shared data: set SLUICE_SHARED to the folder that holds data/")
    return data.resolve()


@dataclass(frozen=True)
class Slurm:
    """A running one-node Slurm. ``env`` is the environment in which its commands find it."""

    lab: Path
    env: dict[str, str]


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A real Slurm on loopback, taken down by pid at the end."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    for program in ("munged", "slurmctld", "slurmd", "sbatch"):
        if not shutil.which(program, path=path):
            pytest.skip("no Slurm: run make system")
    if os.geteuid() != 0:
        pytest.skip("no Slurm: its daemons need root")
    lab = tmp_path_factory.mktemp("slurm")
    lab.chmod(0o755)
    up = subprocess.run([SYSTEM / "slurm_up.sh", lab], capture_output=True, text=True)
    if up.returncode != 0:
        pytest.fail(f"Slurm does not come up: {up.stderr}")
    yield Slurm(lab, os.environ | {"SLURM_CONF": str(lab / "slurm.conf")})
    subprocess.run([SYSTEM / "slurm_down.sh", lab], check=True)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Debian's Chromium; ``tests.system.browser`` drives it."""
    if not (found := shutil.which("chromium")):
        pytest.skip("no Chromium: run make system")
    return found


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """A real picture archive on loopback, ended by its pid; ``tests.system.orthanc`` starts it."""
    from tests.system import orthanc as system

    if not (Path(system.PROGRAM).exists() and Path(system.DICOMWEB).exists()):
        pytest.skip("no Orthanc: run make system")
    with system.running(tmp_path_factory.mktemp("orthanc")) as running:
        yield running
