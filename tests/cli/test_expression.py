"""`sluice expression release`: one file of cells, without a cohort."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from scipy import sparse
from tests.cli.expression_files import (
    CANARIES,
    CELLS,
    DONORS,
    NAME,
    ODD_NUMBER,
    counts,
    every_form,
    gene_names,
    hostile,
    obs_table,
    plain,
)

from sluice.attacks.surface import surface_leaks
from sluice.cli import sluice
from sluice.config import load_policy
from sluice.errors import SluiceError
from sluice.expression.genes import excluded, load_genes
from sluice.expression.schema import schema_faults
from sluice.expression.write import h5ad_digest
from sluice.modalities.singlecell.file import preset
from sluice.modalities.singlecell.settings import individual_settings
from sluice.resources import shipped


@dataclass(frozen=True)
class Place:
    """Where a release goes, and its keys."""

    folder: Path

    @property
    def target(self) -> Path:
        return self.folder / "released.h5ad"

    @property
    def report(self) -> Path:
        return self.folder / "report.json"

    def run(self, source: Path, *more: str, tier: str = "controlled") -> Result:
        return CliRunner().invoke(
            sluice,
            ["expression", "release", str(source), str(self.target), "--tier", tier,
             "--vault", str(self.folder / "vault"), "--report", str(self.report), *more],
        )  # fmt: skip

    def released(self, source: Path, *more: str) -> ad.AnnData:
        self.target.unlink(missing_ok=True)
        done = self.run(source, *more)
        assert done.exit_code == 0, done.exception
        return ad.read_h5ad(self.target)

    def refused(self, source: Path, *more: str, tier: str = "controlled") -> str:
        """Run what must be refused; return the sentence, which leaves nothing behind."""
        done = self.run(source, *more, tier=tier)
        assert isinstance(done.exception, SluiceError), done.exception
        assert not self.target.exists() and not self.report.exists()
        assert not [path for path in self.folder.iterdir() if path.name.startswith(".released")]
        assert NAME not in str(done.exception)
        return str(done.exception)

    def counts(self) -> dict[str, int]:
        found = json.loads(self.report.read_text())["counts"]
        assert isinstance(found, dict)
        return found

    def crosswalk(self) -> pd.DataFrame:
        tables = (self.folder / "vault").rglob("crosswalks/*.parquet")
        return pd.concat([pd.read_parquet(path) for path in tables])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    before = os.umask(0o077)  # as the console script does
    (tmp_path / "out").mkdir()
    yield Place(tmp_path / "out")
    os.umask(before)


def _words(item: object) -> Iterator[str]:
    """Every name, text and attribute of an HDF5 file, decoded."""
    if isinstance(item, h5py.Group):
        for key in item:
            yield key
            yield from _words(item[key])
    elif isinstance(item, h5py.Dataset):
        yield from (str(value) for value in np.ravel(item.asstr()[()] if item.dtype.kind == "O"
                                                     else item[()]))  # fmt: skip
    assert isinstance(item, h5py.HLObject)
    for key, value in item.attrs.items():
        yield f"{key} {value}"


def _is_there(canary: str, raw: bytes) -> bool:
    return canary.encode() in raw or canary.encode("utf-16-le") in raw


def test_a_canary_in_every_slot_of_the_raw_file_is_nowhere_in_the_release(place):
    source = hostile(place.folder / "raw.h5ad")
    raw = source.read_bytes()
    assert [where for where, canary in CANARIES.items() if not _is_there(canary, raw)] == []
    done = place.run(source, "--cell-type", "cell_type")
    assert done.exit_code == 0, done.exception
    found = place.target.read_bytes()
    with h5py.File(place.target) as file:
        decoded = "\n".join(_words(file))
    told = place.report.read_text() + done.output + done.stderr
    left = place.counts()
    assert left["columns of the cells left out"] == 2 and left["other slots left out"] >= 8
    assert surface_leaks(source) and not surface_leaks(place.target)
    for where, canary in {**CANARIES, "anywhere": NAME}.items():
        for text in (decoded, told):
            assert canary.lower() not in text.lower(), where
        assert not _is_there(canary, found), where
    for number in (ODD_NUMBER, np.float32(ODD_NUMBER)):
        assert np.array(number).tobytes() in raw or isinstance(number, np.float32)
        assert np.array(number).tobytes() not in found
        assert str(ODD_NUMBER) not in decoded


def test_a_filtered_copy_by_anndata_is_a_weak_defence_and_keeps_canaries(place):
    source = hostile(place.folder / "raw.h5ad", readable=True)
    kept = ad.read_h5ad(source)[:90, :30].copy()
    kept.uns.clear()
    kept.write_h5ad(place.folder / "copy.h5ad")
    left = (place.folder / "copy.h5ad").read_bytes()
    assert sum(_is_there(canary, left) for canary in CANARIES.values()) >= 5


def test_scanpy_opens_it_and_it_fits_the_shipped_subset_of_the_cellxgene_schema(place):
    import scanpy as sc

    data = place.released(plain(place.folder / "raw.h5ad"))
    assert schema_faults(place.target) == []
    assert json.loads(place.report.read_text())["cellxgene_faults"] == []
    assert data.raw is None
    assert not (data.layers or data.obsm or data.obsp or data.varm or data.varp)
    sc.pp.normalize_total(data)
    sc.pp.log1p(data)
    sc.get.aggregate(data, "cell_type", "mean")


def test_values_are_those_of_the_cells_they_came_from(place):
    data = place.released(plain(place.folder / "raw.h5ad"))
    raw = pd.DataFrame(counts(), obs_table().index, gene_names())
    links = place.crosswalk().set_index("name").loc[data.obs_names]
    expected = raw.loc[links["barcode"], data.var_names]
    assert np.array_equal(np.asarray(data.X.todense()), expected.to_numpy())
    assert (data.obs["donor_id"].to_numpy() == links["person"].to_numpy()).all()
    order = pd.MultiIndex.from_arrays([data.obs["donor_id"], data.obs_names])
    assert order.is_monotonic_increasing
    kinds = obs_table().loc[links["barcode"], "cell_type_ontology_term_id"]
    assert (data.obs["cell_type_ontology_term_id"].to_numpy() == kinds.to_numpy()).all()


def test_every_form_of_a_file_gives_the_same_bytes_and_so_does_a_second_run(place):
    found = {}
    for source, more in every_form(place.folder):
        for memory in ("8", "64"):
            place.released(source, *more, "--max-memory", memory)
            found[source.name, memory] = place.target.read_bytes()
    assert len(set(found.values())) == 1
    report = json.loads(place.report.read_text())
    assert report["content_digest"] == h5ad_digest(place.target)
    assert schema_faults(place.target) == []


def test_another_vault_gives_other_names_in_another_order(place, tmp_path):
    source = plain(tmp_path / "raw.h5ad")
    other = Place(tmp_path / "other")
    other.folder.mkdir()
    one, two = place.released(source), other.released(source)
    assert not set(one.obs_names) & set(two.obs_names)
    assert not set(one.obs["donor_id"]) & set(two.obs["donor_id"])


def test_a_missing_vault_is_made_for_its_owner_alone_with_a_line_saying_so(place):
    done = place.run(plain(place.folder / "raw.h5ad"))
    assert "new vault" in done.stderr
    vault = place.folder / "vault" / "expression"
    assert stat.S_IMODE(vault.stat().st_mode) == 0o700
    private = [path for path in vault.rglob("*") if path.is_file()]
    assert private
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


def test_the_preset_is_what_the_default_policy_says():
    policy = load_policy(shipped() / "config", "default")
    wanted = individual_settings(policy.tiers["controlled"].modalities["singlecell"], "controlled")
    found = preset("controlled")
    assert list(found.exclude_genes) == wanted.exclude_genes
    assert (found.max_cells, found.min_cells) == (wanted.max_cells, wanted.min_cells)
    assert found.decimals == wanted.decimals


@pytest.mark.parametrize("tier", ["registered", "public"])
def test_a_tier_that_may_hold_no_cells_is_refused_before_a_vault_is_made(place, tier):
    assert "may hold no cells" in place.refused(plain(place.folder / "raw.h5ad"), tier=tier)
    assert not (place.folder / "vault").exists()


def test_genes_that_carry_alleles_or_tell_a_hidden_sex_stay_behind(place):
    source = plain(place.folder / "raw.h5ad")
    shown, hidden = place.released(source), place.released(source, "--hide-sex")
    assert excluded(gene_names(), ["HLA"])[:34].any()
    assert not excluded(list(shown.var_names), ["HLA", "KIR", "IG", "TCR"]).any()
    assert load_genes().loc[shown.var_names, "chromosome"].isin(["X", "Y"]).any()
    assert not excluded(list(hidden.var_names), ["chrX", "chrY"]).any()
    assert "sex" in shown.obs and not [c for c in hidden.obs if c.startswith("sex")]


def test_ages_become_decades_and_who_is_over_89_is_only_that(place):
    data = place.released(plain(place.folder / "raw.h5ad"))
    stages = set(data.obs["development_stage"])
    assert stages == {"90 year-old and over stage", "third decade stage"}


def test_a_trait_that_few_donors_have_is_unknown(place):
    obs = obs_table()
    rare = obs["donor_id"].isin(sorted(set(obs["donor_id"]))[:4])
    obs["disease_ontology_term_id"] = np.where(rare, "MONDO:0005148", "PATO:0000461")
    data = place.released(plain(place.folder / "raw.h5ad", obs=obs))
    assert set(data.obs["disease_ontology_term_id"]) == {"PATO:0000461", "unknown"}
    assert place.counts()["disease_ontology_term_id: cells set to unknown"] == rare.sum()


def test_a_finished_file_that_shows_a_donor_is_taken_back(place):
    obs = obs_table()
    obs.loc[obs["donor_id"] == obs["donor_id"].iloc[0], "donor_id"] = "B cell"
    source = plain(place.folder / "raw.h5ad", obs=obs)
    assert "was removed (identifiers: 1)" in place.refused(source)


def test_words_alone_are_looked_up_and_own_words_need_two_donors_and_no_number(place):
    obs = obs_table().drop(columns=["cell_type_ontology_term_id"])
    obs["cell_type"] = ["B cell"] * 100 + ["something of ours"] * 80
    obs["mine"] = np.where(np.arange(CELLS) < 100, "CD4+ T, naive", "seen by 5551234")
    obs.loc[obs.index[0], "mine"] = "a type of one donor"
    data = place.released(plain(place.folder / "raw.h5ad", obs=obs))
    assert set(data.obs["cell_type_ontology_term_id"]) == {"CL:0000236", "unknown"}
    data = place.released(place.folder / "raw.h5ad", "--cell-type", "mine")
    assert set(data.obs["cell_type"]) == {"CD4+ T, naive", "unknown"}


def test_donors_are_capped_by_a_keyed_choice_and_small_ones_left_out(place, monkeypatch):
    text = json.dumps({"controlled": {"exclude_genes": ["HLA"], "max_cells": 7, "min_cells": 5,
                                      "decimals": 4}})  # fmt: skip
    table = place.folder / "presets.json"
    table.write_text(text)
    monkeypatch.setattr("sluice.modalities.singlecell.file.resource", lambda *_: table)
    obs = obs_table()
    small = (obs["donor_id"] == obs["donor_id"].iloc[1]) & (np.arange(CELLS) > 40)
    obs.loc[small, "donor_id"] = None
    data = place.released(plain(place.folder / "raw.h5ad", obs=obs))
    assert set(data.obs["donor_id"].value_counts()) == {7}
    assert data.obs["donor_id"].nunique() == DONORS - 1
    barcodes = place.crosswalk()["barcode"].str.removeprefix(f"AAAC{NAME}").astype(int)
    assert barcodes.max() > 7 * DONORS, "not simply the first of each"
    assert place.counts()["donors with too few cells left out"] == 1


def _duplicate_barcodes(path: Path) -> Path:
    obs = obs_table()
    return plain(path, obs=obs.set_axis([obs.index[1], *obs.index[1:]]))


def _set(path: Path, place: str, value: object) -> Path:
    plain(path)
    with h5py.File(path, "r+") as file:
        file[place][0] = value
    return path


def _genomes(path: Path) -> Path:
    plain(path)
    with h5py.File(path, "r+") as file:
        names = ["GRCh38", *["hg19"] * (len(gene_names()) - 1)]
        file["var"].create_dataset("genome", data=names, dtype=h5py.string_dtype())
    return path


def _cut(path: Path) -> Path:
    whole = plain(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def _mouse(path: Path) -> Path:
    names = [f"ENSMUSG{number:011d}" for number in range(40)]
    data = ad.AnnData(sparse.csr_matrix((CELLS, 40), dtype=np.float32), obs_table())
    data.var_names = names
    data.write_h5ad(path)
    return path


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (_duplicate_barcodes, "Barcodes repeat"),
        (lambda path: _set(path, "var/_index", gene_names()[1]), "Gene names repeat"),
        (lambda path: _set(path, "X/data", -1), "negative"),
        (lambda path: _set(path, "X/data", 0.5), "fractions"),
        (lambda path: _set(path, "X/data", np.nan), "missing or infinite"),
        (lambda path: _set(path, "X/data", np.inf), "missing or infinite"),
        (lambda path: _set(path, "X/indices", 9999), "disagree"),
        (lambda path: _set(path, "obs/donor_id/codes", 100), "disagree"),
        (_genomes, "more than one genome"),
        (_cut, "cannot be read"),
        (_mouse, "known human genes"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing_behind(
    place: Place, make: Callable[[Path], Path], told: str
):
    assert told in place.refused(make(place.folder / "raw.h5ad"))


def test_logarithms_are_not_taken_for_counts_but_may_be_declared(place):
    source = plain(place.folder / "raw.h5ad", sparse.csr_matrix(np.log1p(counts())))
    assert "fractions among counts" in place.refused(source)
    data = place.released(source, "--values", "log")
    assert np.allclose(data.X.data, np.round(data.X.data, 4), atol=1e-6)


def test_a_gene_that_nobody_knows_and_a_donor_without_name_are_counted_drops(place):
    obs = obs_table()
    obs.loc[obs.index[:5], "donor_id"] = None
    place.released(plain(place.folder / "raw.h5ad", obs=obs))
    assert place.counts()["genes: not mapped, left out"] == 1
    assert place.counts()["cells without donor left out"] == 5


def _break(part: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        if part == "age":
            item = file["obs/development_stage_ontology_term_id/categories"]
            item[0] = "HsapDv:0000218"
        elif part == "missing":
            del file["obs/tissue_ontology_term_id"]
        elif part == "label":
            file["obs/tissue/categories"][0] = "Ward 7"
        elif part == "layer":
            file["layers/counts"] = [1]
        elif part == "gene":
            file["var/_index"][0] = "ENSG09999999999"
        elif part == "barcode":
            file["obs/_index"][0] = file["obs/_index"][1]
        elif part == "zero":
            file["X/data"][0] = 0
        elif part == "unused":
            codes = file["obs/sex_ontology_term_id/codes"]
            codes[:] = np.zeros(len(codes), codes.dtype)
        elif part == "title":
            del file["uns/title"]
        elif part == "reserved":
            file["uns/citation"] = "x"
        elif part == "flag":
            del file["obs/is_primary_data"]
            file["obs/is_primary_data"] = np.ones(CELLS)
        elif part == "type":
            data = file["X/data"][:]
            del file["X/data"]
            file["X/data"] = data.astype(np.float64)

    return change


@pytest.mark.parametrize(
    "part",
    ["age", "missing", "label", "layer", "gene", "barcode", "zero", "unused", "title", "reserved",
     "flag", "type"],
)  # fmt: skip
def test_a_file_that_breaks_the_schema_anywhere_is_told_so(place, part):
    place.released(plain(place.folder / "raw.h5ad"))
    with h5py.File(place.target, "r+") as file:
        _break(part)(file)
    assert len(schema_faults(place.target)) == 1


def test_real_t_cells_leave_without_their_receptors(place, shared_data):
    source = next((shared_data / "expression/wu2020").glob("*.h5ad"))
    raw = ad.read_h5ad(source)
    donors = next(c for c in raw.obs if raw.obs[c].nunique() == 14)
    done = place.run(source, "--donor", donors)
    assert done.exit_code == 0, done.exception
    data = ad.read_h5ad(place.target)
    assert 0 < data.n_obs <= raw.n_obs and data.n_vars > 15_000
    decoded = place.target.read_bytes().decode("latin-1")
    junctions = {str(v) for c in raw.obs if "junction" in c or "cdr3" in c.lower()
                 for v in raw.obs[c].dropna().unique() if len(str(v)) > 6}  # fmt: skip
    assert not any(junction in decoded for junction in junctions)
    assert not set(raw.obs_names) & set(data.obs_names)
    assert not excluded(list(data.var_names), ["HLA", "KIR", "IG", "TCR"]).any()


def test_real_melanoma_cells_keep_values_and_types(place, shared_data):
    source = shared_data / "expression/melanoma19/melanoma19.h5ad"
    raw = ad.read_h5ad(source)
    data = place.released(source, "--donor", "patient", "--values", "log",
                          "--cell-type", "celltype")  # fmt: skip
    assert data.obs["donor_id"].nunique() > 10
    assert len(set(data.obs["cell_type"])) > 1
    links = place.crosswalk().set_index("name").loc[data.obs_names]
    names = load_genes().loc[data.var_names, "symbol"]
    both = [(g, s) for g, s in names.items() if s in raw.var_names]
    assert len(both) > 2000
    ours = data[:, [g for g, _ in both]].X.todense()
    theirs = raw[links["barcode"], [s for _, s in both]].X
    theirs = theirs.todense() if sparse.issparse(theirs) else theirs
    assert np.allclose(ours, theirs, atol=1e-4)
