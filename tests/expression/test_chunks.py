from __future__ import annotations

import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sluice.expression.chunks import shuffled_and_deflated

SIZE = 4096
RNG = np.random.default_rng(3)
KINDS = {
    "zeros": np.zeros(SIZE, "<f4"),
    "counts": RNG.geometric(0.5, SIZE).astype("<f4"),
    "column numbers": np.sort(RNG.integers(0, 30_000, SIZE)).astype("<i4"),
    "noise": RNG.integers(0, 2**31, SIZE).astype("<i4"),
    "logarithms": np.log1p(RNG.geometric(0.5, SIZE)).astype("<f4"),
}


def shuffled(chunk: np.ndarray) -> bytes:
    return chunk.view(np.uint8).reshape(len(chunk), -1).T.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_hdf5_reads_a_chunk_as_if_it_had_packed_it_itself(tmp_path, kind):
    chunk = KINDS[kind]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset(
            "x", (SIZE,), chunk.dtype, chunks=(SIZE,), compression="gzip", shuffle=True
        )
        made.id.write_direct_chunk((0,), shuffled_and_deflated(chunk))
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(file["x"][:], chunk)


@given(hnp.arrays("<i4", st.integers(1, 300), elements=st.integers(-3, 300)))
def test_any_chunk_is_one_stream_that_unpacks_to_its_shuffled_bytes(chunk):
    assert zlib.decompress(shuffled_and_deflated(chunk)) == shuffled(chunk)


@pytest.mark.parametrize("kind", ["counts", "column numbers"])
def test_it_is_no_larger_than_what_zlib_makes_of_it(kind):
    chunk = KINDS[kind]
    assert len(shuffled_and_deflated(chunk)) <= 1.02 * len(zlib.compress(shuffled(chunk), 1))
