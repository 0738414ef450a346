"""The scorer itself: a perfect cleaner, a copy and single faults each get what they must."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pydicom
import pytest
from benchmarks.imaging import answers, hospital, scorer
from benchmarks.imaging.answers import REMOVALS, RETENTIONS, Check
from pydicom.dataset import FileDataset

Files = dict[str, FileDataset]


@dataclass(frozen=True)
class Set:
    raw: Path
    checks: list[Check]

    def read(self) -> Files:
        names = dict.fromkeys(check.instance for check in self.checks)
        return {name: pydicom.dcmread(self.raw / name) for name in names}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Set:
    folder = tmp_path_factory.mktemp("hospital")
    hospital.build(folder / "raw", folder / "key.jsonl", 2)
    return Set(folder / "raw", list(answers.read(folder / "key.jsonl")))


def new_uid(uid: str) -> str:
    return "2.25." + str(int(hashlib.sha256(uid.encode()).hexdigest()[:30], 16))


def clean(check: Check, dataset: FileDataset, keep: dict[str, str]) -> None:
    """Do to one place what the key asks for."""
    element = answers.element_at(dataset, check.path)
    if check.category == "pixels_hidden":
        assert check.box is not None
        left, top, right, bottom = check.box
        frame = dataset.pixel_array.copy()
        frame[top:bottom, left:right] = 0
        dataset.PixelData = frame.tobytes()
    elif element is None:
        return
    elif check.category == "text_removed":
        element.value = b"" if isinstance(element.value, bytes) else keep.get(check.path, "")
    elif check.category == "date_shifted":
        day = datetime.strptime(check.answer, "%Y%m%d") - timedelta(days=100)
        element.value = day.strftime("%Y%m%d")
    elif check.category == "uid_changed":
        element.value = new_uid(check.answer)
    elif check.category == "patid_consistent":
        element.value = "P" + hashlib.sha256(check.answer.encode()).hexdigest()[:8]


@pytest.fixture(scope="module")
def perfect(generated: Set) -> Files:
    files = generated.read()
    keep: dict[str, dict[str, str]] = {name: {} for name in files}
    for check in generated.checks:
        if check.category == "text_retained":
            keep[check.instance][check.path] = check.answer
    for check in generated.checks:
        clean(check, files[check.instance], keep[check.instance])
    return files


@pytest.fixture
def cleaned(generated: Set, perfect: Files, tmp_path: Path) -> tuple[Set, Files, Path]:
    return generated, copy.deepcopy(perfect), tmp_path


def judge(generated: Set, files: Files, folder: Path) -> scorer.Score:
    paths = {}
    for number, (name, dataset) in enumerate(files.items()):
        paths[name] = folder / f"{number}.dcm"
        pydicom.dcmwrite(paths[name], dataset)
    return scorer.score(generated.checks, scorer.submission(generated.checks, paths))


def failed(score: scorer.Score) -> dict[str, int]:
    return {name: count for name, count in score.failed.items() if count}


def test_a_copy_fails_every_removal_and_passes_every_retention(generated: Set) -> None:
    paths = {name: generated.raw / name for name in generated.read()}
    score = scorer.score(generated.checks, scorer.submission(generated.checks, paths))
    assert not any(score.passed[name] for name in REMOVALS)
    assert not any(score.failed[name] for name in RETENTIONS)
    assert all(score.failed[name] for name in REMOVALS)


def test_a_perfect_cleaner_fails_nothing(cleaned: tuple[Set, Files, Path]) -> None:
    generated, files, folder = cleaned
    score = judge(generated, files, folder)
    assert failed(score) == {}
    assert score.share() == 100
    assert score.missing == 0


def raw_of(dataset: FileDataset) -> FileDataset:
    return pydicom.dcmread(str(dataset.filename))


def nested_reference(files: Files) -> tuple[str, FileDataset]:
    return next((n, d) for n, d in files.items() if "ReferencedFrameOfReferenceSequence" in d)


def keep_a_name(files: Files) -> None:
    next(iter(files.values())).PatientMotherBirthName = ""
    first = next(iter(files.values()))
    first.StationName = raw_of(first).StationName


def lose_the_rows(files: Files) -> None:
    del next(dataset for dataset in files.values() if "Rows" in dataset).Rows


def empty_a_type_2(files: Files) -> None:
    del next(iter(files.values())).StudyID


def keep_a_date(files: Files) -> None:
    first = next(iter(files.values()))
    first.StudyDate = raw_of(first).StudyDate


def change_a_reference_alone(files: Files) -> None:
    _, dataset = nested_reference(files)
    images = dataset.ROIContourSequence[0].ContourSequence[0].ContourImageSequence
    images[0].ReferencedSOPInstanceUID = "2.25.1"


def keep_a_nested_reference(files: Files) -> None:
    _, dataset = nested_reference(files)
    raw = raw_of(dataset)
    dataset.ROIContourSequence = raw.ROIContourSequence


def take_another_number(files: Files) -> None:
    list(files.values())[-1].PatientID = "SOMEBODY ELSE"


def flip_a_sample(files: Files) -> None:
    dataset = next(dataset for dataset in files.values() if "PixelData" in dataset)
    dataset.PixelData = bytes([dataset.PixelData[0] ^ 1]) + dataset.PixelData[1:]


def show_the_text(files: Files) -> None:
    dataset = next(
        d for d in files.values() if d.get("BurnedInAnnotation") == "YES" and "Rows" in d
    )
    dataset.PixelData = raw_of(dataset).PixelData


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (keep_a_name, {"text_removed": 1}),
        (lose_the_rows, {"text_notnull": 1, "text_retained": 1}),
        (empty_a_type_2, {"tag_retained": 1}),
        (keep_a_date, {"date_shifted": 1}),
        (change_a_reference_alone, {"uid_consistent": 1}),
        (keep_a_nested_reference, {"uid_changed": 5, "uid_consistent": 5}),
        (take_another_number, {"patid_consistent": 1}),
        (flip_a_sample, {"pixels_retained": 1}),
        (show_the_text, {"pixels_hidden": 2}),
    ],
)
def test_a_single_fault_costs_its_own_category(
    cleaned: tuple[Set, Files, Path],
    fault: Callable[[Files], None],
    expected: dict[str, int],
) -> None:
    generated, files, folder = cleaned
    fault(files)
    assert failed(judge(generated, files, folder)) == expected


def test_a_missing_file_passes_its_removals_and_fails_the_rest(
    cleaned: tuple[Set, Files, Path],
) -> None:
    generated, files, folder = cleaned
    gone = next(iter(files))
    del files[gone]
    score = judge(generated, files, folder)
    asked = [check.category for check in generated.checks if check.instance == gone]
    assert score.missing == 1
    assert sum(failed(score).values()) == sum(name in RETENTIONS for name in asked)
    assert not any(score.failed[name] for name in REMOVALS)


def test_one_number_for_all_people_is_not_consistent(cleaned: tuple[Set, Files, Path]) -> None:
    generated, files, folder = cleaned
    for dataset in files.values():
        dataset.PatientID = "ANONYMOUS"
    score = judge(generated, files, folder)
    assert score.failed["patid_consistent"] == score.instances - unpromised(generated)


def unpromised(generated: Set) -> int:
    asked = {check.instance for check in generated.checks if check.category == "patid_consistent"}
    return len({check.instance for check in generated.checks}) - len(asked)


@pytest.mark.parametrize(
    ("value", "answer", "stays", "goes"),
    [
        ("CT chest with contrast", "CT CHEST w/ contrast", True, False),
        ("chest", "CT chest", False, False),
        ("", "Kilbride", False, True),
        ("seen by Kilbride", "Siobhan Kilbride", False, False),
        ("12.0", "12", True, False),
        ("1.5\\2", "1.50\\2.0", True, False),
        ("120", "12", False, True),
    ],
)
def test_text_is_judged_whole_or_by_its_words(
    value: str, answer: str, stays: bool, goes: bool
) -> None:
    assert scorer.retained(value, answer) is stays
    assert scorer.removed(value, answer) is goes


def test_letters_that_were_only_dimmed_are_not_hidden(
    cleaned: tuple[Set, Files, Path],
) -> None:
    generated, files, folder = cleaned
    check = next(check for check in generated.checks if check.category == "pixels_hidden")
    assert check.box is not None
    dataset = files[check.instance]
    left, top, right, bottom = check.box
    raw = pydicom.dcmread(generated.raw / check.instance).pixel_array
    frame = dataset.pixel_array.copy()
    frame[top:bottom, left:right] = raw[top:bottom, left:right] // 16
    dataset.PixelData = frame.tobytes()
    assert failed(judge(generated, files, folder)) == {"pixels_hidden": 1}
