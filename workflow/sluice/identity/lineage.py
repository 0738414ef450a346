"""Where the vault keeps who was in the groups of published releases, and whether all are seen."""

from __future__ import annotations

from pathlib import Path

from sluice.config.layout import Layout
from sluice.files import read_json, sha256_file, sha256_json, write_json


def published_groups(layout: Layout, tier: str, modality: str) -> dict[str, Path]:
    """Return the recorded groups that a tier is compared with, by version, sorted.

    Of every other published version, superseded and retracted ones too: their recipients may still
    hold them. A version that is out itself is compared with those that were out before it, so that
    it can be rebuilt to the byte.
    """
    paths = [path for path in _others(layout, tier) if path.stem == modality]
    return {_version(layout, path): path for path in paths}


def lineage_digest(layout: Layout, tier: str) -> str:
    """Return a digest of all recorded groups that a tier is compared with.

    A score that was taken against another lineage says nothing about this one.
    """
    paths = [(path.relative_to(layout.vault_cohort), path) for path in _others(layout, tier)]
    return sha256_json([[name.as_posix(), sha256_file(path)] for name, path in paths])


def keep_lineage(layout: Layout, tier: str) -> None:
    """Note which versions a tier was compared with: it is about to be published."""
    versions = sorted({_version(layout, path) for path in _others(layout, tier)})
    write_json(layout.published_lineage(tier), {"versions": versions})


def _others(layout: Layout, tier: str) -> list[Path]:
    own = layout.published_lineage(tier).parent
    files = layout.vault_cohort.glob(f"*/{own.relative_to(layout.vault_release)}/*.parquet")
    others = sorted(path for path in files if path.parent != own)
    noted = layout.published_lineage(tier)
    if noted.is_file() and layout.published(tier).is_dir():
        before = set(read_json(noted)["versions"])
        others = [path for path in others if _version(layout, path) in before]
    return others


def _version(layout: Layout, path: Path) -> str:
    return path.relative_to(layout.vault_cohort).parts[0]
