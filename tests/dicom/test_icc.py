"""Colour profiles: the same colours, and no other byte of the source."""

from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from sluice.dicom.icc import rewritten

CANARY = b"KESTREL"


def source(dirt: bytes = CANARY) -> bytes:
    """Return a profile as a camera would write it, with text, a maker and unused bytes."""
    blob = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    count = struct.unpack_from(">I", blob, 128)[0]
    entries = [struct.unpack_from(">4s2I", blob, 132 + 12 * i) for i in range(count)]
    place, table, body = 132 + 12 * (count + 1), b"", b""
    for name, offset, size in entries:
        table += struct.pack(">4s2I", name, place + len(body), size)
        body += blob[offset : offset + size].ljust(-(-size // 4) * 4, b"\0") + dirt.ljust(8, b"\0")
    text = b"text" + bytes(4) + dirt
    table += struct.pack(">4s2I", b"targ", place + len(body), len(text))
    head = bytearray(blob[:128])
    struct.pack_into(">I", head, 0, 132 + len(table) + len(body) + len(text))
    head[48:52], head[80:84], head[84:91] = dirt[:4], dirt[:4], dirt
    return bytes(head) + struct.pack(">I", count + 1) + table + body + text


def colours(profile: bytes) -> np.ndarray:
    grid = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    lab = ImageCms.createProfile("LAB")
    made = ImageCms.ImageCmsProfile(BytesIO(profile))
    new = ImageCms.profileToProfile(Image.fromarray(grid), made, lab, outputMode="LAB")
    return np.asarray(new, dtype=int)


def test_a_matrix_profile_keeps_its_colours_and_nothing_else() -> None:
    old = source()
    new = rewritten(old, required=False)
    assert CANARY in old and new is not None
    assert CANARY not in new and CANARY[:4] not in new
    assert np.abs(colours(new) - colours(old)).max() <= 1


def test_a_profile_that_cannot_be_read_goes_or_becomes_srgb() -> None:
    assert rewritten(CANARY, required=False) is None
    stand_in = rewritten(CANARY, required=True)
    assert stand_in is not None and CANARY not in stand_in
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(colours(stand_in) - colours(srgb)).max() <= 1


def test_colours_by_a_table_are_not_copied() -> None:
    old = bytearray(source())
    place = old.index(b"targ", 128)
    old[place : place + 4] = b"A2B0"
    assert rewritten(bytes(old), required=False) is None


def test_a_curve_that_hides_text_is_not_copied() -> None:
    old = source()
    name, offset, size = next(
        struct.unpack_from(">4s2I", old, 132 + 12 * i)
        for i in range(struct.unpack_from(">I", old, 128)[0])
        if old[132 + 12 * i :].startswith(b"rTRC")
    )
    assert name == b"rTRC" and size
    hidden = b"curv" + bytes(4) + struct.pack(">I", 4) + b"KESTREL\0"
    blob = old[:offset] + hidden.ljust(size, b"\0") + old[offset + size :]
    assert rewritten(blob, required=False) is None


@given(st.binary(max_size=300))
def test_no_bytes_are_too_strange(noise: bytes) -> None:
    assert rewritten(noise, required=False) is None
    assert rewritten(source()[:128] + noise, required=True) is not None


@pytest.mark.parametrize("required", [True, False])
def test_writing_twice_gives_the_same_bytes(required: bool) -> None:
    once = rewritten(source(), required)
    assert once is not None and rewritten(once, required) == once
