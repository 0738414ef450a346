"""The demo cohort is reproducible, careful with folders, and hides what it says it hides."""

from __future__ import annotations

import gzip
import zipfile
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest

from sluice.demo import make_cohort
from sluice.errors import SluiceError
from sluice.files import sha256_file

_DATES = ("birth_date", "event_date")


def _tree(folder: Path) -> dict[str, str]:
    """Return path → digest (or target of a link) of everything in a folder."""
    return {
        path.relative_to(folder).as_posix(): (
            f"-> {path.readlink()}" if path.is_symlink() else sha256_file(path)
        )
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def _decoded(path: Path) -> bytes:
    """Return a file's bytes, unpacked where its format packs them."""
    if path.suffix in (".xlsx", ".zip"):
        with zipfile.ZipFile(path) as archive:
            return b"\n".join(archive.read(name) for name in archive.namelist())
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".parquet":
        return pd.read_parquet(path).to_csv().encode()
    return path.read_bytes()


def test_the_same_seed_gives_the_same_bytes_in_another_folder(demo, tmp_path):
    again = tmp_path / "elsewhere"
    assert make_cohort(again) == demo.canaries
    assert _tree(again) == _tree(demo.raw)


def test_another_seed_gives_other_people_and_replaces_a_marked_folder(tmp_path):
    raw = tmp_path / "raw"
    first = {c.value for c in make_cohort(raw, seed=1, participants=60) if c.kind == "mrn"}
    second = {c.value for c in make_cohort(raw, seed=2, participants=60) if c.kind == "mrn"}
    assert len(first) == len(second) == 60
    assert not first & second
    patients = pd.read_csv(raw / "clinical/patients.csv")
    assert set(patients["mrn"]) == second
    assert [p.name for p in tmp_path.iterdir()] == ["raw"]


def test_a_folder_with_other_content_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.csv").write_text("1\n")
    with pytest.raises(SluiceError, match="holds something else"):
        make_cohort(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.csv"]


def test_a_link_to_a_folder_is_refused(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "raw").symlink_to("there")
    with pytest.raises(SluiceError, match="holds something else"):
        make_cohort(tmp_path / "raw")


@pytest.mark.parametrize("participants", [59, 2001])
def test_a_number_of_participants_out_of_range_is_refused(tmp_path, participants):
    with pytest.raises(SluiceError, match="60 to 2000"):
        make_cohort(tmp_path / "raw", participants=participants)


def test_every_canary_lies_in_the_file_that_its_place_names(demo):
    by_file = defaultdict(set)
    for kind, value, place in demo.canaries:
        path, _, where = place.partition(":")
        assert where, place
        if kind != "burned_in":
            by_file[path].add(value)
    missing = []
    for path, values in by_file.items():
        content = _decoded(demo.raw / path)
        missing += [(path, value) for value in values if value.encode() not in content]
    assert missing == []
    assert len(by_file) > 250


def test_every_file_with_people_in_it_is_in_the_list(demo):
    listed = {place.partition(":")[0] for _, _, place in demo.canaries}
    silent = set(_tree(demo.raw)) - listed
    assert silent == {
        "DEMO-COHORT",
        "clinical/latest.csv",
        "singlecell/run2/features.tsv",
        "singlecell/run2/matrix.mtx",
    }


def test_no_identifier_is_short_or_part_of_another(demo):
    values = sorted({c.value for c in demo.canaries if c.kind not in _DATES})
    assert min(map(len, values)) >= 6
    joined = "\n".join(values)
    assert [value for value in values if joined.count(value) != 1] == []


def test_an_identifier_belongs_to_one_kind_and_one_person(demo):
    kinds = defaultdict(set)
    for kind, value, _ in demo.canaries:
        if kind not in (*_DATES, "burned_in"):
            kinds[value].add(kind)
    assert {value for value, found in kinds.items() if len(found) > 1} == set()
    patients = demo.table("clinical/patients.csv")
    for column in ("mrn", "family_name", "given_name", "phone", "email", "national_id"):
        assert patients[column].is_unique


def test_no_path_tells_who_is_inside(demo):
    paths = "\n".join(_tree(demo.raw)).lower()
    values = {c.value.lower() for c in demo.canaries if c.kind not in _DATES}
    assert [value for value in values if value in paths] == []


def test_the_files_that_intake_must_refuse_are_there(demo):
    assert (demo.raw / "clinical/latest.csv").is_symlink()
    for path in (
        "imaging/export.zip",
        "singlecell/notes.pkl",
        "bulk/calls.vcf",
        "bulk/reads_1.fastq.gz",
    ):
        assert (demo.raw / path).is_file()


def test_the_cohort_stays_small(demo):
    files = [p for p in demo.raw.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 60e6
    assert 200 <= sum(p.suffix == ".dcm" for p in files) <= 320
