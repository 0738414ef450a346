"""Every measure of a flat table's risk, as numbers under field names: no value of the table.

The sections of the JSON that `sluice table risk` writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import comb, isfinite
from typing import Any

import numpy as np

from sluice.errors import SluiceError
from sluice.tables import closeness, models, risk
from sluice.tables.classes import MISSING, dense, mixed_radix
from sluice.tables.extrapolation import FEWEST, copula
from sluice.tables.population import by_sizes
from sluice.tables.streaming import Classes, Column, numbers_of
from sluice.tables.uniques import Uniques, dis_scores, minimal_uniques

_LEAST = 2  # l of the recursive diversity that is reported
_SETS = 4096  # sets of columns searched for special uniques by default


@dataclass(frozen=True)
class Table:
    """A coded table.

    Parameters
    ----------
    classes
        By the quasi-identifiers.
    others
        Other columns, by name.
    people
        Where there is a register of the population: its people in each of these classes, and the
        sizes of the classes that it has for itself.
    """

    classes: Classes
    others: dict[str, Column]
    people: tuple[np.ndarray, np.ndarray] | None = None


def assess(
    table: Table,
    fields: Sequence[str],
    sensitive: Sequence[str],
    *,
    household: str | None,
    fraction: float | None,
    threshold: float,
    seed: int,
) -> tuple[dict[str, Any], Uniques]:
    """Return every measure, by section, and the special uniques of each class.

    Parameters
    ----------
    table
        Classes by ``fields``, with ``sensitive`` and ``household`` among the other columns.
    fraction
        Share of the population that is in the table, if it is known and the population is not.
    threshold
        Risk that a record must not exceed.
    seed
        Decides the draws of the estimates of population uniqueness.

    Raises
    ------
    SluiceError
        If the population is smaller than the table.
    """
    classes = table.classes
    uniques, special = special_uniques(classes, fields)
    found = {
        "n": classes.rows,
        "fields": list(fields),
        "threshold": threshold,
        **reidentification(classes.sizes, threshold, fraction),
        "by_field": by_field(classes, fields, threshold),
        "sensitive": {name: class_models(classes, table.others[name]) for name in sensitive},
        "special_uniques": special,
        "population_uniqueness": None,
        "household": None,
    }
    people = None if fraction is None else round(classes.rows / fraction)
    if table.people is not None:
        inside, elsewhere = table.people
        people = int(inside.sum() + elsewhere.sum())
    if people is not None:
        found["population_uniqueness"] = uniqueness(classes, people, seed)
        special["dis"] = dis(classes, uniques, classes.rows / people)
    if table.people is not None:
        alone = int((inside == 1).sum() + (elsewhere == 1).sum())
        found["population_uniqueness"]["exact"] = alone / int(inside.sum() + elsewhere.sum())
        found |= against_register(classes.sizes, inside, elsewhere, threshold)
    if household:
        homes = home_codes(table.others[household])
        found["household"] = households(classes, homes, 1.0 / classes.sizes, threshold)
    return found, uniques


def reidentification(
    sizes: np.ndarray, threshold: float, fraction: float | None = None
) -> dict[str, Any]:
    """Prosecutor's, journalist's and marketer's risk.

    Parameters
    ----------
    sizes
        Records of each class.
    threshold
        Risk that a record must not exceed.
    fraction
        Share of the population that is in the table; without one the journalist is taken to know
        that everybody is.
    """
    alone = risk.summarise(1.0 / sizes, threshold, sizes)
    sampled, source = alone, "no population given: as the prosecutor's"
    if fraction is not None:
        expected = risk.sample_journalist(sizes, fraction)
        sampled = risk.summarise(expected, threshold, sizes)
        source = "the sampling fraction: an expectation, no bound"
    return {
        "k": int(sizes.min()),
        "classes": len(sizes),
        "average_risk": alone.mean,
        "prosecutor": asdict(alone),
        "journalist": {**asdict(sampled), "by": source},
        "marketer": {"prosecutor": alone.mean, "journalist": sampled.mean},
    }


def against_register(
    sizes: np.ndarray, population: np.ndarray, elsewhere: np.ndarray, threshold: float
) -> dict[str, Any]:
    """Return what a register of the population adds or replaces in :func:`reidentification`.

    Parameters
    ----------
    sizes, population
        Records of each class of the table, and people of that class in the register.
    elsewhere
        Sizes of the register's other classes.
    """
    risks = 1.0 / np.maximum(sizes, population)
    found = risk.summarise(risks, threshold, sizes)
    nobody = np.zeros(len(elsewhere), dtype=np.int64)
    low, high = closeness.presence(
        np.concatenate([sizes, nobody]), np.concatenate([population, elsewhere])
    )
    return {
        "journalist": {**asdict(found), "by": "the population's classes"},
        "marketer": {"prosecutor": float((1.0 / sizes) @ sizes / sizes.sum()),
                     "journalist": found.mean},
        "k_map": closeness.k_map(sizes, population),
        "delta_presence": {"lowest": low, "highest": high},
        "classes_larger_than_in_population": int((sizes > population).sum()),
    }  # fmt: skip


def class_models(classes: Classes, values: Column) -> dict[str, float | None]:
    """Worst class of one sensitive column under each model; ``None`` where no number satisfies one.

    The ordered distance is there if all values are numbers.
    """
    number = numbers_of(values.values)
    table = models.contingency(
        classes.of_row.astype(np.int64), values.codes.astype(np.int64), values.radix
    )
    codes = np.unique(table.values)
    ordered = None
    if number is not None and MISSING not in codes:
        ordered = closeness.ordered_distance(table, codes[np.argsort(number[codes])]).max()
    found = {
        "values": int((codes != MISSING).sum()),
        "distinct_l": models.distinct_l(table).min(),
        "entropy_l": models.entropy_l(table).min(),
        f"recursive_c_l{_LEAST}": models.recursive_c(table, _LEAST).max(),
        "dominance": models.dominance(table).max(),
        "t": models.equal_distance(table).max(),
        "t_ordered": ordered,
        "beta": closeness.likeness(table).max(),
        "beta_enhanced": closeness.enhanced_likeness(table).max(),
        "delta_disclosure": closeness.disclosure(table).max(),
    }
    return {name: _plain(value) for name, value in found.items()}


def _plain(value: Any) -> float | None:
    return None if value is None or not isfinite(value) else float(value)


def by_field(classes: Classes, fields: Sequence[str], threshold: float) -> dict[str, Any]:
    """How much the prosecutor's risk falls for somebody who does not know a field."""
    whole = risk.summarise(1.0 / classes.sizes, threshold, classes.sizes)
    found = {}
    for place, name in enumerate(fields):
        rest = [j for j in range(len(fields)) if j != place]
        radix = classes.codes.max(axis=0) + 1
        coded = [(classes.codes[:, j].astype(np.int64), int(radix[j])) for j in rest]
        joined, count = dense(*mixed_radix(coded, len(classes.codes)))
        sizes = np.bincount(joined, weights=classes.sizes, minlength=count).astype(np.int64)
        left = risk.summarise(1.0 / sizes, threshold, sizes)
        found[name] = {
            "highest": whole.highest - left.highest,
            "mean": whole.mean - left.mean,
            "over": whole.over - left.over,
        }
    return found


