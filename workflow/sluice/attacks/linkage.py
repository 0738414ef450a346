"""Record linkage with noisy knowledge.

The attacker knows each target's raw quasi-identifiers, with errors, and how the release was
recoded. He recodes what he knows, gives each released person the sum of log(1 / frequency) over the
fields that agree (a rare agreement weighs more), and names the best. Two attackers are judged, and
the larger bound counts:

- the careful one names a person only where one person alone is best. His hits are counted, with a
  Clopper-Pearson bound over the targets;
- the guesser names one of all the best at random. His hits are taken as their expectation, the sum
  of 1 / (people tied at the best) over the targets whose person is among them; it is exact for this
  release and this knowledge, so it carries no bound of its own.

Each of them is tried with two kinds of errors in what he knows (:mod:`sluice.attacks.noise`), and
puts mistyped texts right as far as he can. The positive control is the careful attacker, with the
worse of the two, against the same people's table before recoding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sluice.attacks.equivalence import one_row_a_person
from sluice.attacks.noise import ERROR_RATE, NOISES, blur, corrected
from sluice.errors import SluiceError
from sluice.scores import Score
from sluice.tables.classes import column_codes, dense, mixed_radix, require_columns
from sluice.tables.risk import lower_bound, upper_bound

WORKS_FROM = 0.5
"""Share of people that the attack must find on raw, or its result is not evidence."""

_MOST_TARGETS = 2_000
_CELLS = 4_000_000  # scores held at once


@dataclass(frozen=True)
class _Found:
    """Targets, unique best matches named, how many of them were right, expected right guesses."""

    n: int
    claims: int
    hits: int
    guesses: float


def record_linkage(
    raw: pd.DataFrame,
    released: pd.DataFrame,
    truth: Mapping[str, str],
    recode: Callable[[pd.DataFrame], pd.DataFrame],
    fields: Sequence[str],
    seed: int,
    limit_key: str,
    product: str,
) -> Score:
    """Link people with noisy knowledge of their quasi-identifiers to a release.

    Parameters
    ----------
    raw
        One row a subject, subjects as index: ``fields`` before recoding, and whatever else the
        attacker knows, which only the control on raw can use.
    released
        One row a person, persons as index, ``fields`` as released.
    truth
        Subject → person, of everyone released. All are targets; of more than 2,000, as many are
        drawn.
    recode
        What the release did to ``fields``; the attacker knows it.
    fields
        Quasi-identifiers.
    seed
        Decides the targets' errors.
    limit_key, product
        See :class:`sluice.scores.Score`.
    """
    one_row_a_person(released)
    require_columns(raw, fields)
    require_columns(released, fields)
    targets = _targets(raw, released, truth, seed)
    persons = [truth[subject] for subject in targets]
    everyone = sorted(truth)
    plain = raw.loc[everyone].set_axis([truth[s] for s in everyone])
    found: dict[str, _Found] = {}
    on_raw = []
    for noise in NOISES:
        known = corrected(blur(raw, seed, noise, fields), raw).loc[targets]
        found[noise] = _link(recode(known), released, persons, fields)
        control = _link(known, plain, persons, list(raw.columns))
        on_raw.append(control.hits / control.n)
    worst = max(found.values(), key=lambda f: (_bound(f), f.guesses))
    return Score(
        name="record_linkage",
        product=product,
        attacker_knows="each person's quasi-identifiers with errors, and how they were recoded",
        estimate=worst.guesses / worst.n,
        lower=lower_bound(worst.hits, worst.n),
        upper=_bound(worst),
        n=worst.n,
        chance=1 / len(released),
        limit_key=limit_key,
        evidence={"raw": min(on_raw), "works": min(on_raw) >= WORKS_FROM},
        note="Two attackers with two kinds of errors, the largest bound counts: one names only "
        "unique best matches (bounded over people), one guesses among ties (expected value, the "
        "estimate).",
        detail={
            "proportion": True,
            "claims": worst.claims,
            "hits": worst.hits,
            "guesser": worst.guesses / worst.n,
            "error_rate": ERROR_RATE,
            "by_noise": {noise: _bound(one) for noise, one in found.items()},
        },
    )


def _bound(found: _Found) -> float:
    return max(upper_bound(found.hits, found.n), found.guesses / found.n)


def _targets(
    raw: pd.DataFrame, released: pd.DataFrame, truth: Mapping[str, str], seed: int
) -> list[str]:
    if not truth or not set(truth) <= set(raw.index) or set(truth.values()) != set(released.index):
        raise SluiceError(
            "The truth of a linkage attack does not match its tables",
            where="subjects of the raw table, persons of the released one",
            mend="give every released person exactly one subject of the raw table",
        )
    subjects = sorted(truth)
    if len(subjects) <= _MOST_TARGETS:
        return subjects
    drawn = np.random.default_rng([seed, 1]).choice(len(subjects), _MOST_TARGETS, replace=False)
    return [subjects[i] for i in sorted(drawn)]


def _link(
    known: pd.DataFrame, released: pd.DataFrame, persons: Sequence[str], fields: Sequence[str]
) -> _Found:
    """Score every kind of released row for every target; rows that look the same are one kind."""
    coded = [
        column_codes(pd.concat([released[name], known[name]], ignore_index=True)) for name in fields
    ]
    n = len(released)
    kind, kinds = dense(*mixed_radix([(codes[:n], radix) for codes, radix in coded], n))
    first = np.empty(kinds, dtype=np.int64)
    first[kind] = np.arange(n)
    people = np.bincount(kind, minlength=kinds)
    true_kind = kind[released.index.get_indexer(pd.Index(persons))]
    fields_codes = [codes for codes, _ in coded]
    step = max(1, _CELLS // kinds)
    claims, hits, guesses = 0, 0, 0.0
    for start in range(0, len(persons), step):
        part = slice(n + start, n + min(start + step, len(persons)))
        best = _best(fields_codes, n, first, part)
        tied = best @ people
        found = best[np.arange(len(best)), true_kind[start : start + step]]
        claims += int((tied == 1).sum())
        hits += int((found & (tied == 1)).sum())
        guesses += float((found / tied).sum())
    return _Found(len(persons), claims, hits, guesses)


def _best(coded: Sequence[np.ndarray], n: int, first: np.ndarray, part: slice) -> np.ndarray:
    """Which kinds of row score best for each target of ``part``, shape (targets, kinds) bool."""
    scores = np.zeros((part.stop - part.start, len(first)))
    for codes in coded:
        rarity = np.log(n / np.bincount(codes[:n])[codes[first]])
        scores += np.where(codes[part, None] == codes[first], rarity, 0.0)
    return scores >= scores.max(axis=1, keepdims=True) - 1e-9
