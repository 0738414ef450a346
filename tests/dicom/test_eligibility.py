"""Which objects a tier may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from tests.dicom.corpus import BUNDLED

from sluice.dicom.burned_in import assess
from sluice.dicom.elements import scan_object
from sluice.dicom.eligibility import ObjectFacts, classify, eligible
from sluice.dicom.header import Header
from sluice.dicom.layout import form_of, meta
from sluice.dicom.reader import read
from sluice.errors import SluiceError
from sluice.modalities.imaging.headers import UNREADABLE

REGISTERED: Mapping[str, Any] = {
    "kinds": ["ct", "mr", "dx", "cr"],
    "regions": ["chest", "abdomen", "pelvis", "heart", "breast", "upper_limb", "lower_limb"],
    "original_primary": True,
    "burned_in": ["NO", "UNKNOWN"],
    "faces": "exclude",
    "overlays": False,
}
CONTROLLED: Mapping[str, Any] = {
    "kinds": ["ct", "mr", "pt", "nm", "dx", "cr", "mg", "seg", "rtstruct", "rtdose"],
    "regions": "any",
    "original_primary": False,
    "burned_in": ["NO", "UNKNOWN"],
    "faces": "deface",
    "overlays": False,
}
CHEST = ObjectFacts("ct", True, "NO", "chest", False, 512, 512, 1, False)


def ct(**elements: object) -> FileDataset:
    dataset = read(BUNDLED / "CT_small.dcm")
    for keyword in ("BodyPartExamined", "StudyDescription", "SeriesDescription", "ProtocolName"):
        if keyword in dataset:
            delattr(dataset, keyword)
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def test_a_chest_ct_is_eligible_everywhere() -> None:
    facts = classify(ct(BodyPartExamined="CHEST"))
    assert (facts.kind, facts.region, facts.face, facts.original) == ("ct", "chest", False, True)
    assert (facts.rows, facts.columns, facts.frames) == (128, 128, 1)
    assert eligible(facts, REGISTERED) is None
    assert eligible(facts, CONTROLLED) is None


def test_an_unknown_region_is_a_head() -> None:
    for part in ("", "THORAXE", "SHOULDERISH"):
        facts = classify(ct(BodyPartExamined=part))
        assert (facts.region, facts.face) == ("head", True)
        assert eligible(facts, REGISTERED) == "region_head"
        assert eligible(facts, CONTROLLED) == "face_needs_defacing"


@pytest.mark.parametrize(
    "doubt",
    [
        {"SeriesDescription": "Brain 3D"},
        {"StudyDescription": "PET whole body"},
        {"ProtocolName": "C-SPINE"},
        {"FilterType": "HEAD FILTER"},
        {"PixelSpacing": [8.0, 8.0]},
        {"NumberOfFrames": 400, "SpacingBetweenSlices": 3.0},
    ],
)
def test_a_stated_region_is_doubted_when_something_else_shows_a_face(
    doubt: dict[str, object],
) -> None:
    facts = classify(ct(BodyPartExamined="CHEST", **doubt))
    assert facts.face
    assert eligible(facts, REGISTERED) is not None


def test_a_body_coil_and_a_lumbar_spine_are_no_reason_for_doubt() -> None:
    facts = classify(
        ct(BodyPartExamined="LSPINE", ReceiveCoilName="BODY", StudyDescription="L SPINE")
    )
    assert facts.region == "abdomen" and not facts.face


def test_a_coded_region_counts() -> None:
    item = Dataset()
    item.CodeMeaning = "Abdomen"
    assert classify(ct(AnatomicRegionSequence=Sequence([item]))).region == "abdomen"
    item.CodeMeaning = "Brain"
    assert classify(ct(AnatomicRegionSequence=Sequence([item]))).face


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": "sc"}, "kind_sc"),
        ({"kind": "us"}, "kind_us"),
        ({"kind": "document"}, "kind_document"),
        ({"kind": "sr"}, "kind_sr"),
        ({"kind": "other"}, "kind_other"),
        ({"original": False}, "not_original_primary"),
        ({"burned_in": "YES"}, "burned_in_annotation"),
        ({"overlay_in_pixels": True}, "overlay_in_pixels"),
        ({"region": "neck"}, "region_neck"),
        ({"region": "whole_body"}, "region_whole_body"),
        ({"face": True}, "face"),
    ],
)
def test_each_rule_of_the_registered_tier_excludes(change: dict[str, Any], reason: str) -> None:
    assert eligible(CHEST, REGISTERED) is None
    assert eligible(replace(CHEST, **change), REGISTERED) == reason


def test_a_waiver_lets_a_face_pass_in_the_controlled_tier_only() -> None:
    head = replace(CHEST, region="head", face=True)
    assert eligible(head, CONTROLLED) == "face_needs_defacing"
    assert eligible(head, {**CONTROLLED, "faces": "waived"}) is None


def test_overlays_in_unused_bits_are_seen() -> None:
    dataset = ct(BodyPartExamined="CHEST")
    dataset.add_new(0x60000102, "US", 12)
    assert classify(dataset).overlay_in_pixels


@pytest.mark.parametrize("change", [{"faces": "keep"}, {"extra": 1}])
def test_incomplete_or_unknown_rules_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SluiceError, match="incomplete or unknown"):
        eligible(CHEST, {**REGISTERED, **change})
    with pytest.raises(SluiceError):
        eligible(CHEST, {})


def test_every_real_object_gets_an_answer(shared_data: Path) -> None:
    answers = set()
    for path in sorted((shared_data / "dicom").rglob("*.dcm"))[::4]:
        try:
            answers.add(eligible(classify(read(path)), REGISTERED))
        except SluiceError:
            continue
    assert None in answers and len(answers) > 3


def test_a_header_read_by_its_bytes_tells_what_pydicom_tells() -> None:
    compared = 0
    for path in sorted(BUNDLED.rglob("*.dcm")):
        data = path.read_bytes()
        try:
            expected = classify(read(path))
            syntax, at = meta(data, 132)
            form = form_of(syntax)
            found, _ = scan_object(data, at, len(data), form)
        except (SluiceError, *UNREADABLE):
            continue  # nothing is told of it, by either
        if form.head.format.startswith("<") and not syntax.endswith(".99"):
            assert classify(Header(data, found, form)) == expected, path.name
            compared += 1
    assert compared > 50


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        *(("US", 5), ("US", [5, 6]), ("LO", "A"), ("LO", ["A", "B"]), ("DS", ["1", "2"])),
        *(("FD", float("nan")), ("FD", float("inf")), ("OB", b"ab")),
        *(("SQ", []), ("SQ", [Dataset()])),
    ],
)
@pytest.mark.parametrize(
    "keyword",
    [
        *("ImageType", "BitsStored", "Rows", "NumberOfFrames", "PixelSpacing", "BodyPartExamined"),
        *("AnatomicRegionSequence", "SharedFunctionalGroupsSequence", "SeriesDescription"),
        *("SequenceOfUltrasoundRegions", "ConversionType", "SamplesPerPixel"),
    ],
)
def test_a_value_of_a_wrong_kind_gets_an_answer_too(keyword: str, vr: str, value: object) -> None:
    dataset = Dataset()
    dataset.update(read(BUNDLED / "CT_small.dcm"))
    dataset.add_new(tag_for_keyword(keyword) or 0, vr, value)
    stored = BytesIO()
    dataset.save_as(stored, implicit_vr=False, little_endian=True)
    data = stored.getvalue()
    form = form_of("1.2.840.10008.1.2.1")
    for header in (dataset, Header(data, scan_object(data, 0, len(data), form)[0], form)):
        assert classify(header).kind == "ct"
        assert assess(header).reason
