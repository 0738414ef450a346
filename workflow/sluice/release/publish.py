"""Publishing: an approved candidate becomes an immutable bundle in the store.

The steps are ordered so that a crash between any two leaves the store as it was before or as it is
after: everything is staged under a hidden name and checked, one rename makes it appear, and what
follows (ledger row, lists, catalogue) is made again from what is there whenever it is missing.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from filelock import FileLock

from sluice.config import Config
from sluice.errors import SluiceError
from sluice.files import read_json, replacing_file, sha256_json, write_json
from sluice.governance import approvals
from sluice.ledger.chain import Ledger
from sluice.release import verify as verifier
from sluice.release.catalogue import write_catalogue
from sluice.release.groups import keep_groups, kept_groups, refuse_another_lineage
from sluice.release.policy import tier_policy

_PUBLIC_FILE, _PUBLIC_FOLDER, _GROUP_FOLDER = 0o444, 0o755, 0o750


def publish(config: Config, tier: str) -> str:
    """Publish a tier and return what was done: ``published`` or ``already published``.

    The same bytes again succeed and finish what a crash left.

    Raises
    ------
    SluiceError
        If the candidate is unsigned, self-signed or altered, the version holds other bytes, or
        another release was published since this one was scored.
    """
    store, target = config.layout.store, config.layout.published(tier)
    store.mkdir(parents=True, exist_ok=True)
    store.chmod(_PUBLIC_FOLDER)
    with FileLock(store / ".lock"):
        seal = approvals.sealed(config, tier)
        if target.exists():
            _refuse_other_bytes(target, seal)
            done = "already published"
        else:
            _refuse_unapproved(config, tier)
            refuse_another_lineage(config, tier)
            staging = stage(config, tier, seal)
            check_staged(staging, seal)
            # First: a release that is out must never be missing from the next one's lineage.
            keep_groups(config, tier)
            reveal(staging, target)
            done = "published"
        record_in_ledger(config, tier, seal)
        write_releases(store)
        write_verifier(store)
        write_catalogue(store, config.site)
    return done


def _refuse_other_bytes(target: Path, seal: dict[str, Any]) -> None:
    published = read_json(target / "release.json")["bundle_digest"]
    if published != seal["bundle_digest"]:
        raise SluiceError(
            "This version is published with other bytes",
            where=f"tier {target.name}",
            mend="make a new version; what is published never changes",
        )
    if verifier.verify(target / "bundle"):
        raise SluiceError(
            "The published bundle is damaged",
            where=f"tier {target.name}",
            mend="move its folder out of the store and publish again",
        )


def _refuse_unapproved(config: Config, tier: str) -> None:
    missing = approvals.check(config, tier)
    if missing:
        raise SluiceError(
            f"The candidate is not approved: {'; '.join(missing)}",
            where=f"tier {tier}",
            mend="sign with `sluice approve`",
        )


def stage(config: Config, tier: str, seal: dict[str, Any]) -> Path:
    """Copy bundle, approvals and release record to a hidden folder of the store, synced."""
    layout = config.layout
    staging = layout.store / f".staging-{layout.cohort}-{layout.version}-{tier}"
    if staging.exists():
        shutil.rmtree(staging)
    _copy_tree(layout.candidate(tier), staging / "bundle")
    for signer in approvals.signed_by(config, tier):
        for ending in (".sig", ".json"):
            name = signer["role"] + ending
            _copy(layout.approvals(tier) / name, staging / "approvals" / name)
    write_json(staging / "release.json", release_record(config, tier, seal))
    (staging / "release.json").chmod(0o644)
    for folder in (staging, *(p for p in staging.rglob("*") if p.is_dir())):
        folder.chmod(_PUBLIC_FOLDER)
        _sync_folder(folder)
    if tier != "public":  # the catalogue is for everybody, individual records are not
        (staging / "bundle").chmod(_GROUP_FOLDER)
    return staging


def check_staged(staging: Path, seal: dict[str, Any]) -> None:
    """Read the copy back; refuse to publish anything but what was sealed."""
    problems = verifier.verify(staging / "bundle")
    if problems or verifier.bundle_digest(staging / "bundle") != seal["bundle_digest"]:
        raise SluiceError(
            "The copy in the store is not what was approved",
            mend="check the store's disk and publish again",
        )


def reveal(staging: Path, target: Path) -> None:
    """Make the staged folder appear under its name, in one rename."""
    for folder in (target.parent.parent, target.parent):
        folder.mkdir(exist_ok=True)
        folder.chmod(_PUBLIC_FOLDER)
        _sync_folder(folder.parent)
    os.rename(staging, target)
    _sync_folder(target.parent)


def record_in_ledger(config: Config, tier: str, seal: dict[str, Any]) -> None:
    """Append the publication to the ledger, once, with digests of the groups that it shows."""
    layout = config.layout
    body = {
        "cohort": layout.cohort,
        "version": layout.version,
        "tier": tier,
        "bundle_digest": seal["bundle_digest"],
    }
    once = f"publish:{sha256_json(body)}"
    with Ledger.open(layout.ledger) as ledger, ledger.transaction():
        if ledger.find(once) is None:
            ledger.append("publish", body | {"groups": kept_groups(config, tier)}, key=once)


def write_releases(store: Path) -> None:
    """Mark what is superseded in its release record, and list all records in ``releases.json``."""
    paths = sorted(store.glob("[!.]*/*/*/release.json"))
    records = [read_json(path) for path in paths]
    newer = {(r["cohort"], r["supersedes"], r["tier"]): r["version"] for r in records}
    for path, record in zip(paths, records, strict=True):
        by = newer.get((record["cohort"], record["version"], record["tier"]))
        if by and record["state"] == "published":
            record |= {"state": "superseded", "replaced_by": by}
            _write_public(path, record)
    _write_public(store / "releases.json", records)


def write_verifier(store: Path) -> None:
    """Lay ``verify.py`` beside the catalogue."""
    with replacing_file(store / "verify.py") as temporary:
        shutil.copyfile(verifier.__file__, temporary)
    (store / "verify.py").chmod(0o644)


def release_record(config: Config, tier: str, seal: dict[str, Any]) -> dict[str, Any]:
    """Return ``release.json``: what the catalogue shows of one tier.

    Verdicts and limits, but nothing that was measured: the catalogue is for everybody.
    """
    release, rules = config.release, tier_policy(config, tier)
    gates = read_json(config.layout.gates(tier))
    candidate = read_json(config.layout.candidate_digest(tier))
    view = read_json(config.layout.candidate(tier) / "transformations.json")
    record: dict[str, Any] = {
        "cohort": release.cohort,
        "version": release.version,
        "tier": tier,
        "title": release.title,
        "tier_title": rules.title,
        "access": rules.access,
        "state": "published",
        "published": release.published.isoformat(),
        "supersedes": release.supersedes,
        "replaced_by": None,
        "changes": release.changes,
        "policy": config.policy.policy,
        "edition": config.policy.edition,
        "statements": rules.statements,
        "duo": config.settings("bundle", tier).duo,
        "bundle_digest": seal["bundle_digest"],
        "digests": {name: seal[name] for name in ("code", "policy", "lock", "gates")},
        "files": candidate["files"],
        "bytes": candidate["bytes"],
        "verdict": gates["verdict"],
        "products": [
            {"name": name, "title": rules.products[name].title} for name in candidate["products"]
        ],
        "dropped": [
            {"name": name, "reason": product.get("reason", "")}
            for name, product in sorted(view["products"].items())
            if product["status"] != "released"
        ],
        "approvals": approvals.signed_by(config, tier),
        "demo": config.site.demo,
    }
    if tier != "public":
        keys = ("gate", "kind", "product", "limit", "direction", "verdict")
        record["gates"] = [{k: gate.get(k) for k in keys} for gate in gates["gates"]]
    return record


def _write_public(path: Path, value: Any) -> None:
    write_json(path, value)
    path.chmod(0o644)


def _copy_tree(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_file():
            _copy(path, target / path.relative_to(source))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(_PUBLIC_FILE)
    with target.open("rb") as handle:
        os.fsync(handle.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
