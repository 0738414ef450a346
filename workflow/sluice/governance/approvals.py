"""Approving a sealed candidate: who signed what, and whether it is enough.

A signature is over the digest of the bundle, of its gates and of the policy that shaped it, so
that none of the three can be exchanged afterwards. The message is always rebuilt from what lies on
disk; what a record says about itself is never taken at its word.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sluice.config import Approvers, Config, load_approvers
from sluice.errors import SluiceError
from sluice.files import canonical_json, read_json, sha256_file, sha256_json, write_json, write_text
from sluice.governance.waivers import expired
from sluice.ledger.chain import Ledger
from sluice.release.verify import bundle_digest, check_bag
from sluice.signing import fingerprint, is_signed, public_key, sign

_REBUILD = "run `sluice run` again and let each role look at the new candidate"


def sealed(config: Config, tier: str) -> dict[str, Any]:
    """Return the seal of a tier after checking that candidate and gates are as it says.

    Every byte of the candidate is read again.

    Raises
    ------
    SluiceError
        If there is no seal, the candidate or the gates were altered after it, or a gate fails.
    """
    layout = config.layout
    candidate, gates_file = layout.candidate(tier), layout.gates(tier)
    if not layout.seal(tier).is_file() or not candidate.is_dir():
        raise SluiceError(
            "There is no sealed candidate", where=f"tier {tier}", mend="run `sluice run` first"
        )
    seal: dict[str, Any] = read_json(layout.seal(tier))
    if check_bag(candidate) or bundle_digest(candidate) != seal["bundle_digest"]:
        raise SluiceError(
            "The candidate was altered after it was sealed", where=f"tier {tier}", mend=_REBUILD
        )
    if seal["residual_hits"] != 0 or sha256_file(gates_file) != seal["gates"]:
        raise SluiceError(
            "The gates were judged again after the seal", where=f"tier {tier}", mend=_REBUILD
        )
    if read_json(gates_file)["verdict"] != "pass":
        raise SluiceError(
            "The tier did not pass its gates", where=f"tier {tier}", mend="see `sluice status`"
        )
    return seal


def message(config: Config, tier: str, role: str, seal: dict[str, Any]) -> dict[str, str]:
    """Return what a role signs."""
    return {
        "cohort": config.layout.cohort,
        "version": config.layout.version,
        "tier": tier,
        "role": role,
        "bundle_digest": str(seal["bundle_digest"]),
        "gates": str(seal["gates"]),
        "policy": str(seal["policy"]),
    }


def approve(config: Config, tier: str, role: str, key_file: Path) -> None:
    """Sign a tier's candidate for one role; signing the same again changes nothing.

    Writes ``approvals/<role>.sig`` and ``approvals/<role>.json`` and a row of the ledger.

    Parameters
    ----------
    key_file
        OpenSSH private key, listed with this role in ``approvers.yaml``.

    Raises
    ------
    SluiceError
        If the key may not sign for the role, belongs to a builder, has signed for another role,
        or the candidate is not as it was sealed.
    """
    approvers = load_approvers(config.site)
    required = _required(approvers, tier)
    if role not in required:
        raise SluiceError(
            "The tier asks for no such role",
            where=f"tier {tier}",
            mend=f"it asks for: {', '.join(required)}",
        )
    key = public_key(key_file)
    approver = approvers.holder(role, key)
    said = message(config, tier, role, sealed(config, tier))
    folder = config.layout.approvals(tier)
    for other in required:
        earlier = folder / f"{other}.json"
        if other != role and earlier.is_file() and read_json(earlier)["key"] == key:
            raise SluiceError(
                "This key has already signed for another role",
                where=f"role {other}",
                mend="two roles need two people",
            )
    signature = sign(canonical_json(said), key_file)
    record = {"role": role, "name": approver.name, "key": key, "message": said}
    once = f"approval:{sha256_json([said, key])}"
    with Ledger.open(config.layout.ledger) as ledger:
        if ledger.find(once) is None:
            entry = {"message": said, "name": approver.name, "key": key, "signature": signature}
            ledger.append("approval", entry, key=once)
    write_text(folder / f"{role}.sig", signature)
    write_json(folder / f"{role}.json", record)


def check(config: Config, tier: str) -> list[str]:
    """Return why the tier may not be published yet, one sentence each; nothing when it may.

    Raises
    ------
    SluiceError
        As :func:`sealed` does, if the candidate itself is not what was sealed.
    """
    approvers = load_approvers(config.site)
    seal = sealed(config, tier)
    problems: list[str] = []
    signers: dict[str, str] = {}
    for role in _required(approvers, tier):
        signature = config.layout.approvals(tier) / f"{role}.sig"
        record_file = signature.with_suffix(".json")
        if not signature.is_file() or not record_file.is_file():
            problems.append(f"role {role} has not signed")
            continue
        key = str(read_json(record_file).get("key", ""))
        try:
            approvers.holder(role, key)
        except SluiceError as error:
            problems.append(f"role {role}: {error.what}")
            continue
        said = canonical_json(message(config, tier, role, seal))
        if not is_signed(said, signature.read_text(encoding="utf-8"), key):
            problems.append(f"role {role}: the signature is not over this candidate")
        elif key in signers:
            problems.append(f"roles {signers[key]} and {role} were signed with one key")
        else:
            signers[key] = role
    problems += expired(config, tier)
    return problems


def signed_by(config: Config, tier: str) -> list[dict[str, str]]:
    """Return role, name and key fingerprint of each required signature, for the release record."""
    rows = []
    for role in _required(load_approvers(config.site), tier):
        record = read_json(config.layout.approvals(tier) / f"{role}.json")
        rows.append(
            {"role": role, "name": record["name"], "fingerprint": fingerprint(record["key"])}
        )
    return rows


def _required(approvers: Approvers, tier: str) -> list[str]:
    roles = approvers.required.get(tier)
    if not roles:
        raise SluiceError(
            "Nobody is named who must approve the tier",
            where=f"approvers.yaml, tier {tier}",
            mend="add its roles under `required:`",
        )
    return sorted(set(roles))
