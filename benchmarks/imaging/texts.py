"""Free text out of templates, with what must stay and what must go."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.imaging.scorer import words

_PART = re.compile(r"\[([^\]]*)\]|\{(\w+)\}|([^\[{]+)")


@dataclass(frozen=True)
class Text:
    """A text; ``keep`` is what a good curator leaves, ``lose`` the identifiers in it."""

    text: str
    keep: str = ""
    lose: tuple[str, ...] = ()


def fill(template: str, identifiers: Mapping[str, str], phrases: Mapping[str, str]) -> Text | None:
    """Fill a template; ``None`` if an identifier cannot be told from its neighbours.

    Such a text would be unfair: with a patient named Hand, whoever removes ``hand`` from
    ``XR hand`` is right and so is whoever keeps it.
    """
    whole = ""
    keep: list[str] = []
    lose: list[str] = []
    other: list[str] = []
    for kept, name, plain in _PART.findall(template):
        if name:
            lose.append(identifiers[name])
        part = identifiers[name] if name else (kept or plain).format_map(phrases)
        whole += part
        (keep if kept else [] if name else other).append(part)
    gone = [word for answer in lose for word in words(answer)]
    near = " ".join([*keep, *other]).lower()
    if any(word in near for word in gone):
        return None
    return Text(whole, " ".join(keep), tuple(lose))


def choose(
    templates: tuple[str, ...],
    identifiers: Mapping[str, str],
    phrases: Mapping[str, str],
    rng: random.Random,
    longest: int = 1024,
) -> Text:
    """Return a filled template that fits, or the science alone if none does."""
    for template in rng.sample(templates, len(templates)):
        found = fill(template, identifiers, phrases)
        if found is not None and len(found.text) <= longest:
            return found
    return Text(phrases["science"], phrases["science"])
