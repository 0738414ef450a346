"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sluice.resources import shipped

Command = Callable[..., Any]


def default_config() -> Path:
    """Return ``$SLUICE_CONFIG``, ``config/config.yaml`` here, or the shipped one."""
    here = Path("config/config.yaml")
    named = os.environ.get("SLUICE_CONFIG")
    return Path(named) if named else here if here.exists() else shipped() / "config/config.yaml"


def with_config(command: Command) -> Command:
    """Add ``--config FILE``."""
    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        default=default_config,
        help="config.yaml of the facility [default: $SLUICE_CONFIG, config/config.yaml]",
    )(command)


def with_release(command: Command) -> Command:
    """Add the argument ``COHORT/VERSION``."""
    return click.argument("release", metavar="COHORT/VERSION")(command)
