"""Each hiding place of the demo is guarded by a rule: with the rule off, its canary comes out."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import anndata
import pandas as pd
import pydicom
import pytest
from tests.pipeline.demo.home import Home, edit_yaml
from tests.pipeline.demo.search import planted
from tests.pipeline.demo.test_reruns import edited

TIER = "controlled"
KEEP = {"rule": "keep", "need": "a rule that was switched off"}


class Place(NamedTuple):
    """A raw column, where its canaries are listed, and the released file and column to look in."""

    source: str
    table: str
    column: str

    @property
    def listed(self) -> str:
        """As the list of canaries names it."""
        return f"{self.source}:{self.column}"


PLACES = [
    *(
        Place("clinical/patients.csv", "people", column)
        for column in ("family_name", "given_name", "street", "phone", "email", "national_id")
    ),
    Place("clinical/patients.csv", "people", "note"),
    Place("clinical/visits.tsv", "visits", "physician"),
    Place("clinical/diagnoses.xlsx", "events", "text"),
    Place("bulk/samples.csv", "samples", "operator"),
    Place("singlecell/cells.h5ad", "cells", "donor_id"),
]
DATES = [
    Place("clinical/visits.tsv", "visits", "visit_date"),
    Place("clinical/labs.parquet", "events", "taken_on"),
    Place("bulk/samples.csv", "samples", "collected_on"),
    Place("singlecell/cells.h5ad", "samples", "collected_on"),
]
FILES = {
    "people": "clinical/all/people.parquet",
    "visits": "clinical/all/visits.parquet",
    "events": "clinical/all/events.parquet",
    "samples": "bulk/all/expression.h5ad",
    "cells": "singlecell/all/cells.h5ad",
}
PART = "p00of04"
ELEMENTS = {
    "AccessionNumber": "(0008,0050)",
    "InstitutionName": "(0008,0080)",
    "ReferringPhysicianIdentificationSequence[0].InstitutionAddress": "(0008,0081)",
    "ProtocolName": "(0018,1030)",
    "StudyID": "(0020,0010)",
    "ImageComments": "(0020,4000)",
    "RequestAttributesSequence[0].AccessionNumber": "(0040,0275)",
}


@pytest.fixture(scope="module")
def canaries(demo: Home) -> dict[str, set[str]]:
    """Values by place; images are one place each element, whatever the file."""
    found: dict[str, set[str]] = defaultdict(set)
    for canary in planted(demo.layout.vault_cohort):
        path, _, where = canary.place.partition(":")
        found[where if path.endswith(".dcm") else canary.place].add(canary.value)
    return found


@pytest.fixture(scope="module")
def leaky(demo: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A copy of the demo whose configuration lets everything through, its tables released anew."""
    path = tmp_path_factory.mktemp("leaky") / "home"
    ignore = shutil.ignore_patterns(".snakemake", "store")
    shutil.copytree(demo.path, path, ignore=ignore, symlinks=True)
    home = Home(path, demo.checkout)
    _switch_off(home)
    for modality in ("clinical", "bulk", "singlecell"):
        home.script("curate", "--modality", modality)
        home.script("minimize", "--tier", TIER, "--modality", modality)
    with _unchanged(demo.checkout / "workflow/sluice/identity/pseudonyms.py"):
        for modality in ("clinical", "bulk", "singlecell"):
            home.script("deidentify_apply", "--tier", TIER, "--modality", modality)
        with _kept(demo.checkout / "resources/dicom/ps3.15-2026d.csv"):
            part = ("--modality", "imaging", "--part", PART)
            home.script("deidentify_apply", "--tier", TIER, *part)
    return home


@contextmanager
def _unchanged(module: Path) -> Iterator[None]:
    """Let every date and UID stay as it is."""
    text = module.read_text(encoding="utf-8")
    weak = text.replace("return date_shift(self.shifts, ", "return 0 * date_shift(self.shifts, ")
    weak = weak.replace("return new_uid(self.uids, original)", "return original")
    assert weak.count("return 0 *") == weak.count("return original") == 1
    with edited(module, ""):
        module.write_text(weak, encoding="utf-8")
        yield


