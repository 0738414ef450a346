"""Cells released and summed in one pass, beside a plain copy and what anndata and scanpy do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.expression.matrix import CELLS_A_DONOR, ENTRIES_A_CELL, GENES, write_raw
from benchmarks.imaging.tools import timed

CELLS = 200_000
_ROUNDS = 3

_COPY = """
import os, shutil, sys
shutil.copyfile(sys.argv[1], sys.argv[2])
with open(sys.argv[2], "rb") as written:
    os.fsync(written.fileno())
"""

# Keeps the same cells and genes as the release does, drops the same slots; nothing else is done.
_ANNDATA = """
import sys
import anndata as ad
from sluice.expression.genes import excluded
data = ad.read_h5ad(sys.argv[1])
kept = data[:, ~excluded(list(data.var_names), ["HLA", "KIR", "IG", "TCR"])].copy()
kept.uns.clear()
kept.write_h5ad(sys.argv[2])
"""

_PSEUDOBULK = """
import sys
import numpy as np
import pandas as pd
from pathlib import Path
from sluice.expression.aggregate import pseudobulk
from sluice.expression.singlecell import open_cells
source = open_cells(Path(sys.argv[1]), "h5ad")
cells = pd.DataFrame({"row": range(source.n_cells), "donor": source.column("donor_id")})
found = pseudobulk(source, cells, ["donor"])
np.save(sys.argv[2], found.values)
"""

_AGGREGATE = """
import sys
import numpy as np
import scanpy as sc
data = sc.read_h5ad(sys.argv[1])
found = sc.get.aggregate(data, "donor_id", "sum")
np.save(sys.argv[2], found.layers["sum"][np.argsort(found.obs["donor_id"].astype(str))])
"""


def measure(
    cells: int = CELLS, rounds: int = _ROUNDS, folder: Path | None = None
) -> dict[str, Any]:
    """Return ``release_200k`` and ``pseudobulk_200k``.

    Each tool is a process of its own; the tools take turns, and the median of their rounds
    counts, so that what else the machine does hits all of them. Keys: ``seconds`` (wall) and
    ``cpu_s``, ``ratio_to_copy`` (wall time over that of a plain copy, both through to the disk),
    ``ratio_to_anndata`` (the peer's wall time over ours), ``peak_mb`` and ``peer_peak_mb``.

    Parameters
    ----------
    cells
        Fewer than the full size for a trial.
    rounds
        How often each tool runs.
    folder
        Where the raw file is kept between calls; default: the system's temporary folder.
    """
    home = folder or Path(tempfile.gettempdir()) / f"sluice-benchmark-{os.getuid()}"
    home.mkdir(parents=True, exist_ok=True)
    raw = home / f"cells-{cells}.h5ad"
    if not raw.is_file():
        write_raw(raw, cells)
    turns = [_round(raw, home) for _ in range(rounds)]
    _check_sums(home)
    found = {tool: [turn[tool] for turn in turns] for tool in turns[0]}
    size = {"cells": cells, "genes": GENES, "entries": cells * ENTRIES_A_CELL,
            "donors": -(-cells // CELLS_A_DONOR), "raw_mb": raw.stat().st_size / 1e6}  # fmt: skip
    for path in home.glob("out*"):
        path.unlink()
    return {
        "release_200k": _beside(found, "release", "anndata") | size,
        "pseudobulk_200k": _beside(found, "pseudobulk", "aggregate") | size,
    }


def _round(raw: Path, home: Path) -> dict[str, tuple[float, float, float]]:
    """Run each tool once; return CPU seconds, wall seconds and peak megabytes."""
    for path in home.glob("out*"):
        path.unlink()
    out = {name: str(home / f"out-{name}") for name in ("copy.h5ad", "release.h5ad", "peer.h5ad",
                                                        "sums.npy", "peer_sums.npy")}  # fmt: skip
    release = ["-m", "sluice", "expression", "release", str(raw), out["release.h5ad"],
               "--tier", "controlled", "--vault", str(home / "vault")]  # fmt: skip
    source = str(raw)
    return {
        "copy": _timed(["-c", _COPY, source, out["copy.h5ad"]]),
        "release": _timed(release),
        "anndata": _timed(["-c", _ANNDATA, source, out["peer.h5ad"]]),
        "pseudobulk": _timed(["-c", _PSEUDOBULK, source, out["sums.npy"]]),
        "aggregate": _timed(["-c", _AGGREGATE, source, out["peer_sums.npy"]]),
    }


def _timed(arguments: list[str]) -> tuple[float, float, float]:
    subprocess.run(["sync"], check=True)  # what one tool left to write is not the next one's
    return timed([sys.executable, *arguments])


def _check_sums(home: Path) -> None:
    """Stop if the two tools do not come to the same sums: then their times mean nothing."""
    import numpy as np

    ours, theirs = (np.load(home / f"out-{name}.npy") for name in ("sums", "peer_sums"))
    assert np.array_equal(ours, theirs), "the sums differ"


def _beside(
    found: dict[str, list[tuple[float, float, float]]], ours: str, peer: str
) -> dict[str, float]:
    def middle(tool: str, place: int) -> float:
        return median(turn[place] for turn in found[tool])

    return {
        "seconds": round(middle(ours, 1), 2),
        "cpu_s": round(middle(ours, 0), 2),
        "copy_seconds": round(middle("copy", 1), 2),
        "ratio_to_copy": round(middle(ours, 1) / middle("copy", 1), 2),
        "ratio_to_anndata": round(middle(peer, 1) / middle(ours, 1), 2),
        "peer_cpu_s": round(middle(peer, 0), 2),
        "peak_mb": round(middle(ours, 2)),
        "peer_peak_mb": round(middle(peer, 2)),
    }


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:])), indent=1, sort_keys=True))
