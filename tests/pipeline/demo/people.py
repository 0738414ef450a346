"""Who is who in a home, and how far each person's days were moved: read from raw and release."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import anndata
import pandas as pd
import pydicom
from tests.pipeline.demo.home import Home

Days = dict[str, set[date]]
TIER = "controlled"


def crosswalk(home: Home, tier: str) -> pd.DataFrame:
    """Return the tier's crosswalks of all modalities and parts."""
    paths = sorted((home.layout.vault_release / "crosswalk" / tier).glob("*.parquet"))
    return pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)


def persons(home: Home) -> dict[str, str]:
    """Return mrn to controlled's pseudonym."""
    known = pd.read_parquet(home.layout.people("clinical"))
    known = known[known["kind"] == "mrn"]
    mrns = dict(zip(known["subject"], known["value"], strict=True))
    people = crosswalk(home, TIER).query("kind == 'person'")
    return {mrns[s]: new for s, new in zip(people["original"], people["new"], strict=True)}


def shifts(home: Home) -> dict[str, set[int]]:
    """Return by mrn the shifts that explain every released day of every modality."""
    raw, released = raw_days(home), released_days(home)
    found: dict[str, set[int]] = {}
    for mrn, person in persons(home).items():
        for modality, days in released.items():
            if person in days:
                possible = _explaining(raw[modality][mrn], days[person])
                found[mrn] = found.get(mrn, possible) & possible
    return found


def _explaining(raw: set[date], released: set[date]) -> set[int]:
    """Return every shift that moves some of the raw days onto all of the released ones."""
    first = min(released)
    distances = {(first - day).days for day in raw}
    ordinals = {day.toordinal() for day in raw}
    moved = {day.toordinal() for day in released}
    return {s for s in distances if {day - s for day in moved} <= ordinals}


def raw_days(home: Home) -> dict[str, Days]:
    """Return by modality and mrn the days in the raw files."""
    return {m: _gathered(_RAW[m](home.layout.raw_cohort)) for m in home.config.modalities}


def released_days(home: Home) -> dict[str, Days]:
    """Return by modality and pseudonym the days that controlled releases."""
    return {
        modality: _gathered(
            pair
            for part in home.config.parts(modality)
            for pair in _RELEASED[modality](home.layout.data(TIER, modality, part))
        )
        for modality in home.config.modalities
    }


def _gathered(pairs: Iterator[tuple[str, object]]) -> Days:
    days: Days = defaultdict(set)
    for who, day in pairs:
        if isinstance(day, datetime):
            days[who].add(day.date())
        elif isinstance(day, str) and day:
            days[who].add(datetime.strptime(day.replace("-", ""), "%Y%m%d").date())
    return days


def _pairs(table: pd.DataFrame, who: str, day: str) -> Iterator[tuple[str, object]]:
    values = table[[who, day]].dropna()
    return zip(values[who].astype(str), values[day].astype(object), strict=True)


def _raw_clinical(raw: Path) -> Iterator[tuple[str, object]]:
    yield from _pairs(pd.read_csv(raw / "clinical/visits.tsv", sep="\t"), "mrn", "visit_date")


def _raw_bulk(raw: Path) -> Iterator[tuple[str, object]]:
    return _by_donor(raw, pd.read_csv(raw / "bulk/samples.csv"))


def _raw_singlecell(raw: Path) -> Iterator[tuple[str, object]]:
    yield from _by_donor(raw, anndata.read_h5ad(raw / "singlecell/cells.h5ad").obs)
    yield from _by_donor(raw, pd.read_csv(raw / "singlecell/run2/samples.csv"))


def _by_donor(raw: Path, table: pd.DataFrame) -> Iterator[tuple[str, object]]:
    links = pd.read_csv(raw / "clinical/links.csv").set_index("donor_id")["mrn"]
    for donor, day in _pairs(table, "donor_id", "collected_on"):
        yield links[donor], day


def _raw_imaging(raw: Path) -> Iterator[tuple[str, object]]:
    for path in (raw / "imaging").rglob("*.dcm"):
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        yield header.PatientID, header.StudyDate


def _clinical(folder: Path) -> Iterator[tuple[str, object]]:
    yield from _pairs(pd.read_parquet(folder / "visits.parquet"), "person", "date")


def _expression(folder: Path) -> Iterator[tuple[str, object]]:
    for path in sorted(folder.glob("*.h5ad")):
        yield from _pairs(anndata.read_h5ad(path).obs, "donor_id", "date")


def _imaging(folder: Path) -> Iterator[tuple[str, object]]:
    for path in folder.rglob("*.dcm"):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        yield header.PatientID, header.StudyDate


_RAW = {
    "clinical": _raw_clinical,
    "bulk": _raw_bulk,
    "singlecell": _raw_singlecell,
    "imaging": _raw_imaging,
}
_RELEASED = {
    "clinical": _clinical,
    "bulk": _expression,
    "singlecell": _expression,
    "imaging": _imaging,
}
