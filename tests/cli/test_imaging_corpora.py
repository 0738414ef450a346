"""`sluice imaging deidentify` over real objects of every kind: nothing left, nothing made invalid.

The files are pydicom's own test data and, where it lies beside the repository, the shared data.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from types import NoneType

import pandas as pd
import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.uid import UID
from tests.dicom.corpus import BUNDLED

from sluice.dicom.burned_in import Risk
from sluice.dicom.reader import walk_elements
from sluice.dicom.scan import scan_bytes
from sluice.identity import Vault
from sluice.modalities.imaging.folder import TIERS, Report, deidentify_folder

# Many of the files break a rule of the standard, of which pydicom warns.
pytestmark = pytest.mark.filterwarnings("ignore")

CHECKER = str(distribution("dicom3tools").locate_file("dicom3tools/bin/dciodvfy"))
NUMBERS = frozenset({"PatientID", "OtherPatientIDs", "AccessionNumber", "IssuerOfPatientID"})
# What a template's author wrote where a name should be.
PLACEHOLDERS = frozenset({"Enter text", "Last Name^First Name"})
# Text shorter than this is found in pixels and inside other words by chance.
ANYWHERE, LEAST = 6, 4
WORD = re.compile(r"[^\W_]+")
# Errors of the checker that are none of the object, by file.
EXCUSED = {
    # PS3.3 C.7.3.1 asks for a laterality if the body part is a paired one. The participant is
    # called PANCREAS, so the body part's name goes, and the checker takes the unknown for paired.
    "pydicom-data__explicit_VR-UN.dcm": {
        "Error - Missing attribute Type 2C Conditional Element=<> Module=<>"
    },
}
# The checker gives up before it comes to the object: what it says then is no base for comparison.
UNKNOWN = "Error - Information Object Not found"


@dataclass(frozen=True)
class Run:
    """The command over one folder: its counts, and the successor of each file that has one."""

    report: Report
    pairs: list[tuple[Path, Path]]


@dataclass
class Known:
    """What a file says of people: UIDs, days, names and numbers."""

    anywhere: set[str]
    words: set[str]


@pytest.fixture(
    scope="module", params=["bundled", pytest.param("shared", marks=pytest.mark.shared)]
)
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """All files, dealt to folders so that none of them holds one SOP instance twice.

    The data have an image in many encodings; in one folder they would contradict each other.
    """
    shared = request.param == "shared"
    source = request.getfixturevalue("shared_data") / "dicom" if shared else BUNDLED.parent
    into = tmp_path_factory.mktemp(request.param)
    seen: Counter[str] = Counter()
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        uid = instance_of(path)
        place = into / str(seen[uid]) / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        seen[uid] += bool(uid)
    return sorted(into.iterdir())


@pytest.fixture(scope="module", params=TIERS)
def runs(
    request: pytest.FixtureRequest, folders: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Run]]:
    before = os.umask(0o077)  # as the console script does
    work = tmp_path_factory.mktemp("work")
    # A fixed key, so that no moved day happens to be another day of the same person.
    key = work / "vault" / "keys" / "master.key"
    key.parent.mkdir(parents=True)
    key.write_bytes(bytes(range(32)))
    with pytest.MonkeyPatch.context() as patch:
        # What a tier may not hold at all must come out clean and valid all the same.
        patch.setattr("sluice.modalities.imaging.folder.STRICT", frozenset())
        # Nor may pixels decide here: half of the pictures are captures; reading takes minutes.
        for place in ("renew", "burned_in.clean"):
            patch.setattr(f"sluice.dicom.{place}.assess", lambda _: Risk("clear", "no_picture"))
        yield [released(folder, work, request.param) for folder in folders]
    os.umask(before)


def released(folder: Path, work: Path, tier: str) -> Run:
    vault = Vault(work / "vault", "imaging")
    target = work / f"out-{folder.name}"
    target.mkdir()
    report = deidentify_folder(folder, target, tier, vault, lambda *_: None, 1)
    table = pd.read_csv(vault.folder / "crosswalk.csv", dtype=str, keep_default_na=False)
    rows = zip(table["source"], table["sop_new"], strict=True)
    return Run(report, [(folder / old, target / f"{new}.dcm") for old, new in rows])


def instance_of(path: Path) -> str:
    try:
        return str(pydicom.dcmread(path, force=True).get("SOPInstanceUID", ""))
    except Exception:  # some of the files are broken on purpose
        return ""


def test_every_file_comes_out_or_is_quarantined_with_a_reason(
    runs: list[Run], folders: list[Path]
) -> None:
    assert sum(len(run.pairs) for run in runs) >= 100, "the corpus has lost its files"
    for run, folder in zip(runs, folders, strict=True):
        report = run.report
        assert report.files_in == sum(p.is_file() for p in folder.rglob("*"))
        assert report.files_in == report.files_out + sum(report.quarantined.values())
        assert report.files_out == len(run.pairs) == len({new for _, new in run.pairs})
        assert all(new.is_file() for _, new in run.pairs)
        assert not [why for why in report.quarantined if "cannot be" in why], "unexplained"


def test_no_uid_day_or_name_of_a_file_is_left_in_its_successor(runs: list[Run]) -> None:
    looked_for = 0
    for source, new in (pair for run in runs for pair in run.pairs):
        known = known_of(source)
        looked_for += len(known.anywhere) + len(known.words)
        assert found_of(known, source) == known.anywhere | known.words, source.name
        assert not found_of(known, new), source.name
    assert looked_for > 800


def test_no_successor_has_an_error_that_its_source_does_not_have(runs: list[Run]) -> None:
    pairs = [pair for run in runs for pair in run.pairs]
    with ThreadPoolExecutor(2) as pool:
        before = list(pool.map(errors, [source for source, _ in pairs]))
        after = list(pool.map(errors, [new for _, new in pairs]))
    assert sum(found.total() for found in before) > 150, "the checker says nothing"
    known = [place for place, old in enumerate(before) if UNKNOWN not in old]
    assert len(before) - len(known) <= 5, "the checker understands too few of the sources"
    added = {pairs[n][0].name: set(after[n] - before[n]) for n in known}
    assert not {name: new for name, new in added.items() if new - EXCUSED.get(name, set())}


def test_an_element_that_went_missing_is_an_error_to_the_checker(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(BUNDLED / "CT_small.dcm")
    del dataset.Modality
    dataset.save_as(tmp_path / "poorer.dcm")
    assert errors(tmp_path / "poorer.dcm") - errors(BUNDLED / "CT_small.dcm")


def errors(path: Path) -> Counter[str]:
    """Return the checker's errors, values left out."""
    said = subprocess.run([CHECKER, path], capture_output=True, text=True, errors="replace")
    lines = [line for line in (said.stdout + said.stderr).splitlines() if line[:5] == "Error"]
    return Counter(re.sub(r"<[^>]*>|(?<=UID) [\d.]+", "<>", line) for line in lines)


