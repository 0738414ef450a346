"""What hides in compressed frames beside the picture: comments, thumbnails, padding.

A frame's stream is walked marker by marker, without decoding. What a decoder needs stays bit for
bit; the few application segments that tell it about colour are written anew with nothing else in
them; all others go. So a frame decodes to the same pixels as before. What cannot be followed to its
end is refused.

Sources: ITU-T T.81 Annex B and T.871 (JPEG), T.87 Annex C (JPEG-LS), T.800 Annexes A and I
(JPEG 2000), T.814 (its high throughput form), PS3.5 Annexes A.4 and G (items, run lengths).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from sluice.dicom.elements import AGAIN, EXPLICIT, ITEM, SEQUENCE_END, Bytes, cut_short
from sluice.errors import SluiceError


class Span(NamedTuple):
    """A part of the source."""

    start: int
    stop: int


#: New bytes, or a part of the source that stays.
Piece = bytes | Span


@dataclass(frozen=True)
class Frames:
    """The items of encapsulated pixel data, without the closing delimiter.

    ``changed`` tells how many frames lost something.
    """

    pieces: tuple[Piece, ...]
    changed: int


#: What closes the items in a file.
SEQUENCE_DELIMITER: Final = struct.pack("<HHL", SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF, 0)
# Fragments of one frame are joined up to this size; larger images are tiled.
_MOST_JOINED = 256 * 2**20
_MOST_OFFSET = 2**32 - 1

# What ends the coded samples behind a scan's header. In JPEG, 0 after FF is a stuffed byte and D0
# to D7 restart the decoder; JPEG-LS stuffs a bit instead.
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_LS_SCAN_END = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
_FILL = re.compile(rb"\xff+(?=\xff)")
_EOI, _SOS, _COMMENT, _LSE = 0xD9, 0xDA, 0xFE, 0xF8
_DHT, _DAC, _DQT, _DNL, _DRI, _DHP, _EXP = 0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF
_APPLICATION = range(0xE0, 0xF0)
# Frame headers: C0 to CF but for DHT, DAC and C8, which is reserved; F7 is that of JPEG-LS.
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), _DHP, 0xF7} - {_DHT, _DAC, 0xC8})
# Application segments as decoders need them: JFIF says that three components are YCbCr; Adobe's
# segment and that of JPEG-LS's colour transform say in their last byte which transform was used.
_JFIF = b"\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
_ADOBE, _ADOBE_MOST = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0", 2
_MRFX, _MRFX_MOST = b"\xff\xe8\0\x07mrfx", 5

# Marker segments of JPEG 2000 that are no comment: T.800 Table A.2, T.801 Table A.1, T.814 Annex A.
_J2K_SEGMENTS = frozenset(
    {*range(0x50, 0x54), *range(0x55, 0x5A), *range(0x5C, 0x62), 0x63, *range(0x70, 0x7A)}
)
_SIZ, _TLM, _J2K_COMMENT, _SOT, _SOD = 0x51, 0x55, 0x64, 0x90, 0x93
_SOC, _EOC = b"\xff\x4f", b"\xff\xd9"
_JP2 = b"\0\0\0\x0cjP  \r\n\x87\n"

_RLE_HEADER = struct.Struct("<16L")


class _Stream:
    """The bytes of one frame and what of them stays. ``at`` is where the walk is."""

    def __init__(self, data: Bytes, start: int, stop: int) -> None:
        self.data, self.start, self.at, self.stop = data, start, start, stop
        self.pieces: list[Piece] = []

    def number(self, at: int, size: int) -> int:
        """Return the big-endian number at a position."""
        if at + size > self.stop:
            raise _refused("ends early")
        return int.from_bytes(self.data[at : at + size], "big")

    def keep(self, stop: int) -> None:
        """Keep what lies before ``stop`` and go there."""
        if stop > self.stop:
            raise _refused("ends early")
        if self.pieces and isinstance(last := self.pieces[-1], Span) and last.stop == self.at:
            self.pieces[-1] = Span(last.start, stop)
        else:
            self.pieces.append(Span(self.at, stop))
        self.at = stop

    def put(self, new: bytes, stop: int) -> None:
        """Put something in the place of what lies before ``stop`` and go there."""
        if stop > self.stop:
            raise _refused("ends early")
        if self.data[self.at : stop] == new:
            self.keep(stop)
        else:
            self.pieces.append(new)
            self.at = stop

    @property
    def unchanged(self) -> bool:
        """Whether all of it stays, but for one zero that makes its length even."""
        padding = self.data[self.at : min(self.stop, self.at + 2)]
        return self.pieces == [Span(self.start, self.at)] and padding in (b"", b"\0")


_Walk = Callable[[_Stream, int], None]


def rewritten(
    data: Bytes, start: int, stop: int, syntax: str, frames: int, frame_bytes: int
) -> Frames:
    """Return encapsulated pixel data without what hides beside the pictures.

    Where nothing does, all bytes stay. Otherwise each frame gets one item, and the table of offsets
    is made anew if there was one.

    Parameters
    ----------
    data, start, stop
        The items, the first of which holds the offsets, lie between ``start`` and ``stop``.
    syntax
        Transfer syntax.
    frames
        How many frames the object says it has.
    frame_bytes
        Length of one frame once it is decoded, in bytes.

    Raises
    ------
    SluiceError
        If the frames are of a coding that has no rule (video, above all), are more or fewer than
        the object says, or one is damaged.
    """
    walk = _WALKS.get(syntax)
    if walk is None:
        raise SluiceError(
            "The frames are of a coding whose comments no rule covers",
            where="(7FE0,0010)",
            mend="convert the object to JPEG 2000 or to plain pixels, or exclude it",
        )
    table, *fragments = _fragments(data, start, stop)
    groups = _grouped(data, fragments, walk)
    if len(groups) != frames:
        raise _refused("is missing or one too many")
    offsets = [group[0].start - 8 - table.stop for group in groups]
    new = [_left(data, group, walk, frame_bytes) for group in groups]
    changed = sum(pieces is not None for pieces in new)
    known = data[table.start : table.stop]
    if not changed and known in (b"", _table(offsets)):
        return Frames((Span(start, fragments[-1].stop),), 0)
    kept: list[Sequence[Piece]] = [
        old if pieces is None else pieces for old, pieces in zip(groups, new, strict=True)
    ]
    return Frames(tuple(_items(kept, with_table=bool(known))), changed)


def joined(data: Bytes, pieces: Sequence[Piece]) -> bytes:
    """Return the bytes that pieces stand for."""
    return b"".join(p if isinstance(p, bytes) else data[p.start : p.stop] for p in pieces)


def _fragments(data: Bytes, at: int, stop: int) -> list[Span]:
    """Return where the contents of the items lie, the table of offsets first."""
    found = []
    while at < stop:
        if at + 8 > stop:
            raise cut_short()
        group, number, length = EXPLICIT.item.unpack_from(data, at)
        tag = group << 16 | number
        if tag == SEQUENCE_END:
            break
        if tag != ITEM or at + 8 + length > stop:
            raise _refused("is damaged")
        found.append(Span(at + 8, at + 8 + length))
        at += 8 + length
    if len(found) < 2:
        raise _refused("is missing or one too many")
    return found


def _grouped(data: Bytes, fragments: list[Span], walk: _Walk) -> list[list[Span]]:
    """Return the fragments of each frame: it starts where a stream does."""
    starts = _STARTS[walk]
    groups: list[list[Span]] = []
    for fragment in fragments:
        if data[fragment.start : min(fragment.stop, fragment.start + 12)].startswith(starts):
            groups.append([fragment])
        elif groups:
            groups[-1].append(fragment)
        else:
            raise _refused("is damaged")
    return groups


def _left(data: Bytes, group: list[Span], walk: _Walk, frame_bytes: int) -> list[Piece] | None:
    """Return what stays of a frame, ``None`` if all of it does."""
    if len(group) == 1:
        stream = _Stream(data, *group[0])
    else:
        if group[-1].stop - group[0].start > _MOST_JOINED:
            raise _refused("is too large")
        whole = joined(data, group)
        stream = _Stream(whole, 0, len(whole))
    walk(stream, frame_bytes)
    if stream.unchanged and not any((stop - start) % 2 for start, stop in group):
        return None
    return stream.pieces if len(group) == 1 else [joined(stream.data, stream.pieces)]


def _table(offsets: list[int]) -> bytes:
    """Return a table of offsets, an empty one where they are too large for it."""
    if offsets[-1] > _MOST_OFFSET:
        return b""
    return struct.pack(f"<{len(offsets)}L", *offsets)


def _items(frames: list[Sequence[Piece]], with_table: bool) -> Iterator[Piece]:
    """Yield one item for each frame, behind a table of their offsets if there was one."""
    lengths = [_length(frame) for frame in frames]
    offsets, at = [], 0
    for length in lengths:
        offsets.append(at)
        at += 8 + length + length % 2
    table = _table(offsets) if with_table else b""
    yield _item(len(table)) + table
    for frame, length in zip(frames, lengths, strict=True):
        yield _item(length + length % 2)
        yield from frame
        if length % 2:
            yield b"\0"


def _item(length: int) -> bytes:
    return EXPLICIT.item.pack(ITEM >> 16, ITEM & 0xFFFF, length)


def _jpeg(stream: _Stream, _: int) -> None:
    _marker_by_marker(stream, _SCAN_END)


def _jpeg_ls(stream: _Stream, _: int) -> None:
    _marker_by_marker(stream, _LS_SCAN_END)


def _marker_by_marker(stream: _Stream, scan_end: re.Pattern[bytes]) -> None:
    """Walk a JPEG or JPEG-LS stream to its end."""
    data, told = stream.data, set[int]()
    stream.keep(stream.at + 2)  # the start, by which the frame was found
    while (code := _next_marker(stream)) != _EOI:
        length = stream.number(stream.at + 2, 2)
        stop = stream.at + 2 + length
        body = data[stream.at + 4 : min(stop, stream.stop)]
        if code == _COMMENT or code in _APPLICATION:
            new = b"" if code in told else _application(code, body)
            told.update([code] if new else [])
            stream.put(new, stop)
            continue
        if length < 2 or not _well_formed(code, body):
            raise _refused("is damaged")
        stream.keep(stop)
        if code == _SOS:
            end = scan_end.search(data, stop, stream.stop)
            if end is None:
                raise _refused("ends early")
            stream.keep(end.start())
    stream.keep(stream.at + 2)


def _next_marker(stream: _Stream) -> int:
    """Return the marker's code at the walk's place, which any number of FF may fill."""
    if fill := _FILL.match(stream.data, stream.at, stream.stop):
        stream.put(b"", fill.end())
    code = stream.number(stream.at, 2)
    if code >> 8 != 0xFF:
        raise _refused("is damaged")
    return code & 0xFF


def _application(code: int, body: bytes) -> bytes:
    """Return an application segment or comment as a decoder needs it: most are not needed."""
    if code == 0xE0 and body.startswith(b"JFIF\0"):
        return _JFIF
    if code == 0xEE and len(body) == 12 and body.startswith(b"Adobe") and body[11] <= _ADOBE_MOST:
        return _ADOBE + body[11:]
    if code == 0xE8 and len(body) == 5 and body.startswith(b"mrfx") and body[4] <= _MRFX_MOST:
        return _MRFX + body[4:]
    return b""


def _well_formed(code: int, body: bytes) -> bool:
    """Say whether a segment is known and holds as much as it must, so that nothing hides in it."""
    if code in _FRAME_HEADERS:
        return len(body) > 5 and len(body) == 6 + 3 * body[5]
    if code == _SOS:
        return len(body) > 0 and len(body) == 4 + 2 * body[0]
    if code in (_DHT, _DQT):
        return _whole_tables(code, body)
    if code == _LSE:  # parameters of the coder, or a palette
        return body[:1] in (b"\1", b"\2", b"\3", b"\4")
    if code == _DAC:
        return len(body) % 2 == 0
    return len(body) in {_DRI: (2, 3, 4), _DNL: (2,), _EXP: (1,)}.get(code, ())


def _whole_tables(code: int, body: bytes) -> bool:
    """Say whether a segment is filled with tables, each of the length that it tells."""
    at = 0
    while at < len(body):
        if code == _DQT:
            at += 1 + 64 * (1 + (body[at] >> 4))
        else:
            at += 17 + sum(body[at + 1 : at + 17])
    return at == len(body)


def _jpeg_2000(stream: _Stream, _: int) -> None:
    """Walk a JPEG 2000 codestream to its end; of a file around it, nothing stays."""
    if stream.data[stream.at : stream.at + len(_JP2)] == _JP2:
        stream.put(b"", _wrapped(stream))
        stream.pieces.clear()
    stream.keep(stream.at + len(_SOC))
    tiles_told = False
    while (code := _next_marker(stream)) != _SOT:
        tiles_told |= code == _TLM
        _parameter(stream, code)
    while stream.number(stream.at, 2) == 0xFF00 | _SOT:
        _tile_part(stream, tiles_told)
    if stream.data[stream.at : stream.at + 2] != _EOC:
        raise _refused("is damaged")
    stream.keep(stream.at + 2)


def _wrapped(stream: _Stream) -> int:
    """Return where the codestream starts in a JP2 file (T.800 I.4)."""
    at = stream.at
    while True:
        length, head = stream.number(at, 4), 8
        kind = stream.data[at + 4 : at + 8]
        if length == 1:
            length, head = stream.number(at + 8, 8), 16
        stop = at + length if length else stream.stop
        if stop > stream.stop or stop < at + head:
            raise _refused("is damaged")
        if kind == b"jp2h" and b"pclr" in stream.data[at:stop]:
            raise _refused("has a palette outside its codestream")
        if kind == b"jp2c":
            return at + head
        at = stop


def _parameter(stream: _Stream, code: int) -> None:
    """Keep one marker segment of JPEG 2000, or leave out a comment."""
    stop = stream.at + 2 + stream.number(stream.at + 2, 2)
    if stop < stream.at + 4 or (code not in _J2K_SEGMENTS and code != _J2K_COMMENT):
        raise _refused("is damaged")
    if code == _J2K_COMMENT:
        stream.put(b"", stop)
    else:
        stream.keep(stop)


def _tile_part(stream: _Stream, tiles_told: bool) -> None:
    """Keep a tile-part without its comments; its header tells its new length (T.800 A.4.2)."""
    start, length = stream.at, stream.number(stream.at + 6, 4)
    end = start + length if length else stream.data.find(_EOC, start, stream.stop)
    if end < start + 14 or end > stream.stop:
        raise _refused("ends early")
    inside = _Stream(stream.data, start + 12, end)
    while (code := _next_marker(inside)) != _SOD:
        _parameter(inside, code)
    inside.keep(end)
    dropped = end - inside.start - _length(inside.pieces)
    if dropped and tiles_told:
        raise _refused("has comments in tiles whose lengths it tells elsewhere")
    stream.keep(start + 6)
    stream.put(struct.pack(">L", length - dropped if length else 0), start + 10)
    stream.keep(start + 12)
    if dropped:
        stream.pieces += inside.pieces
        stream.at = end
    stream.keep(end)


def _run_lengths(stream: _Stream, frame_bytes: int) -> None:
    """Walk the segments of PS3.5 Annex G, each of which gives one plane of bytes."""
    at, data = stream.at, stream.data
    if stream.stop - at < _RLE_HEADER.size:
        raise _refused("ends early")
    count, *starts = _RLE_HEADER.unpack_from(data, at)
    bounds = [*(at + start for start in starts[:count]), stream.stop]
    rising = all(a < b for a, b in pairwise(bounds))
    if not 0 < count < 16 or frame_bytes % count or starts[0] != _RLE_HEADER.size or not rising:
        raise _refused("is damaged")
    plane = frame_bytes // count
    # No plane needs more than two bytes for each of its own.
    used = [_packed(data[a : min(b, a + 2 * plane)], plane) for a, b in pairwise(bounds)]
    offsets = accumulate((n + n % 2 for n in used[:-1]), initial=_RLE_HEADER.size)
    stream.put(_RLE_HEADER.pack(count, *offsets, *[0] * (15 - count)), at + _RLE_HEADER.size)
    for length, (begin, end) in zip(used, pairwise(bounds), strict=True):
        stream.keep(begin + length)
        stream.put(bytes(length % 2), end)


def _packed(segment: bytes, plane: int) -> int:
    """Return how many bytes of a segment give ``plane`` bytes (PS3.5 G.3.2)."""
    at = done = 0
    try:
        while done < plane:
            code = segment[at]
            if code < 128:
                done += code + 1
                at += code + 2
            elif code > 128:
                done += 257 - code
                at += 2
            else:
                at += 1
    except IndexError:
        raise _refused("ends early") from None
    if done > plane or at > len(segment):
        raise _refused("is damaged")
    return at


def _length(pieces: Sequence[Piece]) -> int:
    return sum(p.stop - p.start if isinstance(p, Span) else len(p) for p in pieces)


def _refused(what: str) -> SluiceError:
    return SluiceError(f"A compressed frame {what}", where="(7FE0,0010)", mend=AGAIN)


_ROOT = "1.2.840.10008.1.2."
_WALKS: Final[dict[str, _Walk]] = {
    **{f"{_ROOT}4.{number}": _jpeg for number in (*range(50, 67), 70)},
    **dict.fromkeys((f"{_ROOT}4.80", f"{_ROOT}4.81"), _jpeg_ls),
    **{f"{_ROOT}4.{number}": _jpeg_2000 for number in (90, 91, 92, 93, 201, 202, 203)},
    f"{_ROOT}5": _run_lengths,
}
# How a frame's first fragment begins; run lengths are never divided into fragments.
_STARTS: Final[dict[_Walk, tuple[bytes, ...]]] = {
    _jpeg: (b"\xff\xd8",),
    _jpeg_ls: (b"\xff\xd8",),
    _jpeg_2000: (_SOC + bytes([0xFF, _SIZ]), _JP2),
    _run_lengths: (b"",),
}
