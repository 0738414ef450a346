from __future__ import annotations

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sluice.errors import SluiceError
from sluice.expression.write import write_h5ad

X = sparse.csr_matrix(np.array([[0, 2, 0], [1, 0, 0], [0, 0, 0], [0, 0, 5]], dtype=np.float32))
OBS = pd.DataFrame(
    {
        "person": ["P2", "P1", "P1", "P2"],
        "type": pd.Categorical(["T", None, "B", "T"], ["B", "T", "removed person's type"]),
        "depth": [2.0, 1.0, np.nan, 5.0],
        "cells": [1, 2, 3, 4],
        "kept": [True, False, True, True],
    },
    index=["c1", "c2", "c3", "c4"],
)
VAR = pd.DataFrame({"symbol": ["TP53", "XIST", "A1BG"]}, index=["E1", "E2", "E3"])


def write(path, blocks=(X[:3], X[3:]), obs=OBS, var=VAR):
    write_h5ad(path, iter(blocks), obs, var, title="cells", schema="sluice-1")
    return path


def test_anndata_reads_what_was_written(tmp_path):
    data = ad.read_h5ad(write(tmp_path / "a.h5ad"))
    assert np.array_equal(data.X.toarray(), X.toarray())
    assert data.obs_names.tolist() == OBS.index.tolist()
    assert data.var["symbol"].tolist() == VAR["symbol"].tolist()
    assert data.obs["person"].tolist() == OBS["person"].tolist()
    assert data.obs["type"].isna().tolist() == [False, True, False, False]
    assert data.obs["cells"].tolist() == [1, 2, 3, 4]
    assert data.obs["kept"].tolist() == [True, False, True, True]
    assert data.obs["depth"].isna().tolist() == [False, False, True, False]
    assert dict(data.uns) == {"title": "cells", "schema": "sluice-1"}
    assert data.raw is None
    assert not (data.layers or data.obsm or data.obsp or data.varm or data.varp)


def test_scanpy_works_on_what_was_written(tmp_path):
    import scanpy as sc

    data = sc.read_h5ad(write(tmp_path / "a.h5ad"))
    sc.pp.normalize_total(data)
    sc.pp.log1p(data)
    sc.get.aggregate(data, "person", "mean")
    data.write_h5ad(tmp_path / "b.h5ad")


def test_a_filtered_copy_keeps_removed_people_and_a_new_file_does_not(tmp_path):
    stale = b"removed person's type"
    copy = ad.AnnData(X, OBS.copy(), VAR.copy())[:2]
    copy.obs["note"] = "x"
    copy.uns["who"] = stale.decode()
    copy.write_h5ad(tmp_path / "copy.h5ad")
    assert stale in (tmp_path / "copy.h5ad").read_bytes()
    assert stale not in write(tmp_path / "new.h5ad").read_bytes()


def test_two_writings_are_the_same_bytes_and_hold_no_time(tmp_path):
    assert write(tmp_path / "a.h5ad").read_bytes() == write(tmp_path / "b.h5ad").read_bytes()


def test_unsorted_and_zero_entries_are_written_in_one_way(tmp_path):
    messy = sparse.csr_matrix(([3.0, 0.0, 2.0, 1.0], ([0, 1, 0, 1]), [0, 3, 3, 3, 4]), (4, 3))
    write(tmp_path / "a.h5ad", [messy])
    with h5py.File(tmp_path / "a.h5ad") as file:
        assert file["X/indices"][:].tolist() == [0, 1]
        assert file["X/data"][:].tolist() == [5.0, 1.0]
        assert file["X/indptr"][:].tolist() == [0, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("blocks", "obs"),
    [
        ([X[:3]], OBS),
        ([X[:, :2]], OBS),
        ([X], OBS.set_axis(["c1", "c1", "c2", "c3"])),
        ([X], OBS.assign(when=pd.Timestamp("2020-01-01"))),
        ([X], OBS.assign(n=pd.array([1, None, 2, 3], dtype="Int64"))),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_no_file(tmp_path, blocks, obs):
    with pytest.raises(SluiceError):
        write(tmp_path / "a.h5ad", blocks, obs)
    assert list(tmp_path.iterdir()) == []
