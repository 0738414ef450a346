from __future__ import annotations

import os
import shutil

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from tests.modalities.expression_lab import lab

from sluice.attacks.surface import surface_leaks
from sluice.errors import SluiceError
from sluice.expression.singlecell import Slot
from sluice.files import read_json
from sluice.modalities.shared.slots import slot_rows
from sluice.modalities.singlecell.apply import _interleaved, _Rows
from sluice.modalities.singlecell.cap import capped
from sluice.modalities.singlecell.contribute import contribute, public_units
from sluice.modalities.singlecell.describe import describe
from sluice.modalities.singlecell.minimize import minimize
from sluice.modalities.singlecell.scenarios import _vault_strings
from sluice.modalities.singlecell.sources import open_recorded, read_records
from sluice.release.dictionary import columns_of

__all__ = ["lab"]

FILES = ("cells.h5ad", "cells_counts.h5ad")
IDENTIFIERS = (
    "donor_id", "sample_id", "operator", "mrn", "family_name", "phone", "barcode",
)  # fmt: skip


@pytest.fixture(scope="module")
def both(lab, tmp_path_factory):
    """Second samples leave too, and no class knows of them."""
    other = lab.copy(tmp_path_factory.mktemp("both") / "lab")
    other.amend("policies/default.yaml", "max_samples: 1\n          max_cells", "max_cells")
    known = "        - singlecell_samples\n        - singlecell_kind\n"
    other.amend("policies/default.yaml", known, "")
    other.tier_steps("controlled", "clinical", "bulk", "singlecell", score=False)
    return other


@pytest.fixture(scope="module")
def scores(both):
    return both.score("controlled", "singlecell")


def released(lab, name=FILES[0]):
    return anndata.read_h5ad(lab.data("controlled", "singlecell") / name)


def test_every_slot_is_inventoried_and_a_key_that_names_a_donor_is_not_shown(lab):
    source = lab.folder / "raw/demo/singlecell/cells.h5ad"
    with h5py.File(source) as file:
        layer, unstructured = next(iter(file["layers"])), list(file["uns"])
    donors = {value for kind, value, _ in lab.canaries if kind == "donor_id"}
    assert any(donor in layer for donor in donors), "the layer is named after a donor"
    table = pd.read_parquet(lab.config.layout.intake("singlecell") / "inventory.parquet")
    fields = set(table["field"])
    assert {"cells.X", "cells.raw.X", "cells.layers[1]", "cells.obsm[1]"} <= fields
    assert {f"cells.uns[{n + 1}]" for n in range(len(unstructured))} <= fields
    assert {"cells.donor_id", "cells.obs._index", "run2.barcodes", "samples.lane"} <= fields
    shown = "\n".join(table.astype(str).to_numpy().ravel())
    assert not any(donor in shown for donor in donors)


def test_an_encoding_that_nobody_knows_is_not_repeated():
    slot = Slot("uns/x", "named after someone", 1)
    assert slot_rows([slot], "a")[0]["type"] == "other"


def test_an_obs_column_without_a_role_stops_intake(lab, tmp_path):
    other = lab.copy(tmp_path / "lab")
    other.amend(
        "cohorts/demo.yaml",
        "          cell_type: {role: safe, field: cell_type}\n",
        "",
    )
    with pytest.raises(SluiceError, match="not classified"):
        other.raw_steps("singlecell")


def test_lanes_lead_from_barcodes_to_samples(lab):
    cells = pd.read_parquet(lab.config.layout.curate("singlecell", "all") / "cells.parquet")
    second = cells[cells["cell_type"].isna()]
    assert len(second) == 240
    assert second.groupby("sample_id")["subject"].nunique().eq(1).all()
    assert second["sample_id"].nunique() == 6


def test_a_lane_that_no_sheet_names_stops_curation(lab, tmp_path):
    other = lab.copy(tmp_path / "lab")
    other.amend("cohorts/demo.yaml", "        samples: lane\n", "        samples: line\n")
    with pytest.raises(SluiceError, match="which sample sheet"):
        other.raw_steps("singlecell")


