"""Signing a waiver, and refusing one that has run out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sluice.config import Config, Layout, load_approvers, load_site, load_waiver, waiver_file
from sluice.errors import SluiceError
from sluice.files import sha256_json, write_text
from sluice.ledger.chain import Ledger
from sluice.signing import WAIVER, public_key, sign


def sign_waiver(config_file: Path, address: str, key_file: Path) -> str:
    """Sign the waiver ``COHORT/NAME`` and return the role; write its ``.sig`` and a ledger row.

    Raises
    ------
    SluiceError
        If there is no such waiver, the tier does not ask for its role, or the key may not sign for
        it.
    """
    cohort, _, name = address.partition("/")
    if not name or "/" in name or ".." in address:
        raise SluiceError("A waiver is named COHORT/NAME", mend="for example demo/faces")
    folder, site = config_file.parent, load_site(config_file)
    waiver, approvers = load_waiver(folder, cohort, name), load_approvers(site)
    required = approvers.required.get(waiver.tier, [])
    if waiver.role not in required:
        raise SluiceError(
            "The tier asks for no such role",
            where=f"waivers/{address}.yaml, key `role`",
            mend=f"it asks for: {', '.join(sorted(required))}",
        )
    key = public_key(key_file)
    approver = approvers.holder(waiver.role, key)
    signature = sign(waiver.message, key_file, WAIVER)
    said = waiver.model_dump(mode="json")
    layout = Layout(site.raw, site.work, site.vault, site.store, cohort, "")
    once = f"waiver:{sha256_json([said, key])}"
    with Ledger.open(layout.ledger) as ledger:
        if ledger.find(once) is None:
            entry = {"waiver": said, "name": approver.name, "key": key, "signature": signature}
            ledger.append("waiver", entry, key=once)
    write_text(waiver_file(folder, cohort, name).with_suffix(".sig"), signature)
    return waiver.role


def expired(config: Config, tier: str) -> list[str]:
    """Return a sentence for each waiver of the tier that has run out by today."""
    today = datetime.now(tz=UTC).date()
    return [
        f"the waiver of {waiver.waives} by role {waiver.role} has run out"
        for waiver in config.waivers
        if waiver.tier == tier and waiver.expires < today
    ]
