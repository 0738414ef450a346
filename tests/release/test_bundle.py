from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import bagit
import pytest
from rocrate.rocrate import ROCrate
from tests.release.world import DIGESTS, World, gates, make_world, records

from sluice.errors import SluiceError
from sluice.files import folder_index, read_json, write_json
from sluice.release.bundle import build


def test_the_library_bagit_accepts_the_candidate(world: World) -> None:
    world.build()
    bag = bagit.Bag(str(world.candidate()))
    bag.validate()
    assert bag.info["Bagging-Date"] == "2026-03-31"
    assert bag.info["External-Identifier"] == "world/v1/controlled"


def test_the_candidate_holds_exactly_the_released_products(world: World) -> None:
    candidate = world.build()
    files = {f["path"] for f in folder_index(world.candidate())["files"]}
    assert {f for f in files if f.startswith("data/")} == {
        "data/clinical/visits.parquet",
        "data/bulk/expression.h5ad",
        "data/imaging/Paaaaaaaaaaaaaaaa/2.25.1/2.25.10.dcm",
        "data/imaging/Pbbbbbbbbbbbbbbbb/2.25.1/2.25.11.dcm",
    }
    assert candidate["products"] == ["clinical_table", "gene_matrix", "studies"]
    assert candidate["files"] == len(files)


def test_data_is_linked_and_not_copied(world: World) -> None:
    world.build()
    source = world.layout.data("controlled", "clinical", "all") / "visits.parquet"
    assert os.path.samefile(source, world.candidate() / "data/clinical/visits.parquet")


def test_two_builds_in_two_folders_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests, listings = [], []
    for name in ("one", "another-place"):
        (tmp_path / name).mkdir()
        world = make_world(tmp_path / name, monkeypatch)
        digests.append(world.build()["bundle_digest"])
        listings.append(folder_index(world.candidate()))
    assert digests[0] == digests[1]
    assert listings[0] == listings[1]


def test_a_failed_gate_refuses_with_its_sentence_and_mend_and_leaves_no_candidate(
    world: World,
) -> None:
    failed = gates("controlled", {"clinical_table": "released"}, "fail")
    failed["gates"] = [
        {
            "gate": "prosecutor",
            "kind": "scenario",
            "product": "clinical_table",
            "measured": 0.3,
            "bound": 0.3,
            "n": 90,
            "limit": 0.2,
            "limit_key": "prosecutor",
            "direction": "max",
            "verdict": "fail",
            "reason": "1/k",
            "mend": "coarsen a quasi-identifier",
        }
    ]
    write_json(world.layout.gates("controlled"), failed)
    with pytest.raises(SluiceError, match=r"Prosecutor of clinical table.*coarsen a quasi"):
        world.build()
    assert not world.candidate().exists()
    assert not world.layout.candidate_digest("controlled").exists()


def test_a_tier_without_a_passing_product_is_refused(world: World) -> None:
    write_json(world.layout.gates("controlled"), gates("controlled", {"studies": "dropped"}))
    with pytest.raises(SluiceError, match="nothing to bundle"):
        world.build()


def test_gates_of_another_version_are_refused(world: World) -> None:
    write_json(world.layout.gates("controlled"), gates("controlled", {}) | {"version": "v0"})
    with pytest.raises(SluiceError, match="another release"):
        world.build()


def test_a_data_file_that_is_not_what_its_index_says_is_refused(world: World) -> None:
    world.index()
    path = world.layout.data("controlled", "imaging", "p01of02").rglob("*.dcm")
    with next(iter(path)).open("ab") as handle:
        handle.write(b"\0\0")
    with pytest.raises(SluiceError, match="not what its index says"):
        build(world.config, "controlled", DIGESTS, records("controlled"), world.rows[:-4])
    assert not world.candidate().exists()


def test_a_link_in_a_data_folder_is_refused(world: World) -> None:
    folder = world.layout.data("controlled", "clinical", "all")
    (folder / "extra.parquet").symlink_to(folder / "visits.parquet")
    with pytest.raises(SluiceError, match="no file"):
        world.build()


def test_an_unsafe_file_name_is_refused_without_naming_it(world: World) -> None:
    folder = world.layout.data("controlled", "clinical", "all")
    (folder / "visits.parquet").rename(folder / "a b;$(x).parquet")
    with pytest.raises(SluiceError, match="unsafe name") as refusal:
        world.build()
    assert "$(x)" not in str(refusal.value)


def test_every_released_column_has_a_row_and_every_row_the_release(world: World) -> None:
    world.build()
    with (world.candidate() / "dictionary.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert {row["release"] for row in rows} == {"world/v1/controlled"}
    assert "data/bulk/group_means.parquet" not in {row["file"] for row in rows}
    assert all(row["policy_key"] for row in rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.pop(1), "has no row"),
        (lambda rows: rows.append(rows[0] | {"column": "gone"}), "was not released"),
        (lambda rows: rows.append(rows[0] | {"file": "data/x.parquet"}), "was not released"),
        (lambda rows: rows.append(dict(rows[0])), "described twice"),
        (lambda rows: rows[0].update(policy_key=""), "no policy key"),
    ],
)
def test_dictionary_and_columns_are_compared_both_ways(world: World, change, message) -> None:
    change(world.rows)
    with pytest.raises(SluiceError, match=message):
        world.build()


