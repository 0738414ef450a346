"""What the header alone says about text in the pixels."""

from __future__ import annotations

import csv

import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from tests.dicom.corpus import BUNDLED

from sluice.dicom.burned_in import Risk, assess
from sluice.dicom.reader import read
from sluice.resources import resource


def ct(**elements: object) -> FileDataset:
    dataset = read(BUNDLED / "CT_small.dcm")
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def table(name: str) -> list[dict[str, str]]:
    with resource("dicom", name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def sop_class(kind: str) -> str:
    return next(row["uid"] for row in table("sop_classes.csv") if row["kind"] == kind)


def test_a_slice_from_a_scanner_is_screened_and_anything_else_is_read() -> None:
    assert assess(ct()) == Risk("screen", "slice")
    for other in (
        {"ImageType": ["DERIVED", "PRIMARY"]},
        {"ImageType": "ORIGINAL"},
        {"BitsStored": 8},
        {"BitsAllocated": 8},
        {"SOPClassUID": sop_class("cr")},
        {"SOPClassUID": sop_class("mr")},
    ):
        assert assess(ct(**other)) == Risk("read", "picture")
    for workstation in ({"ConversionType": "WSD"}, {"SecondaryCaptureDeviceManufacturer": "A"}):
        assert assess(ct(**workstation)) == Risk("read", "converted")
    assert assess(ct(BurnedInAnnotation="YES")) == Risk("read", "header_says_text")


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"SOPClassUID": sop_class("sc")}, "secondary_capture"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.999"}, "unknown_kind"),
        ({"ConversionType": "DF"}, "converted"),
        ({"ConversionType": "SD"}, "converted"),
        ({"Modality": "OT"}, "modality_other"),
        ({"Modality": "HC"}, "hardcopy"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "screen_capture"),
        ({"ImageType": ["DERIVED", "SECONDARY", "DOSE_INFO"]}, "report_page"),
        ({"Manufacturer": "Lumisys"}, "digitised_film"),
        ({"ManufacturerModelName": "Film Digitizer 2000"}, "digitised_film"),
        ({"SOPClassUID": sop_class("us")}, "ultrasound_without_regions"),
        (
            {"SOPClassUID": sop_class("us"), "SequenceOfUltrasoundRegions": Sequence()},
            "ultrasound_without_regions",
        ),
        ({"SOPClassUID": sop_class("slide"), "ImageType": ["DERIVED", "LABEL"]}, "slide_label"),
        ({"SamplesPerPixel": 3}, "colour_where_grey_is_due"),
        ({"SOPClassUID": sop_class("sr")}, "unknown_kind"),
    ],
)
def test_what_is_likely_to_hold_text_is_never_believed(
    elements: dict[str, object], reason: str
) -> None:
    assert assess(ct()).level == "screen"
    assert assess(ct(**elements)) == Risk("never", reason)


def test_ultrasound_with_regions_is_read() -> None:
    region = Dataset()
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 8
    dataset = ct(SOPClassUID=sop_class("us"), SequenceOfUltrasoundRegions=Sequence([region]))
    assert assess(dataset).level == "read"


def test_an_empty_conversion_type_says_nothing() -> None:
    assert assess(ct(ConversionType="")) == assess(ct())


def test_what_has_no_picture_is_clear() -> None:
    dataset = ct(SOPClassUID=sop_class("sr"))
    del dataset.PixelData
    assert assess(dataset) == Risk("clear", "no_picture")
    assert assess(ct(SOPClassUID=sop_class("seg"))) == Risk("clear", "computed_grid")


def test_the_header_is_believed_when_it_warns_and_not_when_it_reassures() -> None:
    assert assess(ct(BurnedInAnnotation="NO")) == assess(ct())
    segmentation = sop_class("seg")
    warned = assess(ct(SOPClassUID=segmentation, BurnedInAnnotation="YES"))
    assert warned == Risk("read", "header_says_text")
    capture = ct(SOPClassUID=sop_class("sc"), BurnedInAnnotation="NO")
    assert assess(capture).level == "never"


def test_every_kind_of_picture_has_its_rule() -> None:
    ruled = {row["value"] for row in table("burned_in_risk.csv") if row["attribute"] == "kind"}
    kinds = {row["kind"] for row in table("sop_classes.csv")}
    without_pictures = {"document", "presentation", "registration", "rtplan", "rtstruct", "sr"}
    assert ruled == kinds - without_pictures - {"surface", "waveform"}
