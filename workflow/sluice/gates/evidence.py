"""The score and utility files of a tier, each with the digest that ties a verdict to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sluice.config import Layout
from sluice.errors import SluiceError
from sluice.files import read_json, sha256_file
from sluice.scores import Score

TIER = "tier"
"""Stands for the whole tier where a product's name is expected."""


@dataclass(frozen=True)
class Evidence:
    """One score with where it comes from.

    Parameters
    ----------
    kind
        ``scenario`` (an attack) or ``utility``.
    modality
        Folder of the file; ``joint`` for scenarios over all modalities.
    score
        What was measured.
    digest
        SHA-256 of the file.
    """

    kind: Literal["scenario", "utility"]
    modality: str
    score: Score
    digest: str

    @property
    def worked_on_raw(self) -> bool:
        """Whether the attack may count: it succeeded on raw, or needs no such control."""
        return not self.score.evidence or self.score.evidence.get("works") is True


def read_evidence(layout: Layout, tier: str, modalities: Iterable[str]) -> list[Evidence]:
    """Read every score and utility file of a tier, sorted by kind, name and product.

    Raises
    ------
    SluiceError
        If a file is not a score.
    """
    found = []
    for modality in (*modalities, "joint", "products"):
        for folder, kind in (
            (layout.score(tier, modality), "scenario"),
            (layout.utility(tier, modality), "utility"),
        ):
            for file in sorted(folder.glob("*.json")):
                found.append(Evidence(kind, modality, _score(file), sha256_file(file)))  # type: ignore[arg-type]
    return sorted(found, key=lambda e: (e.kind, e.score.name, e.score.product, e.modality))


def _score(file: Path) -> Score:
    try:
        return Score.from_json(read_json(file))
    except TypeError:
        raise SluiceError(
            "A score file does not hold a score",
            where=f"{file.parent.name}/{file.name}",
            mend="delete it and run the stage score again",
        ) from None
