"""Optimal recoding of Adult, as it is and forty times as long, and what ANJANA makes of it.

Nine quasi-identifiers, k = 5, ARX's hierarchies and Loss metric. Times are of a warm process and
hold everything from the data frame on: coding the columns, the search, the rows to suppress.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.imaging.tools import ROOT, environment, timed
from sluice.tables.hierarchyfiles import Hierarchy, read_hierarchy
from sluice.tables.recode import Recoding, search

K = 5
LIMITS = (0.0, 0.02, 0.05, 1.0)
LONG = 1_190_000
_ROUNDS = 7
_LOCK = ROOT / "benchmarks" / "tables" / "peers.txt"
_PEERS = ROOT / "benchmarks" / ".venv-peers-tables"

_LONG = """
import json, sys, time
import pandas as pd
from benchmarks.tables.search import adult_hierarchies, recoded
table = pd.read_parquet(sys.argv[1])
hierarchies = adult_hierarchies()
recoded(table.head(1000), hierarchies, 0.02)
started = time.perf_counter()
found = recoded(table, hierarchies, 0.02)
seconds = time.perf_counter() - started
record = {"seconds": seconds, "loss": found.loss, "gap": found.gap,
          "suppressed": int(found.suppressed.sum())}
open(sys.argv[2], "w").write(json.dumps(record))
"""

# Its hierarchies are dictionaries of levels, and its limit is in per cent.
_ANJANA = """
import json, sys, time
import pandas as pd
from anjana.anonymity import k_anonymity
table = pd.read_csv(sys.argv[1], sep=";", dtype=str)
hierarchies = {}
for name in table.columns:
    file = f"{sys.argv[2]}/adult_hierarchy_{name}.csv"
    paths = pd.read_csv(file, sep=";", header=None, dtype=str)
    hierarchies[name] = {level: paths[level].to_numpy() for level in paths.columns}
started = time.perf_counter()
out = k_anonymity(table, [], list(table.columns), 5, 2, hierarchies)
seconds = time.perf_counter() - started
out[table.columns].to_csv(sys.argv[3], sep=";", index=False)
print(json.dumps(seconds))
"""


def measure() -> dict[str, Any]:
    """Return ``adult`` (by limit), ``adult_1m`` and ``anjana``.

    ``adult_1m`` is of rows drawn from Adult with replacement, of which each cell is then, with a
    chance of one in twenty, another row's: without that the copies of a row would be a class by
    themselves and nothing would have to be generalised (``copies_seconds``). Its peak is that of a
    process that reads the table from Parquet and searches.
    """
    if not adult_folder().is_dir():
        return {"skipped": "no shared data: set SLUICE_SHARED to the folder that holds data/"}
    table = pd.read_csv(adult_folder() / "adult.csv", sep=";", dtype=str)
    hierarchies = adult_hierarchies()
    record = {
        "adult": {f"{limit:g}": _timed_search(table, hierarchies, limit) for limit in LIMITS},
        "adult_1m": _long(table),
        "anjana": _anjana(table, hierarchies),
    }
    for name, found in {**record["adult"], "1 m rows": record["adult_1m"],
                        "anjana": record["anjana"]}.items():  # fmt: skip
        print(f"search {name}: {found['seconds']:.3f} s, loss {found['loss']:.5f}")
    return record


def adult_folder() -> Path:
    """Return the folder of the table and its hierarchies."""
    shared = Path(os.environ.get("SLUICE_SHARED", ROOT.parent / "shared"))
    return shared / "data" / "clinical" / "adult"


def adult_hierarchies() -> dict[str, Hierarchy]:
    """Return each field's hierarchy."""
    prefix = "adult_hierarchy_"
    files = sorted(adult_folder().glob(f"{prefix}*.csv"))
    return {file.stem.removeprefix(prefix): read_hierarchy(file) for file in files}


def recoded(table: pd.DataFrame, hierarchies: dict[str, Hierarchy], limit: float) -> Recoding:
    """Search with k = 5."""
    return search(
        table,
        {name: hierarchy.levels() for name, hierarchy in hierarchies.items()},
        K,
        max_suppression=limit,
        domains={name: hierarchy.values for name, hierarchy in hierarchies.items()},
    )


def _timed_search(
    table: pd.DataFrame, hierarchies: dict[str, Hierarchy], limit: float
) -> dict[str, Any]:
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        found = recoded(table, hierarchies, limit)
        seconds.append(time.perf_counter() - started)
    return {
        "seconds": round(median(seconds), 4),
        "loss": found.loss,
        "gap": found.gap,
        "suppressed": int(found.suppressed.sum()),
    }


def _long(table: pd.DataFrame) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    copies = table.iloc[rng.integers(0, len(table), LONG)].reset_index(drop=True)
    mixed = copies.copy()
    for name in table:
        swapped = np.flatnonzero(rng.random(LONG) < 0.05)
        others = rng.integers(0, len(table), len(swapped))
        values = mixed[name].to_numpy(copy=True)
        values[swapped] = table[name].to_numpy()[others]
        mixed[name] = values
    found = _in_a_process(mixed)
    return {
        **found,
        "rows": LONG,
        "distinct_rows": len(mixed.drop_duplicates()),
        "copies_seconds": _in_a_process(copies)["seconds"],
    }


def _in_a_process(table: pd.DataFrame) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as home:
        source, out = Path(home, "in.parquet"), Path(home, "out.json")
        table.to_parquet(source)
        _, _, peak = timed([sys.executable, "-c", _LONG, str(source), str(out)])
        found: dict[str, Any] = json.loads(out.read_text())
    return {**found, "seconds": round(found["seconds"], 3), "peak_mb": round(peak)}


def _anjana(table: pd.DataFrame, hierarchies: dict[str, Hierarchy]) -> dict[str, Any]:
    """ANJANA at the limit of 2 %; its loss is computed here, from the rows that it returns."""
    with tempfile.TemporaryDirectory() as home:
        out = Path(home, "out.csv")
        files = [str(adult_folder() / "adult.csv"), str(adult_folder()), str(out)]
        done = subprocess.run(
            [str(environment(_LOCK, _PEERS)), "-c", _ANJANA, *files],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        released = pd.read_csv(out, sep=";", dtype=str)
    return {
        "seconds": round(float(done.stdout.splitlines()[-1]), 3),
        "loss": _loss(released, hierarchies, len(table)),
        "suppressed": len(table) - len(released),
    }


def _loss(released: pd.DataFrame, hierarchies: dict[str, Hierarchy], n: int) -> float:
    """Loss of rows on one level a field; the rows of ``n`` that are not there are suppressed."""
    product = 1.0
    for name, hierarchy in hierarchies.items():
        levels = pd.DataFrame(list(hierarchy.paths.values()))
        level = next(i for i in levels if set(released[name]) <= set(levels[i]))
        shares = released[name].map(levels[level].value_counts(normalize=True))
        least = 1 / len(levels)
        product *= 1 + ((shares.sum() + n - len(released)) / n - least) / (1 - least)
    return float(product ** (1 / len(hierarchies)) - 1)
