"""`sluice attack list`: every scenario, with what its attacker knows."""

from __future__ import annotations

import textwrap

import click

from sluice.attacks.registry import SCENARIOS

_WIDTH = 100


@click.command()
def list() -> None:
    """Print every scenario that a policy can demand."""
    for scenario in SCENARIOS:
        click.echo(click.style(scenario.name, bold=True) + f"  (unit: {scenario.unit})")
        for label, text in (
            ("attacker knows", scenario.knows),
            ("control on raw", scenario.control),
            ("source", scenario.source),
            ("command", scenario.command),
        ):
            if text:
                click.echo(
                    textwrap.fill(
                        text,
                        _WIDTH,
                        initial_indent=f"  {label:<16}",
                        subsequent_indent=" " * 18,
                    )
                )
        click.echo()
