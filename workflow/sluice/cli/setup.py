"""`sluice init`, `doctor`, `clean`: before a release, and after it."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from sluice.cli.options import with_config, with_release
from sluice.cli.run import disk_needed
from sluice.config import Config, load_approvers, load_site
from sluice.config.site import Site
from sluice.errors import SluiceError
from sluice.identity import refuse_git_tree
from sluice.resources import shipped


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Make FOLDER with a configuration to edit: site, policies, and the demo cohort as a model."""
    if folder.exists() and any(folder.iterdir()):
        raise SluiceError("The folder is not empty", mend="name a new one")
    shutil.copytree(shipped() / "config", folder, dirs_exist_ok=True)
    click.echo(f"Made {folder}. Next: edit config.yaml, then cohorts/ (README, six steps).")


@click.command()
@with_config
@click.option("--release", help="COHORT/VERSION: also estimate its disk")
def doctor(config_file: Path, release: str | None) -> None:
    """Check permissions, disk, keys and system parts; say what to mend."""
    problems = 0
    for good, line in checks(config_file, release):
        problems += good is False
        click.echo(f"{ {True: 'ok', False: 'MEND', None: 'note'}[good] }: {line}")
    if problems:
        raise SluiceError(f"{problems} things to mend", mend="see the lines marked MEND")


def checks(config_file: Path, release: str | None) -> Iterator[tuple[bool | None, str]]:
    """Yield (fine, to mend, or only a note) and a sentence for each thing that is looked at."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield (3, 11) <= sys.version_info[:2] <= (3, 13), f"Python {version} (3.11 to 3.13)"
    site = load_site(config_file)
    for role in ("work", "vault", "store"):
        yield from _folder(site, role)
    yield from _keys(site)
    yield from _approvers(site)
    if release:
        yield from _disk(Config.load(config_file, release))
    for part, use in (
        ("ssh-keygen", "signatures"),
        ("sbatch", "clusters"),
        ("chromium", "tests of the pages"),
    ):
        there = shutil.which(part) is not None
        yield (there or None), f"{part} ({use}){'' if there else ' is not installed'}"


def _folder(site: Site, role: str) -> Iterator[tuple[bool | None, str]]:
    path: Path = getattr(site, role)
    try:
        refuse_git_tree(path, role)
    except SluiceError as error:
        yield False, str(error)
        return
    if not path.exists():
        yield None, f"{role}: {path} does not exist yet; the first run makes it"
        return
    wide = role != "store" and bool(path.stat().st_mode & 0o077)
    writable = os.access(path, os.W_OK)
    yield (
        not wide and writable,
        f"{role}: {path}"
        + (
            " can be read by others; run `chmod 700` on it"
            if wide
            else ""
            if writable
            else " cannot be written"
        ),
    )


def _keys(site: Site) -> Iterator[tuple[bool | None, str]]:
    for path in sorted(site.vault.glob("*/keys/*")):
        private = stat.S_IMODE(path.lstat().st_mode) == 0o600 and not path.is_symlink()
        name = f"{path.parents[1].name}/keys/{path.name}"
        yield private, f"vault key {name}" + ("" if private else " must have mode 0600")


def _approvers(site: Site) -> Iterator[tuple[bool | None, str]]:
    try:
        approvers = load_approvers(site)
    except SluiceError as error:
        yield None, str(error)
        return
    held = {role for approver in approvers.approvers for role in approver.roles}
    lacking = sorted({r for roles in approvers.required.values() for r in roles} - held)
    yield (
        (not lacking) or None,
        "approvers"
        + (f": nobody holds {', '.join(lacking)}; add keys to approvers.yaml" if lacking else ""),
    )


def _disk(config: Config) -> Iterator[tuple[bool | None, str]]:
    raw = sum(p.stat().st_size for p in config.layout.raw_cohort.rglob("*") if p.is_file())
    needed = disk_needed(raw, len(config.tiers))
    place = next(p for p in (config.site.work, *config.site.work.parents) if p.exists())
    free = shutil.disk_usage(place).free
    yield free > needed, f"disk: {free / 1e9:.1f} GB free, about {needed / 1e9:.2f} GB needed"


@click.command()
@with_release
@with_config
@click.option("--yes", is_flag=True, help="Do not ask.")
def clean(release: str, config_file: Path, yes: bool) -> None:
    """Delete the work folder of a release. Vault and store stay; a new run rebuilds the bytes."""
    config = Config.load(config_file, release)
    if not config.layout.base.exists():
        click.echo("There is nothing to clean.")
        return
    if not yes:
        click.confirm(f"Delete {config.layout.base}?", abort=True)
    shutil.rmtree(config.layout.base)
    click.echo(f"Deleted {config.layout.base}; vault and store are as they were.")
