"""Cells that local suppression removes from Adult, judged by brute force."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sluice.tables.cells import suppress_cells

#: Adult's columns without the one that the other benchmarks take as sensitive.
LEFT_OUT = "occupation"
K = 5
_ROUNDS = 3


def measure() -> dict[str, Any]:
    """Return ``cell_suppression``: cells, violations and seconds, in both modes.

    The upper keys are those of the mode ``wildcard``, which sdcMicro's local suppression and the
    goal count by; ``strict`` holds the same of the default mode. Seconds: the quickest of three
    calls on the table in memory.
    """
    table = adult().drop(columns=LEFT_OUT)
    found = {mode: _measured(table, mode) for mode in ("wildcard", "strict")}
    for mode, values in found.items():
        print(f"cell suppression, {mode}: {values}")
    return {"cell_suppression": {**found["wildcard"], "strict": found["strict"]}}


def adult() -> pd.DataFrame:
    """Return the Adult table of the shared data, as text."""
    shared = Path(os.environ.get("SLUICE_SHARED", "../shared"))
    return pd.read_csv(shared / "data" / "clinical" / "adult" / "adult.csv", sep=";", dtype=str)


def _measured(table: pd.DataFrame, mode: str) -> dict[str, Any]:
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        cells = suppress_cells(table, list(table), K, mode=mode)  # type: ignore[arg-type]
        seconds.append(time.perf_counter() - started)
    return {
        "cells": int(cells.sum()),
        "violations": violations(table.mask(cells), K, mode),
        "seconds": round(min(seconds), 3),
    }


def violations(table: pd.DataFrame, k: int, mode: str) -> int:
    """Count the records that fewer than ``k`` records match, each compared with all others.

    Shares no code with what it judges. ``strict``: a record matches those that are the same, what
    is missing included. ``wildcard``: what is missing in either of two records matches anything.
    """
    rows = [tuple("" if pd.isna(v) else f"={v}" for v in r) for r in table.itertuples(index=False)]
    kinds = Counter(rows)
    if mode == "strict":
        return sum(n for n in kinds.values() if n < k)
    number: dict[str, int] = {"": 0}
    coded = [[number.setdefault(cell, len(number)) for cell in kind] for kind in kinds]
    columns = np.array(coded, dtype=np.uint16).T
    people = np.array(list(kinds.values()))
    wrong = 0
    for i, n in enumerate(people):
        match = np.ones(len(people), dtype=bool)
        for column in columns:
            if column[i]:
                match &= (column == column[i]) | (column == 0)
        wrong += int(n) if people[match].sum() < k else 0
    return wrong
