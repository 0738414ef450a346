"""Models, risks, special uniques and population uniqueness, beside pyCANON and plain reading."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from math import floor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.imaging.tools import environment, timed
from benchmarks.tables.populations import FRACTIONS, POPULATIONS, measured
from benchmarks.tables.search import _LOCK, _PEERS, adult_folder
from sluice.tables import closeness, models
from sluice.tables.classes import column_codes, encode
from sluice.tables.uniques import minimal_uniques

SENSITIVE = "occupation"
LONG = 10_000_000
_ROUNDS = 5
_GROUP = 1 << 20

_PYCANON = """
import json, sys, time
import pandas as pd
from pycanon import anonymity
table = pd.read_csv(sys.argv[1], sep=";", dtype=str)
quasi = [name for name in table.columns if name != sys.argv[2]]
found, started = {}, time.perf_counter()
for name in ("k_anonymity", "l_diversity", "entropy_l_diversity", "t_closeness",
             "basic_beta_likeness", "delta_disclosure"):
    rest = [] if name == "k_anonymity" else [[sys.argv[2]]]
    found[name] = float(getattr(anonymity, name)(table, quasi, *rest))
print(json.dumps({"seconds": time.perf_counter() - started, "found": found}))
"""

# Both are timed inside one process, so that starting Python counts for neither.
_LONG = """
import json, sys, time
from pathlib import Path
import numpy as np
import pyarrow.parquet as pq
from sluice.files.flat import each_column
from sluice.tables.streaming import ahead, classify, code_column
path = Path(sys.argv[1])
names = pq.read_schema(path).names
read, risk = [], []
for _ in range(int(sys.argv[3])):
    if sys.argv[4] == "read":
        started = time.perf_counter()
        table = pq.read_table(path, read_dictionary=names)
        read.append(time.perf_counter() - started)
        del table
    else:
        started = time.perf_counter()
        columns = zip(names, each_column(path, names, "IN"))
        found = classify(ahead(code_column(values, name) for name, values in columns))
        risks = (1 / found.sizes)[found.of_row]
        risk.append(time.perf_counter() - started)
