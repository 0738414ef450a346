"""A cohort that is released every quarter: what the releases tell together, and what safety costs.

20,000 people at first; each quarter 1,000 leave and 2,000 join. Adult's eight quasi-identifiers (or
invented people where the shared data is not there), k = 5, its salary class the sensitive value.
Four ways to release: unprotected with the first node (``same``), unprotected with a node that is
searched anew (``searched``), with the rules of :mod:`sluice.tables.staying` for k alone
(``protected``), and with two sensitive values in every class and joint class besides (``diverse``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.tables.search import adult_folder, adult_hierarchies
from sluice.attacks.sequential import rejoined
from sluice.tables.classes import encode
from sluice.tables.fields import Level, on_level
from sluice.tables.models import Rules
from sluice.tables.recode import apply_node, search, suppress
from sluice.tables.sequential import Told, everybody, exposed, joint_sizes
from sluice.tables.staying import Lineage, protect

K = 5
QUARTERS = 8
FIRST, JOINERS, LEAVERS = 20_000, 2_000, 1_000
SENSITIVE = "salary-class"
LIMITS = (0.02, 0.0)
WAYS = ("same", "searched", "protected", "diverse")
Ladders = Mapping[str, Sequence[Level]]


@dataclass(frozen=True)
class Quarter:
    """What one quarter's release and those before it come to.

    ``effective_k``: smallest joint class of those whom the release tells something about, and of
    those who are in all releases so far. ``under_k``: people in smaller ones. ``newcomers_told``:
    newcomers whose joint class has one sensitive value. ``candidates`` split into released, held
    back, covers (who go with leavers) and other suppressed.
    """

    effective_k: int
    effective_k_of_stayers: int
    under_k: int
    newcomers_told: int
    candidates: int
    released: int
    held_back: int
    covers: int
    suppressed: int
    loss: float


def measure() -> dict[str, Any]:
    """Return ``series``: by way of releasing and suppression limit, what each quarter comes to.

    ``pseudonyms_stay`` and ``pseudonyms_fresh``: smallest joint class by quarter that the attack
    finds in the released tables, in both modes of linkage.
    """
    people, ladders = cohort()
    found: dict[str, Any] = {"people": FIRST, "joiners": JOINERS, "leavers": LEAVERS, "k": K}
    for limit in LIMITS:
        for way in WAYS:
            started = time.perf_counter()
            releases = quarterly(people, ladders, way, limit)
            seconds = time.perf_counter() - started
            quarters = judged(people, ladders, releases)
            name = f"{way} at {limit:g}"
            found[name] = {
                "seconds": round(seconds, 2),
                "effective_k": [quarter.effective_k for quarter in quarters],
                "pseudonyms_stay": attacked(people, ladders, releases, fresh=False),
                "pseudonyms_fresh": attacked(people, ladders, releases, fresh=True),
                "quarters": [vars(quarter) for quarter in quarters],
            }
            _print(name, found[name], quarters[-1])
    return {"series": found}


def _print(name: str, found: Mapping[str, Any], last: Quarter) -> None:
    for key in ("effective_k", "pseudonyms_stay", "pseudonyms_fresh"):
        print(f"series {name}, {key}: {' '.join(map(str, found[key]))}")
    print(
        f"series {name}, in the end: {last.under_k} people under k, {last.newcomers_told} told by "
        f"joining, {last.released} of {last.candidates} released, loss {last.loss} "
        f"({found['seconds']} s)"
    )


def cohort() -> tuple[pd.DataFrame, Ladders]:
    """Return enough people for all quarters, and the levels of their quasi-identifiers."""
    rng = np.random.default_rng(7)
    n = FIRST + JOINERS * (QUARTERS - 1)
    if adult_folder().is_dir():
        table = pd.read_csv(adult_folder() / "adult.csv", sep=";", dtype=str)
        rows = np.concatenate([rng.permutation(len(table)), rng.integers(0, len(table), n)])[:n]
        ladders: Ladders = {
            name: hierarchy.levels()
            for name, hierarchy in adult_hierarchies().items()
            if name != SENSITIVE
        }
        people = table.iloc[rows]
    else:
        people, ladders = _invented(n, rng)
    return people.set_axis([f"s{place:05d}" for place in range(n)]), ladders


def _invented(n: int, rng: np.random.Generator) -> tuple[pd.DataFrame, Ladders]:
    def everything(values: pd.Series) -> pd.Series:
        return pd.Series("*", index=values.index)

    def tens(values: pd.Series) -> pd.Series:
        return values // 10 * 10

    def same(values: pd.Series) -> pd.Series:
        return values

    people = pd.DataFrame(
        {
            "age": np.clip(rng.normal(45, 15, n).astype(int), 18, 90),
            "sex": rng.choice(["female", "male"], n),
            "education": rng.choice([f"e{i}" for i in range(9)], n, p=_falling(9)),
            "country": rng.choice([f"c{i}" for i in range(30)], n, p=_falling(30)),
            SENSITIVE: rng.choice(["<=50K", ">50K"], n, p=[0.75, 0.25]),
        }
    )
    return people, {
        "age": [same, tens, everything],
        **{name: [same, everything] for name in ("sex", "education", "country")},
    }


def _falling(values: int) -> np.ndarray:
    weights = 1 / np.arange(1, values + 1) ** 2
    return weights / weights.sum()


def members(people: pd.DataFrame) -> Iterator[pd.Index]:
    """Yield who is in the cohort, quarter by quarter."""
    rng = np.random.default_rng(11)
    here = people.index[:FIRST]
    yield here
    for quarter in range(1, QUARTERS):
        stay = np.sort(rng.choice(len(here), len(here) - LEAVERS, replace=False))
        start = FIRST + JOINERS * (quarter - 1)
        here = here[stay].append(people.index[start : start + JOINERS])
        yield here


@dataclass(frozen=True)
class Release:
    """One quarter's release, and who of the cohort (``here``) is not in it.

    ``classes``: person to class. ``held_back``: newcomers who wait; ``covers``: who went with
    people who left.
    """

    here: pd.Index
    classes: pd.Series
    node: dict[str, int]
    held_back: int = 0
    covers: int = 0


def quarterly(people: pd.DataFrame, ladders: Ladders, way: str, limit: float) -> list[Release]:
    """Release the cohort each quarter: ``same``, ``searched``, ``protected`` or ``diverse``."""
    out: list[Release] = []
    rules = Rules(K, {SENSITIVE: 2} if way == "diverse" else {})
    node: dict[str, int] = {}
    barred = pd.Index([])
    for here in members(people):
        if way == "searched" or not node:
            now = people.loc[here]
            node = search(now, ladders, K, rules.distinct, max_suppression=limit).node
        free = here.difference(barred)
        recoded = apply_node(people.loc[free], node, ladders)
        fits = suppress(recoded, list(ladders), K, rules.distinct)
        shown = pd.Series(encode(recoded, list(ladders))[0], index=free)[fits]
        if way in ("same", "searched"):
            out.append(Release(here, shown, node))
            continue
        series = told(out)
        stays = protect(shown, Lineage(series), rules, people)
        left_out, shown = shown.index[~stays], shown[stays]
        waiting = left_out.difference(everybody(series))
        barred = here.difference(shown.index).difference(waiting)
        out.append(Release(here, shown, node, len(waiting), len(left_out) - len(waiting)))
    return out


def told(releases: Sequence[Release]) -> list[Told]:
    """Return what the rules look at."""
    return [Told("registered", f"q{n}", release.classes) for n, release in enumerate(releases)]


def judged(people: pd.DataFrame, ladders: Ladders, releases: Sequence[Release]) -> list[Quarter]:
    """Judge each release beside those before it, by who the people really are."""
    series = told(releases)
    return [
        _quarter(people, ladders, series[:number], release)
        for number, release in enumerate(releases)
    ]


def attacked(
    people: pd.DataFrame, ladders: Ladders, releases: Sequence[Release], *, fresh: bool
) -> list[int]:
    """Lay the released tables beside each other, and return the smallest joint class by quarter.

    Parameters
    ----------
    fresh
        Each release has new pseudonyms, and rows are found again by a measured value that is
        released as it is. Else the pseudonym stays.
    """
    rng = np.random.default_rng(3)
    people = people[list(ladders)].assign(measured=rng.permutation(len(people)))
    tables = [
        apply_node(people.loc[release.classes.index], release.node, ladders) for release in releases
    ]
    if fresh:
        tables = [table.set_axis(rng.permutation(len(table))) for table in tables]
    found = rejoined(tables, list(ladders), ["measured"] if fresh else None)
    return [int(joint_sizes(found[: number + 1]).min()) for number in range(len(found))]


def _quarter(
    people: pd.DataFrame, ladders: Ladders, series: Sequence[Told], release: Release
) -> Quarter:
    now, shown = release.classes, release.classes.index
    after, before = joint_sizes([*series, Told("registered", "now", now)]), joint_sizes(series)
    sizes = exposed(after, before, shown)
    always = [who for who in shown if all(who in r.classes.index for r in series)]
    newcomers = shown.difference(before.index) if series else shown[:0]
    alike = people.loc[newcomers].groupby(now[newcomers])[SENSITIVE].transform("nunique")
    return Quarter(
        effective_k=int(sizes.min()),
        effective_k_of_stayers=int(after[always].min()),
        under_k=int((sizes < K).sum()),
        newcomers_told=int((alike == 1).sum()),
        candidates=len(release.here),
        released=len(shown),
        held_back=release.held_back,
        covers=release.covers,
        suppressed=len(release.here) - len(shown) - release.held_back - release.covers,
        loss=round(loss(people, ladders, release), 4),
    )


def loss(people: pd.DataFrame, ladders: Ladders, release: Release) -> float:
    """Return the release's loss as :mod:`sluice.tables.recode` defines it, whoever is left out.

    A field's leaves are its values among ``people``.
    """
    factors = []
    for name, levels in ladders.items():
        leaves = pd.Series(people[name].unique())
        labels = on_level(leaves, levels[release.node[name]])
        covered = labels.map(labels.value_counts()).set_axis(leaves) / len(leaves)
        kept = people.loc[release.classes.index, name].map(covered).sum()
        share = (kept + len(release.here) - len(release.classes)) / len(release.here)
        factors.append(1 + (share - 1 / len(leaves)) / (1 - 1 / len(leaves)))
    return float(np.prod(factors) ** (1 / len(factors)) - 1)
