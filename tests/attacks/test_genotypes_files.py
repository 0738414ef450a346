"""Files that the attacks read, and `sluice attack genotype-linking` on them."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from tests.attacks.genotype_lab import planted

from sluice.attacks.genotypes.reference import read_reference
from sluice.attacks.genotypes.variants import read_genotypes, shared_variants, sites
from sluice.attacks.genotypes.vcf import read_vcf
from sluice.cli import sluice
from sluice.errors import SluiceError

VCF = """##fileformat=VCFv4.2
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tCANARY1\tCANARY2\tCANARY3
chr1\t10\t.\tA\tC\t.\tPASS\t.\tGT\t0|0\t0|1\t1/1
chr1\t20\t.\tA\tC,G\t.\tPASS\t.\tGT:DP\t0/2:7\t.\t1|2:99
chrX\t30\t.\tA\tC\t.\tPASS\t.\tGT\t0\t./.\t10|0
"""


@pytest.fixture
def cohort():
    return planted(effect=1.5)


def run(tmp_path, files, *words):
    out = tmp_path / "out.json"
    options = [str(word) for pair in files.items() for word in pair]
    result = CliRunner().invoke(
        sluice, ["attack", "genotype-linking", *options, "--json", str(out), *words]
    )
    return result, out


def found(tmp_path, files, *words):
    result, out = run(tmp_path, files, *words)
    assert result.exit_code == 0, result.output
    return json.loads(out.read_text())


def refused(tmp_path, files, *words):
    """Return the sentence of a refusal that names nobody and leaves no file."""
    result, out = run(tmp_path, files, *words)
    assert isinstance(result.exception, SluiceError), result.output
    assert not out.exists()
    told = str(result.exception)
    assert not any(name in told for name in ("D00", "D10", "CANARY"))
    return told


def linked(report):
    return {record["name"]: record["estimate"] for record in report["attacks"]}


def without_seconds(report):
    for record in report["attacks"]:
        record.pop("seconds")
    return report


def test_calls_of_any_shape_are_counted(tmp_path):
    path = tmp_path / "g.vcf"
    path.write_text(VCF)
    calls = read_vcf(path)
    assert calls.dosages.tolist() == [[0, 1, 2], [1, -1, 2], [-1, -1, -1]]
    assert calls.sites[1] == ("chr1", 20, "A", "C,G")


@given(st.lists(st.lists(st.sampled_from([0, 1, 2, -1]), min_size=2, max_size=2), min_size=1))
def test_what_is_written_is_read(tmp_path_factory, rows):
    dosages = np.array(rows, dtype=np.int8)
    places = np.column_stack([np.zeros(len(rows), dtype=int), 1 + np.arange(len(rows))])
    small = replace(
        planted(2, 1), donors=["A", "B"], dosages=dosages, variant_sites=places
    )  # fmt: skip
    path = tmp_path_factory.mktemp("v") / "g.vcf"
    path.write_text(small.vcf())
    assert (read_vcf(path).dosages == dosages).all()


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (VCF.replace("\t1/1", ""), "row 1"),
        (VCF.replace("GT:DP", "DP:GT"), "row 2"),
        (VCF.replace("\t20\t", "\tCANARY\t"), "row 2"),
        (VCF[: VCF.index("chr1")], "no variant"),
        ("chr1\t10\n", "no VCF"),
        (VCF.replace("#CHROM", "CHROM"), "column names"),
        (VCF.replace("CANARY2", "CANARY1"), "twice"),
        (VCF[:-12], "row 3"),
    ],
)
def test_a_broken_vcf_is_refused_in_one_sentence(tmp_path, broken, says):
    path = tmp_path / "g.vcf"
    path.write_text(broken)
    with pytest.raises(SluiceError, match=says) as error:
        read_genotypes(path)
    assert "CANARY" not in str(error.value)


def test_a_compressed_vcf_that_is_cut_is_refused(tmp_path):
    path = tmp_path / "g.vcf.gz"
    whole = gzip.compress(planted().vcf().encode())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SluiceError, match="to its end"):
        read_genotypes(path)


def test_a_vcf_that_is_cut_between_two_blocks_is_refused(tmp_path, shared_data):
    """It unpacks without an error: only the missing last block tells."""
    source = shared_data / "expression/geuvadis_qtltools/genotypes.chr22.vcf.gz"
    path = tmp_path / "g.vcf.gz"
    path.write_bytes(source.read_bytes()[:-28])
    with pytest.raises(SluiceError, match="to its end"):
        read_genotypes(path)


def test_of_a_variant_that_comes_twice_the_first_is_kept(tmp_path):
    path = tmp_path / "g.vcf"
    row = "chr1\t10\t.\tA\tC\t.\tPASS\t.\tGT\t1|1\t1|1\t1|1\n"
    path.write_text(VCF + row)
    found = read_genotypes(path)
    assert found.variants == ["1:10:A:C", "1:20:A:C,G", "X:30:A:C"]
    assert found.dosages[0].tolist() == [0, 1, 2]


def test_dosages_that_are_none_are_refused(tmp_path, cohort):
    table = cohort.dosage_table()
    for number, value in enumerate((3, -1, np.inf, "CANARY")):
        bad = table.astype(object)
        bad.iloc[4, 7] = value
        path = tmp_path / f"{number}.tsv"
        bad.to_csv(path, sep="\t", index=False)
        with pytest.raises(SluiceError, match="from 0 to 2") as error:
            read_genotypes(path)
        assert "CANARY" not in str(error.value)


def test_variants_are_matched_by_place_and_alleles_in_any_order(tmp_path, cohort):
    path = tmp_path / "g.vcf"
    path.write_text(cohort.vcf())
    cohort.dosage_table().iloc[::-1].to_parquet(tmp_path / "g.parquet")
    one, two = shared_variants(read_genotypes(path), read_genotypes(tmp_path / "g.parquet"))
    assert one.variants == two.variants
    assert (one.dosages == two.dosages).all()


def test_a_gene_without_a_place_is_tried_against_every_variant(tmp_path, cohort):
    path = tmp_path / "g.vcf"
    path.write_text(cohort.vcf())
    genotypes = read_genotypes(path)
    genes, variants = sites(genotypes, ["1", "", "X"], np.array([5, 0, 9]))
    assert genes is not None
    assert genes[:, 0].tolist() == [0, -1, 1]
    assert set(variants[:, 0]) == {0}
    assert sites(genotypes, ["", ""], np.zeros(2))[0] is None


def test_the_command_links_strongly_and_says_how_much_above_chance(tmp_path, cohort):
    report = found(tmp_path, cohort.write(tmp_path))
    assert set(linked(report)) == {"bayes", "every_gene", "extremity", "carriers"}
    best = next(record for record in report["attacks"] if record["name"] == "bayes")
    assert best["lower"] > 0.8
    assert best["n"] == 60
    assert best["chance"] == 1 / 60
    assert best["detail"]["p_value"] < 1e-20
    assert best["detail"]["multiple_of_chance"] == pytest.approx(best["estimate"] * 60, abs=1e-3)
    assert best["detail"]["genome_scale"]["copies"] == 608
    assert best["seconds"] >= 0
    extremity = next(record for record in report["attacks"] if record["name"] == "extremity")
    assert extremity["detail"]["surest_quarter"] > extremity["estimate"]
    assert report["settings"]["positions"] is True


def test_the_same_files_give_the_same_report(tmp_path, cohort):
    files = cohort.write(tmp_path)
    one, two = (without_seconds(found(tmp_path, files)) for _ in range(2))
    assert one == two
    assert not any(name in json.dumps(one) for name in cohort.donors)


def test_permuted_donors_are_linked_at_chance(tmp_path, cohort):
    files = cohort.write(tmp_path)
    half = cohort.donors[60:]
    lines = [f"{a} {b}" for a, b in zip(half, half[7:] + half[:7], strict=True)]
    files["--target-donors"].write_text("\n".join(lines))
    assert max(linked(found(tmp_path, files)).values()) < 0.1


def test_other_names_in_the_genotypes_are_told_by_a_second_column(tmp_path, cohort):
    files = cohort.write(tmp_path)
    renamed = replace(cohort, donors=[f"X{name}" for name in cohort.donors])
    for option in ("--panel-genotypes", "--gallery-genotypes"):
        files[option].write_bytes(gzip.compress(renamed.vcf().encode()))
    for option, names in (
        ("--panel-donors", cohort.donors[:60]),
        ("--target-donors", cohort.donors[60:]),
    ):
        files[option].write_text("\n".join(f"{name},X{name}" for name in names))
    assert linked(found(tmp_path, files, "--method", "bayes"))["bayes"] > 0.8


def test_expression_is_read_from_a_table_either_way_and_from_h5ad(tmp_path, cohort):
    files = cohort.write(tmp_path)
    genes = [f"G{i}" for i in range(40)]
    frame = pd.DataFrame(cohort.expression, cohort.donors, genes)
    frame.T.rename_axis("gene").to_csv(tmp_path / "genes_by_donors.tsv", sep="\t")
    frame.rename_axis("donor").reset_index().to_parquet(tmp_path / "donors_by_genes.parquet")
    anndata.AnnData(frame).write_h5ad(tmp_path / "e.h5ad")
    expected = linked(found(tmp_path, files, "--method", "bayes"))
    for name in ("genes_by_donors.tsv", "donors_by_genes.parquet", "e.h5ad"):
        other = {**files, "--target-expression": tmp_path / name}
        assert linked(found(tmp_path, other, "--method", "bayes")) == expected
    placeless = {**other, "--panel-expression": tmp_path / "genes_by_donors.tsv"}
    report = found(tmp_path, placeless, "--method", "bayes")
    assert report["settings"]["positions"] is False
    assert linked(report)["bayes"] > 0.8


def test_a_reference_holds_whoever_is_on_both_sides_and_takes_logarithms(tmp_path, cohort):
    files = cohort.write(tmp_path)
    expression, genotypes = files["--panel-expression"], files["--panel-genotypes"]
    fewer = replace(cohort, donors=cohort.donors[20:], expression=cohort.expression[20:])
    fewer.write_bed(expression)
    reference = read_reference(expression, genotypes)
    assert np.allclose(reference.expression, np.log1p(fewer.expression))
    assert np.array_equal(reference.dosages, cohort.dosages[:, 20:])
    as_it_is = read_reference(expression, genotypes, logarithms=True)
    assert np.allclose(as_it_is.expression, fewer.expression)


def test_a_reference_s_donors_may_be_listed_by_both_names(tmp_path, cohort):
    files = cohort.write(tmp_path)
    expression, genotypes = files["--panel-expression"], files["--panel-genotypes"]
    renamed = replace(cohort, donors=[f"X{name}" for name in cohort.donors])
    genotypes.write_bytes(gzip.compress(renamed.vcf().encode()))
    donors = tmp_path / "donors.txt"
    donors.write_text("D007 XD007\nD003 XD003\n")
    reference = read_reference(expression, genotypes, donors, logarithms=True)
    assert np.allclose(reference.expression, cohort.expression[[7, 3]])
    assert np.array_equal(reference.dosages, cohort.dosages[:, [7, 3]])
    for line, says in (("CANARY XD007", "reference's expression"), ("D007", "reference's genoty")):
        donors.write_text(f"D003 XD003\n{line}\n")
        with pytest.raises(SluiceError, match=f"1 listed donors are not in the {says}") as told:
            read_reference(expression, genotypes, donors)
        assert "donor 2" in str(told.value) and "CANARY" not in str(told.value)


def test_bad_lists_of_donors_are_refused(tmp_path, cohort):
    files = cohort.write(tmp_path)
    target = files["--target-donors"]
    whole = target.read_text()
    for text, says in (
        (whole + "D060\n", "twice.*line 61"),
        (whole + "CANARY\n", "1 listed donors are not in the released expression.*donor 61"),
        (whole + "D001\n", "1 donors are in the panel and among the targets"),
        ("D060 D061 CANARY\n", "more than two names.*line 1"),
        ("\n# none\n", "empty"),
    ):
        target.write_text(text)
        told = refused(tmp_path, files)
        assert re.search(says, told), told


def test_bad_expression_is_refused(tmp_path, cohort):
    files = cohort.write(tmp_path)
    bed = files["--target-expression"]
    for value in (np.nan, np.inf):
        broken = cohort.expression.copy()
        broken[3, 4] = value
        replace(cohort, expression=broken).write_bed(bed)
        assert "missing or infinite" in refused(tmp_path, files)
    cohort.write_bed(bed)
    lines = bed.read_text().splitlines()
    bed.write_text("\n".join([*lines[:3], lines[2]]))
    assert "twice" in refused(tmp_path, files)
    bed.write_text("\n".join(lines)[:-40])
    assert "cannot be read" in refused(tmp_path, files)
    bed.write_text("gene\tD000\n")
    assert "six columns" in refused(tmp_path, files)
    cut = tmp_path / "e.bed.gz"
    cohort.write_bed(bed)
    whole = gzip.compress(bed.read_bytes())
    cut.write_bytes(whole[: len(whole) // 2])
    assert "cannot be read" in refused(tmp_path, {**files, "--panel-expression": cut})


def test_files_that_share_nothing_are_refused(tmp_path, cohort):
    files = cohort.write(tmp_path)
    far = replace(cohort, variant_sites=cohort.variant_sites + 1)
    (tmp_path / "far.vcf").write_text(far.vcf())
    other = {**files, "--gallery-genotypes": tmp_path / "far.vcf"}
    assert "share no variant" in refused(tmp_path, other)
    table = pd.DataFrame(cohort.expression.T, columns=cohort.donors)
    table.insert(0, "gene", [f"H{i}" for i in range(40)])
    table.to_csv(tmp_path / "h.tsv", sep="\t", index=False)
    other = {**files, "--target-expression": tmp_path / "h.tsv"}
    assert "share no gene" in refused(tmp_path, other)


def test_a_panel_without_effects_is_refused(tmp_path):
    assert "no variant that tells" in refused(tmp_path, planted(effect=0).write(tmp_path))
