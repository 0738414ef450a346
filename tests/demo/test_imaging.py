"""The demo's images: a consistent hierarchy, and identifiers at every depth."""

from __future__ import annotations

from collections import defaultdict

import pytest
from pydicom.datadict import tag_for_keyword

_REPORT = "1.2.840.10008.5.1.4.1.1.88.33"


@pytest.fixture(scope="module")
def objects(demo):
    return demo.objects()


def test_series_and_studies_nest_and_belong_to_one_person(objects):
    study_of, person_of, day_of = defaultdict(set), defaultdict(set), defaultdict(set)
    for _, ds in objects:
        study_of[ds.SeriesInstanceUID].add(ds.StudyInstanceUID)
        person_of[ds.StudyInstanceUID].add(ds.PatientID)
        day_of[ds.StudyInstanceUID].add(ds.StudyDate)
    for groups in (study_of, person_of, day_of):
        assert {len(group) for group in groups.values()} == {1}
    uids = [str(ds.SOPInstanceUID) for _, ds in objects]
    assert len(set(uids)) == len(uids)
    assert 55 <= len({p for group in person_of.values() for p in group}) <= 80


def test_references_lead_to_objects_of_the_same_study(objects):
    study_of = {ds.SOPInstanceUID: ds.StudyInstanceUID for _, ds in objects}
    followed = 0
    for _, ds in objects:
        for item in ds.get("ReferencedImageSequence", []):
            assert study_of[item.ReferencedSOPInstanceUID] == ds.StudyInstanceUID
            followed += 1
        for evidence in ds.get("CurrentRequestedProcedureEvidenceSequence", []):
            for series in evidence.ReferencedSeriesSequence:
                for item in series.ReferencedSOPSequence:
                    assert study_of[item.ReferencedSOPInstanceUID] == ds.StudyInstanceUID
                    followed += 1
    assert followed > 100


def test_images_are_those_of_the_person_in_the_tables(demo, objects):
    patients = demo.table("clinical/patients.csv").set_index("mrn")
    for _, ds in objects:
        row = patients.loc[ds.PatientID]
        assert str(ds.PatientName) == f"{row['family_name']}^{row['given_name']}"
        assert ds.PatientBirthDate == row["birth_date"].replace("-", "")


def test_most_regions_can_be_released_and_every_excluded_kind_occurs(objects):
    regions = [str(ds.get("BodyPartExamined", "")) for _, ds in objects]
    assert sum(r in ("CHEST", "ABDOMEN") for r in regions) > 0.8 * len(regions)
    assert "HEAD" in regions
    assert "" in regions
    modalities = {ds.Modality for _, ds in objects}
    assert {"CT", "MR", "DX", "US", "SR", "DOC"} <= modalities
    assert any(ds.SOPClassUID.name == "Secondary Capture Image Storage" for _, ds in objects)
    assert any(ds.SOPClassUID == _REPORT for _, ds in objects)
    burned = [ds for _, ds in objects if ds.get("BurnedInAnnotation") == "YES" and "Rows" in ds]
    assert [ds.BodyPartExamined in ("CHEST", "ABDOMEN") for ds in burned] == [True]


def test_pixels_decode_and_no_two_images_are_alike(objects):
    images = [ds for _, ds in objects if "PixelData" in ds]
    digests = {ds.pixel_array.tobytes() for ds in images}
    assert len(digests) == len(images)
    assert len({(ds.Rows, ds.Columns) for ds in images}) >= 3
    assert len({ds.file_meta.TransferSyntaxUID for ds in images}) == 3


def test_identifiers_lie_nested_private_and_outside_the_data(demo, objects):
    path, ds = next((p, d) for p, d in objects if d.InstanceNumber == 1)
    family = ds.PatientName.family_name
    inner = ds.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert inner.PatientName.family_name == family
    assert ds.private_block(0x0029, "SIEMENS CSA NON-IMAGE")[0x09].value == f"for {family}"
    assert int(ds.private_block(0x0019, "SIEMENS MR HEADER")[0x0C].value) == 800
    assert family in ds[0x60004000].value
    assert family.encode() in ds.preamble
    assert family.encode() in ds.file_meta.PrivateInformation
    places = {place for _, _, place in demo.canaries if place.startswith(f"{path}:")}
    assert len(places) > 40


def test_nothing_of_the_bundled_images_own_headers_is_carried_along(demo):
    originals = (
        b"CompressedSamples",
        b"JFK IMAGING",
        b"CLUNIE",
        b"AKH - WIEN",
        b"Sssssss",
        b"GEMS_",
    )
    for path in sorted((demo.raw / "imaging").rglob("*.dcm")):
        content = path.read_bytes()
        assert not [text for text in originals if text in content]


def test_every_hidden_place_of_a_header_is_an_element_of_the_object(demo, objects):
    by_path = dict(objects)
    for _, _, place in demo.canaries:
        path, _, where = place.partition(":")
        keyword = where.split("[")[0]
        if path in by_path and tag_for_keyword(keyword) is not None:
            assert keyword in by_path[path], keyword