def known_of(path: Path) -> Known:
    """Gather what identifies, by pydicom and VR alone."""
    known = Known(set(), set())
    for element in elements(path):
        for value in element.value if element.VM > 1 else [element.value]:
            text = str(value).strip(" \0")
            if element.VR == "UI" and not element.keyword.endswith("ClassUID"):
                known.anywhere |= {text} if UID(text).name == text and len(text) > LEAST else set()
            elif element.VR in ("DA", "DT") and text[:8].isdigit():
                known.anywhere.add(text[:8])
            elif (element.VR == "PN" or element.keyword in NUMBERS) and text not in PLACEHOLDERS:
                add_names(known, text)
    return known


def add_names(known: Known, text: str) -> None:
    for part in re.split(r"[\^=\s]+", text):
        if len(part) >= ANYWHERE:
            known.anywhere.add(part)
        elif len(part) >= LEAST and WORD.fullmatch(part):
            known.words.add(part.casefold())


def found_of(known: Known, path: Path) -> set[str]:
    wanted = sorted(known.anywhere)
    found = {wanted[i] for i, _ in scan_bytes(path, [text.encode() for text in wanted])}
    texts = [str(e.value).casefold() for e in elements(path)] if known.words else []
    return found | (known.words & {word for text in texts for word in WORD.findall(text)})


def elements(path: Path) -> Iterator[DataElement]:
    """Yield the elements at every depth that hold text."""
    dataset = pydicom.dcmread(path, force=True)
    for part in (dataset.file_meta, dataset):
        for _, element in walk_elements(part):
            if element.VR != "SQ" and not isinstance(element.value, (bytes, NoneType)):
                yield element
