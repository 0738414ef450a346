"""A reference cohort from files: donors of another study, both sides of whom are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sluice.attacks.genotypes.donors import all_present, read_donors
from sluice.attacks.genotypes.expression import read_expression
from sluice.attacks.genotypes.genome import Reference
from sluice.attacks.genotypes.variants import read_genotypes, sites


def read_reference(
    expression: Path, genotypes: Path, donors: Path | None = None, *, logarithms: bool = False
) -> Reference:
    """Read a reference.

    Parameters
    ----------
    expression, genotypes
        As :func:`~sluice.attacks.genotypes.expression.read_expression` and
        :func:`~sluice.attacks.genotypes.variants.read_genotypes` take them.
    donors
        As :func:`~sluice.attacks.genotypes.donors.read_donors` takes it; unless given, all donors
        of the genotypes who have expression.
    logarithms
        Whether expression is on a logarithmic scale; if not, log(1 + value) is taken.

    Raises
    ------
    SluiceError
        If a file cannot be read, or a listed donor is missing from one.
    """
    known = read_genotypes(genotypes)
    if donors is not None:
        pairs = read_donors(donors, "reference donors")
    else:
        pairs = [(name, name) for name in known.donors]
    levels = read_expression(expression, [name for name, _ in pairs])
    if donors is None:
        there = set(levels.donors)
        pairs = [pair for pair in pairs if pair[0] in there]
    in_expression, in_genotypes = ([pair[side] for pair in pairs] for side in (0, 1))
    all_present(in_expression, levels.donors, "reference donors", "reference's expression")
    all_present(in_genotypes, known.donors, "reference donors", "reference's genotypes")
    values = levels.of(in_expression, levels.genes)
    places = sites(known, levels.chromosomes, levels.starts)
    return Reference(values if logarithms else np.log1p(values), known.of(in_genotypes), *places)
