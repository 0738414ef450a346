"""Each hiding place of the demo is guarded by a rule: with the rule off, its canary comes out."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import anndata
import pandas as pd
import pydicom
import pytest
from tests.pipeline.demo.home import Home, edit_yaml
from tests.pipeline.demo.search import DATES as DAYS
from tests.pipeline.demo.search import Search, planted
from tests.pipeline.demo.test_reruns import edited

TIER = "controlled"
CELLS = "singlecell/cells.h5ad"
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

    @property
    def field(self) -> str:
        """Its name in the release; `donor_id` is taken by the pseudonym."""
        return "raw_donor" if self.column == "donor_id" else self.column


PLACES = [
    *(
        Place("clinical/patients.csv", "people", column)
        for column in ("family_name", "given_name", "street", "phone", "email", "national_id")
    ),
    Place("clinical/patients.csv", "people", "note"),
    Place("clinical/visits.tsv", "visits", "physician"),
    Place("clinical/diagnoses.xlsx", "events", "text"),
    Place("bulk/samples.csv", "samples", "operator"),
    Place(CELLS, "cells", "donor_id"),
]
DATES = [
    Place("clinical/visits.tsv", "visits", "visit_date"),
    Place("clinical/labs.parquet", "events", "taken_on"),
    Place("bulk/samples.csv", "samples", "collected_on"),
    Place(CELLS, "samples", "collected_on"),
]
FILES = {
    "people": "clinical/all/people.parquet",
    "visits": "clinical/all/visits.parquet",
    "events": "clinical/all/events.parquet",
    "samples": "bulk/all/expression.h5ad",
    "cells": "singlecell/all/cells.h5ad",
}
ELEMENTS = {
    "AccessionNumber": "(0008,0050)",
    "InstitutionName": "(0008,0080)",
    "ReferringPhysicianIdentificationSequence[0].InstitutionAddress": "(0008,0081)",
    "ProtocolName": "(0018,1030)",
    "StudyID": "(0020,0010)",
    "ImageComments": "(0020,4000)",
    "RequestAttributesSequence[0].AccessionNumber": "(0040,0275)",
}
PART = "p00of02"
#: A sequence has to stay for what lies in it.
KEPT = [*ELEMENTS.values(), "(0008,0096)"]
SLOTS = [
    "obs_names", "uns/donors", "uns/export/remark", "uns/export/by", "obsm/clinical", "layers",
    "obs/donor_id categories",
]  # fmt: skip
#: A pattern and what takes its place.
Swap = tuple[str, str]
IDENTITY_OFF: tuple[Swap, Swap] = (
    (r"return date_shift\(self\.shifts, ", "return 0 * date_shift(self.shifts, "),
    (r"return new_uid\(self\.uids, original\)", "return original"),
)
#: A participant's own names and numbers are cut out of whatever text a rule lets pass.
OWN_TOKENS_OFF: tuple[Swap] = ((r"own_tokens=tokens\.get\(str\(subject\), frozenset\(\)\),", ""),)

#: What is kept as a device's own name gets a keyed one, whatever it is.
DEVICES_OFF: tuple[Swap] = ((r"return _each\(texts, self\._device\), \"\"", 'return [*texts], ""'),)


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
    package, resources = demo.checkout / "workflow/sluice", demo.checkout / "resources"
    with (
        replaced(package / "identity/pseudonyms.py", *IDENTITY_OFF),
        replaced(package / "modalities/imaging/apply.py", *OWN_TOKENS_OFF),
        replaced(package / "dicom/cleaner.py", *DEVICES_OFF),
        replaced(resources / "dicom/ps3.15-2026d.csv", *map(_kept, KEPT)),
    ):
        for modality in ("clinical", "bulk", "singlecell"):
            home.script("deidentify_apply", "--tier", TIER, "--modality", modality)
        part = ("--modality", "imaging", "--part", PART)
        home.script("deidentify_apply", "--tier", TIER, *part)
    return home


def _kept(tag: str) -> Swap:
    """Give an element of the shipped PS3.15 table the action K (keep)."""
    return rf'^("{re.escape(tag)}",[^,]*),.*$', r"\1,K,,,,,,,,,,"


@contextmanager
def replaced(path: Path, *swaps: Swap) -> Iterator[None]:
    """Change a file of the checkout in one place for each swap, and put it back."""
    text = path.read_text(encoding="utf-8")
    for pattern, new in swaps:
        text, found = re.subn(pattern, new, text, flags=re.MULTILINE)
        assert found == 1, pattern
    with edited(path, ""):
        path.write_text(text, encoding="utf-8")
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
        roles[column] = {"role": "safe", "field": place.field}
        rules[f"{_fields(modality)}/{place.table}.{place.field}"] = KEEP
    edit_yaml(folder / "cohorts/demo.yaml", roles)
    edit_yaml(folder / "policies/demo.yaml", rules)


def _fields(modality: str) -> str:
    return f"tiers/{TIER}/modalities/{modality}/fields"


def released(home: Home, place: Place) -> str:
    """Return everything in the released column of a place; nothing if there is none."""
    path = home.layout.tier(TIER) / "data" / FILES[place.table]
    if place.source.startswith("singlecell"):
        path = home.layout.tier(TIER) / "data" / FILES["cells"]
    table = anndata.read_h5ad(path).obs if path.suffix == ".h5ad" else pd.read_parquet(path)
    name = "date" if place in DATES else place.field
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


@pytest.fixture(scope="module")
def filtered(demo: Home, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What stands in a filtered copy of the raw cells: those of three donors, as people do it."""
    raw = anndata.read_h5ad(demo.layout.raw_cohort / CELLS)
    donors = sorted(raw.obs["donor_id"].astype(str).unique())[:3]
    path = tmp_path_factory.mktemp("filtered") / "cells.h5ad"
    with anndata.settings.override(remove_unused_categories=False):
        raw[raw.obs["donor_id"].isin(donors)].copy().write_h5ad(path)
    return every_canary(demo).in_file(path)


