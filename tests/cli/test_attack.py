"""`sluice attack`: files of anybody's, without a cohort."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from sluice.attacks.registry import SCENARIOS
from sluice.cli import sluice
from sluice.errors import SluiceError
from sluice.expression.genes import gene_sets, load_genes
from sluice.expression.profiles import read_profiles

CANARY = "CANARY-7731"
RNG = np.random.default_rng(5)
AUTOSOMAL = load_genes().index[load_genes()["chromosome"].isin(["1", "2", "3"])][:60]
ON_Y = load_genes().index[load_genes()["chromosome"] == "Y"][:5]


def call(*words: object) -> Result:
    return CliRunner().invoke(sluice, ["attack", *map(str, words)])


def refused(*words: object) -> str:
    result = call(*words)
    assert isinstance(result.exception, SluiceError), result.output
    assert CANARY not in str(result.exception)
    return str(result.exception)


@pytest.fixture
def cohort(tmp_path: Path) -> pd.DataFrame:
    """80 donors x 65 genes, the last five on chrY; men first."""
    genes = [*AUTOSOMAL, *ON_Y]
    rng = np.random.default_rng(2)
    values = rng.normal(size=(80, 65)) @ rng.normal(size=(65, 65)) / 8 + 6
    values[:40, 60:] += 8
    return pd.DataFrame(values, [f"{CANARY}-{n:02d}" for n in range(80)], genes)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, pd.DataFrame], Path]:
    def write(name: str, table: pd.DataFrame) -> Path:
        path = tmp_path / name
        separator = "," if ".csv" in name else "\t"
        if name.endswith(".parquet"):
            table.to_parquet(path)
        elif name.endswith(".gz"):
            path.write_bytes(gzip.compress(table.to_csv(sep=separator).encode()))
        else:
            table.to_csv(path, sep=separator)
        return path

    return write


def read(path: Path) -> dict:
    found = json.loads(path.read_text())
    assert {"attack", "estimate", "lower", "upper", "chance", "n", "seconds"} <= set(found)
    assert CANARY not in path.read_text()
    return found


def test_the_list_names_every_scenario_and_its_command() -> None:
    listed = call("list").output
    for scenario in SCENARIOS:
        assert f"{scenario.name}  (unit: {scenario.unit})" in listed
    assert "sluice attack relink" in listed


def test_donors_are_found_in_another_format_orientation_and_order(
    cohort: pd.DataFrame, file: Callable, tmp_path: Path
) -> None:
    again = cohort * 1.3 + RNG.normal(size=cohort.shape) / 10
    a = file("a.csv.gz", cohort.T)
    b = file("b.tsv", again.iloc[::-1, ::2])
    out = tmp_path / "r.json"
    assert call("relink", "--a", a, "--b", b, "--json", out).exit_code == 0
    found = read(out)
    assert (found["estimate"], found["n"], found["detail"]["genes"]) == (1.0, 80, 33)
    shuffled = pd.DataFrame(RNG.normal(size=cohort.shape), cohort.index, cohort.columns)
    assert call("relink", "--a", a, "--b", file("c.tsv", shuffled), "--json", out).exit_code == 0
    assert read(out)["upper"] < 0.2


def test_a_released_h5ad_is_linked_to_the_raw_counts_behind_it(
    cohort: pd.DataFrame, file: Callable, tmp_path: Path
) -> None:
    counts = (np.e**cohort).round()
    released = ad.AnnData(
        np.log1p(counts.to_numpy()).astype("f4"),
        obs=pd.DataFrame(index=counts.index),
        var=pd.DataFrame(index=counts.columns),
    )
    released.write_h5ad(tmp_path / "b.h5ad")
    words = ("--a", file("a.csv", counts.T), "--b", tmp_path / "b.h5ad")
    assert call("relink", *words, "--json", tmp_path / "r.json").exit_code == 0
    assert read(tmp_path / "r.json")["estimate"] == 1.0


def test_names_of_two_releases_are_paired_by_a_table(
    cohort: pd.DataFrame, file: Callable, tmp_path: Path
) -> None:
    b = cohort.set_axis([f"P{n:03d}" for n in range(80)])
    files = ("--a", file("a.csv", cohort), "--b", file("b.csv", b), "--json", tmp_path / "r.json")
    assert "table of pairs" in refused("relink", *files)
    pairs = file("pairs.tsv", pd.DataFrame({"b": b.index[:40]}, index=cohort.index[:40]))
    assert call("relink", *files, "--pairs", pairs).exit_code == 0
    found = read(tmp_path / "r.json")
    assert (found["n"], found["estimate"], found["detail"]["released"]) == (40, 1.0, 80)


def test_traits_are_read_from_the_matrix_and_less_without_a_group_of_genes(
    cohort: pd.DataFrame, file: Callable, tmp_path: Path
) -> None:
    labels = pd.DataFrame({"sex": ["m"] * 40 + ["f"] * 40, "id": cohort.index}, cohort.index)
    words = ("traits", "--matrix", file("m.parquet", cohort.T), "--labels",
             file("l.csv", labels), "--json", tmp_path / "t.json")  # fmt: skip
    assert call(*words).exit_code == 0
    raw = read(tmp_path / "t.json")
    assert raw["estimate"] > 0.99 and raw["n"] == 80
    assert list(raw["detail"]["attributes"]) == ["sex"], "a name for each donor is no trait"
    assert call(*words, "--exclude", "chrY").exit_code == 0
    less = read(tmp_path / "t.json")
    assert less["evidence"]["works"] and less["excluded"] == 5 and less["genes"] == 60
    assert less["estimate"] < 0.75
    again = read(tmp_path / "t.json")
    assert call(*words, "--exclude", "chrY").exit_code == 0
    assert {**read(tmp_path / "t.json"), "seconds": 0} == {**again, "seconds": 0}


def test_samples_of_one_donor_count_once(
    cohort: pd.DataFrame, file: Callable, tmp_path: Path
) -> None:
    labels = pd.DataFrame(
        {"donor": [f"d{n // 2}" for n in range(80)], "sex": ["m"] * 40 + ["f"] * 40}, cohort.index
    )
    out = tmp_path / "t.json"
    done = call("traits", "--matrix", file("m.csv", cohort), "--labels", file("l.csv", labels),
                "--donor", "donor", "--json", out)  # fmt: skip
    assert done.exit_code == 0
    assert read(out)["n"] == 40


def test_members_of_a_mean_are_told_and_those_of_a_coarse_one_are_not(
    cohort: pd.DataFrame, file: Callable, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    mixing = rng.normal(size=(65, 65))
    people = pd.DataFrame(rng.normal(size=(300, 65)) @ mixing, columns=cohort.columns)
    people.index = pd.Index([f"{CANARY}-{n:03d}" for n in range(300)])
    mean = people.iloc[:10].mean()
    members = tmp_path / "members.txt"
    members.write_text("\n".join(people.index[:10]))
    out = tmp_path / "m.json"
    words = ["membership", "--candidates", file("c.csv", people.iloc[:100].T),
             "--reference", file("r.csv", people.iloc[100:].T), "--json", out]  # fmt: skip
    exact = file("exact.csv", mean.rename("mean").to_frame())
    assert call(*words, "--mean", exact, "--members", members).exit_code == 0
    leak = read(out)
    assert leak["lower"] > 0.75 and leak["n"] == 100 and leak["evidence"]["works"]
    assert leak["detail"]["tpr_at_1_percent_fpr"]["estimate"] > 0.2
    marked = people.iloc[:100].assign(member=[1] * 10 + [0] * 90)
    words[2] = file("marked.csv", marked)
    assert call(*words, "--mean", exact).exit_code == 0
    assert read(out)["estimate"] == leak["estimate"]
    two = people.iloc[:100, :2].mean().round(1)
    coarse = file("coarse.csv", two.rename("mean").to_frame())
    assert call(*words, "--mean", coarse, "--members", members).exit_code == 0
    assert read(out)["estimate"] < 0.75
    assert "None or all" in refused(*words, "--mean", exact, "--members", file("x.csv", people))


def test_means_of_shipped_gene_sets_are_attacked_through_the_same_sets(
    file: Callable, tmp_path: Path
) -> None:
    sets = dict(list(gene_sets().items())[:6])
    genes = sorted(set().union(*sets.values()))
    rng = np.random.default_rng(4)
    people = pd.DataFrame(rng.normal(size=(120, len(genes))), columns=genes)
    people.index = pd.Index([f"p{n}" for n in range(120)])
    scores = pd.DataFrame({name: people[ids].mean(axis=1) for name, ids in sets.items()})
    rows = [
        {"feature": name, "tissue": tissue, "mean": value, "donors": 20}
        for tissue, first in (("lung", 0), ("liver", 20))
        for name, value in scores.iloc[first : first + 20].mean().round(2).items()
    ]
    means = file("means.tsv", pd.DataFrame(rows).set_index("feature"))
    members = tmp_path / "members.txt"
    members.write_text("\n".join(people.index[:20]))
    out = tmp_path / "m.json"
    words = ("membership", "--mean", means, "--candidates", file("c.tsv", people.iloc[:60].T),
             "--reference", file("r.tsv", people.iloc[60:].T), "--members", members,
             "--json", out)  # fmt: skip
    assert "--group" in refused(*words)
    assert call(*words, "--group", "lung").exit_code == 0
    lung = read(out)
    assert lung["detail"]["features"] == 6
    assert call(*words, "--group", "liver").exit_code == 0
    assert read(out)["estimate"] < lung["estimate"]


def test_without_a_list_all_candidates_are_tried_against_the_reference(
    cohort: pd.DataFrame, file: Callable, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    people = pd.DataFrame(rng.normal(size=(200, 65)), columns=cohort.columns)
    people.index = pd.Index([f"p{n}" for n in range(200)])
    mean = people.iloc[:20].mean().rename("mean").to_frame()
    out = tmp_path / "m.json"
    assert call("membership", "--mean", file("m.tsv", mean), "--candidates",
                file("c.tsv", people.iloc[:20].T), "--reference", file("r.tsv", people.T),
                "--json", out).exit_code == 0  # fmt: skip
    found = read(out)
    assert not found["members_given"]
    assert (found["in_both"], found["n"]) == (20, 20 + 90)
    assert found["lower"] > 0.7


def test_a_bed_file_and_counts_are_read_as_the_attacker_would(
    cohort: pd.DataFrame, tmp_path: Path
) -> None:
    counts = cohort.abs().mul(10).round().astype(int).T
    bed = counts.reset_index(names="gene")
    bed.insert(0, "#chr", "chr1")
    bed.insert(1, "start", 1)
    bed.insert(2, "end", 2)
    bed.insert(4, "length", 9)
    bed.insert(5, "strand", "+")
    bed["gene"] += ".7"
    path = tmp_path / "x.bed"
    bed.to_csv(path, sep="\t", index=False)
    found = read_profiles(path, "x")
    assert (found.kind, found.genes) == ("counts", list(cohort.columns))
    assert found.samples == list(cohort.index)
    assert np.exp(found.logarithms().values).sum(axis=1) == pytest.approx(1e6 + 65)


def test_strange_files_are_one_sentence(
    cohort: pd.DataFrame, file: Callable, tmp_path: Path
) -> None:
    good = file("good.csv", cohort)
    out = tmp_path / "o.json"
    twice = file("twice.csv", cohort.set_axis([CANARY] * 80))
    gaps = file("gaps.csv", cohort.mask(cohort > 6))
    other = file("other.csv", cohort.set_axis([f"probe{n}" for n in range(65)], axis=1))
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(b"a,b\n" + CANARY.encode() * 999)[:-9])
    labels = file("labels.csv", pd.DataFrame({"sex": ["m"] * 80}, cohort.index))
    strangers = file("strangers.csv", pd.DataFrame({"sex": ["m", "f"]}, ["x", "y"]))
    for bad in (twice, gaps, other, cut, tmp_path / "none.csv", tmp_path / "x.pickle"):
        refused("relink", "--a", bad, "--b", good, "--json", out)
        refused("traits", "--matrix", bad, "--labels", strangers, "--json", out)
        refused("membership", "--mean", bad, "--candidates", good, "--reference", good,
                "--json", out)  # fmt: skip
    for table in (labels, strangers):
        refused("traits", "--matrix", good, "--labels", table, "--json", out)
    refused("traits", "--matrix", good, "--labels", labels, "--attribute", CANARY, "--json", out)
    assert not out.exists()


def test_a_bed_file_and_a_table_of_counts_of_84_real_donors(
    shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "expression"
    bed = folder / "geuvadis_qtltools/genes.50percent.chr22.bed.gz"
    counts = folder / "humangender/counts.csv.gz"
    out = tmp_path / "r.json"
    assert call("relink", "--a", bed, "--b", counts, "--json", out).exit_code == 0
    found = read(out)
    assert (found["estimate"], found["n"], found["detail"]["genes"]) == (1.0, 84, 263)
    labels = folder / "humangender/coldata.csv"
    assert call("traits", "--matrix", counts, "--labels", labels, "--attribute", "group",
                "--json", out).exit_code == 0  # fmt: skip
    assert read(out)["estimate"] >= 0.99
