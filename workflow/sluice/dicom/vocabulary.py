"""Which words and numbers of a description may stay: those of a closed list, and small measures.

A description is cut into words and numbers. A word stays if the list has it. A number stays if it
is written like a measure (``2.5mm``, ``120kV``, ``256x256``), a setting (``b1000``, ``TE90``,
``B30f``) or a vertebra (``L5``); a bare number only if it is small or round and stands beside words
that stay, so that no part of a date, a telephone or a record number does.

Some words of the list are names too (``Bone``, ``Hand``, ``Crescent``). They go where they stand as
names do: after a title, or with a capital beside a capitalised word that no list has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sluice.resources import resource

# Element and mass number of nuclides that are given to patients or measured in them.
_NUCLIDES = (
    "ac225 at211 bi213 br76 c11 c13 co57 cr51 cu61 cu62 cu64 cu67 er169 f18 f19 fe52 fe59 ga66 "
    "ga67 ga68 h1 ho166 i120 i123 i124 i125 i131 in111 kr81m lu177 mn52 n13 na22 na23 o15 p31 p32 "
    "pb203 pb212 ra223 rb82 re186 re188 sc44 sc47 se75 sm153 sr82 sr89 tb161 tc94m tc99m th227 "
    "tl201 xe127 xe129 xe133 y86 y90 zr89"
)
_NUCLIDE = re.compile(  # F-18, F18, 18F, 18-F
    "|".join(
        f"{element}-?{mass}|{mass}-?{element}"
        for element, mass in re.findall(r"([a-z]+)(\d+m?)", _NUCLIDES)
    )
)
# A number takes what hangs on it: 12/03/1931, 555-0134, 10:30, 1.0x1.0mm and 3D are one token each.
_TOKEN = re.compile(
    rf"(?<![^\W_])(?i:{_NUCLIDE.pattern})(?![^\W_])"
    r"|\d(?:[^\W_]|[.,:/-](?=\d))*|(?i:x-rays?(?![^\W_]))|[^\W\d_][^\W_]*"
)
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
_SEPARATOR = re.compile(r"[ _+/.,:;()&*-]{1,3}")
# How a machine names its parts and sequences: FL04, HE1, 48HA, T1, and words between digits.
_RUN = re.compile(r"\d+|[^\W\d_]+")
# What a machine's text may hold beyond known words: letters in all, digits at a time and in all,
# characters of a part that has letters and digits.
_LETTERS, _DIGITS, _ALL_DIGITS, _MIXED = 6, 4, 6, 5
_DATE = re.compile(r"\d{1,4}\W+\d{1,2}\W+\d{2,4}|\d{4}\W+\d{1,2}\W+\d{1,2}")
# Before a name. In capitals, DR and MR are kinds of images where a text begins with them.
_TITLE = re.compile(r"Dra?|Drs|Prof|PROF|Mr|Mrs|MRS|Ms|Miss|Mme|Frau|Herr|Hr|Fr")
_LATER_TITLE = re.compile(r"DR|dr|prof|mrs")
_TO_A_NAME, _REST_OF_A_NAME = re.compile(r"[ .]{0,2}"), re.compile(r"[ ^'-]{1,2}")
_IN_A_NAME = re.compile(r", ?|[ ^'-]{1,2}")


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
def technical() -> frozenset[str]:
    """Return the words that a machine's settings may hold beside the closed list's, folded."""
    return frozenset(_words(resource("dicom", "technical_words.txt"))) | listed().keys()


@cache
def _names() -> frozenset[str]:
    return frozenset(_words(resource("dicom", "vocabulary_names.txt")))


def _words(page: Path) -> list[str]:
    lines = page.read_text(encoding="utf-8").splitlines()
    return [word for line in lines if not line.startswith("#") for word in line.split()]


def is_safe_number(token: str) -> bool:
    """Say whether a token with digits is a measure, setting, vertebra or nuclide by its form."""
    folded = token.casefold()
    return any(form.fullmatch(folded) for form in (_MEASURE, _SETTING, _VERTEBRA, _NUCLIDE))


def is_small_number(token: str) -> bool:
    """Say whether a bare number is small or round, and no day and month with a dot between."""
    plain = _BARE.fullmatch(token) and not _DAY_AND_MONTH.fullmatch(token)
    return bool(plain) or token in _MATRIX


def is_technical(text: str, own: frozenset[str]) -> bool:
    """Say whether a machine's text or a coded string holds nothing that may be a name or a number.

    Every word is a listed or technical one. Beside these there are at most a few letters and digits
    (``ep2d1d3``, ``MONOCHROME2``, ``HE1-4``), too few for a name, a number or a date.
    """
    folded = text.replace("_", " ").casefold()
    parts = _PART.findall(folded)
    if not own.isdisjoint(parts) or _DATE.search(folded):
        return False
    letters = digits = 0
    for part in parts:
        if part in technical():
            continue
        runs = _RUN.findall(part)
        strange = [run for run in runs if not run.isdigit() and run not in technical()]
        if len(strange) > 1 or (strange and len(part) > (2 if len(runs) == 1 else _MIXED)):
            return False
        letters += sum(map(len, strange))
        numbers = [len(run) for run in runs if run.isdigit()]
        digits += sum(numbers)
        if max(numbers, default=0) > _DIGITS:
            return False
    return letters <= _LETTERS and digits <= _ALL_DIGITS


def clean(text: str, own: frozenset[str], others: frozenset[str] = frozenset()) -> str:
    """Return the words and numbers that may stay, in their order.

    Parameters
    ----------
    text
        A description or comment.
    own
        The participant's own names and numbers, case-folded: they stay in no case, whatever list
        has them.
    others
        Words of the list that are names of staff, case-folded: they go where they have a capital.

    Returns
    -------
    str
        Words in the list's spelling. Between neighbours the punctuation stays, elsewhere there is a
        space. Empty if nothing may stay.
    """
    text = _DAY.sub(lambda day: "\0" * len(day[0]), text)
    found = list(_TOKEN.finditer(text))
    new = [_kept(token[0], own) for token in found]
    for place in _name_places(text, found, others):
        new[place] = ""
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


def _name_places(text: str, found: list[re.Match[str]], others: frozenset[str]) -> Iterator[int]:
    """Yield the places of tokens that stand as titles and names do."""
    to_come: re.Pattern[str] | None = None  # what may stand before the next word of a name
    for place, token in enumerate(found):
        word = token[0]
        gap = text[found[place - 1].end() : token.start()] if place else ""
        if _TITLE.fullmatch(word) or (place and _LATER_TITLE.fullmatch(word)):
            to_come = _TO_A_NAME
            yield place
        elif to_come and to_come.fullmatch(gap) and word[0].isupper():
            to_come = _REST_OF_A_NAME
            yield place
        else:
            to_come = None
            known = word.casefold() in others and word[0].isupper()
            if known or (word.casefold() in _names() and _beside_a_name(text, found, place)):
                yield place


def _beside_a_name(text: str, found: list[re.Match[str]], place: int) -> bool:
    """Say whether a word and a neighbour that no list has are both written like names."""
    for first, other in ((place - 1, place - 1), (place, place + 1)):
        if not 0 <= other < len(found) or not found[place][0].istitle():
            continue
        gap, word = text[found[first].end() : found[first + 1].start()], found[other][0]
        strange = word.casefold() not in technical()
        if _IN_A_NAME.fullmatch(gap) and word.istitle() and len(word) > 2 and strange:
            return True
    return False
