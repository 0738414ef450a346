"""``sweep.yaml``: what ``sluice sweep`` tries, and the limits that it judges by."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sluice.config.loader import Model, parse, read_yaml
from sluice.errors import SluiceError

_MOST_SETTINGS = 200

Noise = Annotated[float, Field(ge=0, le=100)]
Decimals = Annotated[int, Field(ge=0, le=9)]
Share = Annotated[float, Field(ge=0, lt=1)]
Donors = Annotated[int, Field(ge=1)]
Sets = Annotated[int, Field(ge=1)]


class Setting(Model):
    """One way to transform expression before it leaves. Steps are taken in the order of the keys.

    The defaults change nothing.
    """

    suppress: Share = 0
    sets: Sets | None = None
    noise: Noise = 0
    donors: Donors = 1
    decimals: Decimals | None = None

    @property
    def product(self) -> str:
        """What it offers: rows of genes or of gene sets, of one donor or of a group."""
        what = "genes" if self.sets is None else "sets"
        return f"{'donor' if self.donors == 1 else 'group'}_{what}"

    @property
    def whose(self) -> str:
        """What a row of it is."""
        return "each donor" if self.donors == 1 else f"groups of {self.donors}"

    @property
    def what(self) -> str:
        """What a column of it is."""
        if self.sets is None:
            return "all genes"
        return f"{self.sets} gene set{'' if self.sets == 1 else 's'}"

    @property
    def steps(self) -> list[str]:
        """What else was done to it."""
        found = []
        if self.suppress:
            found.append(f"{self.suppress:.0%} of genes dropped")
        if self.noise:
            found.append(f"noise {self.noise:g} SD")
        if self.decimals is not None:
            found.append(f"{self.decimals} decimal{'' if self.decimals == 1 else 's'}")
        return found

    @property
    def label(self) -> str:
        """The setting in words: what is offered, then what was done to it."""
        return ", ".join([self.what, self.whose, *self.steps])


class Grid(Model):
    """Settings that differ in what is listed here: every combination is tried."""

    suppress: list[Share] = Field(
        default=[0],
        min_length=1,
        description="Share of the genes that is dropped, the most variable first",
    )
    sets: list[Sets] = Field(
        default=[], description="Release this many gene sets, the first that fit; empty: genes"
    )
    noise: list[Noise] = Field(
        default=[0],
        min_length=1,
        description="Gaussian noise on each donor's values, in SDs of the feature",
    )
    donors: list[Donors] = Field(
        default=[1],
        min_length=1,
        description="Average over groups of at least this many donors of one label",
    )
    decimals: list[Decimals] = Field(
        default=[], description="Round to so many decimals; empty: as computed"
    )

    def settings(self) -> Iterator[Setting]:
        """Yield every combination, the last key changing fastest."""
        keys = list(Setting.model_fields)
        for combination in product(*(getattr(self, key) or [None] for key in keys)):
            yield Setting(**dict(zip(keys, combination, strict=True)))


class Sweep(Model):
    """What is tried on trial releases of an expression matrix, and what it is judged by."""

    seed: int = Field(default=0, ge=0, description="Of the halves, the groups and the noise")
    measure: Literal[
        "fold_changes", "gene_sets", "differential", "markers", "coexpression", "prediction"
    ] = Field(default="fold_changes", description="The utility that a setting is chosen by")
    min_utility: float = Field(
        default=0, ge=-1, le=1, description="Smallest lower bound of it that is worth a release"
    )
    exclude: list[str] = Field(
        default_factory=list,
        description="Groups of genes that no setting releases, as in a policy; a gene in no "
        "annotation counts as excluded where any group is named",
    )
    min_genes: int = Field(
        default=50, ge=2, description="Sets of which the matrix holds fewer genes are left out"
    )
    limits: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(
        min_length=1, description="Attacks to run, each with what its upper bound may not pass"
    )
    settings: list[Grid] = Field(min_length=1, description="What is tried")

    @model_validator(mode="after")
    def _some_and_not_too_many(self) -> Sweep:
        if not 0 < len(self.expanded) <= _MOST_SETTINGS:
            raise ValueError(f"from 1 to {_MOST_SETTINGS} settings")
        return self

    @property
    def expanded(self) -> list[Setting]:
        """Every setting once, in the order of the file."""
        return list(dict.fromkeys(s for grid in self.settings for s in grid.settings()))


def load_sweep(path: Path) -> Sweep:
    """Load a file of settings.

    Raises
    ------
    SluiceError
        If it is missing, no strict YAML, or not as the model says.
    """
    return parse(Sweep, read_yaml(path), path.name)


def check_attacks(sweep: Sweep, known: list[str]) -> None:
    """Refuse a limit for an attack that is not there: it would never be run."""
    unknown = sorted(set(sweep.limits) - set(known))
    if unknown:
        raise SluiceError(
            f"{len(unknown)} of the limits are for attacks that the sweep does not know",
            where="sweep settings, key `limits`",
            mend=f"it knows: {', '.join(sorted(known))}",
        )
