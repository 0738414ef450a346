"""Text in the plain character sets is read as pydicom reads it; all else is left to pydicom."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.charset import convert_encodings, python_encoding
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.values import convert_value

from sluice.dicom.charset import codec_of, texts
from sluice.dicom.layout import UncommonError

SETS = sorted(name for name in python_encoding if codec_of(name) is not None)


def by_pydicom(vr: str, raw: bytes, charset: str) -> list[str]:
    stored = RawDataElement(BaseTag(0), vr, len(raw), raw, 0, False, True)
    found = convert_value(vr, stored, convert_encodings(charset.split("\\")))
    return [str(one) for one in found] if isinstance(found, MultiValue) else [str(found)]


def test_each_set_has_the_codec_that_pydicom_gives_it() -> None:
    assert len(SETS) > 20 and {"", "ISO_IR 100", "ISO_IR 192", "GB18030"} <= set(SETS)
    for name in SETS:
        (theirs,) = convert_encodings([name])
        assert codecs.lookup(str(codec_of(name))).name == codecs.lookup(theirs).name, name


def test_of_several_sets_the_first_is_the_one_without_escapes() -> None:
    assert codec_of("ISO 2022 IR 100\\ISO 2022 IR 87") == "latin-1"
    assert codec_of("\\ISO 2022 IR 87") == "latin-1"


@pytest.mark.parametrize("vr", ["LO", "LT", "PN", "SH", "ST", "UC", "UT"])
@given(text=st.text(max_size=20), charset=st.sampled_from(SETS))
def test_text_is_what_pydicom_reads(vr: str, text: str, charset: str) -> None:
    codec = str(codec_of(charset))
    raw = text.encode(codec, "ignore")
    try:
        found = texts(vr, raw, codec)
    except UncommonError:
        return
    if raw.strip(b" \0"):
        assert [one.rstrip(" \0=") for one in found] == [
            one.rstrip(" \0=") for one in by_pydicom(vr, raw, charset)
        ]
    else:
        assert found == []


@pytest.mark.parametrize(
    ("raw", "charset"),
    [
        (b"Yamada^\x1b$B;3ED\x1b(B", "ISO 2022 IR 100\\ISO 2022 IR 87"),
        (b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ISO_IR 13"),
        ("Müller".encode("latin-1"), "ISO_IR 192"),
        ("Müller".encode("latin-1"), "ISO-IR 100"),
    ],
)
def test_escapes_odd_names_and_bytes_of_another_set_are_left_to_pydicom(
    raw: bytes, charset: str
) -> None:
    with pytest.raises(UncommonError):
        texts("PN", raw, codec_of(charset))
