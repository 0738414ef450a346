"""Where the vault keeps who was in the groups of published releases, and whether all are seen."""

from __future__ import annotations

from pathlib import Path

from sluice.config.layout import Layout
from sluice.files import sha256_file, sha256_json


def published_groups(layout: Layout, tier: str, modality: str) -> dict[str, Path]:
    """Return the recorded groups of every other published version of a tier, by version, sorted.

    Superseded and retracted ones too: their recipients may still hold them.
    """
    return {
        path.relative_to(layout.vault_cohort).parts[0]: path
        for path in _others(layout, tier)
        if path.stem == modality
    }


def lineage_digest(layout: Layout, tier: str) -> str:
    """Return a digest of the recorded groups of all other published versions of a tier.

    A score that was taken against another lineage says nothing about this one.
    """
    paths = [(path.relative_to(layout.vault_cohort), path) for path in _others(layout, tier)]
    return sha256_json([[name.as_posix(), sha256_file(path)] for name, path in paths])


def _others(layout: Layout, tier: str) -> list[Path]:
    own = layout.published_groups(tier, "any").parent
    files = layout.vault_cohort.glob(f"*/{own.relative_to(layout.vault_release)}/*.parquet")
    return sorted(path for path in files if path.parent != own)
