"""The `sluice` command: starts the workflow and takes the decisions that are not data flow."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from sluice import __version__
from sluice.console import guard

#: Each command and the module that holds it, in the order of a release.
_COMMANDS = {
    "init": "setup",
    "doctor": "setup",
    "inventory": "look",
    "run": "run",
    "status": "look",
    "explain": "look",
    "approve": "decide",
    "waive": "decide",
    "publish": "decide",
    "verify": "decide",
    "clean": "setup",
    "imaging": "imaging",
    "expression": "expression",
    "attack": "attack",
    "sweep": "sweep",
    "table": "table",
    "demo": "demo",
}


class Commands(click.Group):
    """Imports a command when it is called: all of them at once take seconds.

    Parameters
    ----------
    modules
        Each command and the module of this package that holds it.
    """

    def __init__(self, *args: Any, modules: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of their listing."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or ``None`` if there is none of that name."""
        if cmd_name not in self.modules:
            return None
        module = import_module(f"sluice.cli.{self.modules[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(
    cls=Commands, modules=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__)
def sluice() -> None:
    """Turn raw cohorts into versioned, gated, de-identified release bundles."""


def main() -> None:
    """Entry point of the console script."""
    sys.exit(guard(lambda: sluice(prog_name="sluice")))
