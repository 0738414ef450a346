"""One place where the demo is built: configuration, raw, work, vault and store in one folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from sluice.config import Config, Layout
from sluice.files import folder_index, read_json, write_json
from sluice.ledger.chain import Ledger, Row
from sluice.resources import shipped

ADDRESS = "demo/2026q1"
TIERS = ("controlled", "registered", "public")
INDIVIDUAL = TIERS[:2]
SHIPPED = ("config", "profiles", "resources", "workflow")
_SITE = {
    **{place: f"../{place}" for place in ("raw", "work", "vault", "store")},
    "approvers": "../approvers.yaml",
    "facility": "Demo Facility",
    "demo": True,
}


@dataclass(frozen=True)
class Home:
    """A folder with a configuration, and how to run commands in it.

    Parameters
    ----------
    path
        The folder; also the working directory, so that ``.snakemake`` lies in it.
    checkout
        The copy of what Sluice ships that runs here.
    surroundings
        Environment variables that this home differs by.
    """

    path: Path
    checkout: Path
    surroundings: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def file(self) -> Path:
        """``config.yaml``."""
        return self.path / "config" / "config.yaml"

    @cached_property
    def config(self) -> Config:
        """The release as configured here."""
        return Config.load(self.file, ADDRESS)

    @property
    def layout(self) -> Layout:
        """Every path."""
        return self.config.layout

    @property
    def environment(self) -> dict[str, str]:
        """In which nothing but this home's configuration and checkout is found."""
        own = {"SLUICE_CONFIG": str(self.file), "PYTHONPATH": str(self.checkout / "workflow")}
        return {**os.environ, "HOME": str(self.path), **own, **self.surroundings}

    def run(self, *words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a program here and return what it said."""
        return subprocess.run(
            list(map(str, words)),
            cwd=self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=1200,
            **options,
        )

    def sluice(self, *words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the console script of the environment that runs the tests."""
        return self.run(Path(sys.executable).with_name("sluice"), *words, **options)

    def script(self, name: str, *words: str, file: Path | None = None) -> str:
        """Run one stage's script by hand; it must succeed. Return what it said."""
        done = self.try_script(name, *words, file=file)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def try_script(
        self, name: str, *words: str, file: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one stage's script by hand, with another ``config.yaml`` if given."""
        script = self.checkout / "workflow" / "scripts" / f"{name}.py"
        where = ("--config", file or self.file, "--release", ADDRESS)
        return self.run(sys.executable, script, *where, *words)

    def snakemake(self, *words: str, file: Path | None = None) -> str:
        """Run Snakemake as the Snakefile's first lines say; return what it said."""
        config = ("--config", f"site={file or self.file}", f"release={ADDRESS}")
        snakefile = ("--snakefile", self.checkout / "Snakefile")
        done = self.run(sys.executable, "-m", "snakemake", *words, *snakefile, *config)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def take_listing(self, word: str = "first") -> None:
        """Write what ``sluice run`` writes before Snakemake: something that changes with raw."""
        write_json(self.layout.listing, {"listing": word})

    def log(self) -> str:
        """What the jobs and Snakemake itself said, for a failed test's message."""
        return "\n".join(p.read_text() for p in sorted((self.layout.base / "logs").rglob("*.log")))

    def ledger(self, kind: str | None = None) -> list[Row]:
        """Rows of the ledger."""
        with Ledger.open(self.layout.ledger) as ledger:
            return ledger.rows(kind)

    def variant(self, name: str, changes: Mapping[str, Mapping[str, Any]]) -> Path:
        """Write a second configuration of this home and return its ``config.yaml``.

        Parameters
        ----------
        changes
            File below the configuration's folder, then the key's path and its value, e.g.
            ``{"policies/demo.yaml": {"tiers/public/title": "Anybody"}}``.
        """
        folder = self.path / name
        if folder.exists():
            shutil.rmtree(folder)
        shutil.copytree(self.file.parent, folder)
        for file, values in changes.items():
            edit_yaml(folder / file, values)
        return folder / "config.yaml"


def edit_yaml(file: Path, values: Mapping[str, Any]) -> None:
    """Set keys of a YAML file, each named by its path; parents are made where they are missing."""
    yaml = YAML(typ="safe")
    yaml.representer.ignore_aliases = lambda _: True
    content = yaml.load(file)
    for path, value in values.items():
        set_key(content, path, value)
    with file.open("w", encoding="utf-8") as out:
        yaml.dump(content, out)


def set_key(content: Any, path: str, value: Any) -> None:
    """Set one key of nested mappings and lists; a parent is made where it is missing."""
    first, _, rest = path.partition("/")
    key: Any = int(first) if isinstance(content, list) else first
    if not rest:
        content[key] = value
    else:
        below = content[key] if isinstance(content, list) else content.setdefault(key, {})
        set_key(below, rest, value)


def copy_checkout(target: Path) -> Path:
    """Copy what Sluice ships, so that a test may edit a module; return the copy."""
    for folder in SHIPPED:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(shipped() / folder, target / folder, ignore=ignore)
    shutil.copy(shipped() / "Snakefile", target)
    (target / "envs").mkdir()
    shutil.copy(shipped() / "envs" / "requirements.txt", target / "envs")
    return target


def new_home(path: Path, checkout: Path, **surroundings: str) -> Home:
    """Make a home as a user does: ``sluice init``, then the four folders in ``config.yaml``."""
    path.mkdir(parents=True)
    home = Home(path, checkout, surroundings)
    done = home.sluice("init", "config")
    assert done.returncode == 0, done.stderr
    with home.file.open("w", encoding="utf-8") as out:
        YAML(typ="safe").dump(_SITE, out)
    return home


def copy_raw(source: Home, target: Home) -> None:
    """Copy the raw files; their times become new, links stay links."""
    shutil.copytree(
        source.path / "raw", target.path / "raw", symlinks=True, copy_function=shutil.copyfile
    )


def copy_vault(source: Home, target: Home) -> None:
    """Copy vault and approvers with their modes."""
    shutil.copytree(source.path / "vault", target.path / "vault")
    for name in ("approvers.yaml", "demo-keys"):
        place = source.path / name
        (shutil.copytree if place.is_dir() else shutil.copy)(place, target.path / name)


@dataclass(frozen=True)
class Built:
    """What a run made: per tier the candidate's digest and every file's, and the ledger."""

    candidates: dict[str, dict[str, Any]]
    trees: dict[str, dict[str, Any]]
    ledger: list[Row]


def built(home: Home) -> Built:
    """Note what lies in a home now."""
    layout = home.layout
    return Built(
        {tier: read_json(layout.candidate_digest(tier)) for tier in TIERS},
        {tier: folder_index(layout.candidate(tier)) for tier in TIERS},
        home.ledger(),
    )
