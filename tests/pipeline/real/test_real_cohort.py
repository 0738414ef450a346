"""Real input the whole way: what is released, what is dropped and why, and what is not in it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pydicom
import pytest
from tests.pipeline.demo.search import files
from tests.pipeline.real.build import ADDRESS, Real, build, read_csv
from tests.pipeline.real.identifiers import Finder, identifiers

from sluice.attacks.relink import relink
from sluice.config import Config, load_policy
from sluice.config.policy import People
from sluice.expression.values import log_normalise
from sluice.files import folder_index, read_json, sha256_file
from sluice.files.tables import read_table
from sluice.identity import Vault

TIERS = ("controlled", "registered", "public")
INDIVIDUAL = TIERS[:2]


def config(real: Real) -> Config:
    return Config.load(real.config, ADDRESS)


def gates(real: Real, tier: str) -> dict[str, Any]:
    found: dict[str, Any] = read_json(config(real).layout.gates(tier))
    return found


def counts(real: Real, *place: str) -> dict[str, int]:
    found: dict[str, int] = read_json(real.base.joinpath(*place))["counts"]
    return found


def test_the_cohort_is_made_of_the_same_bytes_each_time(
    real: Real, shared_data: Path, tmp_path: Path
) -> None:
    again = build(shared_data, tmp_path / "home")
    assert folder_index(again.raw) == folder_index(real.raw)


def test_no_limit_is_loosened_for_it(real: Real) -> None:
    own = config(real).policy
    default = load_policy(real.config.parent, "default")
    for tier, rules in default.tiers.items():
        assert own.tiers[tier].limits == rules.limits
        assert own.tiers[tier].budget == rules.budget
        assert own.tiers[tier].statements == rules.statements
        for name, product in rules.products.items():
            mine = own.tiers[tier].products[name]
            assert (mine.requires, mine.on_fail) == (product.requires, product.on_fail)
        if rules.people:
            people = own.tiers[tier].people
            assert people is not None
            assert _without(people, set()) == _without(rules.people, {"height_cm"})


def _without(people: People, gone: set[str]) -> dict[str, Any]:
    """Return a tier's rules on people but the recoding, without the fields that are not there."""
    found = people.model_dump(exclude={"recoding"})
    found["quasi"] = [name for name in found["quasi"] if name not in gone]
    for who in found["attackers"].values():
        if isinstance(who["knows"], list):
            who["knows"] = [name for name in who["knows"] if name not in gone]
    return found


@pytest.mark.parametrize("tier", TIERS)
def test_each_tier_passes_and_each_product_is_released_or_says_why_not(
    real: Real, tier: str
) -> None:
    found = gates(real, tier)
    assert found["verdict"] == "pass"
    by_product: dict[str, list[dict[str, Any]]] = {}
    for gate in found["gates"]:
        by_product.setdefault(gate["product"], []).append(gate)
    for name, product in sorted(found["products"].items()):
        print(f"{tier:11} {name:18} {product['status']:9} {product['reason'][:110]}")
        verdicts = {gate["verdict"] for gate in by_product.get(name, [])}
        if product["status"] == "released":
            assert verdicts == {"pass"}
        else:
            assert product["reason"]
            assert verdicts != {"pass"}
    released = {name for name, p in found["products"].items() if p["status"] == "released"}
    least = {
        "controlled": {"clinical_table", "clinical_history", "gene_matrix", "cells", "studies"},
        "registered": {"clinical_table"},
        "public": {"clinical_counts"},
    }
    assert released >= least[tier]


@pytest.mark.parametrize("tier", INDIVIDUAL)
def test_the_attacks_that_judged_a_released_product_worked_on_raw(real: Real, tier: str) -> None:
    scores = {sha256_file(p): read_json(p) for p in (real.base / tier / "score").rglob("*.json")}
    controls = 0
    for gate in gates(real, tier)["gates"]:
        if gate["kind"] == "scenario" and gate["verdict"] == "pass":
            evidence = scores[gate["evidence"]]["evidence"]
            shown = f"{gate['bound']:.3f} of {gate['limit']:g}, raw {evidence.get('raw', '-')}"
            print(f"{tier:11} {gate['product']:18} {gate['gate']:18} {shown}, n {gate['n']}")
            assert evidence.get("works", True), gate["gate"]
            controls += "works" in evidence
    assert controls >= 1