Path(sys.argv[2]).write_text(json.dumps(read or risk))
"""


def measure() -> dict[str, Any]:
    """Return ``metrics``, ``risk_10m``, ``suda_seconds`` and ``population``.

    ``risk_10m``: class and risk of every row, from Parquet. ``seconds`` and ``ratio_to_read`` are
    medians of rounds in one process, the plain read by pyarrow in another; ``peak_mb`` is that of
    the first. Its columns are text, as Adult's are; ``numbers`` is the same with whole numbers.
    """
    if not adult_folder().is_dir():
        return {"skipped": "no shared data: set SLUICE_SHARED to the folder that holds data/"}
    table = pd.read_csv(adult_folder() / "adult.csv", sep=";", dtype=str)
    record = {
        "metrics": _metrics(table),
        "risk_10m": _long(table),
        "suda_seconds": _warm(lambda: _suda(table)),
        "population": {name: measured(name) for name in POPULATIONS},
    }
    metrics, long = record["metrics"], record["risk_10m"]
    print(f"six metrics: {metrics['seconds']:.3f} s, pyCANON {metrics['pycanon_seconds']:.1f} s")
    print(f"risk of 10 m rows: {long['seconds']:.2f} s, {long['ratio_to_read']:.2f} times reading, "
          f"{long['peak_mb']} MB")  # fmt: skip
    print(f"special uniques of Adult: {record['suda_seconds']:.3f} s")
    for name, found in record["population"].items():
        near = [found[f"{fraction:.0%}"] for fraction in FRACTIONS]
        print(f"population {name}: alone {found['truth']:.1%}, factor at 1 and 5 % "
              f"{[n['factor'] for n in near]}, intervals {[n['covered'] for n in near]} of "
              f"{near[0]['samples']}")  # fmt: skip
    return record


def _warm(run: Callable[[], object]) -> float:
    run()
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return round(median(seconds), 4)


def six(table: pd.DataFrame) -> dict[str, float]:
    """Return what pyCANON reports, of Adult without and with its sensitive column."""
    quasi = [name for name in table.columns if name != SENSITIVE]
    classes, sizes = encode(table, quasi)
    counts = models.contingency(classes, *column_codes(table[SENSITIVE]))
    return {
        "k_anonymity": float(sizes.min()),
        "l_diversity": float(models.distinct_l(counts).min()),
        "entropy_l_diversity": float(floor(models.entropy_l(counts).min() + 1e-9)),
        "t_closeness": float(models.equal_distance(counts).max()),
        "basic_beta_likeness": float(closeness.likeness(counts).max()),
        "delta_disclosure": float(closeness.disclosure(counts).max()),
    }


def _metrics(table: pd.DataFrame) -> dict[str, Any]:
    done = subprocess.run(
        [str(environment(_LOCK, _PEERS)), "-c", _PYCANON, str(adult_folder() / "adult.csv"),
         SENSITIVE], capture_output=True, text=True, check=True,
    )  # fmt: skip
    peer, ours = json.loads(done.stdout), six(table)
    for name, value in peer["found"].items():
        assert abs(ours[name] - value) < 1e-6 * max(1, abs(value)), f"{name} differs from pyCANON's"
    return {
        "seconds": _warm(lambda: six(table)),
        "pycanon_seconds": round(peer["seconds"], 2),
        **ours,
    }


def _suda(table: pd.DataFrame) -> None:
    names = [name for name in table.columns if name != SENSITIVE]
    columns = np.column_stack([column_codes(table[name])[0] for name in names])
    codes, sizes = encode(table, names)
    first = np.empty(len(sizes), dtype=np.int64)
    first[codes] = np.arange(len(codes))
    minimal_uniques(columns[first], sizes)


def _long(table: pd.DataFrame) -> dict[str, Any]:
    names = [name for name in table.columns if name != SENSITIVE]
    home = Path(tempfile.gettempdir()) / f"sluice-benchmark-{os.getuid()}"
    home.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {"rows": LONG}
    for kind in ("text", "numbers"):
        path, out = home / f"long-{kind}.parquet", home / "long.json"
        _write_long(path, table[names], kind == "numbers")
        seconds = {}
        for what in ("read", "risk"):
            command = [sys.executable, "-c", _LONG, str(path), str(out), str(_ROUNDS), what]
            _, _, peak = timed(command)
            seconds[what] = median(json.loads(out.read_text()))
        found = {
            "seconds": round(seconds["risk"], 3),
            "read_seconds": round(seconds["read"], 3),
            "ratio_to_read": round(seconds["risk"] / seconds["read"], 2),
            "peak_mb": round(peak),
        }
        record |= found if kind == "text" else {kind: found}
        path.unlink()
    return record


def _write_long(path: Path, table: pd.DataFrame, numbers: bool) -> None:
    """Write rows drawn from Adult, of which each cell is with a chance of 1 in 20 another row's."""
    rng = np.random.default_rng(7)
    coded = {name: column_codes(table[name])[0] - 1 for name in table}
    values = {name: np.array(sorted(table[name].unique()), dtype=object) for name in table}
    writer = None
    for start in range(0, LONG, _GROUP):
        size = min(_GROUP, LONG - start)
        rows = rng.integers(0, len(table), size)
        columns = {}
        for name in table:
            own = np.where(rng.random(size) < 0.05, rng.integers(0, len(table), size), rows)
            codes = pa.array(coded[name][own].astype(np.int32))
            text = pa.DictionaryArray.from_arrays(codes, pa.array(values[name]))
            columns[name] = codes if numbers else text.cast(pa.string())
        group = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, group.schema)
        writer.write_table(group)
    assert writer is not None
    writer.close()


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1, sort_keys=True))
