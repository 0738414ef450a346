"""The `sluice` command: starts the workflow and takes the decisions that are not data flow."""

from __future__ import annotations

import sys
from importlib import import_module

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
    "publish": "decide",
    "verify": "decide",
    "imaging": "imaging",
    "clean": "setup",
    "demo": "demo",
}


class _Commands(click.Group):
    """Imports a command when it is called: all of them at once take seconds."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"sluice.cli.{_COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def sluice() -> None:
    """Turn raw cohorts into versioned, gated, de-identified release bundles."""


def main() -> None:
    """Entry point of the console script."""
    sys.exit(guard(lambda: sluice(prog_name="sluice")))
