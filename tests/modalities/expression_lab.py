"""The demo cohort without images, run stage by stage in this process."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sluice.config import Config
from sluice.config.settings import Stage
from sluice.demo.bulk import write_bulk
from sluice.demo.canaries import Canaries
from sluice.demo.clinical import write_clinical
from sluice.demo.genes import choose_genes
from sluice.demo.people import make_people, make_staff
from sluice.demo.singlecell import read_real_cells, write_singlecell
from sluice.demo.words import Words
from sluice.files import write_json
from sluice.files.tables import write_table
from sluice.jobs import Job
from sluice.modalities import load
from sluice.modalities.shared.consent import write_consent
from sluice.planning import plan
from sluice.release.decode import decode
from sluice.scores import Score

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "demo/2026q1"


@dataclass(frozen=True)
class Lab:
    """A folder with config, raw, work and vault, and what was planted in raw."""

    folder: Path
    canaries: Canaries

    @property
    def config(self) -> Config:
        return Config.load(self.folder / "config/config.yaml", ADDRESS)

    def job(self, stage: Stage, tier: str = "", modality: str = "") -> Job:
        return Job(self.config, stage, tier, modality)

    def copy(self, to: Path) -> Lab:
        """The same folder elsewhere, to be changed freely."""
        shutil.copytree(self.folder, to, dirs_exist_ok=True)
        return Lab(to, self.canaries)

    def amend(self, file: str, old: str, new: str) -> None:
        """Change a place of the configuration that occurs exactly once."""
        path = self.folder / "config" / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")

    def raw_steps(self, *modalities: str) -> None:
        for modality in modalities:
            job = self.job("intake", modality=modality)
            with job.writing(job.layout.intake(modality)) as out:
                load(modality, "inventory")(job, out)
            job = self.job("curate", modality=modality)
            with job.writing(job.layout.curate(modality, "all")) as out:
                load(modality, "curate")(job, out)

    def tier_steps(self, tier: str, *modalities: str, score: bool = True) -> None:
        for modality in modalities:
            job = self.job("minimize", tier, modality)
            with job.writing(job.layout.minimize(tier, modality, "all")) as out:
                load(modality, "minimize")(job, out)
            job = self.job("facts", tier, modality)
            write_table(job.layout.facts(tier, modality), load(modality, "facts")(job))
        plan(self.job("plan", tier))
        if tier == "public":
            return
        for modality in modalities:
            self.apply(tier, modality)
        for modality in modalities if score else ():
            self.score(tier, modality)

    def apply(self, tier: str, modality: str) -> Path:
        job = self.job("apply", tier, modality)
        with job.writing(job.layout.data(tier, modality, "all")) as out:
            load(modality, "apply")(job, out)
        return job.layout.data(tier, modality, "all")

    def score(self, tier: str, modality: str) -> dict[str, Score]:
        """Run scenarios and utility; return them by name and product."""
        job = self.job("score", tier, modality)
        scores = [*load(modality, "scenarios")(job), *load(modality, "utility")(job)]
        with job.writing(job.layout.score(tier, modality)) as out:
            for score in scores:
                write_json(out / f"{score.name}.{score.product}.json", score.to_json())
        return {f"{score.name}.{score.product}": score for score in scores}

    def data(self, tier: str, modality: str) -> Path:
        return self.config.layout.data(tier, modality, "all")

    def crosswalk(self, tier: str, modality: str, kind: str) -> pd.DataFrame:
        table = pd.read_parquet(self.config.layout.crosswalk(tier, modality, "all"))
        return table[table["kind"] == kind]

    def leaks(self, folder: Path, *kinds: str) -> set[str]:
        """Kinds of planted identifiers that a folder's files show anywhere."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        whole = "\n".join(text.lower() for path in files for text in _texts(path))
        return {k for k, value, _ in self.canaries if k in kinds and value.lower() in whole}


def _texts(path: Path) -> list[str]:
    if path.suffix == ".h5":  # curated only; names are stored plainly
        return [path.read_bytes().decode("latin-1")]
    return decode(path).texts


def make_lab(folder: Path) -> Lab:
    """Write raw and configuration; nothing has run yet."""
    raw = folder / "raw/demo"
    raw.mkdir(parents=True)
    streams = [np.random.default_rng([20260101, part]) for part in range(5)]
    words = Words(streams[0])
    staff = make_staff(words)
    people = make_people(120, words, staff, streams[1])
    cells = read_real_cells()
    genes = choose_genes(list(cells.genes["gene_id"]))
    canaries = [
        *write_clinical(raw, people, staff, streams[2]),
        *write_bulk(raw, people, genes, staff, words, streams[3]),
        *write_singlecell(raw, people, cells, staff, words, streams[4]),
    ]
    shutil.copytree(ROOT / "config", folder / "config")
    cohort = folder / "config/cohorts/demo.yaml"
    text = cohort.read_text(encoding="utf-8")
    cohort.write_text(text[: text.index("\n  imaging:") + 1], encoding="utf-8")
    policy = folder / "config/policies/demo.yaml"
    # The frozen node was chosen for the whole demo; without images another one fits.
    frozen = re.compile(r"mode: frozen\n +node: .*")
    policy.write_text(frozen.sub("mode: search", policy.read_text(encoding="utf-8")), "utf-8")
    places = "".join(f"{name}: ../{name}\n" for name in ("raw", "work", "vault", "store"))
    (folder / "config/config.yaml").write_text(places, encoding="utf-8")
    return Lab(folder, canaries)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Everything run once for controlled, registered and public; change only a copy of it."""
    made = make_lab(tmp_path_factory.mktemp("expression"))
    job = made.job("consent")
    with job.writing(job.layout.consent) as out:
        write_consent(job, out)
    every = ("clinical", "bulk", "singlecell")
    made.raw_steps(*every)
    for tier in ("controlled", "registered", "public"):
        made.tier_steps(tier, *every, score=False)
    return made