def test_a_filtered_copy_leaks_and_the_released_files_do_not(lab, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    raw = anndata.read_h5ad(lab.folder / "raw/demo/singlecell/cells.h5ad")
    raw[:20].copy().write_h5ad(copy / "copy.h5ad")
    found = lab.leaks(copy, *IDENTIFIERS)
    assert {"donor_id", "mrn", "operator", "family_name", "phone", "barcode"} <= found
    assert lab.leaks(lab.data("controlled", "singlecell"), *IDENTIFIERS) == set()
    layout = lab.config.layout
    for folder in (layout.intake("singlecell"), layout.curate("singlecell", "all")):
        assert lab.leaks(folder, *IDENTIFIERS) == set()


@pytest.mark.parametrize("name", FILES)
def test_released_cells_hold_nothing_but_values(both, name):
    data = released(both, name)
    assert data.obs["donor_id"].tolist() == sorted(data.obs["donor_id"])
    assert list(data.obs.columns) == ["donor_id", "cell_type", "date"]
    assert data.obs_names.str.fullmatch(r"S[a-z2-7]{16}").all()
    assert set(data.uns) == {"title", "schema"}
    assert not (data.layers or data.obsm or data.obsp or data.varm or data.raw)
    people = pd.read_parquet(both.config.layout.plan_people("controlled"))
    assert data.obs["donor_id"].nunique() <= people["kept"].sum()


def test_only_the_first_sample_leaves_where_the_tier_holds_one(lab, both):
    def samples(made):
        folder = made.config.layout.minimize("controlled", "singlecell", "all")
        cells = pd.read_parquet(folder / "cells.parquet")
        return cells.groupby("subject")["sample_id"].nunique()

    assert samples(both).max() == 2 and samples(lab).max() == 1
    assert [path.name for path in lab.data("controlled", "singlecell").glob("*.h5ad")] == [FILES[0]]


def test_values_of_a_cell_are_those_of_its_own_barcode(lab):
    raw = anndata.read_h5ad(lab.folder / "raw/demo/singlecell/cells.h5ad")
    data = released(lab)
    links = lab.crosswalk("controlled", "singlecell", "barcode").set_index("new")["original"]
    order = links[data.obs_names].tolist()
    assert order != sorted(order)
    expected = raw[order, data.var_names].X.toarray()
    assert np.allclose(data.X.toarray(), expected, atol=6e-5)
    assert raw.obs.loc[order, "cell_type"].tolist() == data.obs["cell_type"].tolist()
    assert data.X.toarray().std(axis=0).max() > 0.1


def test_dates_move_by_the_same_shift_as_the_clinical_ones(lab):
    data = released(lab)
    people = lab.crosswalk("controlled", "singlecell", "person").set_index("new")["original"]
    samples = pd.read_parquet(lab.config.layout.curate("singlecell", "all") / "samples.parquet")
    first = samples.sort_values("date").groupby("subject")["date"].first()
    shown = data.obs.drop_duplicates("donor_id").set_index("donor_id")["date"].astype(str)
    subjects = people[shown.index]
    moved = pd.to_datetime(shown.to_numpy()) - pd.DatetimeIndex(first[subjects])
    maps = lab.job("apply", "controlled", "clinical").pseudonyms()
    assert moved.days.tolist() == [maps.shift(subject) for subject in subjects]


def test_attacks_succeed_on_raw_and_are_printed_for_controlled(scores):
    link = scores["cell_relink.cells"]
    assert link.evidence["works"]
    assert link.estimate >= 0.5 > 2 * link.chance
    assert sorted(entry["n"] for entry in link.detail["files"]) == [5, 18]
    surface = scores["surface.cells"]
    assert surface.upper == 0 and surface.evidence["works"]
    assert surface.evidence["raw"] > 100
    assert scores["group_floor.cell_groups"].upper == 0
    assert 0 < scores["dominance.cell_groups"].upper <= 0.2
    assert scores["reconstruction.cell_groups"].upper == 0
    subtracted = scores["differencing.cell_groups"]
    assert subtracted.evidence["works"] and subtracted.upper == 0
    assert scores["reconstruction.cell_groups"].detail["numbers"] > 0
    assert scores["cell_utility.cells"].estimate > 0.9


def test_the_surface_count_sees_a_slot_and_an_identifier_in_a_released_file(lab, tmp_path):
    path = tmp_path / "cells.h5ad"
    shutil.copy(lab.data("controlled", "singlecell") / FILES[0], path)
    known = _vault_strings(lab.job("score", "controlled", "singlecell"))
    assert surface_leaks(path, known).total() == 0
    with h5py.File(path, "r+") as file:
        file["uns"]["extra"] = "harmless"
    assert surface_leaks(path, known).total() == 1
    barcode = lab.crosswalk("controlled", "singlecell", "barcode")["original"].iloc[0]
    with h5py.File(path, "r+") as file:
        file["obs"].attrs["from"] = barcode
    assert surface_leaks(path, known).total() == 2


def test_proportions_and_means_are_a_function_of_the_released_cells(lab):
    folder = lab.data("controlled", "singlecell")
    obs = released(lab).obs
    counts = pd.crosstab(obs["donor_id"], obs["cell_type"])
    counts = counts[counts.sum(axis=1) >= 10]
    expected = counts.div(counts.sum(axis=1), axis=0).mean()
    shown = pd.read_parquet(folder / "proportions.parquet").set_index("cell_type")
    assert np.allclose(shown["proportion"], expected[shown.index], atol=1e-4)
    assert set(counts.columns) - set(shown.index), "rare types are refused"
    assert ((counts > 0).sum()[shown.index] >= 10).all()
    means = pd.read_parquet(folder / "group_means.parquet")
    assert len(means) and means["donors"].min() >= 10


def test_donors_with_too_few_cells_and_cells_above_the_cap_stay_behind(lab, tmp_path):
    other = lab.copy(tmp_path / "lab")
    other.amend("policies/default.yaml", "max_cells: 2000\n          min_cells: 10",
                "max_cells: 25\n          min_cells: 20")  # fmt: skip
    job = other.job("minimize", "controlled", "singlecell")
    with job.writing(tmp_path / "minimized") as out:
        minimize(job, out)
    folder = lab.config.layout.minimize("controlled", "singlecell", "all")
    before, after = (
        pd.read_parquet(place / "cells.parquet")["subject"].value_counts()
        for place in (folder, tmp_path / "minimized")
    )
    assert before.min() < 20 and before.max() > 25
    assert after.min() >= 20 and after.max() == 25
    assert set(after.index) == set(before.index[before >= 20])


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 500)), unique_by=lambda t: t[1]),
    st.integers(1, 6),
    st.randoms(use_true_random=False),
)
def test_the_cap_keeps_the_same_cells_whatever_their_order(rows, cap, random):
    def table(pairs):
        frame = pd.DataFrame(pairs, columns=["subject", "cell_row"]).astype({"cell_row": int})
        return frame.assign(file_id="f")

    shuffled = list(rows)
    random.shuffle(shuffled)
    one, two = (capped(table(pairs), cap, b"k" * 32) for pairs in (rows, shuffled))
    assert set(one["cell_row"]) == set(two["cell_row"])
    sizes, kept = table(rows)["subject"].value_counts(), one["subject"].value_counts()
    assert all(kept.get(subject, 0) == min(size, cap) for subject, size in sizes.items())


