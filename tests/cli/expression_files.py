"""Raw files of cells for the tests of `sluice expression release`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import io, sparse

from sluice.expression.genes import excluded, load_genes

DONORS, CELLS_EACH = 12, 15
CELLS = DONORS * CELLS_EACH
NAME = "Kestrelova"

#: What is planted where: none of it may be found in a release, however it is read.
CANARIES = {
    "barcodes": f"AAAC{NAME}0",
    "donors": f"MRN-{NAME}-00",
    "a column of obs": f"{NAME} lives in Windhover House",
    "the name of a column of obs": f"{NAME}_column",
    "a value of an allowed column": f"{NAME} disease",
    "a category that no cell has": f"{NAME} cell type",
    "a flag that is text": f"{NAME} primary",
    "a gene": f"{NAME}GENE1",
    "a column of var": f"{NAME} probe",
    "uns": f"{NAME} wrote this",
    "uns, nested": f"{NAME} below",
    "the key of an embedding": f"X_{NAME}",
    "the key of a graph": f"{NAME}_graph",
    "the key of a layer": f"{NAME}_layer",
    "a column of raw.var": f"{NAME} raw gene",
    "the key of varm": f"{NAME}_loadings",
    "an attribute of the file": f"{NAME} attribute",
    "an attribute of a dataset": f"{NAME} of data",
    "a part that is not anndata's": f"{NAME}_part",
    "a link": f"/{NAME}/elsewhere",
    "the user block": f"{NAME} user block",
    "free space": f"{NAME} was deleted",
    "after the end": f"{NAME} after the end",
}
#: A number that only an embedding holds.
ODD_NUMBER = 4711.8125


def gene_names() -> list[str]:
    """Thirty free genes, two that never leave, two that tell sex, one that nobody knows."""
    table = load_genes()
    autosomal = table[table["chromosome"].isin(["1", "2"])].index
    free = [g for g in autosomal[:60] if not excluded([g], ["HLA", "KIR", "IG", "TCR"])[0]][:30]
    named = table.reset_index().drop_duplicates("symbol").set_index("symbol")["ensembl_id"]
    special = [named[s] for s in ("HLA-A", "HLA-B", "XIST", "UTY")]
    return [*free[15:], *special, CANARIES["a gene"], *free[:15]]


def counts() -> np.ndarray:
    found = np.random.default_rng(7).poisson(0.8, (CELLS, len(gene_names())))
    return found.astype(np.float32)


def obs_table() -> pd.DataFrame:
    """Columns as CELLxGENE wants them, and more."""
    donor = np.arange(CELLS) % DONORS
    table = pd.DataFrame(index=[f"AAAC{NAME}{number}" for number in range(CELLS)])
    table["donor_id"] = [f"MRN-{NAME}-{number:02d}" for number in donor]
    table["assay_ontology_term_id"] = "EFO:0009922"
    table["cell_type_ontology_term_id"] = np.where(
        np.arange(CELLS) < 90, "CL:0000236", "CL:0000084"
    )
    table["development_stage_ontology_term_id"] = np.where(
        donor < 6, "HsapDv:0000218", "HsapDv:0000118"
    )
    table["disease_ontology_term_id"] = "PATO:0000461"
    table.loc[donor == 3, "disease_ontology_term_id"] = CANARIES["a value of an allowed column"]
    table["self_reported_ethnicity_ontology_term_id"] = "unknown"
    table["sex_ontology_term_id"] = np.where(donor % 2 == 0, "PATO:0000383", "PATO:0000384")
    table["tissue_ontology_term_id"] = "UBERON:0000178"
    table["tissue_type"] = "tissue"
    table["suspension_type"] = "cell"
    table["is_primary_data"] = True
    return table


def plain(path: Path, matrix: object = None, obs: pd.DataFrame | None = None) -> Path:
    """An h5ad with nothing but X, obs and var."""
    x = sparse.csr_matrix(counts()) if matrix is None else matrix
    table = obs_table() if obs is None else obs
    ad.AnnData(x, table, pd.DataFrame(index=gene_names())).write_h5ad(path)
    return path


def hostile(path: Path, readable: bool = False) -> Path:
    """An h5ad with a canary in every slot; without two of them anndata reads it."""
    obs, x = obs_table(), sparse.csr_matrix(counts())
    obs["note"] = CANARIES["a column of obs"]
    obs[CANARIES["the name of a column of obs"]] = "x"
    kinds = ["B cell", "T cell", CANARIES["a category that no cell has"]]
    obs["cell_type"] = pd.Categorical(["B cell"] * 90 + ["T cell"] * 90, kinds)
    obs["is_primary_data"] = ["True"] * 100 + [CANARIES["a flag that is text"]] * 80
    var = pd.DataFrame({"probe": CANARIES["a column of var"]}, index=gene_names())
    data = ad.AnnData(x, obs, var.drop(columns="probe").assign(raw=CANARIES["a column of raw.var"]))
    data.raw = data.copy()
    data.var = var
    data.uns["notes"] = [CANARIES["uns"]] * 20_000
    data.uns["deep"] = {"er": {"still": CANARIES["uns, nested"]}}
    data.obsm[CANARIES["the key of an embedding"]] = np.full((CELLS, 2), ODD_NUMBER)
    data.obsp[CANARIES["the key of a graph"]] = sparse.eye(CELLS, format="csr")
    data.layers[CANARIES["the key of a layer"]] = x
    data.varm[CANARIES["the key of varm"]] = np.ones((len(var), 2))
    data.write_h5ad(path.with_suffix(".first"))
    with (
        h5py.File(path, "w", userblock_size=512) as out,
        h5py.File(path.with_suffix(".first")) as f,
    ):
        gone = np.frombuffer(CANARIES["free space"].encode() * 500, np.uint8)
        out["gone"] = gone  # what follows keeps its place from being cut off
        for key in f:
            f.copy(key, out)
        out.attrs.update(f.attrs)
        out.attrs["who"] = CANARIES["an attribute of the file"]
        out["X/data"].attrs["who"] = CANARIES["an attribute of a dataset"]
        if not readable:
            out.create_group(CANARIES["a part that is not anndata's"])
            out["linked"] = h5py.SoftLink(CANARIES["a link"])
        out.flush()
        del out["gone"]
    path.with_suffix(".first").unlink()
    whole = bytearray(path.read_bytes())
    block = CANARIES["the user block"].encode()
    whole[: len(block)] = block
    path.write_bytes(bytes(whole) + CANARIES["after the end"].encode())
    return path


def every_form(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """The same cells by rows, by columns, dense, and in both of 10x's forms; with their options."""
    x = counts()
    yield plain(folder / "rows.h5ad", sparse.csr_matrix(x)), []
    yield plain(folder / "columns.h5ad", sparse.csc_matrix(x)), []
    yield plain(folder / "dense.h5ad", x), []
    cells = folder / "cells.csv"
    obs_table().to_csv(cells, index_label="barcode")
    yield _tenx_folder(folder / "tenx", x), ["--cells", str(cells)]
    yield _tenx_h5(folder / "tenx.h5", x), ["--cells", str(cells)]


def _tenx_folder(folder: Path, x: np.ndarray) -> Path:
    folder.mkdir()
    io.mmwrite(folder / "matrix.mtx", sparse.coo_matrix(x.T).astype(int))
    rows = "".join(f"{gene}\t{gene}\tGene Expression\n" for gene in gene_names())
    (folder / "features.tsv").write_text(rows)
    (folder / "barcodes.tsv").write_text("\n".join(obs_table().index) + "\n")
    return folder


def _tenx_h5(path: Path, x: np.ndarray) -> Path:
    matrix = sparse.csc_matrix(x.T)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(matrix, name)
        group["shape"] = np.array(matrix.shape)
        group["barcodes"] = np.array(list(obs_table().index), dtype="S")
        group["features/id"] = np.array(gene_names(), dtype="S")
        group["features/feature_type"] = np.array(["Gene Expression"] * x.shape[1], dtype="S")
        group["features/genome"] = np.array(["GRCh38"] * x.shape[1], dtype="S")
    return path
