"""``approvers.yaml``: the roles that must sign, and who holds them."""

from __future__ import annotations

from pydantic import Field

from sluice.config.loader import Model


class Approver(Model):
    """One person's key in one or more roles."""

    name: str = Field(description="Name on the signature record")
    roles: list[str] = Field(min_length=1, description="Roles this key may sign for")
    key: str = Field(
        pattern=r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-\S+|sk-\S+) \S+( .*)?$",
        description="OpenSSH public key, one line",
    )


class Approvers(Model):
    """Required roles per tier, approvers, and the keys of those who build (they may not sign)."""

    required: dict[str, list[str]] = Field(description="Tier to the roles that must sign")
    approvers: list[Approver] = Field(default_factory=list)
    builders: list[str] = Field(
        default_factory=list, description="Public keys that belong to builders: never accepted"
    )
