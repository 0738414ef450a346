"""The real cohort, built and published once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.pipeline.real.build import ADDRESS, ROLES, Real, build


@pytest.fixture(scope="session")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Real:
    """From raw files to the store: run, two signatures, publish. Tests leave it as it is."""
    cohort = build(shared_data, tmp_path_factory.mktemp("real") / "home")
    started = time.monotonic()
    _done(cohort, "run", ADDRESS, "--cores", "2")
    print(f"\nreal cohort: candidates in {time.monotonic() - started:.0f} s")
    for role in ROLES:
        _done(cohort, "approve", ADDRESS, "--role", role, "--key", str(cohort.key(role)))
    _done(cohort, "publish", ADDRESS)
    return cohort


def _done(cohort: Real, *words: str) -> None:
    done = cohort.sluice(*words)
    assert done.returncode == 0, done.stdout + done.stderr
