"""One DICOM file in, its de-identified successor out: by its bytes where they are common.

The new file appears whole or not at all, and its digest is taken while it is written.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from sluice.dicom.burned_in import assess
from sluice.dicom.codestream import Span
from sluice.dicom.elements import cut_short
from sluice.dicom.layout import UncommonError
from sluice.dicom.profile import ImageIdentity, Profile
from sluice.dicom.rewrite import NewObject, Rewriter
from sluice.dicom.rules import Rules, load_rules
from sluice.errors import SluiceError

if TYPE_CHECKING:
    from sluice.dicom.burned_in.clean import Mask

_CHUNK = 2**18
_LEVELS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@dataclass(frozen=True)
class Renewed:
    """What became of a file: its new place, identifiers and digest, and what each rule did.

    ``masks`` are the boxes of pixels that were blanked: frame from 0, then rows ``top`` to
    ``bottom`` and columns ``left`` to ``right`` as (frame, top, left, bottom, right), ends out.
    """

    path: Path
    study: str
    series: str
    instance: str
    sha256: str
    counts: Counter[str]
    used: frozenset[str]
    masks: tuple[Mask, ...] = ()


#: Where a new object goes, by its study, series and instance UID.
Placed = Callable[[str, str, str], Path]


class Renewer:
    """Renews the files of one study of one participant.

    Parameters
    ----------
    profile, identity, rules
        As :func:`sluice.dicom.deidentify.deidentify` takes them.
    """

    def __init__(
        self, profile: Profile, identity: ImageIdentity, rules: Rules | None = None
    ) -> None:
        self.profile, self.identity, self.rules = profile, identity, rules or load_rules()
        self._rewriter = Rewriter(profile, identity, self.rules)
        # Samples pass through the same memory: fresh memory costs more than what is done with it.
        self._buffer = bytearray(_CHUNK)
        self._held: Span | None = None  # what the buffer holds of the present file

    def renew(self, source: Path, place: Placed) -> Renewed:
        """Write the successor of a file.

        Raises
        ------
        SluiceError
            If the file cannot be read or de-identified, or the new place is taken.
        """
        self._held = None
        with source.open("rb") as stream:
            descriptor = stream.fileno()
            if not os.fstat(descriptor).st_size:
                raise SluiceError("A DICOM file is empty", mend="bring it again from its source")
            data = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
            data.madvise(mmap.MADV_RANDOM)  # nothing of it but the header is looked at
            try:
                new = self._rewriter.rewrite(data)
            except UncommonError:
                return self._by_objects(source, place)
            if self._is_to_be_read(new, descriptor):
                return self._by_objects(source, place)
            target = place(new.study, new.series, new.instance)
            digest = _stored(target, self._pieces(new, descriptor))
        return Renewed(
            target, new.study, new.series, new.instance, digest, new.counts, new.used
        )  # fmt: skip

    def _is_to_be_read(self, new: NewObject, descriptor: int) -> bool:
        """Say whether text is to be looked for in the pixels, by the header or by a screen."""
        level = assess(new.old).level
        if level != "screen" or self.profile.pixels == "read" or new.compressed:
            return level != "clear"
        # NumPy is the dearest thing on the way of a plain slice, and other objects need none.
        import numpy as np

        from sluice.dicom.burned_in.screen import looks_drawn

        size = int(new.old.get("Rows")), int(new.old.get("Columns"))
        kind = "<u2" if new.old.get("PixelRepresentation") == 0 else "<i2"
        return any(
            looks_drawn(np.frombuffer(frame, kind).reshape(size))
            for frame in self._frames(new, 2 * size[0] * size[1], descriptor)
        )

    def _pieces(self, new: NewObject, descriptor: int) -> Iterator[bytes | memoryview]:
        """Yield the new file; what is a view holds only until the next piece is asked for."""
        yield new.head
        for piece in new.samples:
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from self._parts(piece, _CHUNK, descriptor)
        yield new.tail

    def _frames(self, new: NewObject, size: int, descriptor: int) -> Iterator[memoryview]:
        """Yield the native frames of an object, each of so many bytes."""
        for piece in new.samples:
            if not isinstance(piece, bytes):  # these are padding
                yield from self._parts(piece, size, descriptor)

    def _parts(self, piece: Span, size: int, descriptor: int) -> Iterator[memoryview]:
        """Yield a stretch of a file in parts of so many bytes; mapped, all would count as used."""
        if piece == self._held:  # a slice that the screen has seen is not read twice
            yield memoryview(self._buffer)[: piece.stop - piece.start]
            return
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        for at in range(piece.start, piece.stop, size):
            part = memoryview(self._buffer)[: min(size, piece.stop - at)]
            if os.preadv(descriptor, [part], at) < len(part):
                raise cut_short()
            self._held = piece if len(part) == piece.stop - piece.start else None
            yield part

    def _by_objects(self, source: Path, place: Placed) -> Renewed:
        # Few folders hold such a file; pydicom takes longer to load than a hundred files to write,
        # and the networks that read pixels longer still.
        from sluice.dicom.assemble import stated_options, write
        from sluice.dicom.burned_in.clean import cleaned
        from sluice.dicom.deidentify import deidentify, standard_class
        from sluice.dicom.reader import read

        old = read(source)
        standard_class(old)  # before minutes are spent on its pixels
        old, masks = cleaned(old, self.profile.pixels == "screen")
        done = frozenset({"clean_pixel_data"} if masks else ())
        new, counts = deidentify(old, self.profile, self.identity, self.rules, done)
        counts += Counter({"blanked: text in pixels": len(masks)})
        study, series, instance = (str(new.get(word, "")) for word in _LEVELS)
        content = BytesIO()
        write(new, content)
        target = place(study, series, instance)
        digest = _stored(target, iter([content.getbuffer()]))
        used = stated_options(new)
        return Renewed(target, study, series, instance, digest, counts, used, masks)


def _stored(target: Path, pieces: Iterator[bytes | memoryview]) -> str:
    """Write a file that was not there before, whole or not at all; return its sha256."""
    digest = hashlib.sha256()
    part = f"{target}.part"
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        for piece in pieces:
            digest.update(piece)
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(handle, rest) :]
    except BaseException:
        os.unlink(part)
        raise
    finally:
        os.close(handle)
    try:
        os.link(part, target)
    except FileExistsError:
        raise SluiceError(
            "Two files hold the same SOP instance",
            mend="keep one of them, or give the other an identity of its own",
        ) from None
    finally:
        os.unlink(part)
    return digest.hexdigest()
