"""Chunks of numbers, packed as HDF5's filters shuffle and deflate pack them, only sooner.

Shuffled, a chunk is four planes: all first bytes, all second bytes, and so on. In counts and in
column numbers each plane is of one kind: nothing but zeros, long runs, a few values in no order,
or noise. zlib searches every plane for repeats; here each is packed as its kind wants, and the
parts make one deflate stream (RFC 1950, 1951), which every reader of HDF5 can read.
"""

from __future__ import annotations

import zlib
from functools import lru_cache

import numpy as np

# An empty last block: what ends a stream whose parts were only flushed.
_END = b"\x03\x00"
_HEADER = b"\x78\x01"
# Shares of bytes that differ from the one before: more than this, and runs are too short to pay.
_FEW_CHANGES = 0.3
# Bits a byte: above, no code is shorter than the bytes themselves.
_NOISE = 7.8
_SAMPLE = 16
_ADLER = 65_521


def shuffled_and_deflated(chunk: np.ndarray) -> bytes:
    """Return a chunk of numbers as the filters would store it. Same numbers, same bytes."""
    words = chunk.view(f"<u{chunk.itemsize}")
    differing = int(np.bitwise_or.reduce(words) ^ np.bitwise_and.reduce(words)) if len(words) else 0
    parts, check = [_HEADER], 1
    for place, column in enumerate(chunk.view(np.uint8).reshape(len(chunk), -1).T):
        if differing >> 8 * place & 0xFF:
            plane = np.ascontiguousarray(column)
            parts.append(_plane(plane))
            check = zlib.adler32(plane.data, check)
        elif len(column):
            parts.append(_constant(int(column[0]), len(column)))
            check = _adler_of_constant(int(column[0]), len(column), check)
    return b"".join([*parts, _END, check.to_bytes(4, "big")])


def _adler_of_constant(value: int, length: int, check: int) -> int:
    """Return :func:`zlib.adler32` of ``length`` equal bytes that follow (RFC 1950, section 8.2)."""
    low, high = check & 0xFFFF, check >> 16
    high += length * low + value * (length * (length + 1) // 2)
    return (high % _ADLER) << 16 | (low + length * value) % _ADLER


def _plane(plane: np.ndarray) -> bytes:
    changes = int(np.count_nonzero(plane[1:] != plane[:-1]))
    if changes < _FEW_CHANGES * len(plane):
        return _packed(plane, 1, zlib.Z_RLE)
    if _entropy(plane[::_SAMPLE]) > _NOISE:
        return _packed(plane, 0, zlib.Z_DEFAULT_STRATEGY)
    return _packed(plane, 1, zlib.Z_HUFFMAN_ONLY)


@lru_cache(maxsize=64)
def _constant(value: int, length: int) -> bytes:
    return _packed(np.full(length, value, dtype=np.uint8), 1, zlib.Z_RLE)


def _packed(plane: np.ndarray, level: int, strategy: int) -> bytes:
    """Return a plane as blocks of a deflate stream that goes on."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, strategy=strategy)
    return packer.compress(plane.data) + packer.flush(zlib.Z_SYNC_FLUSH)


def _entropy(sample: np.ndarray) -> float:
    """Return bits a byte (Shannon 1948), were the bytes independent."""
    shares = np.bincount(sample, minlength=256) / len(sample)
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())
