"""What somebody knows of people is not exact: errors in it, and what of them can be put right.

Two kinds of people err: one whose every fact is wrong now and then, and one who is wrong in one
thing about everybody. A wrong integer is off by one, a wrong date by up to a week; a wrong text is
mistyped in one character, or is somebody else's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

Noise = Literal["some_fields", "one_field"]
NOISES: tuple[Noise, ...] = ("some_fields", "one_field")

ERROR_RATE = 0.10  # of each field of each target, where some are wrong
_DAYS_OFF = 7
_SHORTEST = 3  # characters; a shorter text mistyped is another one


def blur(raw: pd.DataFrame, seed: int, noise: Noise, fields: Sequence[str]) -> pd.DataFrame:
    """Return the table with errors; same seed and table, same errors, whatever the row order.

    Parameters
    ----------
    raw
        One row a subject.
    seed
        Decides who is wrong in what.
    noise
        ``some_fields``: each cell is wrong with probability .1; ``one_field``: of each row exactly
        one of ``fields``.
    """
    rng = np.random.default_rng([seed, NOISES.index(noise)])
    out = raw.sort_index(key=lambda index: index.astype(str))
    names = sorted(fields)
    which = rng.integers(len(names), size=len(out)) if names else np.zeros(0, dtype=int)
    for name in sorted(out.columns):
        if noise == "some_fields":
            wrong = rng.random(len(out)) < ERROR_RATE
        else:
            wrong = which == names.index(name) if name in names else np.zeros(len(out), dtype=bool)
        out[name] = out[name].where(~wrong, _mistaken(out[name], rng))
    return out


def corrected(known: pd.DataFrame, raw: pd.DataFrame) -> pd.DataFrame:
    """Return knowledge with mistyped texts put right, as far as one can.

    Which values a field may have is known to all (``raw`` has them). A text that is none of them
    becomes the commonest of those that one slip away could have been meant; without any, nothing is
    known.
    """
    out = known.copy()
    for name in out.columns:
        if not _is_text(raw[name]):
            continue
        counts = Counter(value for value in raw[name].dropna() if isinstance(value, str))
        odd = {v for v in out[name].dropna().unique() if isinstance(v, str) and v not in counts}
        if odd:
            meant = _meant(odd, counts)
            out[name] = out[name].map(lambda v, meant=meant: meant.get(v, v), na_action="ignore")
    return out


def _mistaken(values: pd.Series, rng: np.random.Generator) -> pd.Series:
    """A wrong value for each row, of the column's kind and range."""
    sign = np.where(rng.random(len(values)) < 0.5, -1, 1)
    if pd.api.types.is_datetime64_any_dtype(values):
        days = sign * rng.integers(1, _DAYS_OFF + 1, len(values))
        return values + pd.to_timedelta(days, unit="D")
    if _whole_numbers(values):
        return (values + sign).clip(values.min(), values.max())
    others = values.iloc[rng.permutation(len(values))].set_axis(values.index)
    if not _is_text(values):
        return others
    slips = rng.random((len(values), 3))
    typed = [_mistyped(value, *slip) for value, slip in zip(values, slips, strict=True)]
    return others.where(sign > 0, pd.Series(typed, index=values.index, dtype=object))


def _mistyped(value: object, place: float, way: float, which: float) -> object:
    """Return a text with one character left out, doubled, swapped with the next, or another."""
    if not isinstance(value, str) or len(value) < _SHORTEST:
        return value
    at = int(place * (len(value) - 1))
    letters = sorted(set(value))
    return (
        value[:at] + value[at + 1 :],
        value[:at] + value[at] + value[at:],
        value[:at] + value[at + 1] + value[at] + value[at + 2 :],
        value[:at] + letters[int(which * len(letters))] + value[at + 1 :],
    )[int(way * 4)]


def _meant(odd: set[str], counts: Counter[str]) -> dict[str, str | None]:
    """Return the value that each mistyped text most likely stands for.

    Two texts that are one slip apart have a text in common that lacks at most one character of each
    (Garbe 2012).
    """
    near: dict[str, set[str]] = defaultdict(set)
    for value in counts:
        for part in _parts(value):
            near[part].add(value)
    found: dict[str, str | None] = {}
    for text in odd:
        candidates = set().union(*(near.get(part, set()) for part in _parts(text)))
        found[text] = min(candidates, key=lambda v: (-counts[v], v), default=None)
    return found


def _parts(text: str) -> set[str]:
    return {text, *(text[:at] + text[at + 1 :] for at in range(len(text)))}


def _is_text(values: pd.Series) -> bool:
    return bool(values.dtype == object or pd.api.types.is_string_dtype(values))


def _whole_numbers(values: pd.Series) -> bool:
    """Integers, also those that missing values have turned into floats."""
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    return numeric and bool((values.dropna() % 1 == 0).all())
