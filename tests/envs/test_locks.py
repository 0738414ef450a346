"""The locks pin and hash all that `pyproject.toml` asks for; the other forms follow from them."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
ENVS = ROOT / "envs"
LOCKS = {name: (ENVS / f"{name}.txt").read_text() for name in ("requirements", "requirements-dev")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(lock: str, python: str) -> dict[str, str]:
    """Return name -> version of what the lock installs with ``python`` on Linux."""
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    found: dict[str, str] = {}
    for line in re.findall(r"^[a-z0-9].*?(?= *\\?$)", LOCKS[lock], flags=re.MULTILINE):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert requirement.name not in found, f"{requirement.name} is pinned twice"
            found[requirement.name] = str(requirement.specifier).removeprefix("==")
    return found


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("lock", LOCKS)
def test_every_direct_dependency_is_pinned_to_a_version_that_it_allows(
    lock: str, python: str
) -> None:
    pinned = pins(lock, python)
    wanted = PROJECT["dependencies"] + (
        PROJECT["optional-dependencies"]["dev"] if lock == "requirements-dev" else []
    )
    for requirement in map(Requirement, wanted):
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} is pinned to {version}"


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_tests_run_with_the_very_versions_that_users_run(python: str) -> None:
    runtime, development = pins("requirements", python), pins("requirements-dev", python)
    assert runtime.items() <= development.items()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash_and_no_line_names_a_place(lock: str) -> None:
    entries = re.split(r"^(?=[a-z0-9])", LOCKS[lock], flags=re.MULTILINE)[1:]
    assert len(entries) > 100
    unhashed = [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry]
    assert unhashed == []
    assert "://" not in LOCKS[lock]
    assert "--index-url" not in LOCKS[lock]
    assert "--find-links" not in LOCKS[lock]


@pytest.mark.parametrize("name", ["environment.yaml", "Containerfile"])
def test_the_other_forms_are_what_the_lock_gives(name: str) -> None:
    derived = runpy.run_path(str(ENVS / "derive.py"))["derived"]
    lock = (ENVS / "requirements.txt").read_bytes()
    assert (ENVS / name).read_text() == derived(lock)[name], "run envs/derive.py"
    assert derived(lock + b"\n")[name] != derived(lock)[name]
