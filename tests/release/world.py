"""A small release with every file kind, as the stages before `bundle` would leave it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from sluice.config import Config, Layout
from sluice.files import folder_index, write_json
from sluice.files.tables import write_table
from sluice.release import bundle, seal

DIGESTS = {"code": "c" * 64, "policy": "b" * 64, "lock": "a" * 64}
ROLES = ("data-manager", "privacy-officer")
PERSONS = ["Paaaaaaaaaaaaaaaa", "Pbbbbbbbbbbbbbbbb"]
SUBJECTS = ["s2aaaaaaaaaaaaaaaaaaa", "s2bbbbbbbbbbbbbbbbbbb"]

_COHORT = """
cohort: world
title: A small world
consent:
  {file: consent.csv, participant_field: mrn, code_field: code, signed_field: signed, codes: {
    ALL: {tiers: [controlled, public], modalities: [all], duo: [DUO_0000042, "DUO:0000027"]}}}
modalities:
  clinical:
    sources:
      - file: people.csv
        table: people
        columns:
          mrn: {role: direct, kind: mrn}
          smoking: {role: sensitive, field: smoking, vocabulary: {never: [], former: []}}
  bulk: {sources: [{file: matrix.tsv, table: matrix}]}
  imaging: {sources: [{file: dicom, table: instances}], parts: 2}
"""
_PRODUCT = "reason: because, owner: officer, on_fail: drop"
_POLICY = f"""
policy: small
edition: "1"
owner: officer
reason: tests
terms: [Do not identify anyone.]
unavailable: {{linking: the attack comes later}}
tiers:
  controlled:
    title: Controlled access
    source: curated
    linkage: series
    access: Under agreement.
    count_rounding: 5
    statements: [Tested attacker is T., Not tested is N., Evidence and no finding.]
    modalities:
      clinical:
        reason: Coarse records
        owner: officer
        fields: {{visits.date: {{rule: shift_date, need: x}}}}
      bulk: {{reason: A matrix, owner: officer}}
      imaging: {{reason: Clean headers, owner: officer}}
    products:
      clinical_table: {{modality: clinical, title: Clinical table, {_PRODUCT}}}
      gene_matrix: {{modality: bulk, title: Gene matrix, {_PRODUCT}}}
      group_means: {{modality: bulk, title: Group means, requires: [linking], {_PRODUCT}}}
      studies: {{modality: imaging, title: DICOM studies, {_PRODUCT}}}
    limits: {{}}
  public:
    title: Public
    source: curated
    linkage: release
    access: Anyone.
    statements: [Only answers with differential privacy.]
    modalities: {{}}
    products:
      age_counts: {{modality: clinical, title: People by age band, {_PRODUCT}}}
      tissue_counts: {{modality: bulk, title: People by tissue, {_PRODUCT}}}
    limits: {{}}
