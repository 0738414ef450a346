from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.release.world import PERSONS, World

from sluice.errors import SluiceError
from sluice.files import read_json, write_json
from sluice.release import seal
from sluice.release.bag import write_bag
from sluice.release.needles import Needle, Vocabulary, Wanted, days_in, rule_for
from sluice.release.seal import Searcher
from sluice.release.search import ByteSearch
from sluice.release.verify import bundle_digest

CANARY = "QZX00417"
LETTERS = st.text("abcdefgh", min_size=8, max_size=20)


def searcher(*found: Needle, **options) -> Searcher:
    return Searcher(found, Vocabulary(), {}, **options)


def reseal(world: World) -> None:
    """Make the bag whole again, so that only the search can object."""
    info = dict(
        line.split(": ", 1)
        for line in (world.candidate() / "bag-info.txt").read_text().splitlines()
        if not line.startswith("Payload-Oxum")
    )
    for name in ("bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt"):
        (world.candidate() / name).unlink()
    write_bag(world.candidate(), info)
    candidate = read_json(world.layout.candidate_digest("controlled"))
    candidate["bundle_digest"] = bundle_digest(world.candidate())
    write_json(world.layout.candidate_digest("controlled"), candidate)


def test_a_clean_candidate_gets_its_seal(world: World) -> None:
    built = world.build()
    sealed = world.seal()
    assert sealed == read_json(world.layout.seal("controlled"))
    assert sealed["bundle_digest"] == built["bundle_digest"]
    assert sealed["residual_hits"] == 0
    assert sealed["files_scanned"] == built["files"]
    assert sealed["policy"] == "b" * 64
    assert sealed["needles"] > 8
    assert sealed["unsearchable"] == 1  # a name that is also a permitted term


