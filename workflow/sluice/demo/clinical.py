"""The clinical files: people, visits, labs, diagnoses, consent, and the donor links."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
from openpyxl.comments import Comment

from sluice.demo.canaries import Canaries, Canary, in_columns
from sluice.demo.people import Participant, Staff
from sluice.files.tables import write_table

_MMOL_PER_MG_GLUCOSE = 1 / 18.016
_SECOND_DIAGNOSES = {
    "I10": "essential hypertension",
    "E11.9": "type 2 diabetes without complications",
    "J30.1": "allergic rhinitis due to pollen",
    "K21.9": "reflux without oesophagitis",
    "M81.9": "osteoporosis",
}
_MAIN_DIAGNOSES = {
    "J44.1": "obstructive pulmonary disease with exacerbation",
    "J44.9": "obstructive pulmonary disease",
    "J45.0": "allergic asthma",
    "J45.9": "asthma",
    "J84.1": "interstitial pulmonary disease with fibrosis",
}
_XLSX_DAY = (1980, 1, 1, 0, 0, 0)


def write_clinical(
    raw: Path, people: list[Participant], staff: Staff, rng: np.random.Generator
) -> Canaries:
    """Write ``clinical/`` below ``raw`` and return what it hides."""
    (raw / "clinical").mkdir()
    return [
        *_write_patients(raw, people, rng),
        *_write_visits(raw, people),
        *_write_labs(raw, people, rng),
        *_write_diagnoses(raw, people, staff, rng),
        *_write_consent(raw, people),
        *_write_links(raw, people),
    ]


def _write_text(path: Path, table: pd.DataFrame, separator: str = ",") -> None:
    table.to_csv(path, sep=separator, index=False, lineterminator="\n")


def _write_patients(raw: Path, people: list[Participant], rng: np.random.Generator) -> Canaries:
    path = "clinical/patients.csv"
    table = pd.DataFrame(
        {
            "mrn": p.mrn,
            "family_name": p.name.family,
            "given_name": p.name.given,
            "birth_date": p.birth_date.isoformat(),
            "sex": p.sex_as_written,
            "street": f"{p.street_number} {p.street} Lane",
            "postcode": p.postcode,
            "city": p.city,
            "country": p.country,
            "phone": p.phone,
            "email": f"{p.email}@mail.example",
            "national_id": p.national_id,
            "smoking": p.smoking,
            "height_cm": p.height_cm,
            "diagnosis": p.diagnosis,
            "note": _note(p, int(rng.integers(3))),
        }
        for p in people
    )
    _write_text(raw / path, table)
    kinds = {"mrn": "mrn", "family_name": "family_name", "given_name": "given_name"}
    kinds |= {"birth_date": "birth_date", "phone": "phone", "national_id": "national_id"}
    hidden = in_columns(table, path, kinds)
    for p in people:
        hidden += [
            Canary("street", p.street, f"{path}:street"),
            Canary("email", p.email, f"{path}:email"),
            Canary("family_name", p.name.family, f"{path}:note"),
            Canary("mrn", p.mrn, f"{path}:note"),
            Canary("event_date", p.visits[-1].day.isoformat(), f"{path}:note"),
        ]
    return hidden


def _note(p: Participant, form: int) -> str:
    """Return free text with the person's own name, number and a date."""
    day = p.visits[-1].day.isoformat()
    return (
        f'{p.name.plain} ({p.mrn}), last seen {day}; says "no change", wants a call.',
        f"On {day}: {p.name.family}, {p.name.given} came alone.\nFile {p.mrn} complete.",
        f"Letter sent {day} about {p.mrn}; dear {p.name.family}, the cough is better.",
    )[form]


def _write_visits(raw: Path, people: list[Participant]) -> Canaries:
    path = "clinical/visits.tsv"
    table = pd.DataFrame(
        {
            "mrn": p.mrn,
            "visit_id": v.visit_id,
            "visit_date": v.day.isoformat(),
            "department": v.department,
            "physician": v.physician.plain,
        }
        for p in people
        for v in p.visits
    )
    _write_text(raw / path, table, "\t")
    kinds = {"mrn": "mrn", "visit_id": "visit_id", "visit_date": "event_date"}
    names = {v.physician for p in people for v in p.visits}
    words = [word for name in names for word in (name.family, name.given)]
    return in_columns(table, path, kinds) + [
        Canary("physician", word, f"{path}:physician") for word in words
    ]


def _write_labs(raw: Path, people: list[Participant], rng: np.random.Generator) -> Canaries:
    """Write labs; every third laboratory visit reports glucose in mmol/L instead of mg/dL."""
    path = "clinical/labs.parquet"
    rows = []
    for p in people:
        for number, visit in enumerate(p.visits):
            for loinc, value, unit in _measured(p, (number + p.street_number) % 3 == 0, rng):
                rows.append((p.mrn, visit.visit_id, visit.day, loinc, value, unit))
    columns = ["mrn", "visit_id", "taken_on", "loinc", "value", "unit"]
    table = pd.DataFrame(rows, columns=columns)
    write_table(raw / path, table)
    return in_columns(table, path, {"mrn": "mrn", "visit_id": "visit_id", "taken_on": "event_date"})


