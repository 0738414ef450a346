"""Scenario ``differencing``: exact means of a lineage of releases, subtracted from each other.

A mean of n donors and the mean of the same donors without one give that one away:
n · mean − (n − 1) · mean'. Every published group is a row of a 0/1 matrix over donors, and what can
be had by adding and subtracting is the row space of that matrix. The attacker holds every release
of the tier and knows who is in which group; so does this search, and it looks for a combination in
which few donors remain.

Donors who are in the same groups cannot be told apart by any combination. They make one column (an
*atom*) with a weight, and a combination about fewer donors than the floor must vanish on every atom
as large as the floor. Elimination leaves a basis of all combinations that do; in an honest lineage
it is empty, which is a proof. Where it is not, the fewest donors are looked for as one looks for a
light word of a linear code, by elimination in many orders of the atoms (Prange, "The use of
information sets in decoding cyclic codes", 1962).

Two views count. *By donor*: a donor's values are the same in all releases, also where a new
pipeline moved them a little. *By content*: a donor whose values changed left with the old ones and
joined with the new ones, so that a corrected sample shows as the one donor whom it is about.

A donor who is not alone in a combination but weighs most in it is the matter of
:func:`numbers_per_donor`, which gates how much a lineage says of anybody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product as pairs_of

import numpy as np

from sluice.errors import SluiceError
from sluice.scores import Score
from sluice.tables.risk import lower_bound

#: Donors whom the positive control leaves out one at a time; more make it no surer.
CONTROL_DONORS = 64

_PRIME = 2**31 - 1
_ORDERS = 64
_CONTROL_DECIMALS = 3


@dataclass(frozen=True)
class Statement:
    """Exact means that one release tells of one group.

    Parameters
    ----------
    release
        Which release tells it.
    measure
        What is averaged; only statements of one measure are about the same values.
    group
        The group's name.
    members
        Donor to digest of the values that stand for the donor in this mean.
    features
        The numbers' names. Statements are subtracted where they share one.
    numbers
        How many of them are independent; ``None`` for all.
    """

    release: str
    measure: str
    group: str
    members: Mapping[str, str]
    features: frozenset[str]
    numbers: int | None = None

    @property
    def share(self) -> float:
        """Independent numbers over numbers."""
        return 1.0 if self.numbers is None else self.numbers / len(self.features)


@dataclass(frozen=True)
class Difference:
    """A combination of statements in which few donors remain: how many, and which statements."""

    donors: int
    statements: frozenset[int]


@dataclass(frozen=True)
class Rebuilt:
    """How well leaving one donor out gives the donor away, each donor of a group in turn.

    ``hits`` of ``n`` rebuilt profiles resemble their own donor most; ``r`` is the median
    correlation of rebuilt and true deviations from the published mean.
    """

    hits: int
    n: int
    r: float


def rebuild(larger: np.ndarray, n: int, smaller: np.ndarray, m: int) -> np.ndarray:
    """Return the mean of the n − m donors whom only the larger group holds, per feature."""
    if not n > m > 0:
        raise ValueError("the larger group has more donors")
    return (n * np.asarray(larger) - m * np.asarray(smaller)) / (n - m)


def leave_one_out(values: np.ndarray, decimals: int) -> Rebuilt:
    """Publish the mean of all donors and of all but one, rounded; rebuild the one; name it.

    ``values`` is donors x features. The attacker compares with every donor's profile, after
    taking the published mean away: what all donors have in common proves nothing.
    """
    n = len(values)
    if n < 3 or values.shape[1] < 2:
        return Rebuilt(0, n, 0.0)
    whole = np.round(values.mean(axis=0), decimals)
    rest = np.round((values.sum(axis=0) - values) / (n - 1), decimals)
    rebuilt = rebuild(whole, n, rest, n - 1)
    likeness = _rows(rebuilt - whole) @ _rows(values - whole).T
    hits = int((likeness.argmax(axis=1) == np.arange(n)).sum())
    return Rebuilt(hits, n, float(np.median(likeness.diagonal())))


def differences(lineage: Sequence[Statement], floor: int, release: str) -> list[Difference]:
    """Return combinations with a statement of ``release`` that are about 1 to floor − 1 donors.

    Beside the row space (see the module's page), the donors who joined a group since another
    release and those who left it must each be none or as many as the floor.

    Parameters
    ----------
    lineage
        Everything published, and the candidate's own statements.
    floor
        Fewest donors that a difference may be about.
    """
    found: dict[frozenset[int], int] = {}
    for numbers in _comparable(lineage):
        if not any(lineage[number].release == release for number in numbers):
            continue
        for by_content in (False, True):
            table = _Memberships.of(lineage, numbers, by_content=by_content)
            new = np.array([lineage[number].release == release for number in numbers])
            for donors, rows in [*_pairs(table, lineage, new), *_combined(table, floor, new)]:
                if 0 < donors < floor:
                    key = frozenset(table.numbers[row] for row in rows)
                    found[key] = min(donors, found.get(key, floor))
    return [Difference(donors, key) for key, donors in sorted(found.items(), key=_order)]


def numbers_per_donor(lineage: Sequence[Statement]) -> tuple[float, int]:
    """Return (independent numbers a donor, donors), of the donor about whom the lineage says most.

    One mean of d numbers over n donors says d / n about each. Over a lineage, n is replaced by the
    leverage of a donor in the row space of all groups, which is 1 / n for a single group, adds up
    over unrelated ones, and does not grow when the same mean of the same values is told again.
    """
    said: dict[str, float] = defaultdict(float)
    for numbers, features in _by_feature(lineage).items():
        told = [lineage[number] for number in numbers]
        share = max(statement.share for statement in told)
        table = _Memberships.of(lineage, sorted(numbers), by_content=True)
        columns, atom = table.atoms()
        weighted = columns * np.bincount(atom)
        inverse = np.linalg.pinv(weighted @ columns.T.astype(float), hermitian=True)
        leverage = np.einsum("ga,gh,ha->a", columns, inverse, columns)
        for donor, place in zip(table.owners, atom, strict=True):
            said[donor] += share * len(features) * float(leverage[place])
    return max(said.values(), default=0.0), len(said)


def differencing(
    lineage: Sequence[Statement],
    release: str,
    floor: int,
    product: str,
    raw: np.ndarray,
    released: np.ndarray,
    decimals: int,
) -> Score:
    """Count a candidate's groups that the lineage lets an attacker subtract below the floor.

    Parameters
    ----------
    lineage
        Statements of every published release of the tier and of the candidate.
    release
        The candidate's own.
    raw, released
        Donors x features of one of its groups: all genes, and what is averaged for the release.
    decimals
        To which the release rounds.

    Returns
    -------
    Score
        ``estimate`` counts groups. Positive control: all donors of ``raw``, left out one at a
        time, and the same search over the lineage with one more release that lacks one donor.

    Raises
    ------
    SluiceError
        If the candidate states nothing.
    """
    own = [n for n, statement in enumerate(lineage) if statement.release == release]
    if not own:
        raise SluiceError("A candidate without groups has no differences", where=product)
    found = differences(lineage, floor, release)
    broken = {n for difference in found for n in difference.statements if n in own}
    control = leave_one_out(raw[:CONTROL_DONORS], _CONTROL_DECIMALS)
    here = leave_one_out(released[:CONTROL_DONORS], decimals)
    planted = min((d.donors for d in _planted(lineage, own, floor, release)), default=0)
    works = planted == 1 and lower_bound(control.hits, control.n) > 0.5
    return Score(
        name="differencing",
        product=product,
        attacker_knows="every release of the tier, and who is in which of its groups",
        estimate=float(len(broken)),
        lower=float(len(broken)),
        upper=float(len(broken)),
        n=len(set().union(*(lineage[n].members for n in own))),
        limit_key="differencing",
        evidence={"raw": control.hits / max(control.n, 1), "r": control.r, "works": works},
        note="Groups from which fewer donors than the floor can be had by adding and subtracting "
        "published means, complements among them; a count, not an estimate.",
        detail={
            "floor": floor,
            "fewest_donors": min((d.donors for d in found), default=None),
            "combinations": len(found),
            "releases": len({statement.release for statement in lineage}),
            "groups": len(own),
            "rebuilt_as_released": here.hits / max(here.n, 1),
        },
    )


@dataclass(frozen=True)
class _Memberships:
    """Statements x units (a donor, or a donor with certain values), and each unit's donor."""

    numbers: list[int]
    matrix: np.ndarray
    owners: list[str]
    _sets: list[set[int]] = field(repr=False)

    @classmethod
    def of(
        cls, lineage: Sequence[Statement], numbers: Sequence[int], *, by_content: bool
    ) -> _Memberships:
        rows = [
            {(donor, content if by_content else "") for donor, content in s.members.items()}
            for s in (lineage[number] for number in numbers)
        ]
        units = sorted(set().union(*rows))
        place = {unit: column for column, unit in enumerate(units)}
        sets = [{place[unit] for unit in row} for row in rows]
        matrix = np.zeros((len(rows), len(units)), dtype=np.int64)
        for row, columns in enumerate(sets):
            matrix[row, list(columns)] = 1
        return cls(list(numbers), matrix, [donor for donor, _ in units], sets)

    def donors(self, units: set[int]) -> int:
        """Return how many donors are behind units."""
        return len({self.owners[unit] for unit in units})

    def atoms(self) -> tuple[np.ndarray, np.ndarray]:
        """Return statements x atoms, and each unit's atom."""
        columns, atom = np.unique(self.matrix, axis=1, return_inverse=True)
        return columns, atom.ravel()

    def joined(self, row: int, other: int) -> set[int]:
        """Return the units that only the first of two statements holds."""
        return self._sets[row] - self._sets[other]


Found = Iterator[tuple[int, tuple[int, ...]]]


def _pairs(table: _Memberships, lineage: Sequence[Statement], new: np.ndarray) -> Found:
    """Yield who joined and who left each group of the candidate since every other release."""
    told = [lineage[number] for number in table.numbers]
    for row, other in pairs_of(np.flatnonzero(new).tolist(), np.flatnonzero(~new).tolist()):
        if told[row].group == told[other].group:
            yield table.donors(table.joined(row, other)), (row, other)
            yield table.donors(table.joined(other, row)), (row, other)


def _combined(table: _Memberships, floor: int, new: np.ndarray) -> Found:
    """Yield the combinations found that live on atoms smaller than the floor alone."""
    columns, atom = table.atoms()
    units = [set(np.flatnonzero(atom == number).tolist()) for number in range(columns.shape[1])]
    sizes = np.array([table.donors(held) for held in units])
    order = np.argsort(-sizes, kind="stable")
    large = int((sizes >= floor).sum())
    told = len(columns)
    reduced = _echelon(np.hstack([columns[:, order], np.eye(told, dtype=np.int64)]), len(order))
    small = reduced[~reduced[:, :large].any(axis=1) & reduced[:, large : len(order)].any(axis=1)]
    small, left = small[:, large:], order[large:]
    random = np.random.default_rng(0)
    for turn in range(_ORDERS if len(small) > 1 else 1):
        places = random.permutation(len(left)) if turn else np.arange(len(left))
        shuffled = np.hstack([small[:, places], small[:, len(left) :]])
        for row in _echelon(shuffled, len(left)):
            used = row[len(left) :] != 0
            if (used & new).any():
                held = [units[left[places[place]]] for place in np.flatnonzero(row[: len(left)])]
                yield table.donors(set().union(*held)), tuple(np.flatnonzero(used).tolist())


def _echelon(matrix: np.ndarray, width: int) -> np.ndarray:
    """Return the reduced row echelon form over the first ``width`` columns.

    Modulo a large prime: exact, and never a larger rank than over the rationals.
    """
    rows, rank = matrix % _PRIME, 0
    for column in range(width):
        if rank == len(rows):
            break
        pivots = np.flatnonzero(rows[rank:, column])
        if not len(pivots):
            continue
        pivot = rank + int(pivots[0])
        rows[[rank, pivot]] = rows[[pivot, rank]]
        rows[rank] = rows[rank] * pow(int(rows[rank, column]), -1, _PRIME) % _PRIME
        others = np.flatnonzero(rows[:, column])
        others = others[others != rank]
        rows[others] = (rows[others] - rows[others, column, None] * rows[rank]) % _PRIME
        rank += 1
    return rows


def _planted(
    lineage: Sequence[Statement], own: Sequence[int], floor: int, release: str
) -> list[Difference]:
    """Search the lineage after one more release, whose largest group lacks one donor."""
    whole = max((lineage[n] for n in own), key=lambda statement: len(statement.members))
    rest = dict(sorted(whole.members.items())[1:])
    return differences(
        [*lineage, replace(whole, release="planted", members=rest)], max(floor, 2), release
    )


def _by_feature(lineage: Sequence[Statement]) -> dict[frozenset[int], list[tuple[str, str]]]:
    """Return the features (with their measure) by the statements that publish them."""
    published: dict[tuple[str, str], set[int]] = defaultdict(set)
    for number, statement in enumerate(lineage):
        for feature in statement.features:
            published[statement.measure, feature].add(number)
    found: dict[frozenset[int], list[tuple[str, str]]] = defaultdict(list)
    for name, numbers in sorted(published.items()):
        found[frozenset(numbers)].append(name)
    return found


def _comparable(lineage: Sequence[Statement]) -> list[list[int]]:
    """Return the largest sets of statements that share a measure and a feature."""
    sets = list(_by_feature(lineage))
    return sorted(sorted(one) for one in sets if not any(one < other for other in sets))


def _order(item: tuple[frozenset[int], int]) -> tuple[int, list[int]]:
    return item[1], sorted(item[0])


def _rows(values: np.ndarray) -> np.ndarray:
    """Return rows of length one; a row of zeros stays."""
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.where(length > 0, length, 1))
