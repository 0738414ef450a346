"""`sluice attack`: each attack on its own, against files of anybody's, without a cohort."""

from __future__ import annotations

import click

from sluice.cli import Commands


@click.group(
    cls=Commands,
    modules={
        "list": "attack_list",
        "genotype-linking": "attack_genotypes",
        "relink": "attack_relink",
        "membership": "attack_membership",
        "traits": "attack_traits",
        "synthetic": "attack_synthetic",
    },
)
def attack() -> None:
    """Attack expression and synthetic tables as an adversary would; say how far he gets."""
