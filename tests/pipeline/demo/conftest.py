"""The demo is built once; what else is built shares its checkout, its raw files or its vault."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import Slurm
from tests.pipeline.demo.cluster import build_by_slurm
from tests.pipeline.demo.home import (
    ADDRESS,
    Built,
    Home,
    built,
    copy_checkout,
    copy_raw,
    copy_vault,
    new_home,
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder: the first that asks for the demo waits for it."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is shipped, so that a test may edit a module and put it back."""
    return copy_checkout(tmp_path_factory.mktemp("checkout") / "sluice")


@dataclass(frozen=True)
class Published:
    """The published demo, and what ``sluice demo`` said. Tests leave it as it is."""

    home: Home
    said: str
    built: Built


@pytest.fixture(scope="session")
def published(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """``sluice demo``, once."""
    path = tmp_path_factory.mktemp("demo") / "home"
    home = new_home(path, checkout, PYTHONHASHSEED="1", TZ="UTC", LC_ALL="C.UTF-8")
    done = home.sluice("demo", "--cores", "2", umask=0o077)
    assert done.returncode == 0, done.stderr + home.log()
    return Published(home, done.stdout, built(home))


@pytest.fixture(scope="session")
def demo(published: Published) -> Home:
    """The published demo's home. Tests leave it as it is."""
    return published.home


@dataclass(frozen=True)
class Again:
    """The same candidates, built elsewhere. ``built`` is what they were before any test."""

    home: Home
    built: Built


@pytest.fixture(scope="session")
def again(
    demo: Home, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Again:
    """A second build: same vault, everything around it different; unsigned, so its store is empty.

    It goes through Slurm where there is one, and else through one core: a third whole build would
    tell nothing more. Tests may change what lies in this home.
    """
    path = tmp_path_factory.mktemp("again") / "a folder" / "ümlaut"
    surroundings = {"PYTHONHASHSEED": "2", "TZ": "Asia/Kolkata", "LC_ALL": "C"}
    home = new_home(path, demo.checkout, **surroundings)
    copy_raw(demo, home)
    copy_vault(demo, home)
    if cluster := _cluster(request):
        build_by_slurm(home, cluster)
    else:
        done = home.sluice("run", ADDRESS, "--cores", "1", umask=0o022)
        assert done.returncode == 0, done.stderr + home.log()
    return Again(home, built(home))


def _cluster(request: pytest.FixtureRequest) -> Slurm | None:
    try:
        return request.getfixturevalue("slurm")
    except pytest.skip.Exception:
        return None
