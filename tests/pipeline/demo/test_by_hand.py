"""Each stage's script, started by hand, writes what its rule wrote."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.pipeline.demo.home import Home

from sluice.config import Layout


class Step(NamedTuple):
    """One script: its arguments, and what it writes (folders, or files alone)."""

    script: str
    arguments: str
    writes: Callable[[Layout], list[Path]]


STEPS = [
    Step("intake", "--modality clinical", lambda w: [w.intake("clinical")]),
    Step("intake", "--modality consent", lambda w: [w.consent]),
    Step("curate", "--modality bulk --part all", lambda w: [w.curate("bulk", "all")]),
    Step(
        "minimize",
        "--tier controlled --modality imaging --part p00of02",
        lambda w: [w.minimize("controlled", "imaging", "p00of02")],
    ),
    Step(
        "deidentify_facts",
        "--tier controlled --modality singlecell",
        lambda w: [w.facts("controlled", "singlecell")],
    ),
    Step(
        "deidentify_plan",
        "--tier registered",
        lambda w: [w.plan("registered"), w.plan_people("registered")],
    ),
    Step(
        "deidentify_apply",
        "--tier controlled --modality imaging --part p00of02",
        lambda w: [w.data("controlled", "imaging", "p00of02")],
    ),
    Step("dp_measure", "", lambda w: [w.data("public", "products", "all")]),
    Step(
        "score",
        "--tier controlled --modality clinical",
        lambda w: [w.score("controlled", "clinical"), w.utility("controlled", "clinical")],
    ),
    Step(
        "validate",
        "--tier controlled",
        lambda w: [w.gates("controlled"), w.review("controlled"), w.datadocs("controlled")],
    ),
    Step(
        "bundle",
        "--tier registered",
        lambda w: [w.candidate("registered"), w.candidate_digest("registered"),
                   w.seal("registered")],
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def copy(demo: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The finished demo in another folder, without Snakemake's records."""
    path = tmp_path_factory.mktemp("by-hand") / "home"
    ignore = shutil.ignore_patterns(".snakemake", "store")
    shutil.copytree(demo.path, path, ignore=ignore, symlinks=True)
    return Home(path, demo.checkout)


def test_every_script_has_a_step() -> None:
    scripts = Path(__file__).parents[3] / "workflow/scripts"
    assert {step.script for step in STEPS} == {path.stem for path in scripts.glob("*.py")}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.script} {step.arguments}".strip())
def test_a_script_run_by_hand_writes_what_its_rule_wrote(
    demo: Home, copy: Home, step: Step
) -> None:
    said = copy.ledger()
    for path in step.writes(copy.layout):
        _remove(path)
    copy.script(step.script, *step.arguments.split())
    for ours, theirs in zip(step.writes(copy.layout), step.writes(demo.layout), strict=True):
        assert _content(ours) == _content(theirs)
        assert _content(theirs)
    assert copy.ledger() == said


def _remove(path: Path) -> None:
    """Remove a folder or a file with its index and record."""
    if path.is_dir():
        shutil.rmtree(path)
    for file in {path, Layout.index(path), Layout.record(path)}:
        file.unlink(missing_ok=True)


def _content(path: Path) -> dict[str, bytes]:
    """Return every byte of a folder or file, its index and its record."""
    inside = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else []
    beside = {p for p in (path, Layout.index(path), Layout.record(path)) if p.is_file()}
    return {p.relative_to(path.parent).as_posix(): p.read_bytes() for p in {*inside, *beside}}
