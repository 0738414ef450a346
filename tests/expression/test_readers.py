from __future__ import annotations

import gzip
import pickle

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sluice.errors import SluiceError
from sluice.expression import readers
from sluice.expression.matrix import open_matrix, write_matrix
from sluice.expression.readers import open_bulk

COUNTS = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]])
SAMPLES, GENES = ["s1", "s2", "s3", "s4"], ["g1", "g2", "g3"]


def frame() -> pd.DataFrame:
    return pd.DataFrame(COUNTS, SAMPLES, GENES)


def dense(source) -> np.ndarray:
    out = np.full((len(source.samples), len(source.genes)), np.nan)
    for tile in source.tiles():
        out[tile.samples, tile.genes] = tile.values
    return out


def write_gct(path, version):
    lines = [f"#1.{version}"]
    if version == 2:
        lines += ["3\t4", "Name\tDescription\t" + "\t".join(SAMPLES)]
        rows = [f"{g}\tsome text\t" for g in GENES]
    else:
        lines += ["3\t4\t2\t1", "id\trow1\trow2\t" + "\t".join(SAMPLES)]
        lines += ["sex\tna\tna\tf\tm\tf\tm"]
        rows = [f"{g}\ta\tb\t" for g in GENES]
    lines += [row + "\t".join(map(str, COUNTS[:, j])) for j, row in enumerate(rows)]
    path.write_text("\n".join(lines) + "\n")


def every_format(folder):
    frame().T.to_csv(folder / "a.tsv", sep="\t")
    yield folder / "a.tsv", {}
    frame().T.to_csv(folder / "b.csv.gz", quoting=2)
    yield folder / "b.csv.gz", {}
    frame().to_csv(folder / "c.csv", index_label="sample")
    yield folder / "c.csv", {"orientation": "samples_by_genes", "id_column": "sample"}
    frame().T.assign(length=9).to_csv(folder / "d.bed", sep="\t")
    yield folder / "d.bed", {"drop_columns": ["length"]}
    for version in (2, 3):
        write_gct(folder / f"e{version}.gct", version)
        yield folder / f"e{version}.gct", {}
    frame().T.rename_axis("id").reset_index().to_parquet(folder / "f.parquet", index=False)
    yield folder / "f.parquet", {"id_column": "id"}
    for name, matrix in (
        ("g", COUNTS),
        ("h", sparse.csr_matrix(COUNTS)),
        ("i", sparse.csc_matrix(COUNTS)),
    ):
        x = matrix.astype(np.float32)
        ad.AnnData(x, pd.DataFrame(index=SAMPLES), pd.DataFrame(index=GENES)).write_h5ad(
            folder / f"{name}.h5ad"
        )
        yield folder / f"{name}.h5ad", {}


def test_every_format_gives_the_same_matrix(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "_TILE_VALUES", 5)
    for path, options in every_format(tmp_path):
        source = open_bulk(path, value_kind="counts", **options)
        assert (source.samples, source.genes) == (SAMPLES, GENES), path.name
        assert np.array_equal(dense(source), COUNTS), path.name


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("-1", "counts"),
        ("1.5", "counts"),
        ("3e9", "counts"),
        ("", "log"),
        ("1e999", "log"),
        ("NaN", "tpm"),
        ("secret", "log"),
        ("-0.5", "tpm"),
    ],
)
def test_a_number_that_cannot_be_stops_and_is_not_repeated(tmp_path, cell, kind):
    table = frame().T.astype(str)
    table.iloc[1, 2] = cell
    table.to_csv(tmp_path / "a.tsv", sep="\t")
    with pytest.raises(SluiceError) as caught:
        dense(open_bulk(tmp_path / "a.tsv", value_kind=kind))
    assert not cell or cell not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", ["", "Berta"])