def test_consent_and_refused_files_are_counted(real: Real) -> None:
    consent = counts(real, "intake", "consent.record.json")
    # 103 patients; three never answered and three withdrew in time, one after the cut date.
    assert consent["participants with consent"] == 97
    assert consent["withdrawn at the cut date"] == 3
    imaging = counts(real, "intake", "imaging.record.json")
    refused = {k.removeprefix("files quarantined: "): n for k, n in imaging.items() if "quar" in k}
    print(refused)
    assert refused["one SOP instance with two contents"] == 2
    assert {"unknown participant", "A DICOM file is damaged"} <= set(refused)
    assert imaging["files taken"] + sum(refused.values()) == len(files(real.raw / "imaging"))
    bulk = counts(real, "intake", "bulk.record.json")
    assert bulk["rows without a known participant"] == 7


def test_heads_scans_with_text_documents_and_odd_objects_stay_out_of_controlled(real: Real) -> None:
    kinds: dict[str, int] = {}
    for record in (real.base / "controlled/minimize/imaging").glob("*.record.json"):
        for what, n in read_json(record)["counts"].items():
            kinds[what] = kinds.get(what, 0) + n
    print(kinds)
    assert kinds["instances excluded: kind_us"] >= 1
    assert kinds["instances excluded: kind_document"] == 1
    # Heads, like the rest, do not say that no text is burned in: that stops them first.
    assert kinds["instances excluded: burned_in_annotation"] >= 1


def test_a_picture_with_a_name_burned_in_stays_out_of_controlled(
    real: Real, shared_data: Path
) -> None:
    source = pydicom.dcmread(shared_data / "dicom/PSEUDO_PHI_TCIA/presidio__2_ORIGINAL.dcm")
    released = [
        pydicom.dcmread(path).get("PixelData")
        for path in files(real.store / "controlled/bundle/data/imaging")
    ]
    assert source.PixelData not in released


@pytest.fixture(scope="module")
def finder(real: Real) -> Finder:
    """What finds every identifier in raw, so that finding none elsewhere says something."""
    found = identifiers(real)
    assert min(map(len, found.kinds.values())) >= 19
    assert found.in_tree(real.raw) == found.kinds
    return found


@pytest.mark.parametrize("tier", TIERS)
def test_no_identifier_donor_number_or_original_uid_is_in_a_bundle(
    real: Real, finder: Finder, tier: str
) -> None:
    assert finder.in_tree(real.store / tier) == {}
    # Nor in what a gate may have kept out of the bundle.
    assert finder.in_tree(real.base / tier / "data") == {}


def test_no_identifier_is_in_a_log_a_page_or_a_record_of_snakemake(
    real: Real, finder: Finder
) -> None:
    places = [real.base / "logs", real.home / ".snakemake", real.home / "store"]
    places += [real.base / tier / page for tier in TIERS for page in ("review", "datadocs")]
    for place in places:
        assert files(place)
        assert finder.in_tree(place) == {}


def _panel(real: Real) -> pd.DataFrame:
    """GEUVADIS, as an attacker holds it: donors by genes, logarithms."""
    table = pd.read_csv(real.raw / "bulk/geuvadis_panel.tsv", sep="\t", index_col=0)
    table.index = pd.Index([name.partition(".")[0] for name in table.index])
    table = table[~table.index.duplicated()].T
    return pd.DataFrame(np.log1p(table.clip(lower=0)), table.index, table.columns)


