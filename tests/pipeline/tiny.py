"""A cohort small enough to be run for every bad input: 72 people, two tables, consent, one tier.

Every cell that could identify somebody starts with ``CANARY``: none may be seen outside the vault.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "tiny/v1"
PEOPLE = 72
CANARY = "CANARY"

_SITE = """
raw: ../raw
work: ../work
vault: ../vault
store: ../store
demo: true
"""
_COHORT = """
cohort: tiny
title: A tiny cohort
defined_by: [diagnosis]
aliases:
  - {file: links.csv, alias_field: ward_id, participant_field: mrn}
consent:
  file: consent.csv
  participant_field: mrn
  code_field: code
  signed_field: signed_on
  withdrawn_field: withdrawn_on
  codes:
    ALL: {tiers: [controlled], modalities: [all]}
modalities:
  clinical:
    sources:
      - file: people.csv
        table: people
        participant_field: mrn
        columns:
          mrn: {role: direct, kind: mrn}
          name: {role: direct, kind: name}
          birth_date: {role: quasi, field: birth_date, type: date}
          sex: {role: quasi, field: sex, type: category, vocabulary: {female: [f], male: [m]}}
          postcode: {role: quasi, field: postcode}
          country: {role: quasi, field: country}
          smoking: {role: sensitive, field: smoking}
          height_cm: {role: sensitive, field: height_cm, type: number}
          diagnosis: {role: sensitive, field: diagnosis}
          note: {role: free_text, field: note}
      - file: visits.csv
        table: visits
        participant_field: ward_id
        columns:
          ward_id: {role: direct, kind: ward_id}
          visit_id: {role: linkage, kind: visit_id, field: visit_id}
          visit_date: {role: quasi, field: date, type: date}
          room: {role: free_text}
"""
_RELEASE = """
cohort: tiny
version: v1
title: A tiny release
cut_date: 2025-01-01
published: 2025-02-01
policy: tiny
tiers: [controlled]
"""
_POLICY = """
policy: tiny
edition: "1"
extends: default
owner: privacy-officer
reason: Recoding frozen, so that an edit of the raw tables does not move it.
tiers:
  controlled:
    people:
      recoding: {mode: frozen, node: {age: 2}}
"""
_HEADER = (
    "mrn", "name", "birth_date", "sex", "postcode", "country", "smoking", "height_cm",
    "diagnosis", "note",
)  # fmt: skip


@dataclass(frozen=True)
class Tiny:
    """Where the cohort lies, and how to run commands on it."""

    home: Path

    @property
    def raw(self) -> Path:
        """The cohort's raw folder."""
        return self.home / "raw" / "tiny"

    @property
    def config(self) -> Path:
        """``config.yaml``."""
        return self.home / "config" / "config.yaml"

    @property
    def cohort(self) -> Path:
        """The cohort file."""
        return self.home / "config" / "cohorts" / "tiny.yaml"

    @property
    def base(self) -> Path:
        """The release's work folder."""
        return self.home / "work" / "tiny" / "v1"

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which nothing but the configuration says where things are."""
        return os.environ | {"SLUICE_CONFIG": str(self.config)}

    def sluice(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``sluice`` in the cohort's home and return what it said."""
        return subprocess.run(
            [*command(), *words],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def script(self, stage: str) -> subprocess.CompletedProcess[str]:
        """Run one stage's script by hand, on the clinical tables."""
        path = ROOT / "workflow" / "scripts" / f"{stage}.py"
        words = ["--config", str(self.config), "--release", ADDRESS, "--modality", "clinical"]
        return subprocess.run(
            [sys.executable, str(path), *words],
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run the whole pipeline."""
        return self.sluice("run", ADDRESS, "--cores", "2")

    def start(self) -> subprocess.Popen[str]:
        """Start the whole pipeline in a session of its own and do not wait."""
        return subprocess.Popen(
            [*command(), "run", ADDRESS, "--cores", "2"],
            cwd=self.home,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def edit(self, file: Path, old: str, new: str) -> None:
        """Replace the one place of ``old`` in a text file."""
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
        file.write_text(text.replace(old, new), encoding="utf-8")

    def set_cell(self, table: str, row: int, column: str, value: str) -> None:
        """Set one cell of a CSV table; the first row below the header is 0."""
        rows = self.rows(table)
        rows[row][column] = value
        self.write(table, rows)

    def rows(self, table: str) -> list[dict[str, str]]:
        """Read a CSV table."""
        with (self.raw / table).open(newline="", encoding="utf-8") as handle:
            return list(csv.DictReader(handle))

    def write(self, table: str, rows: list[dict[str, str]]) -> None:
        """Write a CSV table."""
        with (self.raw / table).open("w", newline="", encoding="utf-8") as handle:
            out = csv.DictWriter(handle, list(rows[0]))
            out.writeheader()
            out.writerows(rows)


def command() -> list[str]:
    """The console script of the environment that runs the tests."""
    return [str(Path(sys.executable).with_name("sluice"))]


def make_tiny(home: Path) -> Tiny:
    """Write configuration and raw files below ``home``."""
    tiny = Tiny(home)
    for folder in (tiny.raw, tiny.cohort.parent, home / "config/policies"):
        folder.mkdir(parents=True)
    (home / "config/releases/tiny").mkdir(parents=True)
    tiny.config.write_text(_SITE)
    tiny.cohort.write_text(_COHORT)
    (home / "config/releases/tiny/v1.yaml").write_text(_RELEASE)
    (home / "config/policies/tiny.yaml").write_text(_POLICY)
    shutil.copy(ROOT / "config/policies/default.yaml", home / "config/policies")
    tiny.write("people.csv", [_person(n) for n in range(PEOPLE)])
    tiny.write("visits.csv", [_visit(n, time) for n in range(PEOPLE) for time in range(4)])
    tiny.write("links.csv", [{"ward_id": ward(n), "mrn": mrn(n)} for n in range(PEOPLE)])
    tiny.write("consent.csv", [_consent(n) for n in range(PEOPLE)])
    return tiny


def mrn(number: int) -> str:
    """Participant number."""
    return f"{CANARY}-MRN-{number:03d}"


def ward(number: int) -> str:
    """What the ward calls the participant."""
    return f"{CANARY}-WARD-{number:03d}"


def _person(number: int) -> dict[str, str]:
    born = date(1946 + 20 * (number % 3) + number // 6, 3, 1) + timedelta(days=number)
    cells = (
        mrn(number), f"{CANARY} Name{number:03d}", born.isoformat(), "fm"[number // 3 % 2],
        f"606{number // 6:02d}", "US", ("never", "former", "current")[number // 6 % 3],
        "170", "C34.1", f"stable, seen by {CANARY}",
    )  # fmt: skip
    return dict(zip(_HEADER, cells, strict=True))


def _visit(number: int, time: int) -> dict[str, str]:
    seen = date(2024, 1, 1) + timedelta(days=(7 * number + 31 * time * (number % 9 + 1)) % 211)
    return {
        "ward_id": ward(number),
        "visit_id": f"{CANARY}-V{number:03d}-{time}",
        "visit_date": seen.isoformat(),
        "room": f"{CANARY} room",
    }


def _consent(number: int) -> dict[str, str]:
    return {"mrn": mrn(number), "code": "ALL", "signed_on": "2023-05-01", "withdrawn_on": ""}