def _measured(
    p: Participant, molar: bool, rng: np.random.Generator
) -> list[tuple[str, float, str]]:
    """Return one visit's results: C-reactive protein and leucocytes follow the inflammation."""
    glucose = float(np.clip(rng.normal(98 + 4 * p.inflammation, 12), 55, 260))
    crp = float(np.clip(np.exp(1.2 + 0.6 * p.inflammation + rng.normal(0, 0.4)), 0.2, 200))
    leucocytes = float(np.clip(rng.normal(7 + 0.8 * p.inflammation, 1.1), 2, 25))
    allergic = p.diagnosis.startswith("J45")
    eosinophils = float(np.exp(rng.normal(-0.9 if allergic else -1.8, 0.4)))
    haemoglobin = float(rng.normal(13.4 if p.sex == "F" else 14.9, 0.9))
    reported = (glucose * _MMOL_PER_MG_GLUCOSE, "mmol/L") if molar else (glucose, "mg/dL")
    results = [
        ("2345-7", *reported),
        ("1988-5", crp, "mg/L"),
        ("6690-2", leucocytes, "10*3/uL"),
        ("26449-9", eosinophils, "10*3/uL"),
        ("718-7", haemoglobin, "g/dL"),
    ]
    return [(loinc, round(value, 2), unit) for loinc, value, unit in results]


def _write_diagnoses(
    raw: Path, people: list[Participant], staff: Staff, rng: np.random.Generator
) -> Canaries:
    path = "clinical/diagnoses.xlsx"
    rows: list[tuple[str, str, str, str]] = []
    hidden: Canaries = []
    for p in people:
        first = p.visits[0].day.isoformat()
        written = _MAIN_DIAGNOSES[p.diagnosis]
        if rng.random() < 0.2:
            written += f", told to {p.name.given} {p.name.family}"
            hidden.append(Canary("family_name", p.name.family, f"{path}:text"))
        rows.append((p.mrn, first, p.diagnosis, written))
        others = int(rng.integers(0, 3))
        for icd10 in rng.choice(list(_SECOND_DIAGNOSES), size=others, replace=False):
            visit = p.visits[int(rng.integers(len(p.visits)))]
            rows.append((p.mrn, visit.day.isoformat(), str(icd10), _SECOND_DIAGNOSES[icd10]))
    table = pd.DataFrame(rows, columns=["mrn", "diagnosed_on", "icd10", "text"])
    clerk, subject = staff.operators[0], people[0]
    book = openpyxl.Workbook()
    sheet = book.active
    if sheet is None:
        raise AssertionError("a new workbook has a sheet")
    sheet.title = "diagnoses"
    for row in [tuple(table.columns), *rows]:
        sheet.append(row)
    sheet["A2"].comment = Comment(f"asked {subject.name.plain}", clerk.plain)
    book.properties.creator = clerk.plain
    book.properties.title = f"Export for {clerk.family}"
    _save_workbook(book, raw / path)
    return [
        *hidden,
        *in_columns(table, path, {"mrn": "mrn", "diagnosed_on": "event_date"}),
        Canary("family_name", subject.name.family, f"{path}:comment"),
        Canary("operator", clerk.family, f"{path}:comment author"),
        Canary("operator", clerk.family, f"{path}:docProps creator"),
        Canary("operator", clerk.family, f"{path}:docProps title"),
    ]


def _save_workbook(book: openpyxl.Workbook, path: Path) -> None:
    """Save a workbook without the time of saving, which openpyxl writes in two places."""
    draft = io.BytesIO()
    book.save(draft)
    fixed = rb"\g<1>1980-01-01T00:00:00Z\g<2>"
    with zipfile.ZipFile(draft) as old, zipfile.ZipFile(path, "w") as new:
        for name in sorted(old.namelist()):
            content = old.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"(<dcterms:\w+[^>]*>)[^<]*(</dcterms)", fixed, content)
            entry = zipfile.ZipInfo(name, date_time=_XLSX_DAY)
            new.writestr(entry, content, zipfile.ZIP_DEFLATED)


def _write_consent(raw: Path, people: list[Participant]) -> Canaries:
    path = "clinical/consent.csv"
    table = pd.DataFrame(
        {
            "mrn": p.mrn,
            "signed_on": p.consent.signed.isoformat(),
            "code": p.consent.code,
            "withdrawn_on": p.consent.withdrawn.isoformat() if p.consent.withdrawn else "",
        }
        for p in people
        if p.consent
    )
    _write_text(raw / path, table)
    kinds = {"mrn": "mrn", "signed_on": "event_date", "withdrawn_on": "event_date"}
    return in_columns(table, path, kinds)


def _write_links(raw: Path, people: list[Participant]) -> Canaries:
    path = "clinical/links.csv"
    table = pd.DataFrame({"donor_id": p.donor_id, "mrn": p.mrn} for p in people)
    table = table.sort_values("donor_id")
    _write_text(raw / path, table)
    return in_columns(table, path, {"donor_id": "donor_id", "mrn": "mrn"})
