"""What dates tell although they are shifted: one known date, and the intervals between dates.

The attacker knows how the release moves dates. A person fits his knowledge if the person's released
dates hold it for some permitted shift; he names a person only where exactly one fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sluice.attacks.linkage import WORKS_FROM
from sluice.errors import SluiceError
from sluice.scores import Score
from sluice.tables.risk import lower_bound, upper_bound

_MOST_TARGETS = 2_000
_SPAN = 1 << 22  # days that keep one person's keys apart from the next one's: 11,000 years


@dataclass(frozen=True)
class _Days:
    """Days of all people, sorted; each key is the person's place × span + day."""

    keys: np.ndarray
    owner: np.ndarray
    people: list[str]

    @classmethod
    def of(cls, table: pd.DataFrame, key: str) -> _Days:
        """Read a table of ``key`` and ``date``: days, or a number of days from any origin."""
        rows = table[[key, "date"]].dropna().drop_duplicates()
        if rows.empty:
            raise SluiceError(
                "A table without dates cannot be attacked, so nothing shows that it is safe",
                where=f"dates by {key}",
                mend="drop the scenario from a product that holds no dates",
            )
        people = sorted(rows[key].unique())
        owner = pd.Index(people).get_indexer(pd.Index(rows[key]))
        keys = np.sort(owner * _SPAN + _SPAN // 2 + _whole_days(rows["date"]))
        return cls(keys, keys // _SPAN, people)

    def day(self, place: np.ndarray) -> np.ndarray:
        """Days at places of :attr:`keys`."""
        return self.keys[place] % _SPAN - _SPAN // 2

    def near(self, offset: int, within: int) -> np.ndarray:
        """For each key, whether its person has a day less than ``within`` from key + offset."""
        low = np.searchsorted(self.keys, self.keys + offset - within + 1, side="left")
        high = np.searchsorted(self.keys, self.keys + offset + within - 1, side="right")
        return high > low


def date_known(
    dates: pd.DataFrame,
    shifted: pd.DataFrame,
    truth: Mapping[str, str],
    *,
    shift: tuple[int, int] = (30, 365),
    seed: int = 0,
    limit_key: str,
    product: str,
) -> Score:
    """Single people out by one known date of theirs.

    A person fits if one of the released dates lies as far from the known one as a permitted shift.

    Parameters
    ----------
    dates
        Columns ``subject``, ``date``: raw. Several rows a subject.
    shifted
        Columns ``person``, ``date``: released.
    truth
        Subject → person.
    shift
        Least and largest absolute shift in days that the policy permits; (0, 0) for none.
    seed
        Decides which of a subject's dates is known.
    """
    raw = _Days.of(dates, "subject")
    targets = _targets(raw, truth, fewest=1, seed=seed)
    known = [int(day) for day in raw.day(_drawn(raw, targets, 1, seed)[:, 0])]

    def attack(released: _Days, window: tuple[int, int], owners: list[str]) -> int:
        days = released.day(np.arange(len(released.keys)))
        return _hits(released, lambda target: _reaches(days, known[target], window), owners)

    found = attack(_Days.of(shifted, "person"), shift, [truth[s] for s in targets])
    control = attack(raw, (0, 0), targets)
    return _score(
        "date_known", "one date of the person, and how far dates are shifted",
        found, control, len(targets), len(set(truth.values())), limit_key, product,
    )  # fmt: skip


def intervals_known(
    dates: pd.DataFrame,
    shifted: pd.DataFrame,
    truth: Mapping[str, str],
    *,
    shift: tuple[int, int] | None = (30, 365),
    bin_days: int = 1,
    seed: int = 0,
    limit_key: str,
    product: str,
) -> Score:
    """Single people out by three known dates, that is by the two intervals between them.

    One shift for all dates of a person leaves intervals as they are. A person fits if three
    released days lie the known intervals apart and, where the release has dates, the first of them
    as far from the first known one as a permitted shift.

    Parameters
    ----------
    dates, shifted, truth, seed
        As in :func:`date_known`. Only people with three different dates are targets. ``shifted``
        may hold numbers instead of dates: days from the person's own start.
    shift
        Least and largest absolute shift in days; ``None`` where the release counts from a start
        that the attacker doesn't know.
    bin_days
        Width of the bins that the released days were rounded down to; 1 for exact days.
    """
    raw = _Days.of(dates, "subject")
    targets = _targets(raw, truth, fewest=3, seed=seed)
    triples = np.sort(raw.day(_drawn(raw, targets, 3, seed).ravel()).reshape(-1, 3), axis=1)

    def attack(
        released: _Days, window: tuple[int, int] | None, within: int, owners: list[str]
    ) -> int:
        days = released.day(np.arange(len(released.keys)))

        def fits(target: int) -> np.ndarray:
            start, second, third = (int(day) for day in triples[target])
            fitting = released.near(second - start, within) & released.near(third - start, within)
            return fitting if window is None else fitting & _reaches(days, start, window)

        return _hits(released, fits, owners)

    found = attack(_Days.of(shifted, "person"), shift, bin_days, [truth[s] for s in targets])
    control = attack(raw, (0, 0), 1, targets)
    return _score(
        "intervals_known", "three dates of the person, and how the release changes dates",
        found, control, len(targets), len(set(truth.values())), limit_key, product,
    )  # fmt: skip


def shift_guess(people: int, limit_key: str, product: str) -> Score:
    """After one date of a person is known the shift is taken as known: 1 for everybody.

    One shift serves all dates of a person, so one known pair of dates gives all the others. This
    is a statement, not a measurement; it stands beside the figures so that nobody reads the shift
    as protection against someone who knows a date.
    """
    return Score(
        name="shift_guess",
        product=product,
        attacker_knows="one date of the person and which released person it belongs to",
        estimate=1.0,
        lower=1.0,
        upper=1.0,
        n=people,
        limit_key=limit_key,
        note="By construction: a single shift a person keeps intervals.",
    )


def _reaches(days: np.ndarray, known: int, window: tuple[int, int]) -> np.ndarray:
    """Which days lie as far from a known one as a permitted shift."""
    distance = np.abs(days - known)
    return (distance >= window[0]) & (distance <= window[1])


def _score(
    name: str,
    knows: str,
    hits: int,
    control: int,
    n: int,
    released: int,
    limit_key: str,
    product: str,
) -> Score:
    return Score(
        name=name,
        product=product,
        attacker_knows=knows,
        estimate=hits / n,
        lower=lower_bound(hits, n),
        upper=upper_bound(hits, n),
        n=n,
        chance=1 / released,
        limit_key=limit_key,
        evidence={"raw": control / n, "works": _works(control, n, 1 / released)},
        note="A person is named only where nobody else fits.",
        detail={"hits": hits, "proportion": True},
    )


def _works(hits: int, n: int, chance: float) -> bool:
    """Whether the attack succeeds on raw: half of the people, or surely ten times chance.

    One date, unlike a whole record, need not be rare: in a cohort with many visits a day it finds
    fewer than half of the people and is a success all the same.
    """
    return hits / n >= WORKS_FROM or lower_bound(hits, n) >= 10 * chance


def _whole_days(dates: pd.Series) -> np.ndarray:
    """Days since 1970 of dates; numbers are days already."""
    if pd.api.types.is_numeric_dtype(dates):
        return np.floor(dates.to_numpy(dtype=float)).astype(np.int64)
    days = pd.to_datetime(dates, errors="coerce", format="ISO8601", utc=True).dt.tz_localize(None)
    if days.isna().any():
        row = int(days.isna().to_numpy().argmax()) + 1
        raise SluiceError("A date cannot be read", where=f"date {row}", mend="write YYYY-MM-DD")
    return days.to_numpy().astype("datetime64[D]").astype(np.int64)


def _targets(raw: _Days, truth: Mapping[str, str], *, fewest: int, seed: int) -> list[str]:
    """Subjects of the truth with at least ``fewest`` different days; no more than 2,000 of them."""
    days = dict(zip(raw.people, np.bincount(raw.owner), strict=True))
    able = [subject for subject in sorted(truth) if days.get(subject, 0) >= fewest]
    if not able:
        raise SluiceError(
            "Nobody who is released has enough raw dates for the attack",
            where=f"{fewest} different dates a person",
            mend="leave the scenario out of a product that tells nothing about dates",
        )
    if len(able) <= _MOST_TARGETS:
        return able
    drawn = np.random.default_rng([seed, 1]).choice(len(able), _MOST_TARGETS, replace=False)
    return [able[i] for i in sorted(drawn)]


def _drawn(raw: _Days, targets: list[str], count: int, seed: int) -> np.ndarray:
    """Places of ``count`` different days of each target, shape (targets, count)."""
    rng = np.random.default_rng(seed)
    owners = pd.Index(raw.people).get_indexer(pd.Index(targets))
    starts = np.searchsorted(raw.owner, owners, side="left")
    ends = np.searchsorted(raw.owner, owners, side="right")
    return np.array(
        [
            rng.choice(np.arange(start, end), count, replace=False)
            for start, end in zip(starts, ends, strict=True)
        ]
    )


def _hits(released: _Days, fits: Callable[[int], np.ndarray], owners: list[str]) -> int:
    """Targets for whom the one person that fits is the right one."""
    hits = 0
    for target, owner in enumerate(owners):
        candidates = np.unique(released.owner[fits(target)])
        hits += len(candidates) == 1 and released.people[candidates[0]] == owner
    return hits
