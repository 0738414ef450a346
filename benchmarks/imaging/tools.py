"""Sluice and its peers, each run as a process of its own, with what it cost."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / "benchmarks" / ".venv-peers"
PEERS = ("dicom-anonymizer", "dicognito", "deid")


@dataclass(frozen=True)
class Outcome:
    """What a tool made of a folder.

    Attributes
    ----------
    files
        Raw path → new file, of those that came out.
    uids, people
        What the tool itself says of old and new names; empty if it says nothing.
    cpu_s, wall_s, peak_mb
        Of the process and all its children; the peak is that of the largest.
    """

    name: str
    files: dict[str, Path]
    uids: dict[str, str] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0
    others: tuple[Path, ...] = ()


def sluice(
    source: Path, home: Path, tier: str = "controlled", processes: int | None = None
) -> Outcome:
    """Run ``sluice imaging deidentify`` on a folder; everything it writes goes below ``home``.

    ``processes``: as many as the command takes by itself, unless given.
    """
    out, vault, report = home / "out", home / "vault", home / "report.json"
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "sluice", "imaging", "deidentify", str(source), str(out),
               "--tier", tier, "--vault", str(vault), "--report", str(report)]  # fmt: skip
    command += [] if processes is None else ["--processes", str(processes)]
    times = timed(command)
    with next(vault.rglob("crosswalk.csv")).open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    files = {row["source"]: out / f"{row['sop_new']}.dcm" for row in rows if row["sop_new"]}
    return Outcome(
        "sluice",
        {raw: path for raw, path in files.items() if path.is_file()},
        {row["sop_old"]: row["sop_new"] for row in rows if row["sop_new"]},
        {row["person_old"]: row["person"] for row in rows if row["person"]},
        *times,
        others=(report,),
    )


def peer(name: str, source: Path, home: Path) -> Outcome:
    """Run a peer with its default settings, in the peers' environment."""
    out = home / "out"
    out.mkdir(parents=True, exist_ok=True)
    driver = Path(__file__).with_name("peer_driver.py")
    times = timed([str(environment()), str(driver), name, str(source), str(out)])
    return Outcome(name, same_names(source, out), {}, {}, *times)


def copy(source: Path, home: Path) -> Outcome:
    """Copy and hash every file: the least that anyone must do, and the worst that one can do."""
    out = home / "out"
    out.mkdir(parents=True, exist_ok=True)
    script = (
        "import hashlib,pathlib,shutil,sys\n"
        "a,b=map(pathlib.Path,sys.argv[1:])\n"
        "for p in sorted(a.rglob('*')):\n"
        "    q=b/p.relative_to(a)\n"
        "    if p.is_dir(): q.mkdir(exist_ok=True)\n"
        "    else:\n"
        "        shutil.copyfile(p,q)\n"
        "        with q.open('rb') as f: hashlib.file_digest(f,'sha256')\n"
    )
    times = timed([sys.executable, "-c", script, str(source), str(out)])
    return Outcome("copy", same_names(source, out), {}, {}, *times)


def same_names(source: Path, out: Path) -> dict[str, Path]:
    """Return raw path → new file for a tool that keeps the names of files."""
    names = (p.relative_to(source) for p in sorted(source.rglob("*")) if p.is_file())
    return {str(name): out / name for name in names if (out / name).is_file()}


def timed(command: list[str]) -> tuple[float, float, float]:
    """Run a command; return CPU and wall seconds and peak megabytes, its children included.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails; what it said is printed.
    """
    # A process starts with the peak of the one that forked it: so a small one forks.
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", _LAUNCHER, *command],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        raise subprocess.CalledProcessError(done.returncode, command)
    cpu, wall, peak = json.loads(done.stdout)
    return cpu, wall, peak


_LAUNCHER = """
import os, sys, time
start, null = time.perf_counter(), os.open(os.devnull, os.O_WRONLY)
quiet = [(os.POSIX_SPAWN_DUP2, null, 1)]
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, used = os.wait4(child, 0)
print([used.ru_utime + used.ru_stime, time.perf_counter() - start, used.ru_maxrss / 1024])
sys.exit(os.waitstatus_to_exitcode(status))
"""


def environment(lock: Path = ROOT / "benchmarks" / "peers.txt", folder: Path = ENVIRONMENT) -> Path:
    """Return the peers' interpreter; the environment is made on first use, from pinned hashes."""
    stamp = folder / f".locked-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if not stamp.is_file():
        install = str(ROOT / "envs" / "install.sh")
        subprocess.run(["bash", install, str(lock), str(folder)], check=True)
        stamp.touch()
    return folder / "bin" / "python"
