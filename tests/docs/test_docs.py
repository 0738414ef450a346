"""What the documents say can be looked up."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys

import click
import pytest

from sluice.cli import sluice
from sluice.ledger.chain import Ledger
from sluice.resources import shipped

ROOT = shipped()
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "envs" / "README.md"])
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_the_repository_leads_somewhere(page):
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if ":" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_test_that_a_document_names_exists():
    tests = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/test_*.py"))
    there = set(re.findall(r"def (test_\w+)", tests))
    for page in PAGES:
        named = set(re.findall(r"(?<![/\w])test_\w+(?!\.py|\w)", page.read_text(encoding="utf-8")))
        assert named <= there, page.name


def test_every_command_that_a_document_names_exists():
    # `sluice run …` in code; "sluice.dp" and "sluice-demo" are no commands.
    called = re.compile(r"^\s*sluice ([a-z]+)|`sluice ([a-z]+)", re.MULTILINE)
    known = set(sluice.list_commands(click.Context(sluice)))
    for page in PAGES:
        found = {a or b for a, b in called.findall(page.read_text(encoding="utf-8"))}
        assert found <= known, page.name


def test_the_readme_stays_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150


def test_the_tables_of_thresholds_are_those_that_the_code_computes():
    script = runpy.run_path(str(ROOT / "docs" / "thresholds.py"))
    written = (ROOT / "docs" / "thresholds.md").read_text(encoding="utf-8")
    _, _, tables = written.partition(script["MARK"])
    assert tables.strip() == script["tables"]().strip(), "run docs/thresholds.py --write"


def test_the_auditors_script_accepts_a_ledger_and_names_an_altered_row(tmp_path):
    page = (ROOT / "docs" / "auditor.md").read_text(encoding="utf-8")
    script = tmp_path / "audit.py"
    script.write_text(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], encoding="utf-8")
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(path) as ledger:
        ledger.append("approval", {"name": "Zoë"})
        ledger.append("publish", {"tier": "public"})
        head = ledger.head()

    def audit() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(script), str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert audit().stdout.splitlines()[-1] == f"head {head.seq} {head.hash}"
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]);"
            "d.execute('DROP TRIGGER rows_never_change');"
            "d.execute(\"UPDATE rows SET body = '{}' WHERE seq = 1\"); d.commit()",
            str(path),
        ],
        check=True,
    )
    assert audit().stderr.strip() == "row 1 was altered"
