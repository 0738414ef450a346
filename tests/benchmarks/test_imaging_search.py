"""What is planted can be found: the scanner, the fuzzer and the linked corpus."""

from __future__ import annotations

import base64
import hashlib
import shutil
import zlib
from pathlib import Path

import pydicom
import pytest
from benchmarks.imaging import corpus, fuzzer, measure, objects, scanner, tools
from benchmarks.imaging.canaries import CHARSETS, Canary, Coop
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileDataset

WORD = "ZQKESTREL"
FRAGMENT = b"\xfe\xff\x00\xe0\x06\0\0\0"


@pytest.mark.parametrize(
    "hidden",
    [
        WORD.encode(),
        WORD.lower().encode(),
        WORD.encode("utf-16-le"),
        WORD.encode("utf-16-be"),
        WORD.encode("utf-32-le"),
        zlib.compress(b"deep " + zlib.compress(WORD.encode())),
        b"key=" + base64.b64encode(b"xx" + WORD.encode()),
        base64.b64encode(b"a name " + WORD.encode() + b" and more").replace(b"=", b""),
        WORD.encode().hex().encode(),
        FRAGMENT + WORD.encode()[:4] + FRAGMENT + WORD.encode()[4:],
        objects.pdf(["a letter about " + WORD]),
    ],
    ids=[
        "plain",
        "lower",
        "utf16",
        "utf16be",
        "utf32",
        "deflated",
        "base64",
        "armoured",
        "hex",
        "fragments",
        "pdf",
    ],
)
def test_the_scanner_finds_a_string_in_every_form(hidden: bytes) -> None:
    sought = scanner.needles([WORD, "OTHERWORD"])
    assert scanner.search(b"before" + hidden + b"after", sought) == {WORD}


@pytest.mark.parametrize("charset", CHARSETS)
def test_the_scanner_finds_a_string_in_every_character_set(charset: str) -> None:
    word = Coop(1).foreign(charset)
    assert scanner.search(b"x" + word.encode(charset), scanner.needles([word])) == {word}


def test_the_scanner_finds_what_a_deflated_file_holds(tmp_path: Path) -> None:
    body = zlib.compressobj(wbits=-15)
    inner = body.compress(b"\0" * 80 + WORD.encode()) + body.flush()
    content = b"\0" * 128 + b"DICM" + b"\x02\0\0\0UL\x04\0\0\0\0\0" + inner
    assert scanner.search(content, scanner.needles([WORD])) == {WORD}


def test_the_scanner_finds_nothing_where_nothing_is() -> None:
    sought = scanner.needles([WORD])
    assert scanner.search(WORD[:-1].encode() + b" " + WORD[1:].encode(), sought) == set()


def test_a_string_that_chance_would_find_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        scanner.needles(["ABC"])


@given(st.binary(max_size=200), st.integers(0, 200))
def test_the_scanner_finds_a_string_wherever_it_lies(noise: bytes, place: int) -> None:
    place = min(place, len(noise))
    content = noise[:place] + WORD.encode() + noise[place:]
    assert scanner.search(content, scanner.needles([WORD])) == {WORD}


Fuzzed = tuple[list[Canary], tools.Outcome]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Fuzzed:
    folder = tmp_path_factory.mktemp("fuzzer")
    planted = fuzzer.build(folder / "raw", folder / "key.jsonl", 1200, seed=3)
    return planted, tools.Outcome("copy", tools.same_names(folder / "raw", folder / "raw"))


def test_every_insertion_of_the_fuzzer_is_found_in_the_raw_objects(fuzzed: Fuzzed) -> None:
    planted, raw = fuzzed
    assert len(planted) >= 1200
    found = {(canary.file, canary.needle) for canary in measure.found_again(planted, raw)}
    assert found == {(canary.file, canary.needle) for canary in planted}


def test_the_fuzzer_reaches_every_kind_of_place(fuzzed: Fuzzed) -> None:
    places = [canary.place for canary in fuzzed[0]]
    for kind in ("private", "creator", "code", "preamble", "file meta", "trailing padding"):
        assert any(kind in place for place in places), kind
    assert max(place.count(" > ") for place in places) >= 4


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> corpus.Corpus:
    return corpus.build(tmp_path_factory.mktemp("corpus"))


def test_a_copy_of_the_linked_corpus_leaks_every_canary(linked: corpus.Corpus) -> None:
    verdict = corpus.judge(linked.files, list(linked.canaries), linked.files)
    assert len(linked.canaries) >= 70
    assert verdict.leaks == len(linked.canaries)
    assert verdict.original_uids > 0
    assert verdict.references > 40
    assert verdict.references_intact == 0


def test_references_that_follow_their_objects_are_intact(
    linked: corpus.Corpus, tmp_path: Path
) -> None:
    out = rewritten(linked, tmp_path / "out")
    verdict = corpus.judge(linked.files, [], out)
    assert verdict.references_intact == verdict.references
    assert verdict.original_uids == 0


def test_a_reference_that_goes_astray_is_seen(linked: corpus.Corpus, tmp_path: Path) -> None:
    out = rewritten(linked, tmp_path / "out")
    name, path = next(
        (name, path) for name, path in out.items() if pydicom.dcmread(path).Modality == "SEG"
    )
    dataset = pydicom.dcmread(path)
    dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence[
        0
    ].ReferencedSOPInstanceUID = "2.25.7"
    dataset.save_as(path)
    verdict = corpus.judge(linked.files, [], out)
    assert verdict.references_intact == verdict.references - 1
    path.unlink()
    assert (
        corpus.judge(linked.files, [], {k: v for k, v in out.items() if k != name}).objects_out == 8
    )


def rewritten(linked: corpus.Corpus, folder: Path) -> dict[str, Path]:
    """Give every UID of the corpus a new name, the same everywhere."""
    folder.mkdir()
    out = {}
    for name, path in linked.files.items():
        dataset = pydicom.dcmread(path, force=True)
        _renew(dataset)
        meta = dataset.file_meta
        meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        out[name] = folder / name
        shutil.copy(path, out[name])
        dataset.save_as(out[name])
    return out


def _renew(dataset: Dataset | FileDataset) -> None:
    for tag in sorted(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # a planted value that is none: not of interest here
            del dataset[tag]
            continue
        if element.VR == "SQ":
            for item in element.value:
                _renew(item)
        elif element.VR == "UI" and not str(element.value).startswith("1.2.840.10008."):
            digest = hashlib.sha256(str(element.value).encode()).hexdigest()
            element.value = f"2.25.{int(digest[:30], 16)}"