def test_the_crate_can_be_read_back_and_tells_the_run_without_times(world: World) -> None:
    world.build()
    crate = ROCrate(str(world.candidate()))
    assert crate.root_dataset["datePublished"] == "2026-03-31"
    assert crate.mainEntity.id == "workflow/Snakefile"
    runs = {e.id for e in crate.get_entities() if e.type == "CreateAction"}
    assert runs == {"#run", "#run-curate", "#run-apply", "#run-bundle"}
    text = (world.candidate() / "ro-crate-metadata.json").read_text()
    assert not re.search(r"(start|end)Time|4{64}|5{64}", text)
    listed = {part.id for part in crate.root_dataset["hasPart"]}
    files = {f["path"] for f in folder_index(world.candidate())["files"]}
    unlisted = {"ro-crate-metadata.json", "bagit.txt", "bag-info.txt"}
    unlisted |= {"manifest-sha256.txt", "tagmanifest-sha256.txt"}
    assert listed == files - unlisted


def test_every_reference_in_the_crate_leads_somewhere(world: World) -> None:
    world.build()
    graph = json.loads((world.candidate() / "ro-crate-metadata.json").read_text())["@graph"]
    known = {entity["@id"] for entity in graph}

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            here = {value["@id"]} if set(value) == {"@id"} else set()
            return here.union(*(references(v) for v in value.values()))
        if isinstance(value, list):
            return set().union(*(references(v) for v in value))
        return set()

    assert {r for r in references(graph) if not r.startswith("http")} <= known


def test_counts_are_rounded_and_raw_digests_stay_inside(world: World) -> None:
    world.build()
    text = (world.candidate() / "transformations.json").read_text()
    view = json.loads(text)
    counts = [step.get("counts") for step in view["steps"]]
    assert counts == [{"a: rule": 5}, {"headers: x": 40}, None]
    assert "4" * 64 not in text
    assert "0.4321" not in text
    assert view["products"]["group_means"]["reason"] == "the attack comes later"
    assert view["digests"] == DIGESTS


def test_the_public_bundle_holds_no_count_and_does_not_name_what_it_lacks(world: World) -> None:
    world.build("public")
    folder = world.layout.candidate("public")
    view = read_json(folder / "transformations.json")
    assert all("counts" not in step for step in view["steps"])
    texts = [p.read_text() for p in folder.rglob("*") if p.suffix in (".md", ".json", ".csv")]
    assert not any("tissue" in text or "0.4321" in text for text in texts)


def test_the_readme_says_which_answers_are_of_an_earlier_version(world: World) -> None:
    world.build("public")
    said = "carried forward. The answer is that of version `v0`"
    assert said not in (world.layout.candidate("public") / "README.md").read_text()
    change = {"supersedes": "v0", "carry_forward": ["age_counts", "tissue_counts"]}
    release = world.config.release.model_copy(update=change)
    object.__setattr__(world.config, "release", release)
    world.build("public")
    assert (world.layout.candidate("public") / "README.md").read_text().count(said) == 1


def test_readme_and_terms_tell_a_recipient_what_to_do(world: World) -> None:
    world.build()
    readme = (world.candidate() / "README.md").read_text()
    terms = (world.candidate() / "TERMS.md").read_text()
    for wanted in (
        "world/v1/controlled",
        'clinical_visits = pd.read_parquet("data/clinical/visits.parquet")',
        'clinical_visits = arrow::read_parquet("data/clinical/visits.parquet")',
        'ad.read_h5ad("data/bulk/expression.h5ad")',
        "sha256sum --check",
        "Tested attacker is T.",
        "Not tested is N.",
        "Evidence and no finding.",
        "Group means (dropped: the attack comes later)",
    ):
        assert wanted in readme
    assert "DUO:0000042** (GRU), general research use" in terms
    assert "DUO:0000027" in terms
    assert "Do not identify anyone." in terms


def test_the_loading_lines_of_the_readme_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.build()
    readme = (world.candidate() / "README.md").read_text()
    found = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert found
    monkeypatch.chdir(world.candidate())
    names: dict[str, object] = {}
    exec(found[1], names)
    assert len(names["images"]) == 2  # type: ignore[arg-type]
    assert len(names["clinical_visits"]) == 3  # type: ignore[arg-type]


def test_markup_in_a_title_stays_text(world: World) -> None:
    release = world.config.release.model_copy(update={"title": "A <script>x</script>\n# B"})
    object.__setattr__(world.config, "release", release)
    world.build()
    first = (world.candidate() / "README.md").read_text().splitlines()[0]
    assert first == "# A &lt;script&gt;x&lt;/script&gt; # B"


def test_a_new_candidate_takes_the_old_seal_away(world: World) -> None:
    world.build()
    world.seal()
    world.build()
    assert not world.layout.seal("controlled").exists()
