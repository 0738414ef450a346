"""Where the vault keeps what published releases told of whom, and whether all of it was seen."""

from __future__ import annotations

from pathlib import Path

from sluice.config.layout import Layout
from sluice.files import read_json, sha256_file, sha256_json, write_json

INDIVIDUAL = ("controlled", "registered")
"""Tiers of individual records: what they show of a person adds up."""


def published_groups(layout: Layout, tier: str, modality: str) -> dict[str, Path]:
    """Return the recorded groups that a tier is compared with, by version, sorted.

    Of every other published version, superseded and retracted ones too: their recipients may still
    hold them. A version that is out itself is compared with those that were out before it, so that
    it can be rebuilt to the byte.
    """
    paths = [path for path in _of_tier(layout, tier) if path.stem == modality]
    return {_version(layout, path): path for path in paths}


def published_classes(layout: Layout, tier: str) -> dict[tuple[str, str], Path]:
    """Return the recorded classes that a tier is compared with, by tier and version, sorted.

    Of both tiers of individual records; the same versions as for groups.
    """
    name = layout.published_classes(tier).name
    paths = [path for path in _seen(layout, tier) if path.name == name]
    return {(path.parent.name, _version(layout, path)): path for path in paths}


def lineage_digest(layout: Layout, tier: str) -> str:
    """Return a digest of all that a tier is compared with.

    A plan or a score that was made against another lineage says nothing about this one.
    """
    paths = [(path.relative_to(layout.vault_cohort), path) for path in _seen(layout, tier)]
    return sha256_json([[name.as_posix(), sha256_file(path)] for name, path in paths])


def keep_lineage(layout: Layout, tier: str) -> None:
    """Note which versions a tier was compared with: it is about to be published."""
    versions = {_version(layout, path) for path in _of_tier(layout, tier)}
    beside = {_version(layout, path) for path in _beside(layout, tier)}
    noted = {"versions": sorted(versions), "beside": sorted(beside)}
    write_json(layout.published_lineage(tier), noted)


def _seen(layout: Layout, tier: str) -> list[Path]:
    return [*_of_tier(layout, tier), *_beside(layout, tier)]


def _of_tier(layout: Layout, tier: str) -> list[Path]:
    """Return what other versions of the tier left."""
    return _others(layout, tier, tier, "*.parquet", "versions")


def _beside(layout: Layout, tier: str) -> list[Path]:
    """Return the classes that other versions of the other tier of individual records left."""
    if tier not in INDIVIDUAL:
        return []
    other = INDIVIDUAL[1 - INDIVIDUAL.index(tier)]
    return _others(layout, tier, other, layout.published_classes(other).name, "beside")


def _others(layout: Layout, tier: str, told: str, name: str, note: str) -> list[Path]:
    folder = layout.published_lineage(told).parent.relative_to(layout.vault_release)
    files = sorted(layout.vault_cohort.glob(f"*/{folder}/{name}"))
    others = [path for path in files if _version(layout, path) != layout.version]
    noted = layout.published_lineage(tier)
    if noted.is_file() and layout.published(tier).is_dir():
        before = set(read_json(noted).get(note, []))
        others = [path for path in others if _version(layout, path) in before]
    return others


def _version(layout: Layout, path: Path) -> str:
    return path.relative_to(layout.vault_cohort).parts[0]