def _append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def _fresh(path: Path) -> Path:
    """Break the hard link, so that only the candidate changes."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    return path


def _parquet_cell(folder: Path) -> None:
    path = folder / "data/clinical/visits.parquet"
    table = pd.read_parquet(path)
    table.loc[1, "smoking"] = f"never ({CANARY.lower()})"
    path.unlink()
    table.to_parquet(path)


def _parquet_metadata(folder: Path) -> None:
    path = folder / "data/clinical/visits.parquet"
    table = pq.read_table(path).replace_schema_metadata({b"note": CANARY.encode()})
    path.unlink()
    pq.write_table(table, path)


def _parquet_dictionary(folder: Path) -> None:
    path = folder / "data/clinical/visits.parquet"
    table = pq.read_table(path)
    values = pa.DictionaryArray.from_arrays([0, 0, 0], ["never", CANARY])
    path.unlink()
    pq.write_table(table.set_column(2, "smoking", values), path)


def _h5ad_obs(folder: Path) -> None:
    path = folder / "data/bulk/expression.h5ad"
    data = ad.read_h5ad(path)
    data.obs["tissue"] = pd.Categorical(["lung", f"x{CANARY}y"])
    path.unlink()
    data.write_h5ad(path)


def _h5ad_attribute(folder: Path) -> None:
    with h5py.File(_fresh(folder / "data/bulk/expression.h5ad"), "a") as file:
        file["X"].attrs["origin"] = f"/raw/{CANARY}.tsv"


def _h5ad_fixed_length_string(folder: Path) -> None:
    with h5py.File(_fresh(folder / "data/bulk/expression.h5ad"), "a") as file:
        file["uns"].create_dataset("note", data=np.void(CANARY.encode("utf-16-le")))


def _image(folder: Path) -> Path:
    return _fresh(sorted(folder.rglob("*.dcm"))[0])


def _dicom_nested(folder: Path) -> None:
    path = _image(folder)
    data = pydicom.dcmread(path)
    item = pydicom.Dataset()
    item.add_new((0x0009, 0x0010), "LO", "SOMEONE")
    item.add_new((0x0009, 0x1001), "UN", f"\0\1{CANARY}\0".encode())
    data.ReferencedStudySequence = [item]
    data.save_as(path)


def _dicom_preamble(folder: Path) -> None:
    path = _image(folder)
    content = path.read_bytes()
    path.write_bytes(CANARY.encode().ljust(128, b"\0") + content[128:])


def _dicom_pixels(folder: Path) -> None:
    path = _image(folder)
    data = pydicom.dcmread(path)
    data.PixelData = CANARY.encode().ljust(64, b"\0")
    data.save_as(path)


def _dicom_tail(folder: Path) -> None:
    path = _image(folder)
    path.write_bytes(path.read_bytes() + b"\0" * 8 + CANARY.encode())


PLACES: dict[str, Callable[[Path], object]] = {
    "markdown": lambda f: _append(f / "README.md", f"\nby {CANARY}\n"),
    "html": lambda f: _append(f / "report.html", f"<!-- {CANARY} -->"),
    "html entity": lambda f: _append(f / "report.html", f"<p>&#81;{CANARY[1:]}</p>"),
    "json escape": lambda f: (f / "transformations.json").write_text(
        json.dumps(read_json(f / "transformations.json") | {"x": "@@"}, ensure_ascii=True).replace(
            "@@", "\\u0051" + CANARY[1:]
        )
    ),
    "url escape": lambda f: _append(f / "README.md", f"(x/%51{CANARY[1:]})"),
    "parquet cell": _parquet_cell,
    "parquet metadata": _parquet_metadata,
    "parquet dictionary": _parquet_dictionary,
    "h5ad category": _h5ad_obs,
    "h5ad attribute": _h5ad_attribute,
    "h5ad utf-16 bytes": _h5ad_fixed_length_string,
    "dicom private nested": _dicom_nested,
    "dicom preamble": _dicom_preamble,
    "dicom pixels": _dicom_pixels,
    "dicom tail": _dicom_tail,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_canary_is_found_in_each_hiding_place(
    world: World, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.build()
    monkeypatch.setattr(seal, "check_dictionary", lambda folder: None)
    reseal(world)
    world.seal()
    PLACES[place](world.candidate())
    reseal(world)
    with pytest.raises(SluiceError, match="identifier of kind mrn") as refusal:
        world.seal()
    assert CANARY.lower() not in str(refusal.value).lower()
    assert not world.layout.seal("controlled").exists()


def test_a_canary_in_a_csv_cell_is_found(world: World) -> None:
    world.build()
    path = world.candidate() / "dictionary.csv"
    path.write_text(path.read_text().replace(",d,", f',"d, {CANARY}",', 1))
    reseal(world)
    with pytest.raises(SluiceError, match=r"kind mrn \(dictionary.csv\)"):
        world.seal()


def test_a_canary_in_a_file_name_is_found_and_not_repeated(world: World) -> None:
    world.build()
    source = world.candidate() / "data/clinical/visits.parquet"
    (world.candidate() / "dictionary.csv").write_text(
        (world.candidate() / "dictionary.csv").read_text().replace("visits", CANARY)
    )
    source.rename(source.with_name(f"{CANARY}.parquet"))
    reseal(world)
    with pytest.raises(SluiceError, match="the name of a file") as refusal:
        world.seal()
    assert CANARY not in str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("mrn", "x QZX00417 y"),
        ("name", "Qzoxqel^Jxavq"),
        ("name", "seen by jxavq today"),
        ("given_name", "VQAZ was here"),
        ("national_id", "id48213977"),
        ("sop_uid", "1.2.826.0.1.777.42.1"),
    ],
)
def test_every_kind_of_identifier_of_the_vault_is_found(world: World, kind: str, text: str) -> None:
    search = Searcher(seal.needles(world.config, "controlled"), Vocabulary(), {})
    assert kind in search.in_text(text)


def test_a_numeric_identifier_in_a_numeric_column_is_found(world: World) -> None:
    path = world.layout.data("controlled", "clinical", "all") / "visits.parquet"
    table = pd.read_parquet(path)
    table["age"] = [48213977.0, 45.0, 50.0]
    table.to_parquet(path)
    world.build()
    with pytest.raises(SluiceError, match="national_id"):
        world.seal()


def test_own_dates_are_found_and_anothers_by_chance_are_not(world: World) -> None:
    # Person 0 has a visit on the birth date of person 1: a shifted date may meet it.
    world.build()
    world.seal()
    path = world.layout.data("controlled", "clinical", "all") / "visits.parquet"
    table = pd.read_parquet(path)
    table["person"] = PERSONS[1]
    table.to_parquet(path)
    world.build()
    with pytest.raises(SluiceError, match="birth_date"):
        world.seal()


def test_a_date_that_belongs_to_nobody_counts_whoever_was_born_then(world: World) -> None:
    path = world.layout.data("controlled", "clinical", "all") / "visits.parquet"
    table = pq.read_table(path).replace_schema_metadata({b"made": b"2011-05-06T10:00"})
    world.build()
    world.seal()
    pq.write_table(table.drop_columns(["date"]), path)
    world.rows = [row for row in world.rows if row["column"] != "date"]
    world.build()
    with pytest.raises(SluiceError, match="birth_date"):
        world.seal()


@pytest.mark.parametrize("text", ["1893-02-03", "18930203", "18930203101500.5", "2/3/1893"])
def test_a_date_is_found_in_each_spelling(text: str) -> None:
    search = searcher(Needle("birth_date", "1893-02-03", "s1"))
    assert search.wanted.dates == {"1893-02-03": {"s1": "birth_date"}}
    assert list(days_in(f"born {text}.")) == ["1893-02-03"]


def test_digits_of_uids_and_decimals_are_no_dates() -> None:
    assert not list(days_in("2.25.18930203 0.18930203 118930203 18931399"))


def test_a_word_of_our_own_texts_is_a_hit_only_as_a_whole_cell(tmp_path: Path) -> None:
    known = Vocabulary(prose=frozenset({"grant"}))
    search = Searcher([Needle("name", "Grant")], known, {})
    assert search.in_text("we grant access") == set()
    path = tmp_path / "t.parquet"
    pd.DataFrame({"x": ["a", "GRANT"]}).to_parquet(path)
    assert search.in_file(path) == {"name"}


def test_short_names_match_whole_words_only() -> None:
    search = searcher(Needle("name", "Ross"))
    assert search.in_text("across") == set()
    assert search.in_text("DR^ROSS^") == {"name"}


def test_what_cannot_be_looked_for_is_counted() -> None:
    short = [Needle("id", "17"), Needle("id", "J"), Needle("id", "1234")]
    assert searcher(*short).wanted.unsearchable == 3
    assert rule_for(Needle("id", "12345"), Vocabulary()) == "token"


def test_an_empty_vault_is_refused(world: World) -> None:
    world.build()
    with pytest.raises(SluiceError, match="nothing to look for"):
        seal.scan(world.config, "controlled", [])


@pytest.mark.parametrize("change", ["extra", "altered", "gone"])
def test_a_candidate_that_is_not_as_listed_is_refused(world: World, change: str) -> None:
    world.build()
    readme = world.candidate() / "README.md"
    if change == "extra":
        (world.candidate() / "data/notes.txt").write_text("x")
    elif change == "altered":
        readme.write_text("x")
    else:
        readme.unlink()
    with pytest.raises(SluiceError, match="not what was built"):
        world.seal()


def test_a_column_without_a_row_is_refused_at_the_last_scan_too(world: World) -> None:
    world.build()
    path = world.candidate() / "dictionary.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    reseal(world)
    with pytest.raises(SluiceError, match="has no row"):
        world.seal()


def test_a_file_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(b"x")
    with pytest.raises(SluiceError, match="never released"):
        searcher(Needle("mrn", CANARY)).in_file(tmp_path / "x.pkl")


@given(st.lists(LETTERS, min_size=1, max_size=30), st.binary(max_size=300), st.data())
def test_the_byte_search_finds_exactly_what_in_finds(
    strings: list[str], noise: bytes, data: st.DataObject
) -> None:
    planted = data.draw(st.sampled_from(strings)).upper().encode()
    haystack = noise + planted + noise
    found = ByteSearch({s.encode(): s for s in strings}).in_bytes(haystack)
    assert found == {s for s in strings if s.encode() in haystack.lower()}
    assert planted.decode().lower() in found


def test_nothing_hides_on_the_border_of_two_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluice.release.search._CHUNK", 16)
    search = ByteSearch({b"a long enough string": "hit"})
    for offset in range(40):
        (tmp_path / "f").write_bytes(b"." * offset + b"a long enough string" + b"." * 30)
        assert search.in_file(tmp_path / "f") == {"hit"}


def test_names_are_also_looked_for_word_by_word() -> None:
    wanted = Wanted.sort([Needle("name", "Jxavq Qzoxqel")], Vocabulary(), {})
    assert set(wanted.tokens) == {"jxavq", "qzoxqel"}
    assert set(wanted.parts) == {"jxavq qzoxqel"}
