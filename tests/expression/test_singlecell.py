from __future__ import annotations

import gzip
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import io, sparse

from sluice.errors import SluiceError
from sluice.expression.singlecell import open_cells
from sluice.expression.stream import MEMORY

RNG = np.random.default_rng(1)
CELLS, WIDTH = 37, 11
X = (RNG.poisson(0.7, (CELLS, WIDTH))).astype(np.float32)
BARCODES = [f"AAAC-{number}" for number in range(CELLS)]
GENES = [f"ENSG{number:011d}" for number in range(WIDTH)]


def h5ad(path: Path, matrix, compression=None, **more) -> Path:
    obs = pd.DataFrame(
        {"donor": pd.Categorical(["d1"] * 20 + ["d2"] * 17), "age": np.arange(CELLS)},
        index=BARCODES,
    )
    data = ad.AnnData(matrix, obs, pd.DataFrame(index=GENES), **more)
    data.write_h5ad(path, compression=compression)
    return path


def tenx_folder(folder: Path, packed: bool, shuffled: bool = False) -> Path:
    folder.mkdir()
    triplets = sparse.coo_matrix(X.T)
    if shuffled:
        order = RNG.permutation(triplets.nnz)
        triplets = sparse.coo_matrix(
            (triplets.data[order], (triplets.row[order], triplets.col[order])), triplets.shape
        )
    io.mmwrite(folder / "matrix.mtx", triplets.astype(int))
    rows = "".join(f"{gene}\tsymbol\tGene Expression\n" for gene in GENES)
    (folder / "features.tsv").write_text(rows)
    (folder / "barcodes.tsv").write_text("\n".join(BARCODES) + "\n")
    for path in list(folder.iterdir()) if packed else []:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    return folder


def tenx_h5(path: Path) -> Path:
    tagged = sparse.csc_matrix(np.vstack([X.T, np.full((1, CELLS), 9)]))
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(tagged, name)
        group["shape"] = np.array(tagged.shape)
        group["barcodes"] = np.array(BARCODES, dtype="S")
        group["features/id"] = np.array([*GENES, "CD3_antibody"], dtype="S")
        kinds = ["Gene Expression"] * WIDTH + ["Antibody Capture"]
        group["features/feature_type"] = np.array(kinds, dtype="S")
    return path


def every_source(folder: Path):
    yield open_cells(h5ad(folder / "a.h5ad", X), "h5ad")
    yield open_cells(h5ad(folder / "b.h5ad", sparse.csr_matrix(X)), "h5ad")
    packed = h5ad(folder / "h.h5ad", sparse.csr_matrix(X), compression="gzip")
    yield open_cells(packed, "h5ad")
    yield open_cells(h5ad(folder / "c.h5ad", sparse.csc_matrix(X)), "h5ad")
    layered = h5ad(folder / "d.h5ad", X * 0, layers={"counts": sparse.csr_matrix(X)})
    yield open_cells(layered, "h5ad", "counts")
    yield open_cells(tenx_folder(folder / "e", False), "10x_mtx")
    yield open_cells(tenx_folder(folder / "f", True, shuffled=True), "10x_mtx")
    yield open_cells(tenx_h5(folder / "g.h5"), "10x_h5")


@pytest.fixture(scope="module")
def every_file(tmp_path_factory):
    return list(every_source(tmp_path_factory.mktemp("cells")))


def rows_of(source, rows, block=5, **more) -> np.ndarray:
    return sparse.vstack(list(source.iter_rows(np.array(rows), block, **more))).toarray()


@pytest.mark.parametrize("memory", [MEMORY, 4000, 1])
def test_every_format_gives_the_same_rows_in_the_order_asked(tmp_path, memory):
    chosen = RNG.permutation(CELLS)[:23]
    for source in every_source(tmp_path):
        assert source.genes == GENES, source
        assert source.barcodes() == BARCODES, source
        assert np.array_equal(rows_of(source, chosen, memory=memory), X[chosen]), source
        assert np.array_equal(rows_of(source, range(CELLS), memory=memory), X), source


@given(
    st.permutations(range(CELLS)), st.integers(0, CELLS), st.permutations(range(WIDTH)),
    st.integers(0, WIDTH), st.integers(1, 9), st.integers(1, 5000),
)  # fmt: skip
def test_rows_and_columns_come_as_asked_whatever_the_memory(
    every_file, rows, cells, columns, genes, block, memory
):
    rows, columns = rows[:cells], columns[:genes]
    for source in every_file:
        blocks = list(source.iter_rows(np.array(rows, int), block, columns=columns, memory=memory))
        assert all(found.shape[0] <= block and found.has_canonical_format for found in blocks)
        found = sparse.vstack([sparse.csr_matrix((0, genes)), *blocks]).toarray()
        assert np.array_equal(found, X[np.ix_(rows, columns)]), source


def test_no_temporary_file_is_left_nor_ever_has_a_name(tmp_path):
    source, scratch = open_cells(h5ad(tmp_path / "a.h5ad", sparse.csc_matrix(X)), "h5ad"), []
    (tmp_path / "b").mkdir()
    backwards = np.arange(CELLS)[::-1]
    for _ in source.iter_rows(backwards, memory=1, folder=tmp_path / "b"):
        scratch += (tmp_path / "b").iterdir()
    assert scratch == []


