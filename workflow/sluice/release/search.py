"""Find thousands of byte strings in megabytes within seconds.

Each string is known by its last 8 bytes. Every window of 8 bytes of the data is looked up in a
bitmap of hashes (eight aligned passes of NumPy), and only what the bitmap lets through is compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

WINDOW = 8
_CHUNK = 1 << 23
_BITS = 20
_MIX = np.uint64(0x9E3779B97F4A7C15)


class ByteSearch:
    """Many byte strings of at least :data:`WINDOW` bytes, looked for in any (ASCII) case.

    Parameters
    ----------
    strings
        What to look for, and the label that a hit gives.
    """

    def __init__(self, strings: dict[bytes, str]) -> None:
        self._by_window: dict[int, list[tuple[bytes, str]]] = {}
        for string, label in strings.items():
            folded = string.lower()
            if len(folded) < WINDOW:
                raise ValueError("a byte string must fill the window")
            window = int.from_bytes(folded[-WINDOW:], "little")
            self._by_window.setdefault(window, []).append((folded, label))
        self._windows = np.array(sorted(self._by_window), dtype="<u8")
        self._longest = max((len(s) for s in strings), default=0)
        self._bitmap = np.zeros(1 << _BITS, dtype=bool)
        self._bitmap[_hash(self._windows)] = True

    def in_file(self, path: Path) -> set[str]:
        """Return the labels of what a file's bytes hold."""
        return {label for chunk in chunks(path, self._longest) for label in self.in_bytes(chunk)}

    def in_bytes(self, data: bytes) -> set[str]:
        """Return the labels of what ``data`` holds."""
        if not len(self._windows):
            return set()
        folded = data.lower()
        return {label for end in self._candidates(folded) for label in self._ending(folded, end)}

    def _candidates(self, data: bytes) -> Iterator[int]:
        """Yield the end of each window that is one of ours."""
        for shift in range(WINDOW):
            count = (len(data) - shift) // WINDOW
            if count <= 0:
                return
            windows = np.frombuffer(data, dtype="<u8", count=count, offset=shift)
            likely = np.flatnonzero(self._bitmap[_hash(windows)])
            nearest = np.searchsorted(self._windows[:-1], windows[likely])
            sure = likely[self._windows[nearest] == windows[likely]]
            yield from (int(place) * WINDOW + shift + WINDOW for place in sure)

    def _ending(self, data: bytes, end: int) -> Iterator[str]:
        window = int.from_bytes(data[end - WINDOW : end], "little")
        for string, label in self._by_window[window]:
            if data[max(end - len(string), 0) : end] == string:
                yield label


def _hash(windows: np.ndarray) -> np.ndarray:
    return (windows * _MIX) >> np.uint64(64 - _BITS)


def chunks(path: Path, overlap: int) -> Iterator[bytes]:
    """Yield a file's bytes in pieces that overlap, so that nothing hides on a border."""
    tail = b""
    with path.open("rb") as handle:
        while piece := handle.read(_CHUNK):
            yield tail + piece
            tail = (tail + piece)[-overlap:] if overlap else b""


def byte_forms(texts: Iterable[tuple[str, str]]) -> dict[bytes, str]:
    """Return the encodings that texts may have in raw bytes, at least a window long, by label."""
    forms: dict[bytes, str] = {}
    for text, label in texts:
        for encoding in ("utf-8", "latin-1", "utf-16-le"):
            encoded = text.encode(encoding, errors="ignore")
            if len(text) >= WINDOW and len(encoded) >= WINDOW:
                forms.setdefault(encoded, label)
    return forms
