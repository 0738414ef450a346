"""The `sluice` command: starts the workflow and takes the decisions that are not data flow."""

from __future__ import annotations

import sys

import click

from sluice import __version__
from sluice.cli.decide import approve, publish, verify
from sluice.cli.demo import demo
from sluice.cli.look import explain, inventory, status
from sluice.cli.run import run
from sluice.cli.setup import clean, doctor, init
from sluice.console import guard


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def sluice() -> None:
    """Turn raw cohorts into versioned, gated, de-identified release bundles."""


for command in (
    init, doctor, inventory, run, status, explain, approve, publish, verify, clean, demo,
):  # fmt: skip
    sluice.add_command(command)


def main() -> None:
    """Entry point of the console script."""
    sys.exit(guard(lambda: sluice(prog_name="sluice")))
