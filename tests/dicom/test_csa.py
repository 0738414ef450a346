"""Siemens' header block: allowed numbers stay, and no other byte of the source does."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.dicom.csa import ELEMENTS, allowed, rebuilt
from sluice.dicom.reader import read

CANARY = b"KESTREL7"
Tags = dict[str, tuple[str, list[str]]]
SCIENCE: Tags = {
    "B_value": ("IS", ["1000"]),
    "DiffusionGradientDirection": ("FD", ["0.70710000", "-0.70710000", "0.00000000"]),
    "B_matrix": ("FD", ["500.0", "-500.0", "0.0", "500.0", "0.0", "0.0"]),
    "MosaicRefAcqTimes": ("FD", ["0.00000000", "1292.50000001", "72.5"]),
    "DiffusionDirectionality": ("CS", ["DIRECTIONAL"]),
}


def block(tags: Tags, newer: bool = True, dirt: bytes = b"", tail: bytes = b"") -> bytes:
    """Write a block as a scanner does; ``dirt`` fills every byte that means nothing."""
    excess = 0 if newer else 6
    blob = b"SV10\x04\x03\x02\x01" if newer else b""
    blob += struct.pack("<2I", len(tags), 77)
    for number, (name, (vr, values)) in enumerate(tags.items()):
        items = [*values, *[""] * (6 - len(values))] if number == 0 else values
        field = (name.encode() + b"\0" + dirt * 8)[:64].ljust(64, b"\0")
        kind = (vr.encode() + b"\0" + dirt[:1]).ljust(4, b"\0")
        blob += field + struct.pack("<i4s3i", len(values), kind, 3, len(items), 77)
        for text in items:
            length = len(text) + 9 if text else 0
            value = (text.encode() + b"\0" + dirt).ljust(length, b"\0")[:length]
            gap = (dirt or b"\0" * 4)[: -length % 4]
            blob += struct.pack("<4i", length + excess, length, 77, length) + value + gap
    return blob + tail


def values(blob: bytes) -> Tags:
    """Read a newer block by its public description, apart from the code under test."""
    assert blob[:8] == b"SV10\x04\x03\x02\x01"
    count, place = struct.unpack_from("<I", blob, 8)[0], 16
    found: Tags = {}
    for _ in range(count):
        name, _, vr, _, items, _ = struct.unpack_from("<64si4s3i", blob, place)
        place += 84
        texts = []
        for _ in range(items):
            length = struct.unpack_from("<4i", blob, place)[1]
            texts.append(blob[place + 16 : place + 16 + length].split(b"\0")[0].decode().strip())
            place += 16 + -(-length // 4) * 4
        found[name.split(b"\0")[0].decode()] = vr[:2].decode(), [text for text in texts if text]
    assert place <= len(blob)
    return found


@pytest.mark.parametrize("newer", [True, False])
def test_allowed_tags_keep_their_values(newer: bool) -> None:
    new = rebuilt(block(SCIENCE, newer))
    assert new is not None and values(new) == SCIENCE


def hiding_places() -> Iterator[tuple[str, bytes]]:
    text = CANARY.decode()
    yield "another tag", block({**SCIENCE, "MrPhoenixProtocol": ("UN", [text])})
    yield "a name", block({**SCIENCE, text: ("IS", ["1"])})
    yield "what follows names and values", block(SCIENCE, dirt=CANARY)
    yield "the same in an older block", block(SCIENCE, newer=False, dirt=CANARY)
    yield "the unused tail", block(SCIENCE, tail=CANARY)
    yield "a word", block({**SCIENCE, "DiffusionDirectionality": ("CS", [text])})
    yield "a number with text", block({**SCIENCE, "B_value": ("IS", [f"1{text}"])})
    yield "a VR that is no number's", block({**SCIENCE, "B_value": ("LO", [text])})
    yield "values beyond the multiplicity", block({**SCIENCE, "B_value": ("IS", ["1", text])})


@pytest.mark.parametrize(("place", "blob"), [*hiding_places()], ids=[p for p, _ in hiding_places()])
def test_no_canary_survives(place: str, blob: bytes) -> None:
    assert CANARY in blob, place
    new = rebuilt(blob)
    assert new is not None and CANARY not in new
    kept = values(new)
    assert kept and all(SCIENCE[name] == kept[name] for name in kept)


def test_numbers_out_of_range_go() -> None:
    new = rebuilt(
        block({**SCIENCE, "B_value": ("IS", ["7734001"]), "EchoLinePosition": ("IS", ["32"])})
    )
    assert new is not None
    assert set(values(new)) == {*SCIENCE, "EchoLinePosition"} - {"B_value"}


def test_meaningless_numbers_of_the_source_are_not_copied() -> None:
    blob = bytearray(block(SCIENCE))
    struct.pack_into("<i", blob, 16 + 72, 7734001)  # syngo's type of the first tag
    struct.pack_into("<i", blob, 16 + 80, 7734001)
    new = rebuilt(bytes(blob))
    assert new == rebuilt(block(SCIENCE)) is not None


def test_nothing_allowed_leaves_nothing() -> None:
    assert rebuilt(block({"ICE_Dims": ("LO", ["X_1_1"])})) is None


@given(st.data())
def test_a_truncated_block_goes_whole(data: st.DataObject) -> None:
    blob = block(SCIENCE)
    assert rebuilt(blob[: data.draw(st.integers(0, len(blob) - 4))]) is None


@given(st.binary(max_size=400), st.booleans())
def test_no_bytes_are_too_strange(noise: bytes, marked: bool) -> None:
    new = rebuilt(b"SV10\x04\x03\x02\x01" + noise if marked else noise)
    assert new is None


@given(st.data())
def test_whatever_is_changed_only_allowed_values_come_out(data: st.DataObject) -> None:
    blob = bytearray(block(SCIENCE))
    for _ in range(data.draw(st.integers(1, 8))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    new = rebuilt(bytes(blob))
    if new is not None:
        assert set(values(new)) <= set(allowed())
        assert rebuilt(new) == new


def test_real_blocks_keep_what_conversion_needs_and_lose_the_rest(shared_data: Path) -> None:
    seen = leaking = 0
    for path in (shared_data / "dicom" / "MR_SIEMENS_PRIVATE").glob("*.dcm"):
        for creator, group, element in ELEMENTS:
            old = read(path).private_block(group, creator)[element].value
            new = rebuilt(old)
            assert new is not None and b"Param" not in new
            leaking += b"Param" in old  # memory of the scanner behind a name
            before, after = values(old), values(new)
            assert {"BandwidthPerPixelPhaseEncode", "MosaicRefAcqTimes"} <= set(after)
            assert all(before[name] == kept for name, kept in after.items())
            assert set(after) == {name for name in allowed() if before.get(name, ("", []))[1]}
            seen += 1
    assert seen > 5 and leaking > 5
