"""From everything that a tier made to its sealed candidate."""

from __future__ import annotations

from typing import Any

from sluice.code import code_digest, lock_digest
from sluice.files import read_json
from sluice.jobs import Job
from sluice.modalities import load
from sluice.public import describe_products
from sluice.release.bundle import build
from sluice.release.needles import needles
from sluice.release.seal import scan


def build_and_seal(job: Job) -> None:
    """Build the tier's candidate, then scan it from disk and write its seal.

    Raises
    ------
    SluiceError
        If a gate failed, or the finished candidate holds an identifier.
    """
    digests = {
        "code": code_digest("bundle", *job.config.modalities),
        "policy": job.settings.digest,
        "lock": lock_digest(),
    }
    build(job.config, job.tier, digests, internal_records(job), dictionary_rows(job))
    scan(job.config, job.tier, needles(job.config, job.tier))


def internal_records(job: Job) -> list[dict[str, Any]]:
    """Return the internal records of every step that made this tier, by path."""
    assert job.settings.tier is not None
    base = job.layout.base
    tiers = {job.tier, job.settings.tier.source} - {"curated"}
    folders = [base / "intake", base / "curate", *(base / tier for tier in sorted(tiers))]
    found = [
        path
        for folder in folders
        for path in sorted(folder.rglob("*.record.json"))
        if "candidate" not in path.parts
    ]
    return [read_json(path) for path in found]


def dictionary_rows(job: Job) -> list[dict[str, Any]]:
    """Return the dictionary rows of everything that the tier may release."""
    if job.tier == "public":
        return describe_products(job)
    rows = []
    for modality in job.config.modalities:
        rows += load(modality, "describe")(Job(job.config, "bundle", job.tier, modality))
    return rows