def test_people_with_cells_in_two_files_keep_their_rows_together():
    def rows_of(values):
        matrix = sparse.csr_matrix(np.array(values, dtype=float)[:, None])
        return _Rows(matrix[i : i + 2] for i in (0, 2))

    streams = [rows_of(values) for values in ([1, 2, 3, 4], [5, 6, 7])]
    turns = pd.DataFrame(
        {"person": ["P", "P", "Q", "R", "R"], "stream": [0, 1, 0, 0, 1], "n": [1, 2, 2, 1, 1]}
    ).set_index(["person", "stream"])["n"]
    rows = sparse.vstack(list(_interleaved(streams, turns))).toarray().ravel()
    assert rows.tolist() == [1, 5, 6, 2, 3, 4, 7]


def test_a_raw_file_that_changed_after_intake_is_not_read(lab, tmp_path):
    other = lab.copy(tmp_path / "lab")
    job = other.job("apply", "controlled", "singlecell")
    records = read_records(job, job.layout.curate("singlecell", "all"))
    assert open_recorded(job, records[0]).n_cells == 700
    os.utime(other.folder / "raw/demo/singlecell/cells.h5ad")
    with pytest.raises(SluiceError, match="changed after intake"):
        open_recorded(job, records[0])


def test_the_dictionary_names_exactly_the_columns_that_were_written(lab):
    rows = describe(lab.job("bundle", "controlled", "singlecell"))
    for path in lab.data("controlled", "singlecell").iterdir():
        told = [row["column"] for row in rows if row["file"] == f"data/singlecell/{path.name}"]
        assert len(told) == len(set(told))
        assert set(told) == columns_of(path)
    assert all(row["policy_key"] and row["description"] for row in rows)


