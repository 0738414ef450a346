"""The demo from raw to the catalogue, stage by stage, beside a plain copy of its raw bytes."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from sluice.resources import shipped


def measure() -> dict[str, Any]:
    """Run ``sluice demo`` in an empty home and return times, CPU and peak memory by stage.

    ``stage_cpu_s`` counts each script with its interpreter's start; ``overhead_share`` is what is
    left of the whole: Snakemake, shells, signing and publishing.
    """
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        shutil.copytree(shipped() / "config", home / "config")
        places = {k: str(home / "demo" / k) for k in ("raw", "work", "vault", "store")}
        site = {**places, "approvers": str(home / "demo/approvers.yaml"), "demo": True}
        (home / "config/config.yaml").write_text(json.dumps(site))
        times = home / "times.jsonl"
        wall, cpu = _run(home, times)
        copy = _copy_and_hash(home / "demo/raw", home / "copy")
        rows = [json.loads(line) for line in times.read_text().splitlines()]
    raw_times = [row for row in rows if row["script"] not in ("sluice", "__main__")]
    stages = _by_stage(raw_times)
    stage_cpu = {stage: round(row["cpu_s"], 2) for stage, row in stages.items()}
    print(f"{'stage':<18}{'jobs':>5}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}")
    for stage, row in stages.items():
        shown = f"{row['wall_s']:>9.1f}{row['cpu_s']:>9.1f}{row['peak_mb']:>9.0f}"
        print(f"{stage:<18}{row['jobs']:>5.0f}{shown}")
    overhead = 1 - sum(stage_cpu.values()) / cpu
    print(f"whole demo: {wall:.1f} s wall, {cpu:.1f} s CPU, {overhead:.0%} of it outside stages")
    ratio = cpu / max(copy["cpu_s"], 1e-9)
    print(f"plain copy + sha256 of the raw bytes: {copy['cpu_s']:.2f} s CPU; ratio {ratio:.0f}")
    return {
        "raw_times": raw_times,
        "demo_wall_s": round(wall, 2),
        "demo_cpu_s": round(cpu, 2),
        "stage_cpu_s": stage_cpu,
        "stages": stages,
        "overhead_share": round(overhead, 3),
        "copy_sha256": copy,
        "ratio_to_copy": round(ratio, 1),
    }


def _run(home: Path, times: Path) -> tuple[float, float]:
    """Return wall and CPU seconds of the demo, its children included."""
    command = [sys.executable, "-m", "sluice", "demo", "--config", str(home / "config/config.yaml")]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=home, env={**os.environ, "SLUICE_TIMES": str(times)}, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, used


def _by_stage(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    stages: dict[str, dict[str, float]] = defaultdict(
        lambda: {"jobs": 0.0, "wall_s": 0.0, "cpu_s": 0.0, "peak_mb": 0.0}
    )
    for row in rows:
        stage = stages[row["script"]]
        stage["jobs"] += 1
        stage["wall_s"] += row["wall_s"]
        stage["cpu_s"] += row["cpu_s"]
        stage["peak_mb"] = max(stage["peak_mb"], row["peak_mb"])
    return dict(stages)


def _copy_and_hash(source: Path, target: Path) -> dict[str, float]:
    """Copy every file and hash it: the least that any release of these bytes must do."""
    start, cpu, size = time.perf_counter(), time.process_time(), 0
    for path in sorted(p for p in source.rglob("*") if p.is_file() and not p.is_symlink()):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        with copy.open("rb") as handle:
            hashlib.file_digest(handle, "sha256")
        size += path.stat().st_size
    return {
        "bytes": size,
        "wall_s": round(time.perf_counter() - start, 4),
        "cpu_s": round(time.process_time() - cpu, 4),
    }
