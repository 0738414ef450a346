"""A cohort that is released every quarter: what the releases tell together, and what safety costs.

20,000 people at first; each quarter 1,000 leave and 2,000 join. Adult's eight quasi-identifiers (or
invented people where the shared data is not there), k = 5, its salary class the sensitive value.
Three ways to release: unprotected with the first node, unprotected with a node that is searched
anew, and with the rules of :mod:`sluice.tables.staying`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.tables.search import adult_folder, adult_hierarchies
from sluice.tables.classes import encode
from sluice.tables.fields import Level
from sluice.tables.models import Rules
from sluice.tables.recode import apply_node, search, suppress
from sluice.tables.sequential import Told, everybody, exposed, joint_sizes
from sluice.tables.staying import Lineage, protect

K = 5
QUARTERS = 8
FIRST, JOINERS, LEAVERS = 20_000, 2_000, 1_000
SENSITIVE = "salary-class"
LIMITS = (0.02, 0.0)
Ladders = Mapping[str, Sequence[Level]]


@dataclass(frozen=True)
class Quarter:
    """What one quarter's release and those before it come to.

    ``effective_k``: smallest joint class of those whom the release tells something about; and
    among those who are in all releases so far. ``under_k``: people in smaller ones; ``told``:
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


def measure() -> dict[str, Any]:
    """Return ``series``: by way of releasing, a list of quarters."""
    people, ladders = cohort()
    found: dict[str, Any] = {"people": FIRST, "joiners": JOINERS, "leavers": LEAVERS, "k": K}
    for limit in LIMITS:
        for way in ("same", "searched", "protected"):
            started = time.perf_counter()
            quarters = list(simulate(people, ladders, way, limit))
            name = f"{way} at {limit:g}"
            found[name] = {
                "seconds": round(time.perf_counter() - started, 2),
                "quarters": [vars(quarter) for quarter in quarters],
            }
            last = quarters[-1]
            ks = " ".join(str(quarter.effective_k) for quarter in quarters)
            print(
                f"series {name}: effective k {ks}; in the end {last.under_k} under k, "
                f"{last.released} of {last.candidates} released, {last.held_back} held back"
            )
    return {"series": found}


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


def simulate(people: pd.DataFrame, ladders: Ladders, way: str, limit: float) -> Iterator[Quarter]:
    """Release the cohort each quarter (``same``, ``searched`` or ``protected``) and judge it."""
    series: list[Told] = []
    for number, release in enumerate(_releases(people, ladders, way, limit)):
        told = Told("registered", f"q{number}", release.classes)
        yield _judged(series, told, people, release)
        series.append(told)


def released(
    people: pd.DataFrame, ladders: Ladders, way: str, limit: float, quarters: int
) -> Iterator[pd.DataFrame]:
    """Yield what recipients see in the first quarters: recoded fields, the others as they are."""
    for _, release in zip(range(quarters), _releases(people, ladders, way, limit), strict=False):
        yield apply_node(people.loc[release.classes.index], release.node, ladders)


@dataclass(frozen=True)
class _Release:
    here: pd.Index
    classes: pd.Series
    node: dict[str, int]
    held_back: int = 0
    covers: int = 0


def _releases(people: pd.DataFrame, ladders: Ladders, way: str, limit: float) -> Iterator[_Release]:
    series: list[Told] = []
    node: dict[str, int] = {}
    barred = pd.Index([])
    for here in members(people):
        if way == "searched" or not node:
            now = people.loc[here, list(ladders)]
            node = search(now, ladders, K, max_suppression=limit).node
        free = here.difference(barred)
        recoded = apply_node(people.loc[free, list(ladders)], node, ladders)
        fits = suppress(recoded, list(ladders), K)
        shown = pd.Series(encode(recoded, list(ladders))[0], index=free)[fits]
        if way != "protected":
            yield _Release(here, shown, node)
            continue
        stays = protect(shown, Lineage(series), Rules(K), people)
        known = everybody(series)
        out, shown = shown.index[~stays], shown[stays]
        waiting = out.difference(known)
        barred = here.difference(shown.index).difference(waiting)
        yield _Release(here, shown, node, len(waiting), len(out) - len(waiting))
        series.append(Told("registered", str(len(series)), shown))


def _judged(series: list[Told], told: Told, people: pd.DataFrame, release: _Release) -> Quarter:
    after, before = joint_sizes([*series, told]), joint_sizes(series)
    shown = told.classes.index
    sizes = exposed(after, before, shown)
    always = [who for who in shown if all(who in r.classes.index for r in series)]
    newcomers = shown.difference(before.index) if series else shown[:0]
    alike = people.loc[newcomers].groupby(told.classes[newcomers])[SENSITIVE].transform("nunique")
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
    )
