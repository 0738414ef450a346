"""An invented population: what differs between its labels, and what goes together, is known."""

from __future__ import annotations

import numpy as np

from sluice.utility.findings import Table

GENES = 180
SET = 15
#: Genes that differ between the labels: those of the first four sets, up or down by the set.
SHIFTED = 4 * SET

SETS = {f"set{n}": np.arange(n * SET, (n + 1) * SET) for n in range(GENES // SET)}


def population(donors: int, seed: int, *, shift: float = 1.0) -> Table:
    """Return donors of two labels; eight hidden factors make genes go together."""
    laws, rng = np.random.default_rng(99), np.random.default_rng(seed)
    loadings = laws.normal(size=(8, GENES))
    values = rng.normal(size=(donors, 8)) @ loadings / 2 + rng.normal(size=(donors, GENES))
    labels = np.array(["ill", "well"])[np.arange(donors) % 2]
    effect = np.zeros(GENES)
    effect[:SHIFTED] = np.repeat([1.0, -1.0, 0.7, -0.7], SET) * shift
    values[labels == "ill"] += effect
    return Table(values, tuple(f"g{n}" for n in range(GENES)), labels)
