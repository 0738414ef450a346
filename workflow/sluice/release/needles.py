"""What the last scan looks for, and how it is looked for.

Every direct identifier of the vault is a needle. A needle that is distinctive is looked for as any
part of any text and of the raw bytes. The shorter and the more ordinary it is, the stricter the
match must be, or chance would hide leaks among false alarms: a 4-letter name stands some 200 times
in 60 MB of random bytes when 1,000 such names are looked for.

======== ================================== ================================================
rule     needle                             found as
======== ================================== ================================================
part     from 8 characters, or of several   any part of decoded text, any case; from 8
         words                              characters also any part of raw bytes
token    a number of up to 15 digits, or    a whole word of decoded text, any case; from 6
         one word of up to 7 characters     characters also a whole word of raw bytes. Digits
                                            of a decimal or a UID are no word
cell     the same, but an ordinary word     a whole cell, attribute or element
date     a date                             ISO, DICOM or US spelling, in decoded text
none     fewer than 3 characters, fewer     not looked for; counted in the seal
         than 5 if only digits, or a term
         that the tier may release
======== ================================== ================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd

import sluice
from sluice.config import Config
from sluice.files.tables import read_table
from sluice.release.policy import tier_policy
from sluice.resources import resource

Rule = Literal["part", "token", "cell", "date", "none"]
TOKEN = re.compile(r"[^\W_]+")
_DECIMAL = re.compile(r"\d+(?:\.\d+)+")
_LONG_NUMBER = re.compile(r"(?<!\d)\d{8,15}(?!\d)")
_DATE = re.compile(
    r"(?<!\d)(?<!\d\.)(?:(?P<iso>\d{4}-\d\d-\d\d)(?!\d)"
    r"|(?P<dicom>\d{8})(?:\d{6}(?:\.\d+)?)?(?!\d|\.\d)"
    r"|(?P<us>\d{1,2}/\d{1,2}/\d{4})(?!\d))"
)
_SPELLINGS = {"iso": "%Y-%m-%d", "dicom": "%Y%m%d", "us": "%m/%d/%Y"}


class Needle(NamedTuple):
    """One identifier: its kind, its value, and the subject or person whose it is."""

    kind: str
    value: str
    subject: str = ""


def needles(config: Config, tier: str) -> list[Needle]:
    """Return everything that must not be in a tier, from the vault.

    Direct identifiers and internal keys of every modality, the original of each identifier that
    the tier renewed, and both sides of the crosswalks of the tiers before it (identifiers must not
    join across tiers).
    """
    layout = config.layout
    found: set[Needle] = set()
    for modality in config.modalities:
        if layout.people(modality).is_file():
            people = read_table(layout.people(modality))
            found |= _rows(people, "kind", "value", "subject")
            found |= {Needle("subject", subject) for subject in people["subject"].unique()}
    before = config.tiers[: config.tiers.index(tier)]
    for other in (*before, tier):
        for table in _crosswalks(config, other):
            found |= _rows(table, "kind", "original", "subject")
            if other != tier:
                found |= _rows(table, "kind", "new", "person")
    return sorted(found)


def persons(config: Config, tier: str) -> dict[str, str]:
    """Return subject to the tier's pseudonym, from its crosswalks."""
    known: dict[str, str] = {}
    for table in _crosswalks(config, tier):
        known |= dict(zip(table["subject"], table["person"], strict=True))
    return known


def _crosswalks(config: Config, tier: str) -> list[pd.DataFrame]:
    paths = [
        config.layout.crosswalk(tier, modality, part)
        for modality in config.modalities
        for part in config.parts(modality)
    ]
    return [read_table(path) for path in paths if path.is_file()]


def _rows(table: pd.DataFrame, kind: str, value: str, subject: str) -> set[Needle]:
    wanted = table[[kind, value, subject]].dropna(subset=[value]).astype(str)
    return {Needle(*row) for row in wanted.itertuples(index=False)}


@dataclass(frozen=True)
class Vocabulary:
    """Words that a release may hold whoever its people are.

    Parameters
    ----------
    terms
        Values that the configuration lets into cells, and gene symbols.
    prose
        Words of our own texts: templates, code, configuration.
    """

    terms: frozenset[str] = frozenset()
    prose: frozenset[str] = frozenset()