def test_the_same_inputs_give_the_same_bytes(lab, tmp_path):
    other = lab.copy(tmp_path / "lab")
    index = other.config.layout.index(other.data("controlled", "singlecell"))
    before = index.read_bytes()
    other.apply("controlled", "singlecell")
    assert index.read_bytes() == before
    assert all("content" in file for file in read_json(index)["files"])


def test_registered_releases_no_cell(lab):
    assert list(lab.data("registered", "singlecell").iterdir()) == []
    assert lab.crosswalk("registered", "singlecell", "person").empty


def test_registered_groups_come_from_controlled_cells_and_lose_against_the_dimension_gate(
    lab, tmp_path
):
    other = lab.copy(tmp_path / "lab")
    other.amend(
        "policies/default.yaml",
        "differencing, membership, genotype_linking, traits, effective_dimension]\n"
        "        on_fail: drop\n        reason: Exact means need every published attack against "
        "them to have been run.\n        owner: privacy-officer\n      studies",
        "differencing]\n        on_fail: drop\n        reason: test\n"
        "        owner: privacy-officer\n      studies",
    )
    shutil.rmtree(other.folder / "raw")
    other.tier_steps("registered", "clinical", "bulk", "singlecell", score=False)
    folder = other.data("registered", "singlecell")
    assert {path.name for path in folder.iterdir()} == {
        "proportions.parquet",
        "group_means.parquet",
    }
    shares = pd.read_parquet(folder / "proportions.parquet")
    assert len(shares) and shares["donors"].min() >= 20
    scores = other.score("registered", "singlecell")
    assert scores["group_floor.cell_groups"].upper == 0
    assert scores["dominance.cell_groups"].upper <= 0.2
    dimension = scores["effective_dimension.cell_groups"]
    assert dimension.upper > 0.1, "four proportions of 22 donors are more than a tenth"


def test_a_participant_adds_one_bounded_vector_over_the_policys_domain(lab, tmp_path):
    frame = contribute(lab.job("minimize", "public", "singlecell"))["cell_proportions"]
    features = lab.config.policy.tiers["public"].products["cell_proportions"].settings["features"]
    assert list(frame.columns) == features
    assert frame.index.is_unique and frame.notna().all().all()
    assert np.linalg.norm(frame, axis=1).max() <= np.sqrt(len(features)) + 1e-9
    other = lab.copy(tmp_path / "lab")
    path = other.config.layout.minimize("public", "singlecell", "all") / "cells.parquet"
    cells = pd.read_parquet(path)
    cells[cells["subject"] != frame.index[0]].to_parquet(path)
    rest = contribute(other.job("minimize", "public", "singlecell"))["cell_proportions"]
    pd.testing.assert_frame_equal(rest, frame.drop(index=frame.index[0]))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8).filter(lambda v: sum(v) > 0))
def test_no_vector_of_proportions_is_longer_than_the_root_of_its_types(weights):
    shares = pd.DataFrame([np.array(weights) / sum(weights)])
    assert np.linalg.norm(public_units(shares)) <= np.sqrt(len(weights)) * (1 + 1e-9)


def test_a_domain_that_the_policy_does_not_fix_stops(lab, tmp_path):
    other = lab.copy(tmp_path / "lab")
    other.amend("policies/default.yaml", ", progenitor, other]", ", progenitor]")
    with pytest.raises(SluiceError, match="fixed list"):
        contribute(other.job("minimize", "public", "singlecell"))