"""
_RELEASE = """
cohort: world
version: {version}
title: World, first
cut_date: 2026-01-31
published: 2026-03-31
policy: small
tiers: [controlled, public]
"""


def write_config(root: Path, keys: dict[str, str], version: str = "v1") -> Path:
    """Write a configuration; ``keys`` is the public key by role, and ``builder``."""
    folder = root / "config"
    files = {
        "config.yaml": "raw: ../raw\nwork: ../work\nvault: ../vault\nstore: ../store\n"
        "facility: Facility F\ncontact: data@facility.example\n",
        "cohorts/world.yaml": _COHORT,
        "policies/small.yaml": _POLICY,
        f"releases/world/{version}.yaml": _RELEASE.format(version=version),
        "approvers.yaml": "required: {controlled: [data-manager, privacy-officer],"
        " public: [privacy-officer]}\napprovers:\n"
        + "".join(
            f'  - {{name: "{role}", roles: [{role}], key: "{keys[role]}"}}\n' for role in ROLES
        )
        + f'builders: ["{keys["builder"]}"]\n',
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "config.yaml"


def make_keys(folder: Path) -> dict[str, str]:
    """Make a key for each role, the builder and a stranger; return the public keys."""
    folder.mkdir()
    for name in (*ROLES, "builder", "stranger"):
        command = [
            "ssh-keygen",
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            name,
            "-f",
            str(folder / name),
        ]
        subprocess.run(command, check=True)
    return {p.stem: p.read_text().strip() for p in folder.glob("*.pub")}


@dataclass
class World:
    """The release, with what the stages before ``bundle`` left."""

    config: Config
    root: Path
    rows: list[dict[str, Any]]

    @property
    def layout(self) -> Layout:
        return self.config.layout

    def key(self, name: str) -> Path:
        return self.root / "keys" / name

    def candidate(self) -> Path:
        return self.layout.candidate("controlled")

    def index(self) -> None:
        """Index the data folders again after a test changed them."""
        for tier, modality, part in (
            ("controlled", "clinical", "all"),
            ("controlled", "bulk", "all"),
            ("controlled", "imaging", "p00of02"),
            ("controlled", "imaging", "p01of02"),
            ("public", "products", "all"),
        ):
            folder = self.layout.data(tier, modality, part)
            write_json(Layout.index(folder), folder_index(folder))

    def build(self, tier: str = "controlled") -> dict[str, Any]:
        self.index()
        rows = [r for r in self.rows if r["file"].startswith("data/products") == (tier == "public")]
        return bundle.build(self.config, tier, DIGESTS, records(tier), rows)

    def seal(self, tier: str = "controlled") -> dict[str, Any]:
        return seal.scan(self.config, tier, seal.needles(self.config, tier))


def records(tier: str) -> list[dict[str, Any]]:
    """Internal records, with inputs that must never be published."""
    common: dict[str, Any] = {
        "code": "1" * 64,
        "settings": "2" * 64,
        "lock": "3" * 64,
        "part": "all",
    }
    common |= {"inputs": {"raw/people.csv": "4" * 64}, "outputs": {"x": "5" * 64}}
    common |= {"versions": {"pandas": "2.3.3", "python": "3.11"}}
    return [
        common | {"stage": "curate", "tier": "", "modality": "clinical", "counts": {"lost": 3}},
        common | {"stage": "apply", "tier": tier, "modality": "clinical", "counts": {"a: rule": 7}},
        common
        | {"stage": "apply", "tier": tier, "modality": "imaging", "counts": {"headers: x": 41}},
    ]


def gates(tier: str, products: dict[str, str], verdict: str = "pass") -> dict[str, Any]:
    """A gates.json."""
    return {
        "tier": tier,
        "cohort": "world",
        "version": "v1",
        "policy": "small",
        "edition": "1",
        "verdict": verdict,
        "gates": [],
        "products": {n: {"status": s, "reason": "upper 0.4321"} for n, s in products.items()},
    }


def _write_data(world: World) -> None:
    layout = world.layout
    clinical = layout.data("controlled", "clinical", "all")
    visits = pd.DataFrame(
        {
            "person": [PERSONS[0], PERSONS[0], PERSONS[1]],
            "date": ["2011-05-06", "2011-07-08", "2012-01-02"],
            "smoking": ["never", "never", "former"],
            "age": [45, 45, 50],
        }
    )
    write_table(clinical / "visits.parquet", visits)
    bulk = layout.data("controlled", "bulk", "all")
    bulk.mkdir(parents=True)
    obs = pd.DataFrame({"donor_id": PERSONS, "tissue": ["lung", "lung"]}, index=["Sa", "Sb"])
    matrix = ad.AnnData(np.arange(6.0).reshape(2, 3), obs=obs)
    matrix.var_names = ["G1", "G2", "G3"]
    matrix.write_h5ad(bulk / "expression.h5ad")
    write_table(bulk / "group_means.parquet", pd.DataFrame({"tissue": ["lung"], "mean": [1.25]}))
    for number, person in enumerate(PERSONS):
        folder = layout.data("controlled", "imaging", f"p0{number}of02") / person / "2.25.1"
        folder.mkdir(parents=True)
        write_dicom(folder / f"2.25.1{number}.dcm", person)
    public = layout.data("public", "products", "all")
    for name in ("age_counts", "tissue_counts"):
        write_table(public / f"{name}.parquet", pd.DataFrame({"group": ["a"], "value": [15.0]}))


def write_dicom(path: Path, person: str) -> None:
    """Write a small image."""
    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = SecondaryCaptureImageStorage
    data.SOPInstanceUID = path.stem
    data.PatientID, data.StudyDate = person, "20130909"
    data.Rows, data.Columns, data.BitsAllocated, data.SamplesPerPixel = 8, 8, 8, 1
    data.PixelData = bytes(64)
    data.save_as(path, enforce_file_format=True)


def _write_rest(world: World) -> None:
    layout = world.layout
    files = {
        "clinical": {"clinical_table": ["*.parquet"]},
        "bulk": {"gene_matrix": ["expression.h5ad"], "group_means": ["group_means.parquet"]},
        "imaging": {"studies": ["**/*.dcm"]},
    }
    plan = {"modalities": {m: {"files": f} for m, f in files.items()}}
    write_json(layout.plan("controlled"), plan)
    offered = {"clinical_table": "released", "gene_matrix": "released", "studies": "released"}
    write_json(
        layout.gates("controlled"), gates("controlled", offered | {"group_means": "dropped"})
    )
    told = {"age_counts": "released", "tissue_counts": "dropped"}
    write_json(layout.gates("public"), gates("public", told))
    people = [
        (SUBJECTS[0], "mrn", "QZX00417"),
        (SUBJECTS[0], "name", "Jxavq Qzoxqel"),
        (SUBJECTS[0], "birth_date", "1893-02-03"),
        (SUBJECTS[1], "birth_date", "2011-05-06"),
        (SUBJECTS[1], "national_id", "48213977"),
        (SUBJECTS[1], "given_name", "Vqaz"),
        (SUBJECTS[1], "nickname", "former"),
    ]
    table = pd.DataFrame(people, columns=["subject", "kind", "value"])
    layout.vault_cohort.mkdir(parents=True, mode=0o700)
    write_table(layout.people("clinical"), table)
    rows = [(SUBJECTS[0], PERSONS[0], "sop_uid", "1.2.826.0.1.777.42.1", "2.25.10")]
    rows += [(SUBJECTS[1], PERSONS[1], "sop_uid", "1.2.826.0.1.777.42.2", "2.25.11")]
    columns = ["subject", "person", "kind", "original", "new"]
    write_table(
        layout.crosswalk("controlled", "imaging", "p00of02"), pd.DataFrame(rows, columns=columns)
    )


def _dictionary_rows() -> list[dict[str, Any]]:
    described = {
        "data/clinical/visits.parquet": ["person", "date", "smoking", "age"],
        "data/bulk/expression.h5ad": [
            "X",
            "obs/donor_id",
            "obs/tissue",
            "obs/_index",
            "var/_index",
        ],
        "data/bulk/group_means.parquet": ["tissue", "mean"],
        "data/imaging/**/*.dcm": [
            *("SOPClassUID", "SOPInstanceUID", "PatientID", "StudyDate", "PixelData"),
            *("Rows", "Columns", "BitsAllocated", "SamplesPerPixel"),
        ],
        "data/products/age_counts.parquet": ["group", "value"],
        "data/products/tissue_counts.parquet": ["group", "value"],
    }
    common = {"type": "string", "unit": "", "description": "d", "policy_key": "p", "rule": "keep"}
    return [
        common | {"file": file, "column": column}
        for file, columns in described.items()
        for column in columns
    ]


def make_world(root: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Make the release in ``root``; the report is another module's matter."""
    keys = make_keys(root / "keys")
    config = Config.load(write_config(root, keys), "world/v1")
    world = World(config, root, _dictionary_rows())
    _write_data(world)
    _write_rest(world)
    monkeypatch.setattr(bundle, "write_report", lambda c, t, path: path.write_text("<p>report</p>"))
    return world
