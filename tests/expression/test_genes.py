from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import SluiceError
from sluice.expression.genes import (
    SEX_GROUPS,
    excluded,
    exclusion_groups,
    gene_set_titles,
    gene_sets,
    load_genes,
    read_gene_sets,
    to_ensembl,
)

XIST, DDX3Y, TP53, HLA_A = (
    "ENSG00000229807",
    "ENSG00000067048",
    "ENSG00000141510",
    "ENSG00000206503",
)
TRAC, TRADD, IGHM, IGHMBP2 = (
    "ENSG00000277734",
    "ENSG00000102871",
    "ENSG00000211899",
    "ENSG00000132740",
)


def test_known_genes_lie_where_they_lie():
    genes = load_genes()
    assert genes.loc[XIST, "chromosome"] == "X"
    assert genes.loc[DDX3Y, "chromosome"] == "Y"
    assert tuple(genes.loc[TP53, ["symbol", "chromosome", "start"]]) == ("TP53", "17", 7661779)
    assert (genes["biotype"] == "protein_coding").sum() > 19_000
    assert genes.index.is_unique


def test_symbols_and_versioned_ids_become_the_same_id():
    ids, unknown = to_ensembl(["TP53", f"{TP53}.19", TP53, "NOT-A-GENE", "ENSG00000999999.1"])
    assert ids == [TP53, TP53, TP53, "", "ENSG00000999999"]
    assert unknown == 2


@pytest.mark.parametrize(
    ("group", "inside", "outside"),
    [
        ("chrX", XIST, DDX3Y),
        ("chrY", DDX3Y, XIST),
        ("HLA", HLA_A, TP53),
        ("TCR", TRAC, TRADD),
        ("IG", IGHM, IGHMBP2),
    ],
)
def test_each_group_takes_its_genes_and_not_their_namesakes(group, inside, outside):
    assert excluded([inside, outside], [group]).tolist() == [True, False]


def test_a_gene_that_nobody_can_place_is_excluded():
    assert excluded(["", "ENSG00000999999"], ["chrX"]).all()
    assert not excluded(["", "ENSG00000999999"], []).any()


def test_an_unknown_group_stops_without_naming_it():
    with pytest.raises(SluiceError) as caught:
        excluded([TP53], ["chrZ"])
    assert "chrZ" not in str(caught.value)


def test_there_are_fifty_fixed_autosomal_sets_of_fifty_genes():
    sets = gene_sets()
    assert len(sets) >= 50
    assert min(map(len, sets.values())) >= 50
    assert set(sets) == set(gene_set_titles())
    assert sets == gene_sets(autosomal=False)
    for ids in sets.values():
        assert not excluded(ids, exclusion_groups()).any()
        assert len(set(ids)) == len(ids)


@given(
    st.lists(st.sampled_from([XIST, DDX3Y, TP53, HLA_A, "", "x"])),
    st.sets(st.sampled_from(SEX_GROUPS)),
)
def test_more_groups_never_exclude_less(ids, groups):
    fewer, all_of_them = excluded(ids, sorted(groups)), excluded(ids, exclusion_groups())
    assert np.all(fewer <= all_of_them)


def test_given_gene_sets_go_by_ensembl_ids_where_the_table_knows_them(tmp_path):
    path = tmp_path / "mine.gmt"
    path.write_text("b\ttitle\tXIST\tENSG00000229807.14\t1000_at\n\na\ttitle\t1000_at\n")
    assert read_gene_sets(path) == {"b": ["ENSG00000229807", "1000_at"], "a": ["1000_at"]}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not GMT"),
        (b"a\ttitle\tg1\nsecond\ttitle\n", "set 2"),
        (b"a\ttitle\tg1\na\ttitle\tg2\n", "occurs twice"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_a_file_that_is_no_gmt_is_refused_without_quoting_it(tmp_path, content, told):
    path = tmp_path / "wrong.gmt"
    path.write_bytes(content)
    with pytest.raises(SluiceError, match=told) as caught:
        read_gene_sets(path)
    assert "second" not in str(caught.value)
    assert "title" not in str(caught.value).replace("a title", "")
