"""`sluice run`: list the raw tree once, then let Snakemake build the candidates."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from sluice.cli.options import with_config, with_release
from sluice.config import Config
from sluice.errors import SluiceError
from sluice.files import read_json, write_json
from sluice.identity import refuse_git_tree
from sluice.resources import shipped

_DONE = re.compile(r"^(\d+) of (\d+) steps \(\d+%\) done")
_FINISHED = re.compile(r"^Finished jobid: \d+ \(Rule: (\w+)\)")
_SAID = re.compile(r"^(?:\S+ - )?(error: .*)$")


@click.command()
@with_release
@with_config
@click.option("--dry-run", "-n", is_flag=True, help="Only say what would be done.")
@click.option("--cores", type=int, help="Cores on this machine [default: the profile's]")
@click.option("--profile", default="default", help="A folder in profiles/, or a path.")
def run(release: str, config_file: Path, dry_run: bool, cores: int | None, profile: str) -> None:
    """Build the candidates of a release, tier by tier; resume where an earlier run stopped."""
    config = Config.load(config_file, release)
    if dry_run:
        show_estimate(config)
    build(config, profile, cores, dry_run=dry_run)


def build(config: Config, profile: str, cores: int | None, *, dry_run: bool = False) -> None:
    """Run both invocations under this checkout's lock.

    Raises
    ------
    SluiceError
        With the failed jobs' own sentences and how to resume.
    """
    for role in ("work", "vault", "store"):
        refuse_git_tree(getattr(config.site, role), role)
    _check_settings(config)
    records = Path(".snakemake")
    records.mkdir(mode=0o700, exist_ok=True)
    records.chmod(0o700)
    config.layout.base.mkdir(mode=0o700, parents=True, exist_ok=True)
    address = f"{config.release.cohort}/{config.release.version}"
    with _alone(records / "sluice.lock") as here, _alone(config.layout.base / ".lock") as there:
        _sweep(config)
        _take_listing(config)
        started = time.time()
        for target in ("intake", "candidates"):
            if _snakemake(config, target, profile, cores, dry_run, (here, there)):
                raise SluiceError(
                    _said_in_logs(config, started) or "The workflow stopped",
                    where=f"log: {config.layout.base / 'logs'}",
                    mend=f"mend it, then resume with `sluice run {address}`",
                )


@contextmanager
def _alone(path: Path) -> Iterator[int]:
    """Hold a lock file and give its descriptor.

    The kernel frees the lock when the last process that inherited the descriptor is gone, so a
    killed run leaves nothing behind, and an orphaned Snakemake still counts as at work.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError:
        raise SluiceError(
            "Another run is at work in this folder", mend="wait for it; one release at a time"
        ) from None
    finally:
        os.close(descriptor)


def _check_settings(config: Config) -> None:
    """Ask for every job's settings once: what is missing is told before anything runs."""
    for tier in config.tiers:
        for modality in config.modalities:
            config.settings("minimize", tier, modality)


def _sweep(config: Config) -> None:
    """Remove what a killed job left under a temporary name; nobody else is at work now."""
    for root in (config.layout.base, config.layout.vault_release):
        for leftover in [*root.rglob(".*.new-*"), *root.rglob(".*.old-*")]:
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)


def _take_listing(config: Config) -> None:
    """Write one digest over paths, sizes and times of the raw tree; only if it changed."""
    root = config.layout.raw_cohort
    if not root.is_dir():
        raise SluiceError(
            "The cohort has no raw folder",
            where=f"raw/{config.layout.cohort}",
            mend="put the raw files there, or mend `raw:` in config.yaml",
        )
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            info = os.lstat(Path(folder) / name)
            # A name need not be UTF-8.
            digest.update(os.fsencode(f"{folder}/{name}"))
            digest.update(f"\0{info.st_size}\0{info.st_mtime_ns}\n".encode())
    listing = {"listing": digest.hexdigest()}
    path = config.layout.listing
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists() or read_json(path) != listing:
        write_json(path, listing)


def snakemake_command(config: Config, target: str, profile: str, cores: int | None) -> list[str]:
    """Return the command that builds ``target``; a user could type it."""
    home = shipped()
    folder = Path(profile) if "/" in profile else home / "profiles" / profile
    if not folder.is_dir():
        known = ", ".join(sorted(p.name for p in (home / "profiles").iterdir()))
        raise SluiceError("There is no such profile", mend=f"choose one of: {known}")
    return [
        *(sys.executable, "-m", "snakemake", target),
        *("--snakefile", str(home / "Snakefile"), "--workflow-profile", str(folder)),
        *(["--cores", str(cores)] if cores else []),
        "--nolock",  # sluice.lock guards the folder, and a killed run leaves none behind
        "--config",
        f"site={config.file.absolute()}",
        f"release={config.release.cohort}/{config.release.version}",
    ]


def _snakemake(
    config: Config,
    target: str,
    profile: str,
    cores: int | None,
    dry_run: bool,
    locks: tuple[int, ...],
) -> int:
    command = snakemake_command(config, target, profile, cores)
    if dry_run:
        return subprocess.run([*command, "--dry-run", "--quiet", "rules"], check=False).returncode
    log = config.layout.base / "logs" / f"snakemake.{target}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    rule = ""
    with (
        log.open("w") as out,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=locks,
            preexec_fn=_end_with_parent,
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            out.write(line)
            out.flush()
            if found := _FINISHED.match(line):
                rule = found[1]
            elif found := _DONE.match(line):
                click.echo(f"  {found[1]:>3} of {found[2]}  {rule}", err=True)
    return process.returncode


def _end_with_parent() -> None:
    """Ask the kernel to stop this process when `sluice run` is killed (Linux: PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _said_in_logs(config: Config, since: float) -> str:
    """Return the failed jobs' sentences, without the full stop that the caller adds."""
    said: list[str] = []
    for path in sorted((config.layout.base / "logs").rglob("*.log")):
        if path.stat().st_mtime >= since - 1 and path.parent.name != "logs":
            lines = path.read_text(errors="replace").splitlines()
            said += [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return " | ".join(dict.fromkeys(said)).rstrip(".")


def show_estimate(config: Config) -> None:
    """Say how much disk the release needs beside what is free."""
    raw = sum(p.stat().st_size for p in config.layout.raw_cohort.rglob("*") if p.is_file())
    needed = disk_needed(raw, len(config.tiers))
    click.echo(f"raw data: {raw / 1e6:.0f} MB; work and store need about {needed / 1e6:.0f} MB")


def disk_needed(raw: int, tiers: int) -> int:
    """Estimate work and store: each individual tier at most copies raw once, the store again."""
    return int(2 * 1.1 * raw * max(tiers - 1, 1)) + 50_000_000