def every_canary(home: Home) -> Search:
    listed = planted(home.layout.vault_cohort)
    return Search.of(c.value for c in listed if c.place.startswith(CELLS) and c.kind not in DAYS)


@pytest.mark.parametrize("slot", SLOTS)
def test_a_slot_of_the_raw_cells_stays_in_a_filtered_copy_and_not_in_the_release(
    demo: Home, filtered: set[str], canaries: dict[str, set[str]], slot: str
) -> None:
    hidden = canaries[f"{CELLS}:{slot}"]
    assert hidden & filtered
    released = demo.layout.data(TIER, "singlecell", "all")
    assert [path.name for path in released.iterdir() if every_canary(demo).in_file(path)] == []


@cache
def headers(home: Home) -> list[pydicom.Dataset]:
    """Return the headers of the released images of one part."""
    paths = home.layout.data(TIER, "imaging", PART).rglob("*.dcm")
    return [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]


def elements(home: Home, place: str) -> set[str]:
    """Return the values that an element has in the released images of one part."""
    found = set()
    for header in headers(home):
        value: Any = header
        for keyword, number in re.findall(r"(\w+)(?:\[(\d)\])?", place):
            value = value.get(keyword) if value is not None else None
            value = value[int(number)] if value and number else value
        found.add(str(value))
    return found


@pytest.mark.parametrize("place", ELEMENTS)
def test_a_dicom_element_comes_out_only_when_its_rule_is_off(
    demo: Home, leaky: Home, canaries: dict[str, set[str]], place: str
) -> None:
    ours, theirs = ("\n".join(elements(home, place)) for home in (demo, leaky))
    assert [value for value in canaries[place] if value in theirs]
    assert [value for value in canaries[place] if value in ours] == []


@pytest.mark.parametrize("level", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_a_uid_comes_out_only_when_it_is_not_renewed(
    demo: Home, leaky: Home, canaries: dict[str, set[str]], level: str
) -> None:
    assert len(elements(leaky, level)) > 10
    assert elements(leaky, level) <= canaries[level]
    assert elements(demo, level) & canaries[level] == set()


def test_the_last_scan_refuses_what_the_rules_let_through(leaky: Home) -> None:
    done = leaky.try_script("bundle", "--tier", TIER)
    assert done.returncode == 2
    assert "The candidate holds an identifier of kind" in done.stderr
    assert not leaky.layout.seal(TIER).exists()
