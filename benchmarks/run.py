"""Run every benchmark and write ``benchmarks/out/<subject>.json``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import pipeline
from benchmarks.expression import measure as expression
from benchmarks.imaging import measure as imaging
from benchmarks.tables import measure as tables

OUT = Path(__file__).parent / "out"
SUBJECTS = {
    "pipeline": pipeline.measure,
    "imaging": imaging.measure,
    "expression": expression.measure,
    "tables": tables.measure,
}


def main() -> None:
    """Run the subjects that the command line names, or all."""
    OUT.mkdir(exist_ok=True)
    for name in sys.argv[1:] or SUBJECTS:
        result: dict[str, Any] = {"commit": commit(), "argv": sys.argv, **SUBJECTS[name]()}
        path = OUT / f"{name}.json"
        path.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")
        print(f"wrote {path}")


def commit() -> str:
    """Return the commit that is measured, marked if the tree differs from it."""
    here = Path(__file__).parent
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40"],
        cwd=here, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
