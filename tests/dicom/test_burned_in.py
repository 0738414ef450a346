"""Text drawn into pixels: there in the source, gone from the release, or all is held back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.imaging import pixels
from benchmarks.imaging.burned import plant
from benchmarks.imaging.ocr import left
from benchmarks.imaging.pixels import burn, read_box, shines_through
from pydicom.dataset import FileDataset
from pydicom.uid import RLELossless, SecondaryCaptureImageStorage
from tests.dicom.corpus import BUNDLED, CONTROLLED, full_size, identity

from sluice.dicom.burned_in import ocr
from sluice.dicom.burned_in.clean import _is_doubtful, _is_text, clean
from sluice.dicom.burned_in.find import Box, Candidate, candidates, equalised
from sluice.dicom.burned_in.screen import looks_drawn
from sluice.dicom.reader import read
from sluice.dicom.renew import Renewed, Renewer
from sluice.errors import SluiceError
from sluice.modalities.imaging.folder import preset

TEXT = "KESTREL 4711"


def drawn_into(dataset: FileDataset, size: int = 14) -> tuple[FileDataset, pixels.Box]:
    frame = dataset.pixel_array.copy()
    box = burn(frame, TEXT, 4, 4, size)
    dataset.PixelData = frame.tobytes()
    return dataset, box


def released(dataset: FileDataset, folder: Path) -> tuple[FileDataset, Renewed]:
    dataset.save_as(folder / "in.dcm")
    new = Renewer(CONTROLLED, identity()).renew(folder / "in.dcm", lambda *_: folder / "out.dcm")
    return read(new.path), new


def ct() -> FileDataset:
    return read(BUNDLED / "CT_small.dcm")


def methods(dataset: FileDataset) -> set[str]:
    return {item.CodeValue for item in dataset.DeidentificationMethodCodeSequence}


def test_text_is_gone_and_every_other_pixel_is_the_same(tmp_path: Path) -> None:
    dataset, box = drawn_into(ct())
    before = dataset.pixel_array.copy()
    assert shines_through(dataset, box, TEXT), "it is there in the source"
    new, told = released(dataset, tmp_path)
    after = new.pixel_array
    assert not shines_through(new, box, TEXT)
    left, top, right, bottom = box
    changed = np.argwhere(before != after)
    assert len(changed)
    height = bottom - top + 12  # as the reader sees the line; its neighbours go with it
    assert (changed >= (top - 2 * height, left - 3 * height)).all()
    assert (changed < (bottom + 2 * height, right + 3 * height)).all()
    assert new.BurnedInAnnotation == "NO" and "113101" in methods(new)
    assert told.counts["blanked: text in pixels"] >= 1


def test_what_holds_no_text_stays_bit_for_bit_and_nothing_is_claimed(tmp_path: Path) -> None:
    new, told = released(ct(), tmp_path)
    assert new.PixelData == ct().PixelData
    assert "113101" not in methods(new) and "BurnedInAnnotation" not in new
    assert not told.counts["blanked: text in pixels"]


@pytest.mark.shared
@pytest.mark.usefixtures("shared_data")
def test_a_date_across_a_body_that_is_taken_for_text_is_gone() -> None:
    planted = plant(63)
    date = next(word for word in planted.words if word.is_legible)
    assert left(date, planted, planted.dataset) > 0.9, "it can be read in the source"
    found = clean(planted.dataset)
    assert found.dataset is not None
    assert left(date, planted, found.dataset) < 0.1


@pytest.mark.shared
@pytest.mark.parametrize("slices", ["012542352754587892", "012554137824288349"])
def test_rows_of_slices_are_not_taken_for_letters(shared_data: Path, slices: str) -> None:
    (source,) = (shared_data / "dicom/MR_SIEMENS_PRIVATE").glob(f"*{slices}.dcm")
    assert clean(read(source)).verdict == "clean"


def test_a_secondary_capture_is_held_back_with_its_reason(tmp_path: Path) -> None:
    dataset = ct()
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    with pytest.raises(SluiceError, match="cannot be ruled out: secondary capture"):
        released(dataset, tmp_path)
    assert not (tmp_path / "out.dcm").exists()


def test_what_the_header_warns_of_and_nobody_finds_is_held_back() -> None:
    dataset = ct()
    assert clean(dataset).verdict == "clean"
    dataset.BurnedInAnnotation = "YES"
    found = clean(dataset)
    assert (found.verdict, found.reason) == ("quarantine", "text_not_found")


def a_slice() -> np.ndarray:
    return full_size(ct(), 4).pixel_array


@pytest.mark.parametrize("size", [11, 20, 40])
@pytest.mark.parametrize("turned", [False, True])
def test_the_screen_passes_a_slice_and_stops_at_text(size: int, turned: bool) -> None:
    frame = np.rot90(a_slice()).copy() if turned else a_slice()
    assert not looks_drawn(frame)
    burn(frame, TEXT, 20, 30, size)
    assert looks_drawn(np.rot90(frame).copy() if turned else frame)


def test_a_small_picture_is_read_rather_than_judged() -> None:
    assert looks_drawn(ct().pixel_array)


@pytest.mark.parametrize("times", [2, 3, 4])
def test_a_picture_enlarged_by_repetition_is_judged_at_its_own_size(times: int) -> None:
    def enlarged(frame: np.ndarray) -> np.ndarray:
        return np.kron(frame, np.ones((times, times), frame.dtype))

    assert not looks_drawn(enlarged(a_slice()))
    drawn = a_slice()
    burn(drawn, TEXT, 20, 30, 14)
    assert looks_drawn(enlarged(drawn))
    assert looks_drawn(enlarged(ct().pixel_array)), "its own size is too small to judge"


def test_a_greatest_sample_far_above_the_least_does_not_overflow() -> None:
    frame = np.random.default_rng(1).normal(200, 30, (256, 256)).astype(np.uint16)
    assert not looks_drawn(frame)
    frame[10:50, 10:12] = frame[10:50, 16:18] = 65535
    assert looks_drawn(frame)


def test_ink_of_the_highest_value_is_seen_however_little_of_it_there_is() -> None:
    frame = a_slice()
    assert not looks_drawn(frame)
    frame[100, 100] = np.iinfo(frame.dtype).max
    assert looks_drawn(frame)


def test_a_line_in_the_dark_beside_a_bright_body_is_read() -> None:
    rng = np.random.default_rng(3)
    frame = np.abs(rng.normal(0, 4, (256, 256)))
    frame[90:] += rng.normal(600, 60, (166, 256))
    letters = np.zeros((256, 256))
    letters[-1, -1] = 1  # what burn() takes for white
    burn(letters, TEXT, 20, 30, 20)
    drawn = np.where(letters > 0.5, 40, frame).astype(np.uint16)
    assert not any(map(_is_text, candidates(frame.astype(np.uint16))))
    assert not looks_drawn(drawn), "against the noise of the body it is nothing"
    assert any(map(_is_text, candidates(drawn)))


def test_equal_values_are_equalised_alike() -> None:
    picture = np.array([[0, 0, 0, 0], [7, 7, 500, 9000]])
    assert (equalised(picture) * 8 / 255).tolist() == [[2, 2, 2, 2], [5, 5, 6.5, 7.5]]


@pytest.mark.parametrize("lossy", [False, True])
def test_a_slice_is_screened_in_every_encoding_that_keeps_its_noise(lossy: bool) -> None:
    dataset = full_size(ct(), 4)
    dataset.LossyImageCompression = "01" if lossy else "00"
    dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    assert clean(dataset).reason == "no_text_found"
    found = clean(dataset, screened=True)
    assert found.reason == ("no_text_found" if lossy else "nothing_drawn")
    frame = a_slice()
    burn(frame, TEXT, 20, 30, 20)
    drawn = full_size(ct(), 4)
    drawn.PixelData = frame.tobytes()
    drawn.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    assert clean(drawn, screened=True).verdict == "redacted"


def test_rows_of_slices_in_one_frame_are_not_taken_for_letters() -> None:
    read_as = Candidate(Box(0, 0, 60, 380), 0.9, 6, 3, 0.75, 4.2)
    assert not _is_text(read_as)
    assert not _is_doubtful(read_as)
    assert _is_text(replace(read_as, confidence=0.95)), "tall letters are read well"
    assert _is_text(replace(read_as, letters=9, different=6, agreement=7.1))
    assert _is_doubtful(replace(read_as, box=Box(0, 0, 40, 380), letters=5))


def test_other_weights_under_the_same_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "_digest", lambda _: "0" * 64)
    with pytest.raises(SluiceError, match="not the ones that were tested"):
        ocr._session.__wrapped__(ocr._READER)


def test_the_line_of_a_real_image_is_gone_in_the_quickest_tier(
    shared_data: Path, tmp_path: Path
) -> None:
    source = shared_data / "dicom/PSEUDO_PHI_TCIA/presidio__2_ORIGINAL.dcm"
    profile = preset("controlled").profile
    assert profile.pixels == "screen"
    renewed = Renewer(profile, identity()).renew(source, lambda *_: tmp_path / "out.dcm")
    assert {mask[0] for mask in renewed.masks} == {0}
    assert min(mask[1] for mask in renewed.masks) == 0  # the line is at the top
    whole = (0, 0, 394, 552)
    assert "KAUFMAN" in read_box(read(source), whole)
    assert read_box(read(renewed.path), whole) == ""
