from __future__ import annotations

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from tests.cli.expression_files import CANARIES, gene_names, hostile

from sluice.attacks.surface import surface_leaks
from sluice.errors import SluiceError
from sluice.expression.write import write_h5ad

GENES = gene_names()[:10]


def clean(path):
    obs = pd.DataFrame({"donor_id": ["P1", "P1", "P2"]}, index=["Sa", "Sb", "Sc"])
    x = sparse.csr_matrix(np.ones((3, len(GENES)), np.float32))
    write_h5ad(path, [x], obs, pd.DataFrame(index=GENES), title="t", schema="s")
    return path


def test_a_file_written_anew_shows_nothing(tmp_path):
    assert surface_leaks(clean(tmp_path / "a.h5ad"), {"Kestrelova"}) == {}


def test_every_slot_of_a_raw_file_is_seen(tmp_path):
    path = hostile(tmp_path / "a.h5ad")
    known = {CANARIES[where] for where in ("donors", "barcodes", "uns, nested", "a link")}
    found = surface_leaks(path, known)
    assert found["identifiers"] == len(known)
    assert found["bytes before the file"] == 1
    assert found["slots"] > 10
    assert found["receptor genes"] == 2


def obs_of(**columns):
    return ad.AnnData(
        sparse.csr_matrix(np.ones((3, len(GENES)), np.float32)),
        pd.DataFrame({key: pd.Categorical(v) for key, v in columns.items()}, ["a", "b", "c"]),
        pd.DataFrame(index=GENES),
    )


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("receptors", obs_of(IR_VJ_1_junction=["x", "x", "y"])),
        ("receptors", obs_of(clonotype_orig=["1", "2", "3"])),
        ("receptors", obs_of(note=["CASSLGQAYEQYF", "x", "y"])),
        ("receptors", obs_of(note=["TGTGCCAGCAGTGAAGTGGCC", "x", "y"])),
        ("variants", obs_of(note=["chr1:12345:A>G", "x", "y"])),
        ("variants", obs_of(rs4988235=["0", "1", "2"])),
        ("variants", obs_of(note=["3243A>G", "x", "y"])),
        ("alleles", obs_of(alt_count=["0", "1", "2"])),
        ("alleles", obs_of(maternal=["0", "1", "2"])),
    ],
)
def test_what_identifies_by_itself_is_told_by_its_kind(tmp_path, kind, data):
    data.write_h5ad(tmp_path / "a.h5ad")
    assert surface_leaks(tmp_path / "a.h5ad")[kind] == 1


def test_barcodes_are_known_by_their_letters_in_every_form(tmp_path):
    data = obs_of()
    data.obs_names = ["AAACCTGAGAAACCAT-1", "lane2_TTTGTCATCTTTACGT-12", "S4oq7vlgz2rmw3xy"]
    data.write_h5ad(tmp_path / "a.h5ad")
    assert surface_leaks(tmp_path / "a.h5ad")["barcodes"] == 2
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["matrix/barcodes"] = np.array(["AAACCTGAGAAACCAT-1"], dtype="S")
    assert surface_leaks(tmp_path / "b.h5")["barcodes"] == 1


def test_what_is_no_such_file_is_one_sentence(tmp_path):
    (tmp_path / "a.h5ad").write_bytes(b"\x80\x04pickle")
    with pytest.raises(SluiceError):
        surface_leaks(tmp_path / "a.h5ad")


def test_real_t_cells_show_their_receptors(shared_data):
    path = next((shared_data / "expression/wu2020").glob("*.h5ad"))
    found = surface_leaks(path)
    assert found["receptors"] > 300 and found["receptor genes"] > 20 and found["slots"]
