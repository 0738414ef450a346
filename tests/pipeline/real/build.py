"""A cohort of real material: `real`, made of the public sets beside the repository.

====================== ===========================================================================
clinical               Synthea's patients, encounters, conditions and imaging studies with all their
                       columns, cut as an export would: encounters from 2013 on, patients who had
                       one, days without time of day. Tables that no public set has are
                       **generated**: smoking and remark of ``baseline.csv``, and ``consent.csv``.
bulk                   RNA-seq counts of 85 Tuscan donors (DEGreport's humangender), given to men
                       and grown women of the donor's sex; the day of collection is one of the
                       patient's own. GEUVADIS, 358 donors of whom 84 are the same people, measured
                       by another pipeline: what an attacker holds.
singlecell             The 19 melanoma patients' cells, the file as it is, given to the 19 youngest
                       grown women.
imaging                DICOM objects given to everybody from 40 on: re-headed with their names,
                       numbers and dates, every UID renewed, private blocks and pixels as they were.
                       An export does not always tell the body part; where looking at the picture
                       does, the worklist's is written. Broken and foreign files come along as they
                       are.
====================== ===========================================================================

The same data give the same bytes.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tests.pipeline.real.dicom import write_imaging

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
ADDRESS = "real/2026q1"
ROLES = ("data-manager", "privacy-officer")
FROM = "2013-01-01"
GROWN, IMAGED_FROM, CELL_DONORS = 20, 40, 19

Row = dict[str, str]

_SITE = """
raw: ../raw
work: ../work
vault: ../vault
store: ../store
facility: Test Facility
contact: data-access@example.org
"""


@dataclass(frozen=True)
class Real:
    """Where the cohort lies, and how to run commands on it."""

    home: Path

    @property
    def raw(self) -> Path:
        """The cohort's raw folder."""
        return self.home / "raw" / "real"

    @property
    def config(self) -> Path:
        """``config.yaml``."""
        return self.home / "config" / "config.yaml"

    @property
    def base(self) -> Path:
        """The release's work folder."""
        return self.home / "work" / "real" / "2026q1"

    @property
    def store(self) -> Path:
        """The published release."""
        return self.home / "store" / "real" / "2026q1"

    def key(self, role: str) -> Path:
        """The private key of a role."""
        return self.home / "keys" / role

    def sluice(self, *words: str, timeout: int = 900) -> subprocess.CompletedProcess[str]:
        """Run ``sluice`` in the cohort's home and return what it said."""
        return subprocess.run(
            [str(Path(sys.executable).with_name("sluice")), *words],
            cwd=self.home,
            env=os.environ | {"SLUICE_CONFIG": str(self.config)},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def table(self, name: str) -> list[Row]:
        """Read a raw CSV table."""
        return read_csv(self.raw / name)


@dataclass(frozen=True)
class Patient:
    """One row of Synthea's patients, with what decides what else the patient has."""

    row: Row
    encounters: list[Row]

    @property
    def id(self) -> str:
        """Synthea's number: the facility's participant."""
        return self.row["Id"]

    @property
    def age(self) -> int:
        """Whole years at the first encounter, as Sluice counts them."""
        born, day = date.fromisoformat(self.row["BIRTHDATE"]), date.fromisoformat(self.day(0))
        return day.year - born.year - ((day.month, day.day) < (born.month, born.day))

    def day(self, number: int) -> str:
        """One of the patient's days here."""
        days = sorted(e["START"] for e in self.encounters)
        return days[number % len(days)]


def build(shared: Path, home: Path) -> Real:
    """Write configuration, keys and raw files below ``home``; ``shared`` is ``shared/data``."""
    real = Real(home)
    _write_config(real)
    for folder in ("clinical", "bulk", "singlecell", "imaging"):
        (real.raw / folder).mkdir(parents=True)
    patients = _write_clinical(shared / "clinical/synthea", real.raw / "clinical")
    _write_bulk(shared / "expression", real.raw / "bulk", patients)
    _write_cells(shared / "expression", real.raw / "singlecell", patients)
    imaged = [p for p in patients if p.age >= IMAGED_FROM]
    days = [p.day(number) for number, p in enumerate(imaged)]
    write_imaging(shared / "dicom", real.raw / "imaging", [p.row for p in imaged], days)
    return real


def read_csv(path: Path) -> list[Row]:
    """Read a CSV table as text."""
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def read_bed(path: Path) -> Iterator[list[str]]:
    """Yield header and rows of GEUVADIS' expression: gene, then one value a donor."""
    with gzip.open(path, "rt") as handle:
        for line in handle:
            cells = line.rstrip("\n").split("\t")
            yield [cells[3], *cells[6:]]


def draw(purpose: str, name: str, sides: int) -> int:
    """Return a number below ``sides`` that purpose and name alone decide."""
    return int.from_bytes(hashlib.sha256(f"{purpose} {name}".encode()).digest()[:8]) % sides


def _write_config(real: Real) -> None:
    folder = real.config.parent
    shutil.copytree(HERE / "config", folder)
    shutil.copy(ROOT / "config/policies/default.yaml", folder / "policies")
    real.key("x").parent.mkdir(mode=0o700)
    lines = ["required:"]
    lines += [f"  {tier}: [{', '.join(ROLES)}]" for tier in ("controlled", "registered", "public")]
    lines += ["approvers:"]
    for role in ROLES:
        key = real.key(role)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", role, "-f", key], check=True
        )
        public = key.with_suffix(".pub").read_text().strip()
        lines += [f"  - {{name: {role}, roles: [{role}], key: {public}}}"]
    (folder / "approvers.yaml").write_text("\n".join(lines) + "\n")
    real.config.write_text(_SITE)
    # The vault's key is fixed, or the few people's ties would fall otherwise in each run.
    vault = real.home / "vault/real/keys"
    for place in (vault.parents[1], vault.parent, vault):
        place.mkdir(mode=0o700)
    (vault / "master.key").touch(mode=0o600)
    (vault / "master.key").write_bytes(hashlib.sha256(b"real cohort").digest())


