"""Populations of which it is known who is alone, and how near the estimate from a sample comes.

Real ones are people of a public file, taken for all there are. Enlarged ones are drawn from the
rows of a public file, each cell with a chance of 1 in 10 another row's. Made ones come from a
distribution that is known: independent columns, a rounded normal distribution, latent classes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sluice.tables.extrapolation import copula
from sluice.tables.population import Estimate, by_sizes
from sluice.tables.streaming import Classes, classify, code_column

FRACTIONS = (0.01, 0.05)
_SAMPLES = 5
_SWAPPED = 0.1
_MADE = 100_000


def shared(name: str) -> pd.DataFrame:
    """Read a table of the shared clinical data, as text."""
    path = Path(os.environ.get("SLUICE_SHARED", "../shared")) / "data/clinical" / name
    with path.open(encoding="utf-8") as file:
        delimiter = ";" if ";" in file.readline() else ","
    return pd.read_csv(path, sep=delimiter, dtype=str)


def enlarged(table: pd.DataFrame, people: int, seed: int) -> pd.DataFrame:
    """Draw a population of so many people from a table."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(table), people)
    columns = {}
    for name in table:
        other = rng.random(people) < _SWAPPED
        own = np.where(other, rng.integers(0, len(table), people), rows)
        columns[name] = table[name].to_numpy()[own]
    return pd.DataFrame(columns)


def independent(people: int, seed: int) -> pd.DataFrame:
    """Columns of 2 to 60 values, the n-th of which is 1/n as frequent as the first."""
    rng = np.random.default_rng(seed)
    shares = [1 / np.arange(1, k + 1) for k in (2, 5, 8, 20, 60, 15)]
    drawn = [rng.choice(len(p), people, p=p / p.sum()) for p in shares]
    return pd.DataFrame(np.column_stack(drawn).astype(str)).add_prefix("c")


def normal(people: int, seed: int) -> pd.DataFrame:
    """Seven columns, each two correlated by a half, rounded more or less."""
    rng = np.random.default_rng(seed)
    covariance = (np.ones((7, 7)) + np.eye(7)) / 2
    drawn = rng.multivariate_normal(np.zeros(7), covariance, people)
    scale = np.array([0.5, 0.7, 1, 1.5, 2, 3, 6])
    return pd.DataFrame(np.round(drawn * scale).astype(int).astype(str)).add_prefix("c")


def latent(people: int, seed: int) -> pd.DataFrame:
    """Twelve kinds of people, whose columns are independent of each other."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(12, people, p=rng.dirichlet(np.ones(12)))
    columns = []
    for values in (3, 4, 6, 10, 16, 30, 8):
        below = np.cumsum(rng.dirichlet(np.full(values, 0.3), 12), axis=1)[kinds]
        columns.append((rng.random(people)[:, None] > below).sum(axis=1).clip(0, values - 1))
    return pd.DataFrame(np.column_stack(columns).astype(str)).add_prefix("c")


_SILC = ["db040", "hsize", "age", "rb090", "pl030", "pb220a"]
_TESTDATA = ["urbrur", "roof", "walls", "water", "electcon", "relat", "sex", "age", "hhcivil"]

POPULATIONS: dict[str, Callable[[], pd.DataFrame]] = {
    "adult, 9 fields": lambda: shared("adult/adult.csv"),
    "adult, 6 fields": lambda: shared("adult/adult.csv").iloc[:, :6],
    "households, enlarged": lambda: enlarged(shared("eusilc/eusilc.csv")[_SILC], _MADE, 5),
    "survey, enlarged": lambda: enlarged(shared("sdcmicro/testdata.csv")[_TESTDATA], 80_000, 4),
    "independent": lambda: independent(_MADE, 1),
    "normal": lambda: normal(_MADE, 2),
    "latent classes": lambda: latent(_MADE, 3),
}


def classes(table: pd.DataFrame) -> Classes:
    """Return the classes by all columns of a table of text."""
    return classify(
        code_column(pa.chunked_array([pa.array(table[name], pa.string())]), str(name))
        for name in table
    )


def truth(table: pd.DataFrame) -> float:
    """Share of people who are alone in all columns."""
    return float((classes(table).sizes == 1).sum() / len(table))


def measured(name: str) -> dict[str, Any]:
    """Return the truth and, by sampling fraction, how near the estimates come to it.

    ``factor``: the largest by which one of five estimates is off; ``covered``: how many of the five
    intervals hold the truth; ``others``: the largest factor of the older estimators, ``None`` where
    one says 0 or nothing.
    """
    table = POPULATIONS[name]()
    alone, people = truth(table), len(table)
    found: dict[str, Any] = {"people": people, "truth": round(alone, 4)}
    for fraction in FRACTIONS:
        samples = [
            classes(table.sample(round(fraction * people), random_state=seed))
            for seed in range(_SAMPLES)
        ]
        ours = [copula(sample, people, seed) for seed, sample in enumerate(samples)]
        others = [by_sizes(sample.sizes, people, 1) for sample in samples]
        found[f"{fraction:.0%}"] = {
            "factor": _factor(ours, alone),
            "covered": sum(_covers(estimate, alone) for estimate in ours),
            "samples": _SAMPLES,
            "others": {
                method: _factor([estimates[method] for estimates in others], alone)
                for method in others[0]
            },
        }
    return found


def _factor(estimates: list[Estimate], alone: float) -> float | None:
    values = [estimate.uniqueness for estimate in estimates]
    if not all(values):
        return None
    return round(max(max(v / alone, alone / v) for v in values if v), 2)


def _covers(estimate: Estimate, alone: float) -> bool:
    assert estimate.lower is not None and estimate.upper is not None
    return estimate.lower <= alone <= estimate.upper
