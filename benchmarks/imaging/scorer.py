"""The score: which checks of the answer key a de-identified set passes.

The rules are those of the Medical Image De-Identification Benchmark:

- ``tag_retained``: the element is there; ``text_notnull``: and holds something;
- ``text_retained``, ``text_removed``: lower case; numbers are compared as numbers; the whole answer
  inside the value decides, else its words without stop words, each sought as a substring: all of
  them must remain, or none;
- ``date_shifted``, ``uid_changed``: the original is no substring; absence passes;
- ``uid_consistent``, ``patid_consistent``: what is there equals the submitted map, in which no two
  originals share a new value; absence passes;
- ``pixels_retained``: the digest of the pixel data, or of the samples if they were recompressed;
- ``pixels_hidden``: the box is read by OCR, then as ``text_removed``; besides, the planted letters
  must not shine through it.

A missing file passes the removals and fails the rest. A quarantined file is a missing file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from benchmarks.imaging import pixels
from benchmarks.imaging.answers import (
    CATEGORIES,
    REMOVALS,
    RETENTIONS,
    Check,
    element_at,
    general,
    text_of,
)

# Where an instance, series, study and frame of reference are named for themselves.
_OWN_UIDS = ("00080018", "0020000E", "0020000D", "00200052")
_STOP_WORDS = (
    "a an and are as at be by for from has he her his in is it its of on or she that the to was "
    "were will with w w/ mr mrs ms dr"
)


@dataclass(frozen=True)
class Submission:
    """What a tool hands in.

    Attributes
    ----------
    files
        Raw path → the file that it became. A raw file that is not named is missing.
    uids, people
        Original → new UID and PatientID.
    """

    files: Mapping[str, Path]
    uids: Mapping[str, str]
    people: Mapping[str, str]


@dataclass
class Score:
    """Checks passed and failed by category, and the places that failed most often."""

    passed: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    instances: int = 0
    places: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    times: Counter[tuple[str, str]] = field(default_factory=Counter)

    def record(self, check: Check, passes: bool) -> None:
        """Count one check; of each place remember some instances that failed."""
        if passes:
            self.passed[check.category] += 1
            return
        self.failed[check.category] += 1
        place = (check.category, general(check.path))
        self.times[place] += 1
        examples = self.places.setdefault(place, [])
        if len(examples) < 5:
            examples.append(check.instance)

    def share(self, categories: Iterable[str] = CATEGORIES) -> float:
        """Return the share of checks passed, in per cent."""
        names = list(categories)
        passed = sum(self.passed[name] for name in names)
        total = passed + sum(self.failed[name] for name in names)
        return 100 * passed / total if total else 100.0

    def summary(self) -> dict[str, object]:
        """Return the numbers as they are printed and kept."""
        return {
            "score": round(self.share(), 4),
            "removal": round(self.share(REMOVALS), 4),
            "retention": round(self.share(RETENTIONS), 4),
            "instances": self.instances,
            "missing": self.missing,
            "categories": {
                name: {"passed": self.passed[name], "failed": self.failed[name]}
                for name in CATEGORIES
            },
        }

    def failures(self) -> list[dict[str, object]]:
        """Return the places that failed, most frequent first: no value is told."""
        return [
            {"category": category, "path": path, "times": count, "instances": self.places[key]}
            for key, count in self.times.most_common()
            for category, path in [key]
        ]


def score(checks: Iterable[Check], submission: Submission) -> Score:
    """Judge a submission.

    Parameters
    ----------
    checks
        The key, the checks of an instance next to each other.
    submission
        What the tool made of the raw set.
    """
    found = Score()
    uids, people = _one_to_one(submission.uids), _one_to_one(submission.people)
    for instance, group in groupby(checks, key=lambda check: check.instance):
        found.instances += 1
        dataset = _read(submission.files.get(instance))
        if dataset is None:
            found.missing += 1
        for check in group:
            if dataset is None:
                found.record(check, check.category in REMOVALS)
            else:
                found.record(check, passes(check, dataset, uids, people))
    return found


def passes(
    check: Check, dataset: Dataset, uids: Mapping[str, str], people: Mapping[str, str]
) -> bool:
    """Return whether a check holds in a file that is there."""
    category, answer = check.category, check.answer
    if category == "pixels_retained":
        return pixels.digest(dataset) in answer.split() or pixels.samples(dataset) in answer.split()
    if category == "pixels_hidden":
        assert check.box is not None
        if pixels.shines_through(dataset, check.box, answer):
            return False
        return removed(pixels.read_box(dataset, check.box), answer)
    element = element_at(dataset, check.path)
    value = None if element is None else text_of(element)
    if category == "tag_retained":
        return value is not None
    if category == "text_notnull":
        return bool(value)
    if category == "text_retained":
        return bool(value) and retained(value or "", answer)
    if category == "text_removed":
        return not value or removed(value, answer)
    if category in ("date_shifted", "uid_changed"):
        return answer not in (value or "")
    if category == "uid_consistent":
        return value is None or (value != "" and value == uids.get(answer))
    if category == "patid_consistent":
        return value is None or (value != "" and value == people.get(answer))
    raise ValueError(category)


def retained(value: str, answer: str) -> bool:
    """Return whether the whole answer, or all its words, are still in the value."""
    numbers = _numbers(value), _numbers(answer)
    if numbers[0] and numbers[1]:
        return numbers[0] == numbers[1]
    value, answer = value.lower(), answer.lower()
    return answer in value or all(word in value for word in words(answer))


def removed(value: str, answer: str) -> bool:
    """Return whether the answer is gone, and each of its words too."""
    numbers = _numbers(value), _numbers(answer)
    if numbers[0] and numbers[1]:
        return numbers[0] != numbers[1]
    value, answer = value.lower(), answer.lower()
    return answer not in value and not any(word in value for word in words(answer))


def words(answer: str) -> list[str]:
    """Return the words of an answer that mean something: lower case, no stop words."""
    found = (word.strip(".:;'\"") for word in re.split(r"[\s^=\\,;()\[\]<>!?|]+", answer.lower()))
    return [word for word in found if len(word) > 1 and f" {word} " not in f" {_STOP_WORDS} "]


def submission(
    checks: Iterable[Check],
    files: Mapping[str, Path],
    uids: Mapping[str, str] | None = None,
    people: Mapping[str, str] | None = None,
) -> Submission:
    """Complete what a tool submits with the map that its own files show.

    A UID's new value is what stands where the object names itself, else where it is first seen: so
    a reference that went another way than its target fails. The same holds for a PatientID.

    Parameters
    ----------
    checks
        The key.
    files
        Raw path → new file.
    uids, people
        What the tool itself says, if it says so.
    """
    known, persons = dict(uids or {}), dict(people or {})
    places: list[tuple[int, str, str]] = []
    for instance, group in groupby(checks, key=lambda check: check.instance):
        dataset = _read(files.get(instance))
        if dataset is None:
            continue
        for check in group:
            if check.category not in ("uid_consistent", "patid_consistent"):
                continue
            element = element_at(dataset, check.path)
            value = "" if element is None else text_of(element)
            if value and check.category == "patid_consistent":
                persons.setdefault(check.answer, value)
            elif value:
                places.append((check.path not in _OWN_UIDS, check.answer, value))
    for _, old, new in sorted(places, key=lambda place: place[0]):
        known.setdefault(old, new)
    return Submission(files, known, persons)


def _one_to_one(names: Mapping[str, str]) -> dict[str, str]:
    shared = Counter(names.values())
    return {old: new for old, new in names.items() if shared[new] == 1}


def _numbers(text: str) -> list[float]:
    try:
        parts = [float(part) for part in text.split("\\")]
    except ValueError:
        return []
    return parts if np.isfinite(parts).all() else []


def _read(path: Path | None) -> Dataset | None:
    if path is None or not path.is_file():
        return None
    try:
        return pydicom.dcmread(path, force=True)
    except Exception:  # a file that nobody can read is no file
        return None
