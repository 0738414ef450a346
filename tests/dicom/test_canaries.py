"""Something unique in every hiding place: found in the raw object, gone from the new one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.dicom.corpus import (
    CONTROLLED,
    FILE_PLACES,
    REGISTERED,
    canaries,
    identity,
    object_with,
)

from sluice.dicom import assemble, cleaner, deidentify, rules, vocabulary, words
from sluice.dicom.profile import Profile
from sluice.dicom.reader import read
from sluice.dicom.rules import PrivateRule, Rule, Rules, load_rules
from sluice.dicom.scan import scan_bytes

PLANTED = canaries()
NEEDLES = {c.name: c.needle for c in PLANTED} | FILE_PLACES


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "canaries.dcm"
    path.write_bytes(object_with(PLANTED))
    return path


def left(path: Path) -> set[str]:
    """Names of the places whose canary the scanner finds in a file."""
    names = list(NEEDLES)
    return {names[i] for i, _ in scan_bytes(path, [NEEDLES[name].encode() for name in names])}


def release(
    raw: Path, out: Path, profile: Profile = CONTROLLED, rules: Rules | None = None, **who: Any
) -> Path:
    new, _ = deidentify.deidentify(read(raw), profile, identity(**who), rules)
    deidentify.write(new, out)
    return out


def test_every_canary_is_found_in_the_raw_object(raw: Path) -> None:
    assert len(NEEDLES) >= 60
    assert left(raw) == set(NEEDLES)


@pytest.mark.parametrize("profile", [CONTROLLED, REGISTERED], ids=lambda p: p.name)
def test_no_canary_is_left_in_the_new_object(raw: Path, tmp_path: Path, profile: Profile) -> None:
    assert left(release(raw, tmp_path / "new.dcm", profile)) == set()


def test_the_new_object_can_be_read_and_still_holds_its_picture(raw: Path, tmp_path: Path) -> None:
    old, new = read(raw), read(release(raw, tmp_path / "new.dcm"))
    size = new.Rows * new.Columns * 2
    assert size > 0
    assert new.PixelData == old.PixelData[:size]


def keep(tag: int) -> Callable[[Rules], Rules]:
    return lambda rules: replace(rules, public={**rules.public, tag: Rule(tag, "K", {})})


def any_number(rules: Rules) -> Rules:
    key = ("SIEMENS MR HEADER", 0x0019, 0x0C)
    free = PrivateRule("IS", (1, 1), ((0.0, 1e12),))
    return replace(rules, private={**rules.private, key: free})


@pytest.mark.parametrize(
    ("place", "weaken"),
    [
        ("AccessionNumber", keep(0x00080050)),
        ("InstitutionName", keep(0x00080080)),
        ("station three deep", keep(0x00080080)),
        ("InstitutionAddress", keep(0x00080081)),
        ("ProtocolName", keep(0x00181030)),
        ("StudyID", keep(0x00200010)),
        ("ImageComments", keep(0x00204000)),
        ("request attributes", keep(0x00401001)),
        ("SoftwareVersions", lambda r: replace(r, technical={**r.technical, 0x00181020: "device"})),
        ("allowed element out of range", any_number),
    ],
)
def test_a_weakened_rule_lets_its_canary_through(
    raw: Path,
    tmp_path: Path,
    place: str,
    weaken: Callable[[Rules], Rules],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert place not in left(release(raw, tmp_path / "two.dcm"))
    # What is kept as a device's name gets a keyed one, whatever it is: a second guard, off here.
    monkeypatch.setattr(cleaner.Cleaner, "_device", lambda _, text: text)
    assert place in left(release(raw, tmp_path / "new.dcm", rules=weaken(load_rules())))


@pytest.mark.parametrize(
    ("place", "tag"), [("encapsulated document", 0x00420011), ("colour profile", 0x00282000)]
)
def test_a_document_and_a_profile_have_two_guards(
    raw: Path, tmp_path: Path, place: str, tag: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = keep(tag)(load_rules())
    assert place not in left(release(raw, tmp_path / "one.dcm", rules=kept))
    monkeypatch.setattr(cleaner, "_REWRITTEN", frozenset())
    assert place in left(release(raw, tmp_path / "none.dcm", rules=kept))


def test_an_icon_has_two_guards(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = keep(0x00880200)(load_rules())
    assert "icon" not in left(release(raw, tmp_path / "one.dcm", rules=kept))
    monkeypatch.setattr(rules, "PIXEL_GROUP", None)
    assert "icon" in left(release(raw, tmp_path / "none.dcm", rules=kept))


@pytest.mark.parametrize(
    ("place", "who"),
    [
        ("StudyDate", {"shift_days": 0, "study_start": None}),
        ("AcquisitionDateTime", {"shift_days": 0, "study_start": None}),
        ("date in a report", {"shift_days": 0, "study_start": None}),
        ("SOPInstanceUID", {"uid": str}),
        ("UID in a reference", {"uid": str}),
        ("second UID of a list", {"uid": str}),
        ("UID under the standard's root", {"uid": str}),
        ("RadiopharmaceuticalAdministrationEventUID", {"uid": str}),
        ("PatientID", {"person": NEEDLES["PatientID"]}),
    ],
)
def test_an_identity_that_changes_nothing_lets_the_canary_through(
    raw: Path, tmp_path: Path, place: str, who: dict[str, Any]
) -> None:
    assert place in left(release(raw, tmp_path / "new.dcm", **who))


def test_without_the_closed_word_list_descriptions_leak(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_list = {needle.casefold(): needle for needle in NEEDLES.values()}
    for module in (words, vocabulary):
        monkeypatch.setattr(module, "listed", lambda: open_list)
    monkeypatch.setattr(words, "standard_meaning", lambda *_: None)
    leaks = left(release(raw, tmp_path / "new.dcm"))
    assert {
        "StudyDescription",
        "content text",
        "meaning of a public code",
        "DocumentTitle",
    } <= leaks


def test_without_the_list_of_public_schemes_local_codes_leak(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "PUBLIC_SCHEMES", {"99KESTREL"})
    monkeypatch.setattr(words, "is_technical", lambda text, own: True)
    assert "value of a local code" in left(release(raw, tmp_path / "new.dcm"))


def test_without_the_cut_bytes_behind_the_pixels_leak(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assemble, "_cut_pixels", lambda *_: None)
    assert "after the pixels" in left(release(raw, tmp_path / "new.dcm"))


def test_without_the_list_of_own_elements_the_name_leaks_nowhere_else(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names have two guards: the writer's own list, and a table that empties them."""
    monkeypatch.setattr(deidentify, "own_tags", lambda place: frozenset())
    assert left(release(raw, tmp_path / "new.dcm")) == set()
