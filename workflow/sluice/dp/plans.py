"""What a public product asks: constants of the policy, from which everything else follows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product

from sluice.dp.accounting import gaussian_multiplier
from sluice.errors import SluiceError
from sluice.files import sha256_json
from sluice.ledger.spends import Noise

ALL = "(all)"
"""Marks a field that a table sums over."""

PARTICIPANTS = "(participants)"
"""Names the count among the features of a group."""

ANSWER_COLUMNS = ("value", "mechanism", "epsilon", "delta", "scale")
"""Columns of every public table, after its group columns."""

# Change this with the meaning of the preprocessing: a sealed answer belongs to one method.
_METHOD = "average, clip in L2, snap to a grid, stack; discrete noise; 1"

# Covers rounding in the norm and the step of the grid, each below 1e-6 of the bound.
_SLACK = 1 + 4e-6
_GRID_BITS = 20


@dataclass(frozen=True)
class MeansPlan:
    """Means of a bounded vector in disjoint groups.

    Parameters
    ----------
    query
        The product's name.
    features
        Names of the d coordinates, in public units (centred and scaled by policy constants).
    group
        Name of the group column.
    labels
        All its values, fixed by the policy.
    clip_bound
        B: the most that one participant's vector may measure in L2.
    count_weight
        c: what a participant adds to its group's count. √B makes the error of a mean smallest.
    epsilon, delta
        What this question may cost.
    """

    query: str
    features: tuple[str, ...]
    group: str
    labels: tuple[str, ...]
    clip_bound: float
    count_weight: float
    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        _require_names(self.query, self.features, {PARTICIPANTS})
        _require_names(self.query, [self.group, *self.features], {"feature", *ANSWER_COLUMNS})
        _require_names(self.query, self.labels, {ALL})
        if not (0 < self.clip_bound < math.inf and 0 < self.count_weight < math.inf):
            raise SluiceError("Clip bound and count weight must be positive", where=self.query)

    @property
    def grid(self) -> float:
        """Size of a step: a power of two, about 2⁻²⁰ of the smaller of B and c."""
        return _grid(min(self.clip_bound, self.count_weight))

    @property
    def sensitivity(self) -> float:
        """L2 norm of what one participant adds or removes: √(B² + c²)."""
        return math.hypot(self.clip_bound, self.count_weight)

    @cached_property
    def noise(self) -> Noise:
        """Gaussian noise for one stacked vector."""
        return _gaussian(self.sensitivity, self.epsilon, self.delta)

    @property
    def digest(self) -> str:
        """Digest of the method: every public setting that shapes the answer."""
        return sha256_json([_METHOD, "means", asdict(self)])


@dataclass(frozen=True)
class CountsPlan:
    """One- and two-way counts of categories, all tables in one stacked vector.

    Parameters
    ----------
    query
        The product's name.
    domain
        Categories of each field, fixed by the policy.
    tables
        Names of one or two fields each. A participant is in exactly one cell of every table: the
        L1 sensitivity is the number of tables, the L2 sensitivity its square root.
    epsilon, delta
        What this question may cost.
    mechanism
        ``gaussian``, or ``laplace`` (integers, ε alone; better for one or two tables).
    """

    query: str
    domain: Mapping[str, tuple[str, ...]]
    tables: tuple[tuple[str, ...], ...]
    epsilon: float
    delta: float
    mechanism: str = "gaussian"

    def __post_init__(self) -> None:
        _require_names(self.query, ["/".join(table) for table in self.tables], set())
        _require_names(self.query, list(self.domain), set(ANSWER_COLUMNS))
        for categories in self.domain.values():
            _require_names(self.query, categories, {ALL})
        for table in self.tables:
            shape = len(table) in (1, 2) and len(set(table)) == len(table)
            if not shape or not set(table) <= self.domain.keys():
                raise SluiceError(
                    "A table of counts needs one or two different fields with a domain",
                    where=self.query,
                )

    def cells(self, table: tuple[str, ...]) -> list[tuple[str, ...]]:
        """Return a table's cells in the order of the answer."""
        return list(product(*(self.domain[field] for field in table)))

    @property
    def fields(self) -> list[str]:
        """Fields that any table uses, in the order of the domain."""
        used = {field for table in self.tables for field in table}
        return [field for field in self.domain if field in used]

    @property
    def grid(self) -> float:
        """Size of a step: 1 for Laplace noise, about 2⁻²⁰ of a participant for Gaussian."""
        return 1.0 if self.mechanism == "laplace" else _grid(1.0)

    @property
    def sensitivity(self) -> float:
        """What one participant adds or removes: in L1 for Laplace, in L2 for Gaussian noise."""
        tables = len(self.tables)
        return float(tables) if self.mechanism == "laplace" else math.sqrt(tables)

    @cached_property
    def noise(self) -> Noise:
        """Noise for one stacked vector."""
        if self.mechanism == "gaussian":
            return _gaussian(self.sensitivity, self.epsilon, self.delta)
        if self.mechanism == "laplace" and self.epsilon > 0:
            return Noise("laplace", self.sensitivity / self.epsilon, 1.0, len(self.tables))
        raise SluiceError("There is no such noise for counts", where=self.query)

    @property
    def digest(self) -> str:
        """Digest of the method: every public setting that shapes the answer."""
        settings = {**asdict(self), "domain": [[f, self.domain[f]] for f in self.domain]}
        return sha256_json([_METHOD, "counts", settings])


def _gaussian(sensitivity: float, epsilon: float, delta: float) -> Noise:
    covered = sensitivity * _SLACK
    return Noise("gaussian", gaussian_multiplier(epsilon, delta) * covered, covered)


def _grid(unit: float) -> float:
    return 2.0 ** (math.floor(math.log2(unit)) - _GRID_BITS)


def _require_names(query: str, names: list[str] | tuple[str, ...], kept: set[str]) -> None:
    if not names or len(set(names)) < len(names) or kept & set(names):
        raise SluiceError(
            "A public question needs distinct names that are not reserved", where=query
        )
