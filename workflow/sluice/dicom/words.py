"""Short text that may stay: settings and names of a machine, body parts, public codes.

A participant's own names and numbers never stay, whatever list holds them.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_left
from functools import cache

from sluice.dicom.vocabulary import is_technical, listed
from sluice.resources import resource

_WORD = re.compile(r"[^\W_]+")
_PLAIN = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,64}")  # printable ASCII, no backslash
_LONG_NUMBER = re.compile(r"\d{5,}")
_CODE = re.compile(r"[A-Za-z0-9.{}\[\]()/%*+'^_-]{1,16}")
# Short codes of public coding schemes (PS3.16 Table 8-1); any other local
# scheme (99...) may name a site.
PUBLIC_SCHEMES = frozenset(
    {"ACR", "BARI", "BI", "DCM", "FMA", "I10", "I10P", "I9", "I9C", "ICDO3"}
    | {"ISO639_1", "ISO639_2", "ISO3166_1", "LN", "NCIt", "NEU", "RADLEX"}
    | {"99SDM", "RFC3066", "RFC5646", "RXNORM", "SCT", "SNM3", "SRT", "UBERON", "UCUM", "UMLS"}
)
# Tokens shorter than this are looked for as whole words only.
_INSIDE = 5


@cache
def own_words(tokens: frozenset[str]) -> frozenset[str]:
    """Split a participant's own names and numbers into case-folded words of two or more letters."""
    return frozenset(
        word for token in tokens for word in _WORD.findall(token.casefold()) if len(word) > 1
    )


def mentions(text: str, own: frozenset[str]) -> bool:
    """Say whether the text has one of the words ``own``, also run together with others."""
    found = _WORD.findall(text.casefold())
    run = "".join(found)
    return not own.isdisjoint(found) or any(w in run for w in own if len(w) >= _INSIDE)


@cache
def body_parts() -> dict[str, tuple[str, bool]]:
    """Return region and "a face may be seen" by body part, spelled in capitals without spaces."""
    with resource("dicom", "body_parts.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return {row["term"]: (row["region"], row["face"] == "yes") for row in rows}


def is_body_part(text: str, own: frozenset[str]) -> bool:
    """Say whether the text is a body part of the shipped list or all of the closed list's words."""
    known = "".join(_WORD.findall(text.replace("_", " "))).upper() in body_parts()
    return (known and not mentions(text, own)) or wholly_in_vocabulary(text, own)


def wholly_in_vocabulary(text: str, own: frozenset[str]) -> bool:
    """Say whether every word is in the closed list and none is the participant's own."""
    folded = [word.casefold() for word in _WORD.findall(text.replace("_", " "))]
    return bool(folded) and own.isdisjoint(folded) and all(w in listed() for w in folded)


def is_model_name(text: str, own: frozenset[str]) -> bool:
    """Say whether a maker's or model's name may stay: plain, no long number, no own word."""
    return bool(
        _PLAIN.fullmatch(text) and not _LONG_NUMBER.search(text) and not mentions(text, own)
    )


def is_setting(text: str, own: frozenset[str]) -> bool:
    """Say whether a machine's setting or a coded string may stay: technical words, no own one."""
    return is_model_name(text, own) and is_technical(text, own)


def standard_meaning(scheme: str, value: str) -> str | None:
    """Return the meaning of a code of PS3.16, ``None`` if it names no such; some have none."""
    start = f"{scheme},{value},"
    at = bisect_left(_codes(), start)
    if at == len(_codes()) or not _codes()[at].startswith(start):
        return None
    (row,) = csv.reader(_codes()[at : at + 1])
    return row[2] if row[:2] == [scheme, value] else None


@cache
def _codes() -> list[str]:
    """Return the table's lines in order; a dictionary would take three times the memory."""
    text = resource("dicom", "codes.csv").read_text(encoding="utf-8")
    return sorted(text.splitlines()[1:])


def is_public_code(value: str, scheme: str, own: frozenset[str]) -> bool:
    """Say whether a code is one of PS3.16, or of a public scheme and spells nothing but a code."""
    if mentions(value, own) or not _CODE.fullmatch(value):
        return False
    known = standard_meaning(scheme, value) is not None
    return known or (scheme in PUBLIC_SCHEMES and is_technical(value, own))
