"""The demo's expression data give attackers what real data give them."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import io

from sluice.resources import resource


@pytest.fixture(scope="module")
def genes():
    table = pd.read_csv(resource("genes", "genes.tsv"), sep="\t", dtype=str, keep_default_na=False)
    return table.set_index("ensembl_id")


@pytest.fixture(scope="module")
def bulk(demo):
    """Return log counts per million (genes × samples) and the samples' rows with sex and mrn."""
    counts = pd.read_csv(demo.raw / "bulk/counts.tsv", sep="\t", index_col="gene_id")
    samples = demo.table("bulk/samples.csv").set_index("sample_id").loc[counts.columns]
    links = demo.table("clinical/links.csv").set_index("donor_id")["mrn"]
    patients = demo.table("clinical/patients.csv").set_index("mrn")
    samples["mrn"] = samples["donor_id"].map(links)
    samples["sex"] = samples["mrn"].map(patients["sex"]).str[0].str.upper()
    return np.log2(counts / counts.sum() * 1e6 + 1), samples


def test_counts_have_the_families_that_must_not_leave(bulk, genes):
    measured = genes.loc[bulk[0].index]
    assert 1800 <= len(measured) <= 2500
    assert (measured["chromosome"] == "Y").sum() >= 10
    assert (measured["chromosome"] == "X").sum() >= 30
    for pattern in ("XIST", "HLA-A", "KIR.*", "IG[HKL].*", "TR[AB].*"):
        assert measured["symbol"].str.fullmatch(pattern).any()
    assert measured["chromosome"].str.fullmatch(r"\d+").sum() > 1500


def test_sex_is_read_from_one_gene(bulk, genes):
    expression, samples = bulk
    level = expression.loc[genes.index[genes["symbol"] == "RPS4Y1"][0]]
    male = samples["sex"] == "M"
    assert level[male].min() > level[~male].max()


def test_genotypes_link_unseen_donors_to_their_expression(demo, bulk):
    expression, samples = bulk
    dosages = demo.table("bulk/genotypes.tsv").set_index("gene_id").iloc[:, 3:].astype(int)
    first = samples[~samples["donor_id"].duplicated()]
    known = expression.loc[dosages.index, first.index].to_numpy().T
    alleles = dosages[first["donor_id"]].to_numpy().T
    half = len(first) // 2
    score = np.zeros((len(first) - half, len(first) - half))
    for gene in range(known.shape[1]):
        line = np.polyfit(alleles[:half, gene], known[:half, gene], 1)
        spread = np.std(known[:half, gene] - np.polyval(line, alleles[:half, gene]))
        expected = np.polyval(line, alleles[half:, gene])
        score = score - ((known[half:, gene][:, None] - expected[None]) / spread) ** 2
    assert np.mean(score.argmax(axis=1) == np.arange(len(first) - half)) > 0.9


def test_two_samples_of_a_donor_resemble_each_other(bulk):
    expression, samples = bulk
    twice = samples[samples["donor_id"].duplicated(keep=False)]
    assert 10 <= twice["donor_id"].nunique() <= 15
    centred = expression.sub(expression.mean(axis=1), axis=0)
    alike = centred.corr().to_numpy() - 2 * np.eye(len(samples))
    donor = samples["donor_id"].to_numpy()
    rows = samples.index.isin(twice.index)
    assert np.mean(donor[alike.argmax(axis=1)][rows] == donor[rows]) > 0.9


def test_inflammation_in_blood_follows_inflammation_in_labs(demo, bulk, genes):
    expression, samples = bulk
    labs = pd.read_parquet(demo.raw / "clinical/labs.parquet")
    crp = np.log(labs[labs["loinc"] == "1988-5"].groupby("mrn")["value"].mean())
    symbols = genes.loc[expression.index, "symbol"]
    inflamed = expression[symbols.isin(["IL1B", "TNF", "NFKBIA", "TLR2", "TLR4"]).to_numpy()].mean()
    assert np.corrcoef(inflamed, samples["mrn"].map(crp))[0, 1] > 0.3


@pytest.fixture(scope="module")
def cells(demo):
    return anndata.read_h5ad(demo.raw / "singlecell/cells.h5ad")


def test_cells_belong_to_donors_whose_number_reaches_the_floors(cells, demo):
    assert cells.n_obs == 700
    present = cells.obs["donor_id"].astype(str)
    assert present.nunique() == 25
    assert present.value_counts().between(10, 0.2 * 700).all()
    commonest = present[cells.obs["cell_type"] == "Dendritic"].value_counts()
    assert (commonest >= 10).sum() >= 20
    assert set(present) <= set(demo.table("clinical/links.csv")["donor_id"])


def test_a_donor_who_left_remains_as_a_category_only(cells, demo):
    left = set(cells.obs["donor_id"].cat.categories) - set(cells.obs["donor_id"].astype(str))
    assert len(left) == 1
    links = demo.table("clinical/links.csv").set_index("donor_id")["mrn"]
    consent = demo.table("clinical/consent.csv").set_index("mrn")
    assert consent.loc[links[left.pop()], "withdrawn_on"] < "1899-06-30"


def test_halves_of_a_donors_cells_find_each_other(cells):
    values, donors = cells.X.toarray(), cells.obs["donor_id"].astype(str).to_numpy()
    halves: list[list[np.ndarray]] = [[], []]
    for donor in np.unique(donors):
        own = np.flatnonzero(donors == donor)
        for part, means in enumerate(halves):
            means.append(values[own[part::2]].mean(axis=0))
    left, right = (np.array(h) - np.mean(h, axis=0) for h in halves)
    alike = np.corrcoef(np.vstack([left, right]))[: len(left), len(left) :]
    assert np.mean(alike.argmax(axis=1) == np.arange(len(left))) > 0.3


def test_the_second_run_is_a_readable_triplet_of_six_donors(demo, genes):
    folder = demo.raw / "singlecell/run2"
    matrix = io.mmread(folder / "matrix.mtx").tocsc()
    features = pd.read_csv(folder / "features.tsv", sep="\t", header=None)
    barcodes = (folder / "barcodes.tsv").read_text().split()
    assert matrix.shape == (len(features), len(barcodes)) == (698, 240)
    assert matrix.dtype.kind == "i"
    assert matrix.data.min() > 0
    assert features[0].isin(genes.index).all()
    lanes = demo.table("singlecell/run2/samples.csv").set_index("lane")["donor_id"]
    assert {barcode.rsplit("-")[1] for barcode in barcodes} == set(lanes.index)
    assert lanes.nunique() == 6
