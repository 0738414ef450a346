"""`sluice imaging deidentify`: any folder of DICOM files, without a cohort."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pydicom
import pytest
from click.testing import CliRunner, Result
from pydicom.dataset import FileDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, generate_uid
from tests.dicom.corpus import BUNDLED, full_size

from sluice.cli import sluice
from sluice.config import load_policy
from sluice.dicom.profile import Profile
from sluice.dicom.reader import read, walk_elements
from sluice.dicom.scan import scan_bytes
from sluice.errors import SluiceError
from sluice.modalities.imaging.folder import TIERS, Preset, preset
from sluice.modalities.imaging.settings import individual_settings
from sluice.resources import shipped

NAME, NUMBER, WARD = "Kestrelova^Brunhilde", "KES-4711-09", "Windhover House"


@dataclass(frozen=True)
class Place:
    """A source with two people of two studies each, and where the results go."""

    source: Path
    target: Path
    vault: Path
    report: Path

    def run(self, *more: str, tier: str = "controlled") -> Result:
        return CliRunner().invoke(
            sluice,
            ["imaging", "deidentify", str(self.source), str(self.target), "--tier", tier,
             "--vault", str(self.vault), "--report", str(self.report), "--processes", "1", *more],
        )  # fmt: skip

    def counts(self) -> dict[str, object]:
        found = json.loads(self.report.read_text())
        assert isinstance(found, dict)
        return found

    def crosswalk(self) -> pd.DataFrame:
        return pd.read_csv(
            self.vault / "imaging" / "crosswalk.csv", dtype=str, keep_default_na=False
        )

    def objects(self) -> Iterator[FileDataset]:
        for path in sorted(self.target.iterdir()):
            yield pydicom.dcmread(path)


def image(number: str, study: str, **elements: object) -> FileDataset:
    dataset = full_size(read(BUNDLED / "CT_small.dcm"))
    dataset.PatientID, dataset.PatientName, dataset.InstitutionName = number, NAME, WARD
    dataset.BodyPartExamined = "CHEST"
    dataset.StudyInstanceUID, dataset.SOPInstanceUID = study, generate_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    before = os.umask(0o077)  # as the console script does
    made = Place(*(tmp_path / name for name in ("in", "out", "vault", "report.json")))
    for number in (NUMBER, "KES-4711-10"):
        for day in ("20040102", "20040302"):
            study = generate_uid()
            for clock in ("101500", "102000"):
                new = image(number, study, StudyDate=day, StudyTime="101500")
                new.AcquisitionDate, new.AcquisitionTime = day, clock
                new.SeriesDescription = f"chest of {NAME}"
                folder = made.source / number / day
                folder.mkdir(parents=True, exist_ok=True)
                new.save_as(folder / f"{clock}.dcm")
    yield made
    os.umask(before)


def shrink(paths: list[Path]) -> None:
    """Give files their small picture back, for a tier that reads every one."""
    small = read(BUNDLED / "CT_small.dcm")
    for path in paths:
        dataset = read(path)
        dataset.Rows, dataset.Columns = small.Rows, small.Columns
        dataset.PixelData = small.PixelData
        dataset.save_as(path)


@pytest.mark.parametrize("tier", ["controlled", "registered"])
def test_names_and_uids_of_the_source_are_in_no_output(place: Place, tier: str) -> None:
    sources = sorted(place.source.rglob("*.dcm"))
    if tier == "registered":
        shrink(sources)
    planted = [NAME, NUMBER, WARD, *(str(read(p).SOPInstanceUID) for p in sources)]
    needles = [text.encode() for text in planted]
    assert {i for path in sources for i, _ in scan_bytes(path, needles)} == set(range(len(needles)))
    done = place.run(tier=tier)
    assert done.exit_code == 0, done.output
    outputs = sorted(place.target.iterdir())
    assert len(outputs) == len(sources) == 8
    assert not [hit for path in outputs for hit in scan_bytes(path, needles)]
    said = done.output + place.report.read_text() + " ".join(p.name for p in outputs)
    assert not [text for text in planted if text in said]


def test_each_output_is_named_after_its_new_instance(place: Place) -> None:
    place.run()
    assert all(
        path.name == f"{pydicom.dcmread(path).SOPInstanceUID}.dcm"
        for path in place.target.iterdir()
    )


def test_a_person_keeps_one_pseudonym_and_one_shift_in_all_studies(place: Place) -> None:
    place.run()
    days: dict[str, set[str]] = {}
    for new in place.objects():
        days.setdefault(new.PatientID, set()).add(new.StudyDate)
        assert (new.StudyDate, new.StudyTime) == (new.AcquisitionDate, "000000")
        assert new.AcquisitionTime in ("000000", "000500")
        assert new.SeriesDescription == "chest of"
    assert len(days) == 2 and not {"20040102", "20040302"} & {
        day for found in days.values() for day in found
    }
    for found in days.values():
        first, second = sorted(pd.to_datetime(list(found)))
        assert (second - first).days == 60, "intervals are exact"


def test_the_same_vault_gives_the_same_bytes_and_another_none_of_them(
    place: Place, tmp_path: Path
) -> None:
    place.run()
    again = Place(place.source, tmp_path / "again", place.vault, tmp_path / "again.json")
    again.run("--processes", "2")
    other = Place(place.source, tmp_path / "other", tmp_path / "v2", tmp_path / "other.json")
    other.run()
    outputs = {p.name: p.read_bytes() for p in place.target.iterdir()}
    assert outputs == {p.name: p.read_bytes() for p in again.target.iterdir()}
    assert not outputs.keys() & {p.name for p in other.target.iterdir()}


def test_the_crosswalk_is_in_the_vault_and_nowhere_else(place: Place) -> None:
    place.run()
    table = place.crosswalk()
    assert set(table["person_old"]) == {NUMBER, "KES-4711-10"}
    assert set(table["sop_new"]) == {p.stem for p in place.target.iterdir()}
    assert place.vault.stat().st_mode & 0o777 == 0o700
    assert (place.vault / "imaging" / "crosswalk.csv").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_processed_is_counted_with_its_reason(place: Place) -> None:
    good = sorted(place.source.rglob("*.dcm"))
    (place.source / "truncated.dcm").write_bytes(good[0].read_bytes()[:900])
    (place.source / "notes.txt").write_text(f"{NAME} called")
    (place.source / "program.dcm").write_bytes(b"MZ" + good[0].read_bytes()[2:])
    (place.source / "copy.dcm").write_bytes(good[1].read_bytes())
    changed = read(good[2])
    changed.StudyDescription = "another"
    changed.save_as(place.source / "changed.dcm")
    study = str(read(good[4]).StudyInstanceUID)
    image("KES-4711-11", study).save_as(place.source / "stranger.dcm")
    done = place.run()
    assert done.exit_code == 0, done.output
    counts = place.counts()
    quarantined = counts["quarantined"]
    assert isinstance(quarantined, dict)
    assert (counts["files_in"], counts["files_out"]) == (14, 5)
    assert quarantined["a copy of another file"] == 1
    assert quarantined["one SOP instance with two contents"] == 2
    assert quarantined["two participants in one study"] == 3
    assert sum(quarantined.values()) == 9
    assert NAME not in done.output + place.report.read_text()


def test_names_of_one_file_are_taken_out_of_another(place: Place) -> None:
    """The dose report of a participant whose name stands only in the pictures."""
    study = str(read(min((place.source / NUMBER).rglob("*.dcm"))).StudyInstanceUID)
    other = image(NUMBER, study, PatientName="", ConvolutionKernel="BRUNHILDE", KVP=120)
    other.save_as(place.source / "other.dcm")
    place.run()
    assert not [
        element for new in place.objects() for _, element in walk_elements(new)
        if "BRUNHILDE" in str(element.value).upper()
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p.target.mkdir() or (p.target / "x").touch(), "not an empty folder"),
        (lambda p: p.vault.mkdir() or p.vault.chmod(0o755), "can be read by others"),
        (lambda p: p.source.rename(p.source.with_name("gone")), "no folder"),
    ],
)
def test_a_wrong_place_is_told_and_nothing_is_written(
    place: Place, spoil: object, message: str
) -> None:
    assert callable(spoil)
    spoil(place)
    done = place.run()
    assert isinstance(done.exception, SluiceError) and message in str(done.exception)
    assert not place.report.exists() and not list(place.target.glob("*.dcm"))


def test_registered_leaves_out_what_nobody_may_waive(place: Place) -> None:
    sources = sorted(place.source.rglob("*.dcm"))
    shrink(sources)
    for path, part in zip(sources, ["CHEST", "HEAD"] * 4, strict=True):
        dataset = read(path)
        dataset.BodyPartExamined = part
        dataset.save_as(path)
    assert place.run(tier="registered").exit_code == 0
    found = place.counts()
    assert found["quarantined"] == {"the tier does not hold it: region_head": 4}
    assert (found["files_out"], found["may_show_a_face"]) == (4, 0)


def test_controlled_counts_what_may_show_a_face_and_says_so(place: Place) -> None:
    for path in place.source.rglob("*.dcm"):
        dataset = read(path)
        dataset.BodyPartExamined = "HEAD"
        dataset.save_as(path)
    run = place.run()
    assert place.counts()["may_show_a_face"] == place.counts()["files_out"] == 8
    assert "8 may show a face: deface them" in run.output


_LOADED = """
import sys
from sluice.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code
heavy = {"cv2", "numpy", "onnxruntime", "pandas", "pyarrow", "pydantic", "pydicom"}
print(*sorted(heavy & sys.modules.keys()), file=sys.stderr)
"""


def libraries_loaded(place: Place) -> list[str]:
    """Return the heavy libraries that the command loads, when it runs on its own."""
    command = ["imaging", "deidentify", str(place.source), str(place.target), "--tier",
               "controlled", "--vault", str(place.vault), "--report", str(place.report),
               "--processes", "1"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, *command], capture_output=True, text=True, check=True
    )
    assert place.counts()["files_out"] == 8
    return done.stderr.splitlines()[-1].split()


def test_files_of_the_common_kind_need_no_heavy_library(place: Place) -> None:
    """They are most files, and loading these takes longer than rewriting hundreds."""
    assert libraries_loaded(place) == ["numpy"], "which tells a plain slice from a drawn one"


def test_a_file_that_is_not_common_is_left_to_pydicom(place: Place) -> None:
    path = next(place.source.rglob("*.dcm"))
    dataset = read(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    assert "pydicom" in libraries_loaded(place)


@pytest.mark.parametrize("tier", TIERS)
def test_a_preset_is_what_the_default_policy_says(tier: str) -> None:
    policy = load_policy(shipped() / "config", "default")
    settings = individual_settings(policy.tiers[tier].modalities["imaging"], tier)
    profile = Profile.from_policy(settings.profile(tier))
    assert preset(tier) == Preset(profile, settings.eligibility), (
        "run docs/dicom_tables.py presets after a change of the policy"
    )
