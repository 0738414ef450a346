"""The last scan: read the finished candidate back from disk and look for what must not leave.

Nothing is trusted that an earlier stage said about itself. Without the seal that this writes,
nothing is approved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sluice.config import Config
from sluice.errors import SluiceError
from sluice.files import read_json, sha256_file, write_json
from sluice.release.decode import Content, decode
from sluice.release.dictionary import check_dictionary
from sluice.release.needles import (
    Needle,
    Vocabulary,
    Wanted,
    days_in,
    needles,
    persons,
    public_days,
    vocabulary,
    words_of,
)
from sluice.release.policy import tier_policy
from sluice.release.search import WINDOW, ByteSearch, byte_forms, chunks
from sluice.release.verify import bundle_digest, check_bag

__all__ = ["Needle", "Searcher", "needles", "scan"]

_RAW_TOKEN = re.compile(rb"(?<![A-Za-z0-9])(?<!\d\.)[A-Za-z0-9]{6,15}(?![A-Za-z0-9]|\.\d)")
_BINARY = {".parquet", ".h5ad", ".dcm"}


class Searcher:
    """Looks for needles in files.

    Parameters
    ----------
    found
        The needles.
    known
        Words that a release may hold whoever its people are.
    people
        Subject to person; with ``own_dates`` it tells whose date a date is.
    own_dates
        The tier holds shifted dates, which may equal another person's real date by chance: in what
        belongs to one person, only the person's own dates count.
    allowed_days
        Dates that may be named (ISO).
    """

    def __init__(
        self,
        found: Iterable[Needle],
        known: Vocabulary,
        people: dict[str, str],
        *,
        own_dates: bool = False,
        allowed_days: set[str] | None = None,
    ) -> None:
        self.wanted = Wanted.sort(found, known, people)
        for day in allowed_days or set():
            self.wanted.dates.pop(day, None)
        self._own_dates = own_dates
        parts = self.wanted.parts
        self._long = ByteSearch(byte_forms(parts.items()))
        self._short = {p: kind for p, kind in parts.items() if len(p) < WINDOW}

    def in_text(self, text: str) -> set[str]:
        """Return the kinds of what a text holds as a part or as a whole word."""
        folded = text.casefold()
        kinds = self._long.in_bytes(folded.encode("utf-8", errors="replace"))
        kinds |= {kind for part, kind in self._short.items() if part in folded}
        return kinds | self._known_words(words_of(folded))

    def in_file(self, path: Path) -> set[str]:
        """Return the kinds of what a file holds, in its raw bytes or decoded."""
        content = decode(path)
        kinds = self._long.in_file(path) | self._raw_words(path)
        kinds |= self.in_text("\n".join(content.texts))
        cells = {cell.strip().casefold() for cell in content.cells}
        for known in (self.wanted.cells, self.wanted.tokens, self.wanted.parts):
            kinds |= {known[cell] for cell in cells & known.keys()}
        return kinds | self._dates(content)

    def _raw_words(self, path: Path) -> set[str]:
        words: set[str] = set()
        # The raw bytes of a text file are its text.
        for chunk in chunks(path, 16) if path.suffix in _BINARY else ():
            words |= {word.decode().lower() for word in set(_RAW_TOKEN.findall(chunk))}
        return self._known_words(words)

    def _known_words(self, words: set[str]) -> set[str]:
        return {self.wanted.tokens[word] for word in words & self.wanted.tokens.keys()}

    def _dates(self, content: Content) -> set[str]:
        dates, texts = self.wanted.dates, set(content.texts)
        kinds: set[str] = set()
        if self._own_dates:
            texts -= {text for _, text in content.owned}
            own = ((who, day) for who, text in content.owned for day in days_in(text))
            kinds = {dates[day][who] for who, day in own if who in dates.get(day, {})}
        days = {day for text in texts for day in days_in(text)}
        return kinds | {kind for day in days & dates.keys() for kind in dates[day].values()}


def scan(config: Config, tier: str, found: list[Needle]) -> dict[str, Any]:
    """Scan a tier's candidate and write ``seal.json``; return its content.

    Parameters
    ----------
    found
        What to look for: :func:`needles`.

    Raises
    ------
    SluiceError
        At the first thing that is wrong: a file that is not as listed, a column without a
        dictionary row, an identifier (its file and kind are named, its value never).
    """
    layout = config.layout
    candidate = layout.candidate(tier)
    layout.seal(tier).unlink(missing_ok=True)
    if not found:
        raise SluiceError(
            "There is nothing to look for: the vault lists no identifier",
            where=f"tier {tier}",
            mend="give direct identifiers their role in the cohort file and run intake again",
        )
    stated = read_json(layout.candidate_digest(tier))["bundle_digest"]
    problems = check_bag(candidate)
    if problems or bundle_digest(candidate) != stated:
        raise SluiceError(
            "The candidate on disk is not what was built",
            where=f"tier {tier}, {len(problems)} problem(s)",
            mend="run the stage bundle again",
        )
    check_dictionary(candidate)
    searcher = _searcher(config, tier, found)
    files = sorted(p for p in candidate.rglob("*") if p.is_file())
    _refuse(searcher.in_text("\n".join(p.relative_to(candidate).as_posix() for p in files)),
            "the name of a file")  # fmt: skip
    for path in files:
        _refuse(searcher.in_file(path), _shown(path.relative_to(candidate)))
    view = read_json(candidate / "transformations.json")
    seal = {
        "bundle_digest": stated,
        "residual_hits": 0,
        "needles": len(found),
        "unsearchable": searcher.wanted.unsearchable,
        "files_scanned": len(files),
        **view["digests"],
        "gates": sha256_file(layout.gates(tier)),
    }
    write_json(layout.seal(tier), seal)
    return seal


def _searcher(config: Config, tier: str, found: list[Needle]) -> Searcher:
    modalities = tier_policy(config, tier).modalities.values()
    fields = (rule for modality in modalities for rule in modality.fields.values())
    return Searcher(
        found,
        vocabulary(config, tier),
        persons(config, tier),
        own_dates=any(rule.rule == "shift_date" for rule in fields),
        allowed_days=public_days(config),
    )


def _refuse(kinds: set[str], where: str) -> None:
    if kinds:
        raise SluiceError(
            f"The candidate holds an identifier of kind {', '.join(sorted(kinds))}",
            where=where,
            mend="find the field with `sluice explain`, mend its rule in the policy and run again",
        )


def _shown(path: Path) -> str:
    """Return a path without the identifiers that a DICOM path is made of."""
    return path.as_posix() if path.suffix != ".dcm" else "/".join(path.parts[:2]) + "/….dcm"
