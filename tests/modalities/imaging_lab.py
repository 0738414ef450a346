"""The demo cohort's images alone, with some files that nobody should release, stage by stage."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.dataset import Dataset
from ruamel.yaml import YAML

from sluice.config import Config
from sluice.config.settings import Stage
from sluice.demo.canaries import Canaries, tidy
from sluice.demo.clinical import write_clinical
from sluice.demo.imaging import write_imaging
from sluice.demo.people import make_people, make_staff
from sluice.demo.words import Words
from sluice.files import read_json, write_json
from sluice.files.tables import write_table
from sluice.jobs import Job
from sluice.modalities import load
from sluice.modalities.shared.consent import write_consent
from sluice.scores import Score

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("p00of02", "p01of02")
SETTINGS = ("tiers", "controlled", "modalities", "imaging", "settings")


@dataclass(frozen=True)
class Lab:
    """A folder with config, raw, work and vault, and what was planted in raw."""

    folder: Path
    canaries: Canaries

    @property
    def config(self) -> Config:
        return Config.load(self.folder / "config/config.yaml", "demo/2026q1")

    @property
    def imaging(self) -> Path:
        return self.folder / "raw/demo/imaging"

    def job(self, stage: Stage, tier: str = "", part: str = "all") -> Job:
        return Job(self.config, stage, tier, "imaging", part)

    def copy(self, to: Path) -> Lab:
        """The same folder elsewhere, to be changed freely."""
        shutil.copytree(self.folder, to)
        return Lab(to, self.canaries)

    def amend(self, file: str, change: dict, *place: str) -> None:
        """Change a section of the configuration."""
        yaml, path = YAML(), self.folder / "config" / file
        yaml.preserve_quotes = True
        content = yaml.load(path)
        section = content
        for key in place:
            section = section[int(key) if key.isdigit() else key]
        section.update(change)
        yaml.dump(content, path)

    def intake(self) -> Counter[str]:
        job = self.job("intake")
        with job.writing(job.layout.intake("imaging")) as out:
            load("imaging", "inventory")(job, out)
        consent = self.job("consent")
        with consent.writing(consent.layout.consent) as out:
            write_consent(consent, out)
        return job.counts

    def curate(self) -> None:
        for part in PARTS:
            job = self.job("curate", part=part)
            with job.writing(job.layout.curate("imaging", part)) as out:
                load("imaging", "curate")(job, out)

    def minimize(self, tier: str) -> Counter[str]:
        counts: Counter[str] = Counter()
        for part in PARTS:
            job = self.job("minimize", tier, part)
            with job.writing(job.layout.minimize(tier, "imaging", part)) as out:
                load("imaging", "minimize")(job, out)
            counts += job.counts
        return counts

    def plan(self, tier: str, suppressed: Iterable[str] = (), product: str = "on") -> pd.DataFrame:
        """Write the facts and a plan that keeps everybody but the suppressed."""
        layout = self.config.layout
        facts: pd.DataFrame = load("imaging", "facts")(self.job("facts", tier))
        everyone = sorted(facts["subject"].unique())
        people = pd.DataFrame({"subject": everyone})
        kept = ~people["subject"].isin(set(suppressed))
        write_table(layout.plan_people(tier), people.assign(kept=kept, class_id=0))
        part = load("imaging", "propose")(self.job("plan", tier), facts, {})
        states = {"studies": {"status": product, "reason": ""}}
        plan = {
            "products": states,
            "modalities": {"imaging": part},
            "recoding": {"quasi": []},
        }
        write_json(layout.plan(tier), plan)
        return facts

    def apply(self, tier: str) -> Counter[str]:
        counts: Counter[str] = Counter()
        for part in PARTS:
            job = self.job("apply", tier, part)
            with job.writing(job.layout.data(tier, "imaging", part)) as out:
                load("imaging", "apply")(job, out)
            counts += job.counts
        return counts

    def build(self, tier: str, suppressed: Iterable[str] = ()) -> None:
        self.minimize(tier)
        self.plan(tier, suppressed)
        self.apply(tier)

    def scores(self, tier: str) -> dict[str, Score]:
        found = load("imaging", "scenarios")(self.job("score", tier))
        found += load("imaging", "utility")(self.job("score", tier))
        return {score.name: score for score in found}

    def released(self, tier: str) -> list[Path]:
        """Every released object."""
        folder = self.config.layout.data(tier, "imaging", PARTS[0]).parent
        return sorted(folder.rglob("*.dcm"))

    def objects(self, tier: str) -> list[Dataset]:
        return [pydicom.dcmread(path) for path in self.released(tier)]

    def index(self, tier: str) -> list[dict]:
        layout = self.config.layout
        paths = [layout.index(layout.data(tier, "imaging", part)) for part in PARTS]
        return [file for path in paths for file in read_json(path)["files"]]

    def manifest(self) -> pd.DataFrame:
        return pd.read_parquet(self.config.layout.manifest("imaging"))

    def people(self) -> pd.DataFrame:
        return pd.read_parquet(self.config.layout.people("imaging"))

    def crosswalk(self, tier: str) -> pd.DataFrame:
        layout = self.config.layout
        paths = [layout.crosswalk(tier, "imaging", part) for part in PARTS]
        return pd.concat(map(pd.read_parquet, paths), ignore_index=True)

    def tables(self, folder: str, name: str) -> pd.DataFrame:
        """One table of all parts below the work folder, e.g. of ``curate``."""
        base = self.config.layout.base / folder / "imaging"
        paths = [base / part / f"{name}.parquet" for part in PARTS]
        return pd.concat(map(pd.read_parquet, paths), ignore_index=True)


def _write_raw(raw: Path) -> Canaries:
    streams = [np.random.default_rng([7, part]) for part in range(4)]
    words = Words(streams[0])
    staff = make_staff(words)
    people = make_people(60, words, staff, streams[1])
    raw.mkdir(parents=True)
    clinical = write_clinical(raw, people, staff, streams[2])
    return tidy([*clinical, *write_imaging(raw, people, staff, words, streams[3])])


def _write_hostile(imaging: Path) -> None:
    """Add one file for every reason to quarantine."""
    first, *_, last = sorted(imaging.rglob("*.dcm"))
    box = imaging / "box99"
    box.mkdir()
    (box / "note.txt").write_text("not DICOM at all")
    (box / "cut.dcm").write_bytes(first.read_bytes()[:-2000])
    (box / "copy.dcm").write_bytes(first.read_bytes())
    other = pydicom.dcmread(last).PatientID
    strangers: list[tuple[str, dict[str, str | None]]] = [
        ("nobody", {"PatientID": ""}),
        ("anonymous", {"StudyInstanceUID": None}),
        ("mixed1", {"StudyInstanceUID": "2.25.77"}),
        ("mixed2", {"StudyInstanceUID": "2.25.77", "PatientID": other}),
        ("twice1", {"StudyInstanceUID": "2.25.78", "SOPInstanceUID": "2.25.79"}),
        ("twice2", {"StudyInstanceUID": "2.25.78", "SOPInstanceUID": "2.25.79", "KVP": "99"}),
    ]
    for number, (name, changes) in enumerate(strangers):
        dataset = pydicom.dcmread(first)
        dataset.StudyInstanceUID = f"2.25.6{number}"
        dataset.SOPInstanceUID = f"2.25.5{number}"
        for keyword, value in changes.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(box / f"{name}.dcm")


@pytest.fixture(scope="session")
def raw_lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Raw and configuration: imaging alone, in two parts, with no scenario that cannot run."""
    folder = tmp_path_factory.mktemp("imaging") / "lab"
    lab = Lab(folder, _write_raw(folder / "raw/demo"))
    _write_hostile(lab.imaging)
    shutil.copytree(ROOT / "config", folder / "config")
    lab.amend("config.yaml", {k: f"../{k}" for k in ("raw", "work", "vault", "store")})
    imaging = YAML().load(folder / "config/cohorts/demo.yaml")["modalities"]["imaging"]
    lab.amend("cohorts/demo.yaml", {"modalities": {"imaging": {**imaging, "parts": 2}}})
    requires = ["residual", "header_linkage", "header_classes", "pixel_digest", "image_utility"]
    products = {"studies": {"requires": requires}}
    lab.amend("policies/demo.yaml", {"products": products}, "tiers", "registered")
    whole = {"max_studies": None}  # more than the first, so objects of every kind leave
    lab.amend("policies/demo.yaml", whole, *SETTINGS)
    return lab


@pytest.fixture(scope="session")
def lab(raw_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """All three tiers built; one participant of controlled suppressed."""
    lab = raw_lab.copy(tmp_path_factory.mktemp("built") / "lab")
    lab.intake()
    lab.curate()
    lab.minimize("controlled")
    unlucky = min(lab.tables("controlled/minimize", "instances")["subject"])
    lab.plan("controlled", suppressed=[unlucky])
    lab.apply("controlled")
    lab.build("registered")
    lab.minimize("public")
    return lab