def test_a_cell_is_given_once(tmp_path):
    source = open_cells(h5ad(tmp_path / "a.h5ad", X), "h5ad")
    with pytest.raises(SluiceError, match="twice"):
        rows_of(source, [3, 3])


def test_raw_is_read_with_its_own_genes(tmp_path):
    data = ad.AnnData(X, pd.DataFrame(index=BARCODES), pd.DataFrame(index=GENES))
    data.raw = data.copy()
    data[:, :3].copy().write_h5ad(tmp_path / "a.h5ad")
    source = open_cells(tmp_path / "a.h5ad", "h5ad", "raw")
    assert source.genes == GENES
    assert np.array_equal(rows_of(source, [4, 1]), X[[4, 1]])


def test_columns_are_named_and_read_only_when_asked(tmp_path):
    source = open_cells(h5ad(tmp_path / "a.h5ad", X), "h5ad")
    assert source.columns == ["donor", "age"]
    assert source.column("donor").tolist() == ["d1"] * 20 + ["d2"] * 17
    assert not isinstance(source.column("donor").dtype, pd.CategoricalDtype)
    assert source.column("age").tolist() == list(range(CELLS))
    with pytest.raises(SluiceError):
        source.column("sex")


def test_a_column_of_numbered_categories_may_have_gaps(tmp_path):
    batch = pd.Categorical([1, None] + [2] * (CELLS - 2))
    obs = pd.DataFrame({"batch": batch}, index=BARCODES)
    ad.AnnData(X, obs, pd.DataFrame(index=GENES)).write_h5ad(tmp_path / "a.h5ad")
    assert open_cells(tmp_path / "a.h5ad", "h5ad").column("batch").isna().sum() == 1


def test_the_surface_names_every_slot(tmp_path):
    data = ad.AnnData(X, pd.DataFrame({"donor": BARCODES}, BARCODES), pd.DataFrame(index=GENES))
    data.raw = data.copy()
    data.layers["counts"] = sparse.csr_matrix(X)
    data.obsm["X_umap"] = X[:, :2]
    data.uns["notes"] = {"a": "Berta", "b": 1}
    data.write_h5ad(tmp_path / "a.h5ad")
    source = open_cells(tmp_path / "a.h5ad", "h5ad")
    paths = {slot.path for slot in source.surface()}
    expected = {"X", "obs/donor", "layers/counts", "obsm/X_umap", "raw/X", "uns/notes"}
    assert expected <= paths
    assert not any("Berta" in str(slot) for slot in source.surface())


def test_the_surface_of_a_10x_folder_lists_strangers_too(tmp_path):
    folder = tenx_folder(tmp_path / "a", packed=True)
    (folder / "all_contig.csv").write_text("x")
    slots = open_cells(folder, "10x_mtx").surface()
    assert "all_contig.csv" in {slot.path for slot in slots}


def damage_indptr(path):
    with h5py.File(path, "r+") as file:
        file["X/indptr"][3] = 10_000


def damage_indices(path):
    with h5py.File(path, "r+") as file:
        file["X/indices"][0] = WIDTH


def damage_values(path):
    with h5py.File(path, "r+") as file:
        file["X/data"][0] = np.nan


def damage_fractions(path):
    with h5py.File(path, "r+") as file:
        file["X/data"][0] = 0.5


def damage_length(path):
    path.write_bytes(path.read_bytes()[:-3000])


def damage_format(path):
    path.write_bytes(b"\x80\x04pickle")


@pytest.mark.parametrize(
    "damage",
    [damage_indptr, damage_indices, damage_values, damage_fractions, damage_length, damage_format],
)
def test_a_damaged_h5ad_stops(tmp_path, damage):
    path = h5ad(tmp_path / "a.h5ad", sparse.csr_matrix(X))
    damage(path)
    with pytest.raises(SluiceError):
        rows_of(open_cells(path, "h5ad"), range(CELLS))


@pytest.mark.parametrize("missing", ["matrix.mtx", "barcodes.tsv", "features.tsv"])
def test_a_10x_folder_that_lacks_a_file_or_its_end_stops(tmp_path, missing):
    cut = tenx_folder(tmp_path / "a", packed=False)
    lines = (cut / missing).read_text().splitlines(keepends=True)
    (cut / missing).write_text("".join(lines[:-1]))
    with pytest.raises(SluiceError):
        rows_of(open_cells(cut, "10x_mtx"), range(CELLS))
    (cut / missing).unlink()
    with pytest.raises(SluiceError):
        open_cells(cut, "10x_mtx")


def test_a_layer_that_is_not_there_and_a_cell_beyond_the_end_stop(tmp_path):
    path = h5ad(tmp_path / "a.h5ad", X)
    with pytest.raises(SluiceError):
        open_cells(path, "h5ad", "counts")
    with pytest.raises(SluiceError):
        rows_of(open_cells(path, "h5ad"), [CELLS])


def test_real_cells_are_read(shared_data):
    path = shared_data / "expression/melanoma19/melanoma19.h5ad"
    source = open_cells(path, "h5ad", value_kind="log")
    assert (source.n_cells, len(source.genes)) == (550, 3523)
    assert source.column("patient").nunique() == 19
    with pytest.raises(SluiceError, match="fractions"):
        rows_of(open_cells(path, "h5ad", value_kind="counts"), [0])