def test_donors_of_two_public_sets_recognise_each_other(real: Real) -> None:
    panel = _panel(real)
    raw = pd.read_csv(real.raw / "bulk/counts.tsv", sep="\t", index_col=0).T
    raw = pd.DataFrame(log_normalise(raw.to_numpy()), raw.index, raw.columns)
    donors = [donor for donor in panel.index if donor in raw.index]
    genes = [gene for gene in raw.columns if gene in panel.columns]
    truth = np.array([raw.index.get_loc(donor) for donor in donors])
    score = relink(panel.loc[donors, genes].to_numpy(), raw[genes].to_numpy(), truth, "x", "x")
    print(f"re-linked on raw: {score.estimate:.3f} of {score.n} donors by {len(genes)} genes")
    assert len(donors) == 84
    assert score.estimate >= 0.95


def test_the_same_panel_names_controlled_s_donors_and_finds_nobody_in_registered(
    real: Real,
) -> None:
    layout = config(real).layout
    with h5py.File(real.store / "controlled/bundle/data/bulk/expression.h5ad") as file:
        names, genes = file["obs/_index"].asstr()[:], file["var/_index"].asstr()[:]
        shape = (len(names), len(genes))
        x = [file[f"X/{part}"][:] for part in ("data", "indices", "indptr")]
    dense = np.zeros(shape)
    for row in range(len(names)):
        span = slice(x[2][row], x[2][row + 1])
        dense[row, x[1][span]] = x[0][span]
    released = pd.DataFrame(log_normalise(dense), names, genes)
    links = read_table(layout.crosswalk("controlled", "bulk", "all"))
    person = dict(links.loc[links["kind"] == "person", ["subject", "new"]].to_numpy())
    sample = links[links["kind"] == "sample"].set_index("person")["new"]
    vault = Vault(layout.vault_cohort, "real")
    owner = {
        row["donor_id"]: vault.subject(row["patient"]) for row in real.table("bulk/donors.csv")
    }
    panel = _panel(real)
    donors = [d for d in panel.index if owner.get(d) in person]
    shared = [gene for gene in released.columns if gene in panel.columns]
    truth = np.array([released.index.get_loc(sample[person[owner[d]]]) for d in donors])
    known = panel.loc[donors, shared].to_numpy()
    score = relink(known, released[shared].to_numpy(), truth, "x", "x")
    print(f"re-linked to controlled: {score.estimate:.3f} of {score.n} donors; registered: none")
    assert score.estimate >= 0.95  # as its page says; the board signs for it
    registered = files(real.store / "registered/bundle/data")
    assert [p for p in registered if "clinical" in p.parts]
    assert not [p for p in registered if p.suffix in (".h5ad", ".h5", ".dcm")]
    for path in registered:
        columns = set(pd.read_parquet(path).columns)
        assert not ({"person"} < columns and "bulk" in path.parts)


@pytest.mark.parametrize("tier", TIERS)
def test_a_bundle_verifies_and_loads_with_the_lines_of_its_own_readme(
    real: Real, tier: str
) -> None:
    bundle = real.store / tier / "bundle"
    done = real.sluice("verify", str(bundle))
    assert done.returncode == 0, done.stderr
    lines = re.search(r"```python\n(.*?)```", (bundle / "README.md").read_text(), re.DOTALL)
    assert lines
    loaded = [m for m in ("pandas", "anndata", "pydicom") if f"import {m}" in lines[1]]
    assert loaded == (["pandas", "anndata", "pydicom"] if tier == "controlled" else ["pandas"])
    # Its exit code is no measure: pandas.read_parquet of pyarrow 26 now and then aborts a process
    # that ends within milliseconds, when all its lines have run.
    lines_and_mark = lines[1] + "\nprint('loaded', flush=True)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", lines_and_mark],
        cwd=bundle, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.endswith("loaded\n"), done.stderr


def test_every_released_column_is_in_the_dictionary(real: Real) -> None:
    for tier in TIERS:
        bundle = real.store / tier / "bundle"
        said = {(row["file"], row["column"]) for row in read_csv(bundle / "dictionary.csv")}
        for path in sorted((bundle / "data").rglob("*.parquet")):
            name = path.relative_to(bundle).as_posix()
            assert {(name, column) for column in pd.read_parquet(path).columns} <= said