def special_uniques(classes: Classes, fields: Sequence[str]) -> tuple[Uniques, dict[str, Any]]:
    """Search sets of fields as large as is quick; return what was found, and a summary."""
    largest, sets = 0, 0
    for size in range(1, len(fields) + 1):
        sets += comb(len(fields), size)
        if sets > _SETS and size > 1:
            break
        largest = size
    found = minimal_uniques(classes.codes, classes.sizes, largest)
    special = found.scores > 0
    return found, {
        "largest_set": largest,
        "records": int(special.sum()),
        "sets_by_size": {
            str(size): int(count) for size, count in enumerate(found.counts.sum(axis=0), 1)
        },
        "score_highest": float(found.scores.max()),
        "score_mean": float(found.scores.sum() / classes.rows),
        "field_shares": dict(zip(fields, map(float, found.shares), strict=True)),
    }


def dis(classes: Classes, found: Uniques, fraction: float) -> dict[str, float]:
    """DIS-SUDA scores in short."""
    scores = dis_scores(found.scores, classes.sizes, classes.codes.shape[1], fraction)
    return {"highest": float(scores.max()), "mean": float(scores.sum() / classes.rows)}


def uniqueness(classes: Classes, people: int, seed: int) -> dict[str, Any]:
    """Estimated share of a population of ``people`` who are alone, the recommended one first.

    Raises
    ------
    SluiceError
        If the population is smaller than the sample.
    """
    if people < classes.rows:
        raise SluiceError(
            "The population is smaller than the sample",
            where=f"{people} people, {classes.rows} records",
            mend="give the population that the table was drawn from, or its sampling fraction",
        )
    found: dict[str, Any] = {"population": people, "fraction": classes.rows / people}
    if classes.rows < FEWEST:
        reason = f"fewer than {FEWEST} records tell nothing about a population"
        return {**found, "recommended": None, "reason": reason, "upper_bound": 1.0}
    found["recommended"] = {"method": "copula", **asdict(copula(classes, people, seed))}
    found["others"] = {
        name: asdict(estimate) for name, estimate in by_sizes(classes.sizes, people, seed).items()
    }
    return found


def households(
    classes: Classes, homes: np.ndarray, risks: np.ndarray, threshold: float
) -> dict[str, Any]:
    """Risk of records through their households.

    Parameters
    ----------
    homes
        Household of each row, numbered from 0.
    risks
        Risk of each class.
    """
    kinds = risk.compositions(classes.of_row, homes)
    alike = np.bincount(kinds)[kinds]
    members = np.bincount(homes)
    together = risk.household(risks[classes.of_row], homes)
    return {
        "households": len(members),
        "largest": int(members.max()),
        "any_member": asdict(risk.summarise(together, threshold)),
        "composition": asdict(risk.summarise(1.0 / alike, threshold)),
    }


def home_codes(column: Column) -> np.ndarray:
    """Number households from 0; a record without one is a household of its own."""
    homes = column.codes.astype(np.int64)
    lone = homes == MISSING
    homes[lone] = column.radix + np.arange(int(lone.sum()))
    return dense(homes, column.radix + int(lone.sum()))[0]