def _switch_off(home: Home) -> None:
    """Give each place a field in the cohort file and the rule `keep` in the policy."""
    folder = home.file.parent
    sources = {
        source.file: (modality, number)
        for modality, raw in home.config.cohort.modalities.items()
        for number, source in enumerate(raw.sources)
    }
    roles: dict[str, Any] = {}
    rules: dict[str, Any] = {}
    for place in PLACES:
        modality, number = sources[place.source]
        column = f"modalities/{modality}/sources/{number}/columns/{place.column}"
        roles[column] = {"role": "safe", "field": place.column}
        rules[f"{_fields(modality)}/{place.table}.{place.column}"] = KEEP
    edit_yaml(folder / "cohorts/demo.yaml", roles)
    edit_yaml(folder / "policies/demo.yaml", rules)


def _fields(modality: str) -> str:
    return f"tiers/{TIER}/modalities/{modality}/fields"


@contextmanager
def _kept(table: Path) -> Iterator[None]:
    """Give the action K (keep) to the elements in the shipped PS3.15 table."""
    weak = table.read_text(encoding="utf-8")
    for tag in ELEMENTS.values():
        weak, found = re.subn(rf'(?m)^("{re.escape(tag)}",[^,]*),.*$', r"\1,K,,,,,,,,,,", weak)
        assert found == 1
    with edited(table, ""):
        table.write_text(weak, encoding="utf-8")
        yield


def released(home: Home, place: Place) -> str:
    """Return everything in the released column of a place; nothing if there is none."""
    path = home.layout.tier(TIER) / "data" / FILES[place.table]
    if place.source.startswith("singlecell"):
        path = home.layout.tier(TIER) / "data" / FILES["cells"]
    table = anndata.read_h5ad(path).obs if path.suffix == ".h5ad" else pd.read_parquet(path)
    name = "date" if place in DATES else place.column
    return "\n".join(table[name].astype(str)) if name in table else ""


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.listed)
def test_a_column_comes_out_only_when_its_rule_is_off(
    demo: Home, leaky: Home, canaries: dict[str, set[str]], place: Place
) -> None:
    hidden = canaries[place.listed]
    assert [value for value in hidden if value in released(leaky, place)]
    assert [value for value in hidden if value in released(demo, place)] == []


@pytest.mark.parametrize("place", DATES, ids=lambda place: place.listed)
def test_days_come_out_as_they_were_only_when_they_are_not_shifted(
    demo: Home, leaky: Home, canaries: dict[str, set[str]], place: Place
) -> None:
    real = canaries[place.listed] | canaries["clinical/diagnoses.xlsx:diagnosed_on"]
    ours, theirs = (
        {day.removesuffix(" 00:00:00") for day in released(home, place).splitlines()} - {"NaT"}
        for home in (demo, leaky)
    )
    assert theirs <= real
    assert not ours <= real


def elements(home: Home, place: str) -> set[str]:
    """Return the values that an element has in the released images of the first part."""
    found = set()
    for path in home.layout.data(TIER, "imaging", PART).rglob("*.dcm"):
        value: Any = pydicom.dcmread(path, stop_before_pixels=True)
        for keyword, number in re.findall(r"(\w+)(?:\[(\d)\])?", place):
            value = value.get(keyword) if value is not None else None
            value = value[int(number)] if value and number else value
        found.add(str(value))
    return found


@pytest.mark.parametrize("place", ELEMENTS)
def test_a_dicom_element_comes_out_only_when_its_rule_is_off(
    demo: Home, leaky: Home, canaries: dict[str, set[str]], place: str
) -> None:
    hidden = canaries[place]

    def leaks(home: Home) -> list[str]:
        return [value for value in hidden if any(value in held for held in elements(home, place))]

    assert leaks(leaky)
    assert leaks(demo) == []


@pytest.mark.parametrize("level", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_a_uid_comes_out_only_when_it_is_not_renewed(
    demo: Home, leaky: Home, canaries: dict[str, set[str]], level: str
) -> None:
    assert elements(leaky, level) <= canaries[level]
    assert elements(demo, level) & canaries[level] == set()


def test_the_last_scan_refuses_what_the_rules_let_through(leaky: Home) -> None:
    done = leaky.try_script("bundle", "--tier", TIER)
    assert done.returncode == 2
    assert "The candidate holds an identifier of kind" in done.stderr
    assert not leaky.layout.seal(TIER).exists()
