"""Which words and numbers of a description may stay: those of a closed list, and small measures.

A description is cut into words and numbers. A word stays if the list has it. A number stays if it
is written like a measure (``2.5mm``, ``120kV``, ``256x256``), a setting (``b1000``, ``TE90``,
``B30f``) or a vertebra (``L5``); a bare number only if it is small or round and stands beside words
that stay, so that no part of a date, a telephone or a record number does.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from sluice.resources import resource

# A number takes what hangs on it: 12/03/1931, 555-0134, 10:30, 1.0x1.0mm and 3D are one token each.
_TOKEN = re.compile(r"\d(?:[^\W_]|[.,:/-](?=\d))*|(?i:x-rays?(?![^\W_]))|[^\W\d_][^\W_]*")
_PART = re.compile(r"[^\W_]+")
_SMALL = r"\d{1,3}(?:\.\d{1,3})?"
_UNITS = (
    "mm|cm|um|ml|cc|s|sec|secs|ms|min|mins|hz|khz|mhz|kvp?|kev|mev|mas?|m?gy|mci|mbq|ppm|hu|deg|ch"
)
_MEASURE = re.compile(
    rf"{_SMALL}(?:x{_SMALL}){{0,2}}(?:{_UNITS})|{_SMALL}(?:x{_SMALL}){{1,2}}"
    r"|[2-5]d|(?:0\.\d{1,2}|1\.5|3(?:\.0)?|7)t"
)
_BARE = re.compile(r"\d{1,2}|[1-9]\d?0|[1-9]\d?00|\d{1,2}\.\d{1,3}")
_DAY_AND_MONTH = re.compile(r"(?:0?[1-9]|[12]\d|3[01])\.(?:0[1-9]|1[0-2])")
_MATRIX = frozenset({"128", "192", "224", "256", "288", "384", "448", "512", "576", "768", "1024"})
_SETTING = re.compile(
    r"b(?:\d{1,3}|[1-9]\d{1,2}0)|(?:te|tr|ti|fa|etl|fov|iso)\d{1,3}|(?:p|e|mb|ph|seq|nex)\d"
    r"|[bdhiotu][1-9]\d[fhmsu]{1,2}|(?:bf|bl|br|bv|hc|hf|hr|hv|qr|sa|sd|si|tr|ub|ur)[1-9]\d[df]?|fc\d\d"
)  # the last line: names of reconstruction kernels
_VERTEBRA = re.compile(r"c[1-7]|t(?:[1-9]|1[0-2])|l[1-5]|s[1-5]")
_CODE = re.compile(r"(?=[^\W_]*\d)(?![^\W_]*\d{5})[^\W_]{1,16}")
_SEPARATOR = re.compile(r"[ _+/.,:;()&*-]{1,3}")


# Days with a month's name (21 Oct 2016, March 3rd); OCT alone is optical coherence tomography.
_MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DAY = re.compile(
    rf"(?<!\w)(?:\d{{1,2}}(?:st|nd|rd|th)?\W{{0,3}}(?:{_MONTH})[a-z]*(?:\W{{0,3}}\d{{2,4}})?"
    rf"|(?:{_MONTH})[a-z]*\W{{0,3}}\d{{1,4}}(?:st|nd|rd|th)?(?:\W{{0,3}}\d{{2,4}})?)(?!\w)",
    re.IGNORECASE,
)


@cache
def listed() -> dict[str, str]:
    """Return the closed word list: case-folded word to its only spelling."""
    spelling: dict[str, str] = {}
    for word in _words(resource("dicom", "vocabulary.txt")):
        spelling.setdefault(word.casefold(), word)
    return spelling


@cache
def _technical() -> frozenset[str]:
    return frozenset(_words(resource("dicom", "technical_words.txt"))) | listed().keys()


def _words(page: Path) -> list[str]:
    lines = page.read_text(encoding="utf-8").splitlines()
    return [word for line in lines if not line.startswith("#") for word in line.split()]


def is_safe_number(token: str) -> bool:
    """Say whether a token with digits is a measure, a setting or a vertebra by its form alone."""
    folded = token.casefold()
    return any(form.fullmatch(folded) for form in (_MEASURE, _SETTING, _VERTEBRA))


def is_small_number(token: str) -> bool:
    """Say whether a bare number is small or round, and no day and month with a dot between."""
    plain = _BARE.fullmatch(token) and not _DAY_AND_MONTH.fullmatch(token)
    return bool(plain) or token in _MATRIX


def is_technical(text: str, own: frozenset[str]) -> bool:
    """Say whether a machine's text or a coded string holds nothing that may be a name or a number.

    Every part is a listed or technical word, one or two letters, or a short code with a digit
    (``ep2d1d3``, ``MONOCHROME2``), and none has five digits in a row or is the participant's own.
    """
    parts = _PART.findall(text.replace("_", " ").casefold())
    return own.isdisjoint(parts) and all(
        part in _technical() or len(part) <= 2 or bool(_CODE.fullmatch(part)) for part in parts
    )


def clean(text: str, own: frozenset[str]) -> str:
    """Return the words and numbers that may stay, in their order.

    Parameters
    ----------
    text
        A description or comment.
    own
        The participant's own names and numbers, case-folded: they stay in no case, whatever list
        has them.

    Returns
    -------
    str
        Words in the list's spelling. Between neighbours the punctuation stays, elsewhere there is a
        space. Empty if nothing may stay.
    """
    text = _DAY.sub(lambda day: "\0" * len(day[0]), text)
    found = list(_TOKEN.finditer(text))
    new = [_kept(token[0], own) for token in found]
    sure = [*map(bool, new)]
    for place, token in enumerate(found):
        beside = [sure[i] for i in (place - 1, place + 1) if 0 <= i < len(found)]
        if not sure[place] and beside and all(beside) and is_small_number(token[0]):
            new[place] = "" if token[0] in own else token[0]
    cleaned, last = "", -1
    for place, word in enumerate(new):
        if word:
            gap = text[found[place - 1].end() : found[place].start()] if last == place - 1 else " "
            glue = re.sub(" +", " ", gap) if _SEPARATOR.fullmatch(gap) or not gap else " "
            cleaned += glue + word if cleaned else word
            last = place
    return cleaned


def _kept(token: str, own: frozenset[str]) -> str:
    """Return a token that may stay whatever stands beside it, else ``""``."""
    folded = token.casefold()
    if not own.isdisjoint(_PART.findall(folded)):
        return ""
    return listed().get(folded) or (token if is_safe_number(token) else "")