def vocabulary(config: Config, tier: str) -> Vocabulary:
    """Collect the vocabulary of a tier; all case-folded."""
    terms: set[str] = {config.release.published.isoformat(), config.layout.cohort}
    for modality in config.cohort.modalities.values():
        for source in modality.sources:
            terms |= set(source.constants.values())
            for column in source.columns.values():
                terms |= set(column.vocabulary or {})
    for modality_rules in tier_policy(config, tier).modalities.values():
        for rule in modality_rules.fields.values():
            terms |= {*rule.allow, *rule.map, *(c for many in rule.map.values() for c in many)}
            terms |= {*rule.order, *rule.parent, *rule.parent.values()}
    genes = pd.read_csv(resource("genes", "genes.tsv"), sep="\t", usecols=["symbol"], dtype=str)
    terms |= set(genes["symbol"].dropna())
    texts = [json.dumps(m.model_dump(mode="json")) for m in (config.cohort, config.policy)]
    texts += [json.dumps(config.release.model_dump(mode="json"))]
    texts += [config.site.facility, config.site.contact]
    package = Path(sluice.__file__).parent
    for folder in (package, resource("templates"), resource("duo")):
        texts += [p.read_text(encoding="utf-8") for p in _text_files(folder)]
    prose = {token for text in texts for token in TOKEN.findall(text.casefold())}
    return Vocabulary(frozenset(t.casefold() for t in terms), frozenset(prose))


def _text_files(folder: Path) -> list[Path]:
    endings = {".py", ".j2", ".html", ".md", ".tsv", ".css"}
    return sorted(p for p in folder.rglob("*") if p.suffix in endings and p.is_file())


def rule_for(needle: Needle, known: Vocabulary) -> Rule:
    """Return how a needle is looked for (see the table above)."""
    folded = needle.value.casefold()
    letters = "".join(TOKEN.findall(folded))
    too_short = len(letters) < (5 if letters.isdigit() else 3)
    if too_short or folded in known.terms or needle.value in known.terms:
        return "none"
    if "date" in needle.kind and day_of(needle.value):
        return "date"
    if folded in known.prose:
        return "cell"
    is_number = letters.isdigit() and len(letters) <= 15
    return "token" if folded == letters and (is_number or len(folded) < 8) else "part"


def words_of(folded: str) -> set[str]:
    """Return the words of a text; of decimals and UIDs none, of ``mrn12345678`` also the number."""
    whole = _DECIMAL.sub(" ", folded)
    return {*TOKEN.findall(whole), *_LONG_NUMBER.findall(whole)}


def day_of(text: str) -> str | None:
    """Return the first date in ``text`` in ISO spelling, if it holds one."""
    return next(iter(days_in(text)), None)


def days_in(text: str) -> Iterable[str]:
    """Yield each date in ``text`` in ISO spelling; spellings are ISO, DICOM (DA, DT) and US."""
    for match in _DATE.finditer(text):
        spelling = str(match.lastgroup)
        try:
            yield datetime.strptime(match[spelling], _SPELLINGS[spelling]).date().isoformat()
        except ValueError:
            continue  # eight digits that are no date


@dataclass
class Wanted:
    """Needles sorted by rule.

    Parameters
    ----------
    parts, tokens, cells
        Case-folded spelling to kind.
    dates
        ISO date to the kind by owner.
    unsearchable
        How many needles are too short or too ordinary to be looked for.
    """

    parts: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    cells: dict[str, str] = field(default_factory=dict)
    dates: dict[str, dict[str, str]] = field(default_factory=dict)
    unsearchable: int = 0

    @classmethod
    def sort(cls, found: Iterable[Needle], known: Vocabulary, people: dict[str, str]) -> Wanted:
        """Sort needles, adding the words of names and codes without their punctuation.

        Parameters
        ----------
        people
            Subject to person, so that a date is known as a person's own.
        """
        wanted = cls()
        for needle in found:
            rule = rule_for(needle, known)
            if rule == "none":
                wanted.unsearchable += 1
            elif rule == "date":
                day = str(day_of(needle.value))
                owner = people.get(needle.subject, needle.subject)
                wanted.dates.setdefault(day, {})[owner] = needle.kind
            else:
                wanted._add(rule, needle)
                for form in _forms(needle):
                    wanted._add(rule_for(form, known), form)
        return wanted

    def _add(self, rule: Rule, needle: Needle) -> None:
        place = {"part": self.parts, "token": self.tokens, "cell": self.cells}.get(rule)
        if place is not None:
            place.setdefault(needle.value.casefold(), needle.kind)


def _forms(needle: Needle) -> list[Needle]:
    """Return further spellings: the words of a name; a number without its punctuation."""
    words = TOKEN.findall(needle.value)
    forms = words if "name" in needle.kind and len(words) > 1 else []
    letters = "".join(words)
    if any(c.isdigit() for c in letters) and letters != needle.value and len(letters) >= 7:
        forms = [*forms, letters]
    return [needle._replace(value=form) for form in forms]


def public_days(config: Config) -> set[str]:
    """Return dates that every bundle may name."""
    named: list[date] = [config.release.published, config.release.cut_date]
    return {day.isoformat() for day in named}
