"""Genotype calls of a VCF, as counts of alternate alleles."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from sluice.errors import SluiceError

#: Marks a call that is missing, not diploid or not readable.
MISSING = -1

_FIXED = 9
_LINES_AT_ONCE = 2_000
# Every BGZF file ends with this empty block (SAM specification, section 4.1.2): a file that was
# cut between two blocks still unpacks, and only this tells.
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


@dataclass(frozen=True)
class Calls:
    """What a VCF says.

    Parameters
    ----------
    donors
        Sample names of the header.
    sites
        One ``(chromosome, position, reference, alternate)`` a row.
    dosages
        Variants x donors, int8: alleles that are not the reference, or :data:`MISSING`.
    """

    donors: list[str]
    sites: list[tuple[str, int, str, str]]
    dosages: np.ndarray


def read_vcf(path: Path) -> Calls:
    """Read the GT of every variant of a .vcf or .vcf.gz.

    Rows whose calls are all three characters wide (``0|1``), as in most files, are read as one
    array. Everything else goes call by call; alleles above 9 and calls that are not diploid count
    as missing.

    Raises
    ------
    SluiceError
        For a file that is no VCF, cut short, without GT, or with rows of another width.
    """
    with _reading(path) as handle:
        donors = _header(handle)
        sites: list[tuple[str, int, str, str]] = []
        blocks = []
        for lines in _batches(handle):
            rows = [_row(line, len(donors), len(sites) + i + 1) for i, line in enumerate(lines)]
            sites += [site for site, _ in rows]
            blocks.append(_dosages(b"".join(calls for _, calls in rows), len(donors)))
    if not sites:
        raise SluiceError("A VCF holds no variant", where="genotypes", mend="check the file")
    return Calls(donors, sites, np.vstack(blocks))


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    """Open the file; whatever a parser says of it becomes one plain sentence."""
    cut = SluiceError(
        "A VCF cannot be read to its end",
        where="genotypes",
        mend="copy the file again from its source",
    )
    try:
        if path.suffix.lower() == ".gz":
            with path.open("rb") as raw:
                if raw.read(18)[12:14] == b"BC":
                    raw.seek(-len(_BGZF_END), 2)
                    if raw.read() != _BGZF_END:
                        raise cut
            with gzip.open(path, "rb") as handle:
                yield cast(BinaryIO, handle)
        else:
            with path.open("rb") as handle:
                yield handle
    except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError):
        raise cut from None


def _header(handle: BinaryIO) -> list[str]:
    """Return the sample names, leaving the file at its first variant."""
    if not handle.readline().startswith(b"##fileformat=VCF"):
        raise SluiceError("A genotype file is no VCF", where="first line", mend="give a VCF")
    for line in handle:
        if line.startswith(b"#CHROM"):
            donors = line.decode().rstrip("\r\n").split("\t")[_FIXED:]
            if not donors:
                raise SluiceError("A VCF has no samples", where="header", mend="give genotypes")
            return donors
        if not line.startswith(b"##"):
            break
    raise SluiceError("A VCF has no line of column names", where="header", mend="give a whole VCF")


def _batches(handle: BinaryIO) -> Iterator[list[bytes]]:
    lines: list[bytes] = []
    for line in handle:
        lines.append(line)
        if len(lines) == _LINES_AT_ONCE:
            yield lines
            lines = []
    if lines:
        yield lines


def _row(line: bytes, donors: int, ordinal: int) -> tuple[tuple[str, int, str, str], bytes]:
    """Return a row's site and its calls, each four bytes wide: the call and a tab."""
    fields = line.rstrip(b"\r\n").split(b"\t", _FIXED)
    if len(fields) <= _FIXED or not fields[1].isdigit():
        raise _broken(ordinal)
    kinds, calls = fields[8].split(b":"), fields[_FIXED]
    if kinds[0] != b"GT":
        raise SluiceError(
            "A VCF row has no genotypes", where=f"row {ordinal}", mend="give a VCF with GT"
        )
    if len(calls) != 4 * donors - 1 or calls[3::4] != b"\t" * (donors - 1):
        each = calls.split(b"\t")
        if len(each) != donors:
            raise _broken(ordinal)
        calls = b"\t".join(_three_wide(call) for call in each)
    site = (fields[0].decode(), int(fields[1]), fields[3].decode(), fields[4].decode())
    return site, calls + b"\t"


def _three_wide(call: bytes) -> bytes:
    alleles = call.partition(b":")[0]
    return alleles if len(alleles) == 3 else b"./."


def _broken(ordinal: int) -> SluiceError:
    return SluiceError(
        "A VCF row has fewer or more columns than the header, or no position",
        where=f"row {ordinal}",
        mend="copy the file again from its source",
    )


def _dosages(calls: bytes, donors: int) -> np.ndarray:
    """Count the alleles that are not the reference in calls of four bytes each."""
    characters = np.frombuffer(calls, dtype=np.uint8).reshape(-1, donors, 4)
    first, middle, second = (characters[:, :, i] - ord("0") for i in (0, 1, 2))
    phased_or_not = (middle == ord("|") - ord("0")) | (middle == (ord("/") - ord("0")) % 256)
    sound = (first <= 9) & (second <= 9) & phased_or_not
    count = (first > 0).astype(np.int8) + (second > 0)
    return np.where(sound, count, np.int8(MISSING)).astype(np.int8)
