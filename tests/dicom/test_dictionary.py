"""The dictionary says of every tag and UID what pydicom's says."""

from __future__ import annotations

from runpy import run_path

from pydicom import _uid_dict, datadict
from pydicom._dicom_dict import DicomDictionary
from pydicom.uid import UID

from sluice.dicom import dictionary


def test_every_tag_has_the_vr_and_keyword_that_pydicom_gives() -> None:
    assert len(DicomDictionary) > 5000
    for tag in DicomDictionary:
        assert dictionary.has_tag(tag)
        assert dictionary.vr_of(tag) == datadict.dictionary_VR(tag)
        assert dictionary.keyword_of(tag) == datadict.keyword_for_tag(tag)


def test_every_keyword_leads_to_its_tag() -> None:
    assert dictionary.tags() == {k: int(v) for k, v in datadict.keyword_dict.items() if k}


def test_what_pydicom_does_not_know_is_unknown() -> None:
    for tag in (0x00100099, 0x00090010, 0x60000010, 0x50000010, 0xFFFFFFFF, 0x00080000):
        assert dictionary.has_tag(tag) == datadict.dictionary_has_tag(tag)
    assert not dictionary.has_tag(0x00100099) and dictionary.keyword_of(0x00100099) == ""


def test_every_registered_uid_is_known_with_its_kind() -> None:
    shipped = run_path(_uid_dict.__file__)["UID_dictionary"]  # other libraries add to pydicom's
    assert len(shipped) > 450
    for uid in shipped:
        assert dictionary.is_registered(uid)
        assert dictionary.is_transfer_syntax(uid) == UID(uid).is_transfer_syntax
    for strange in ("", "1.2.840.10008.1.2.999", "1.2.826.0.1.3680043.10.1"):
        assert not dictionary.is_registered(strange) and not dictionary.is_transfer_syntax(strange)