def test_empty_and_double_names_stop_without_being_told(tmp_path, axis, name):
    table = frame().T
    names = table.axes[axis].tolist()
    names[:2] = [name, name]
    table.set_axis(names, axis=axis).to_csv(tmp_path / "a.csv")
    with pytest.raises(SluiceError) as caught:
        open_bulk(tmp_path / "a.csv", value_kind="counts")
    assert "Berta" not in str(caught.value)


def test_a_cut_file_stops(tmp_path):
    whole = gzip.compress(frame().T.to_csv(sep="\t").encode() * 1, mtime=0)
    (tmp_path / "a.tsv.gz").write_bytes(whole[:-12])
    (tmp_path / "b.tsv").write_text("id\ts1\ts2\ng1\t1\t2\ng2\t1")
    write_gct(tmp_path / "c.gct", 2)
    lines = (tmp_path / "c.gct").read_text().splitlines()
    (tmp_path / "c.gct").write_text("\n".join(lines[:-1]))
    for name in ("a.tsv.gz", "b.tsv", "c.gct"):
        with pytest.raises(SluiceError):
            dense(open_bulk(tmp_path / name, value_kind="counts"))


@pytest.mark.parametrize("name", ["a.pkl", "a.rds", "a.tar.gz", "a.zip", "a.h5ad.gz", "a.gz", "a"])
def test_other_formats_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(SluiceError, match="format"):
        open_bulk(tmp_path / name, value_kind="counts")


def test_a_pickle_named_as_text_is_refused_unopened(tmp_path):
    (tmp_path / "a.tsv").write_bytes(pickle.dumps(frame()))
    with pytest.raises(SluiceError):
        open_bulk(tmp_path / "a.tsv", value_kind="counts")


def test_the_curated_matrix_holds_what_was_chosen_in_the_order_given(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "_TILE_VALUES", 5)
    rows, columns = [3, 0, 2], [2, 0]
    for path, options in every_format(tmp_path):
        source = open_bulk(path, value_kind="counts", **options)
        names = {"samples": ["k1", "k2", "k3"], "genes": ["x", "y"]}
        write_matrix(tmp_path / "m.h5", source, rows=rows, columns=columns, **names)
        with open_matrix(tmp_path / "m.h5") as matrix:
            assert (matrix.samples, matrix.genes, matrix.value_kind) == (*names.values(), "counts")
            assert np.array_equal(matrix.values[:], COUNTS[np.ix_(rows, columns)])
            assert matrix.values.dtype == np.int32
            assert np.array_equal(np.vstack([v for _, v in matrix.blocks(2)]), matrix.values[:])
            assert np.array_equal(matrix.read([2, 0]), matrix.values[:][[2, 0]])


def test_the_curated_matrix_is_the_same_bytes_twice_and_keeps_no_raw_name(tmp_path):
    frame().T.to_csv(tmp_path / "a.csv")
    assert "s3" in (tmp_path / "a.csv").read_text()
    for name in ("m1.h5", "m2.h5"):
        write_matrix(
            tmp_path / name,
            open_bulk(tmp_path / "a.csv", value_kind="log"),
            rows=[0, 1],
            samples=["k1", "k2"],
            columns=[0, 1, 2],
            genes=GENES,
        )
    one, two = (tmp_path / "m1.h5").read_bytes(), (tmp_path / "m2.h5").read_bytes()
    assert one == two
    assert b"s3" not in one
    with h5py.File(tmp_path / "m1.h5") as file:
        assert file["values"].dtype == np.float32


def test_a_damaged_curated_matrix_stops(tmp_path):
    (tmp_path / "m.h5").write_bytes(b"no hdf5")
    with pytest.raises(SluiceError), open_matrix(tmp_path / "m.h5"):
        pass


def test_real_counts_are_read(shared_data):
    source = open_bulk(shared_data / "expression/humangender/counts.csv.gz", value_kind="counts")
    assert (len(source.samples), len(source.genes)) == (85, 10_101)
    assert dense(source)[0, 0] == 339
