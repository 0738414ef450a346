"""A limit that is not kept: the evidence stays, no bundle is built, nothing is published."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.pipeline.demo.conftest import Again
from tests.pipeline.demo.home import ADDRESS, Home, edit_yaml

from sluice.files import read_json

STRICT = {"policies/demo.yaml": {"tiers/controlled/limits/prosecutor/max": 0.01}}
TIER = "registered"


@pytest.fixture(scope="module")
def home(again: Again) -> Home:
    """Built candidates that nobody signed, and an empty store."""
    return again.home


@pytest.fixture(scope="module")
def refused(home: Home) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Run the release again with a limit that the demo cannot keep."""
    file = home.variant("strict", STRICT)
    return file, home.sluice("run", ADDRESS, "--config", file, "--cores", "2")


Refused = tuple[Path, subprocess.CompletedProcess[str]]


def test_a_lowered_limit_stops_the_run_with_one_sentence_and_a_mend(refused: Refused) -> None:
    _, done = refused
    assert done.returncode == 2
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Prosecutor of clinical table" in said
    assert "limit 0.01" in said
    assert "coarsen a quasi-identifier" in said
    assert f"sluice run {ADDRESS}" in said


def test_the_evidence_and_the_review_page_of_a_refused_tier_stay(
    refused: Refused, home: Home
) -> None:
    gates = read_json(home.layout.gates("controlled"))
    (gate,) = [g for g in gates["gates"] if g["gate"] == "prosecutor"]
    assert gates["verdict"] == gate["verdict"] == "fail"
    assert gate["bound"] > gate["limit"] == 0.01
    page = (home.layout.review("controlled") / "index.html").read_text(encoding="utf-8")
    assert "coarsen a quasi-identifier" in page
    assert list(home.layout.score("controlled", "joint").glob("prosecutor.*.json"))
    assert list(home.layout.datadocs("controlled").glob("*.html"))


def test_a_refused_tier_has_no_bundle_and_no_seal(refused: Refused, home: Home) -> None:
    assert not home.layout.seal("controlled").exists()
    assert not home.layout.candidate_digest("controlled").exists()


def test_status_prints_the_failed_gate_and_its_mend(refused: Refused, home: Home) -> None:
    done = home.sluice("status", ADDRESS, "--config", refused[0])
    assert done.returncode == 0, done.stderr
    assert "controlled: gates fail" in done.stdout
    assert "Prosecutor of clinical table: does not keep to the limit" in done.stdout
    assert "coarsen a quasi-identifier" in done.stdout
    assert f"resume with `sluice run {ADDRESS}`" in done.stdout


def test_a_refused_tier_can_be_neither_signed_nor_published(refused: Refused, home: Home) -> None:
    key = home.path / "demo-keys/demo-data-manager"
    where = (ADDRESS, "--tier", "controlled", "--config", refused[0])
    signed = home.sluice("approve", *where, "--role", "data-manager", "--key", key)
    published = home.sluice("publish", *where)
    for done in (signed, published):
        assert done.returncode == 2
        assert "There is no sealed candidate" in done.stderr
    assert not home.layout.published("controlled").exists()


def test_public_answers_are_not_drawn_while_an_individual_tier_fails(
    refused: Refused, home: Home
) -> None:
    file, _ = refused
    done = home.try_script("dp_measure", file=file)
    assert done.returncode == 2
    assert "only drawn after the individual tiers passed" in done.stderr


def publish(home: Home) -> str:
    """Try to publish and return the refusal."""
    done = home.sluice("publish", ADDRESS, "--tier", TIER)
    assert done.returncode == 2, done.stdout
    assert not home.layout.published(TIER).exists()
    return done.stderr


def approve(home: Home, role: str, key: Path) -> subprocess.CompletedProcess[str]:
    return home.sluice("approve", ADDRESS, "--tier", TIER, "--role", role, "--key", key)


def test_an_unsigned_candidate_is_not_published(home: Home) -> None:
    said = publish(home)
    assert "role data-manager has not signed" in said
    assert "role privacy-officer has not signed" in said


def test_a_candidate_that_its_builder_signed_is_not_published(home: Home) -> None:
    key = home.path / "demo-keys/demo-data-manager"
    kept = (home.path / "approvers.yaml").read_bytes()
    builders = {"builders": [key.with_suffix(".pub").read_text().strip()]}
    edit_yaml(home.path / "approvers.yaml", builders)
    try:
        done = approve(home, "data-manager", key)
        assert done.returncode == 2
        assert "builder, who may not sign" in done.stderr
        assert "not approved" in publish(home)
    finally:
        (home.path / "approvers.yaml").write_bytes(kept)


def test_a_signed_candidate_that_was_altered_is_not_published(home: Home) -> None:
    for role in ("data-manager", "privacy-officer"):
        done = approve(home, role, home.path / f"demo-keys/demo-{role}")
        assert done.returncode == 0, done.stderr
    terms = home.layout.candidate(TIER) / "TERMS.md"
    kept = terms.read_bytes()
    terms.unlink()  # it may be a hard link
    terms.write_bytes(kept.replace(b"Do not", b"Do", 1))
    try:
        assert "altered after it was sealed" in publish(home)
    finally:
        terms.write_bytes(kept)
        shutil.rmtree(home.layout.approvals(TIER))
