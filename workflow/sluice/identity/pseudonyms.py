"""Keyed identifiers: the same key gives the same answer on every worker and in every rerun.

All are HMAC-SHA-256 under a key that HKDF (RFC 5869) derives per cohort, project, tier, linkage
scope and purpose. Without the key, neither enumeration of all possible inputs nor a join of two
scopes is possible.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derive(master: bytes, *purpose: str) -> bytes:
    """Derive a 32-byte key for one purpose.

    The parts are length-prefixed, so that ``("a", "bc")`` and ``("ab", "c")`` differ.
    """
    info = b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in ("sluice", *purpose))
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(master)


def _mac(key: bytes, value: str) -> bytes:
    return hmac.digest(key, value.encode(), "sha256")


_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
#: Two characters for each ten bits (RFC 4648, in small letters): files of cells need many names.
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def _base32(mac: bytes, length: int) -> str:
    """Return the first ``length`` (even) characters of the base 32 of a MAC."""
    bits = int.from_bytes(mac, "big") >> (8 * len(mac) - 5 * length)
    return "".join([_PAIRS[bits >> place & 1023] for place in range(5 * length - 10, -1, -10)])


def subject_id(key: bytes, participant: str) -> str:
    """Return the internal key of a participant: ``s`` and 20 base-32 characters (100 bits)."""
    return "s" + _base32(_mac(key, participant), 20)


def person_id(key: bytes, subject: str) -> str:
    """Return a tier's pseudonym: ``P`` and 16 base-32 characters (80 bits)."""
    return "P" + _base32(_mac(key, subject), 16)


def sample_id(key: bytes, original: str) -> str:
    """Return the new identifier of a sample, visit or cell: ``S`` and 16 base-32 characters."""
    return "S" + _base32(_mac(key, original), 16)


def new_uid(key: bytes, original: str) -> str:
    """Return a DICOM UID below 2.25 (PS3.5 B.2) made from 122 keyed bits shaped as a UUID 8."""
    raw = bytearray(_mac(key, original)[:16])
    raw[6] = (raw[6] & 0x0F) | 0x80
    raw[8] = (raw[8] & 0x3F) | 0x80
    return f"2.25.{int.from_bytes(raw, 'big')}"


def date_shift(key: bytes, subject: str, limit: int = 365, excluded: int = 30) -> int:
    """Return a participant's one shift in days: uniform over ±``limit`` without |s| < ``excluded``.

    Draws 64 keyed bits; the bias of the remainder is below 2⁻⁵⁴.
    """
    span = limit - excluded + 1
    draw = int.from_bytes(_mac(key, subject)[:8], "big") % (2 * span)
    return excluded + draw if draw < span else -(excluded + draw - span)


@dataclass(frozen=True)
class Pseudonyms:
    """The keyed maps of one tier in its linkage scope."""

    people: bytes
    items: bytes
    uids: bytes
    shifts: bytes

    def person(self, subject: str) -> str:
        """Pseudonym of a subject."""
        return person_id(self.people, subject)

    def item(self, original: str) -> str:
        """New identifier of a sample, visit or cell."""
        return sample_id(self.items, original)

    def uid(self, original: str) -> str:
        """New DICOM UID."""
        return new_uid(self.uids, original)

    def shift(self, subject: str, limit: int = 365, excluded: int = 30) -> int:
        """The subject's one date shift, in days."""
        return date_shift(self.shifts, subject, limit, excluded)
