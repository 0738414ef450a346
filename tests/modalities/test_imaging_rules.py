from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.config import load_policy
from sluice.config.policy import ModalityPolicy
from sluice.dicom.eligibility import ObjectFacts
from sluice.errors import SluiceError
from sluice.modalities.imaging.headers import long_table, object_facts, wide_table
from sluice.modalities.imaging.residual import Needles
from sluice.modalities.imaging.roles import other_names, own_tokens, role
from sluice.modalities.imaging.settings import individual_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("tag", "vr", "expected"),
    [
        (0x00100010, "PN", "direct"),
        (0x00080050, "SH", "direct"),
        (0x00080080, "LO", "direct"),
        (0x00100040, "CS", "quasi"),
        (0x00080020, "DA", "quasi"),
        (0x00081030, "LO", "free_text"),
        (0x00181000, "LO", "linkage"),
        (0x0020000D, "UI", "linkage"),
        (0x00080016, "UI", "safe"),
        (0x00280010, "US", "safe"),
        (0x00291009, "LO", "linkage"),
        (0x60000022, "LO", "linkage"),
        (0x0010B0B0, "LO", "linkage"),
    ],
)
def test_the_role_of_an_element_is_read_off_the_table(tag, vr, expected):
    assert role(tag, vr) == expected


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"regions": ["CHEST", "MOON"]}, "regions"),
        ({"sop_classes": ["ct"]}, "sop_classes"),
        ({"faces": "waived"}, "faces"),
        ({"option": []}, "option"),
        ({"age_top": 120}, "age_top"),
    ],
)
def test_a_setting_that_does_not_exist_is_refused_by_name(change, key):
    good = load_policy(ROOT / "config", "default").tiers["registered"].modalities["imaging"]
    policy = ModalityPolicy(settings=good.settings | change, reason="", owner="")
    assert individual_settings(good, "registered").faces == "exclude"
    with pytest.raises(SluiceError, match=key):
        individual_settings(policy, "registered")


def test_short_names_and_plain_numbers_are_looked_for_as_words(tmp_path):
    dataset = pydicom.Dataset()
    dataset.ImageComments, dataset.StudyInstanceUID = "call Ovkx, 70123", "2.25.80412345"
    path = tmp_path / "o.dcm"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("2.25.1")
    dataset.save_as(path, enforce_file_format=True)
    wanted = Needles()
    for subject, kind, value in [
        ("s1", "name", "Ovkx"),
        ("s2", "PatientID", "70123"),
        ("s2", "PatientID", "80412"),
        ("s2", "StudyID", "1"),
        ("s2", "name", "chest"),
    ]:
        wanted.add(subject, kind, value)
    assert (wanted.hits(path, "s1"), wanted.hits(path, "s2"), wanted.too_short) == (1, 2, 2)


@given(
    st.dictionaries(
        st.text("ab", min_size=1),
        st.builds(
            ObjectFacts,
            kind=st.sampled_from(["ct", "mr", "other"]),
            region=st.sampled_from(["head", "chest"]),
            rows=st.integers(0, 9999),
            columns=st.integers(0, 9999),
            frames=st.integers(1, 99),
        ),
        max_size=4,
    )
)
def test_facts_survive_the_table_that_they_travel_in(facts):
    texts = {name: {k: str(v) for k, v in asdict(one).items()} for name, one in facts.items()}
    wide = wide_table(long_table(texts)).to_dict("index")
    assert {name: object_facts(row) for name, row in wide.items()} == facts


def test_of_a_hospital_only_what_names_it_is_looked_for() -> None:
    assert own_tokens("institution", "Kestrel Medical Center") == ["Kestrel"]
    assert own_tokens("staff", "Bone^Kestrel") == ["Kestrel"]
    assert own_tokens("name", "Bone^Kestrel") == ["Bone^Kestrel"]
    assert other_names("staff", "Bone^Kestrel") == ["Bone"]
    assert other_names("institution", "Kestrel Medical Center") == []