def _write_clinical(source: Path, out: Path) -> list[Patient]:
    """Write Synthea's four tables and the two generated ones; return the patients by number."""
    encounters = _since(read_csv(source / "encounters.csv"), ["START", "STOP"])
    here = {e["Id"] for e in encounters}
    conditions = _since(read_csv(source / "conditions.csv"), ["START", "STOP"])
    studies = _since(read_csv(source / "imaging_studies.csv"), ["DATE"])
    seen = {e["PATIENT"] for e in encounters}
    rows = sorted(read_csv(source / "patients.csv"), key=lambda row: row["Id"])
    rows = [row for row in rows if row["Id"] in seen]
    _write_rows(out / "patients.csv", rows)
    _write_rows(out / "encounters.csv", encounters)
    _write_rows(out / "conditions.csv", [c for c in conditions if c["ENCOUNTER"] in here])
    _write_rows(out / "imaging_studies.csv", [s for s in studies if s["ENCOUNTER"] in here])
    _write_rows(out / "baseline.csv", [_baseline(row) for row in rows])
    _write_rows(out / "consent.csv", [c for n, row in enumerate(rows) if (c := _consent(n, row))])
    own: dict[str, list[Row]] = {row["Id"]: [] for row in rows}
    for encounter in encounters:
        own[encounter["PATIENT"]].append(encounter)
    return [Patient(row, own[row["Id"]]) for row in rows]


def _since(rows: list[Row], moments: Sequence[str]) -> list[Row]:
    """Return the rows that start in the study's years, with days instead of moments."""
    days = [row | {name: row[name][:10] for name in moments} for row in rows]
    return [row for row in days if row[moments[0]] >= FROM]


def _baseline(patient: Row) -> Row:
    """The study's own sheet: generated, for Synthea asks for none of it."""
    smoking = ("never", "former", "current")[draw("smoking", patient["Id"], 3)]
    course = ("stable", "cough, follow-up", "therapy since spring")[
        draw("course", patient["Id"], 3)
    ]
    return {
        "patient": patient["Id"],
        "smoking": smoking,
        "remark": f"{patient['FIRST']} {patient['LAST']} of {patient['CITY']}: {course}",
    }


def _consent(number: int, patient: Row) -> Row | None:
    """Generated: three refuse, three never answered, four withdrew (one after the cut date)."""
    if number in (31, 67, 101):
        return None
    parts = {9: "INDIVIDUAL", 14: "CONTROLLED", 20: "NO-IMAGES", 27: "INDIVIDUAL"}
    refused = number in (5, 41, 77)
    withdrawn = {2: "2023-10-02", 38: "2022-03-14", 74: "2021-12-31", 98: "2024-05-17"}
    return {
        "patient": patient["Id"],
        "answer": "NONE" if refused else parts.get(number % 36, "ALL"),
        "signed_on": f"2021-{1 + number % 12:02d}-{1 + number % 28:02d}",
        "withdrawn_on": withdrawn.get(number, ""),
    }


def _write_bulk(expression: Path, out: Path, patients: list[Patient]) -> None:
    """Write the facility's counts with their sheet, and the attacker's panel."""
    with gzip.open(expression / "humangender/counts.csv.gz", "rt") as handle:
        header, *genes = csv.reader(handle)
    _write_lines(out / "counts.tsv", [["gene_id", *header[1:]], *genes])
    sheet, links = [], []
    waiting = {
        "F": [p for p in patients if p.row["GENDER"] == "F" and p.age >= GROWN],
        "M": [p for p in patients if p.row["GENDER"] == "M"],
    }
    for row in read_csv(expression / "humangender/coldata.csv"):
        donor, sex = row.pop(""), row["group"]
        patient = waiting[sex[0]].pop(0) if waiting[sex[0]] else None
        if patient:
            links.append({"donor_id": donor, "patient": patient.id})
        day = patient.day(-1) if patient else ""
        sheet.append({"donor_id": donor, **row, "collected_on": day})
    _write_rows(out / "samples.csv", sheet)
    _write_rows(out / "donors.csv", links)
    first, *rows = read_bed(expression / "geuvadis_qtltools/genes.50percent.chr22.bed.gz")
    _write_lines(out / "geuvadis_panel.tsv", [["gene_id", *first[1:]], *rows])


def _write_cells(expression: Path, out: Path, patients: list[Patient]) -> None:
    """Copy the cells as they are and link their donors."""
    shutil.copyfile(expression / "melanoma19/melanoma19.h5ad", out / "melanoma.h5ad")
    women = [p for p in patients if p.row["GENDER"] == "F" and p.age >= GROWN]
    chosen = sorted(women, key=lambda p: (p.age, p.id))[:CELL_DONORS]
    rows = [
        {"biobank_id": donor, "patient": patient.id}
        for donor, patient in zip(CELL_DONOR_IDS, chosen, strict=True)
    ]
    _write_rows(out / "donors.csv", rows)


#: The melanoma patients as their file calls them.
CELL_DONOR_IDS = tuple(
    f"Pre_P{number}"
    for number in (1, 2, 3, 4, 6, 7, 8, 12, 15, 20, 24, 25, 26, 27, 28, 29, 31, 33, 35)
)


def _write_rows(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="") as handle:
        out = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        out.writeheader()
        out.writerows(rows)


def _write_lines(path: Path, lines: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="") as handle:
        csv.writer(handle, delimiter="\t", lineterminator="\n").writerows(lines)
