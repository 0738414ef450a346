"""``approvers.yaml``: the roles that must sign, and who holds them."""

from __future__ import annotations

from pydantic import Field

from sluice.config.loader import Model
from sluice.errors import SluiceError
from sluice.signing import bare_key


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

    def holder(self, role: str, key: str) -> Approver:
        """Return who holds ``key`` (type and base-64 body) in ``role``.

        Raises
        ------
        SluiceError
            If the key belongs to a builder, or to nobody of the role.
        """
        if key in {bare_key(builder) for builder in self.builders}:
            raise SluiceError(
                "The key belongs to a builder, who may not sign",
                where=f"role {role}",
                mend="let somebody sign who did not build the release",
            )
        for approver in self.approvers:
            if bare_key(approver.key) == key and role in approver.roles:
                return approver
        raise SluiceError(
            "The key may not sign for this role",
            where=f"role {role}",
            mend="add its public half with the role to approvers.yaml, or use another key",
        )
