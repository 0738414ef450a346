"""``waivers/<cohort>/<name>.yaml`` and ``.sig``: what a named role answers for, until a day.

A release that names a waiver is refused before anything is read unless the waiver is whole: for
this cohort, signed by a key that holds the role, and still running on the day of publication.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field

from sluice.config.approvers import Approvers
from sluice.config.loader import Model, parse, read_yaml
from sluice.config.release import Release
from sluice.errors import SluiceError
from sluice.files import canonical_json
from sluice.signing import WAIVER, bare_key, is_signed


class Waiver(Model):
    """One exception from the policy, for one cohort and tier. Registered can have none."""

    waives: Literal["faces"] = Field(
        description="faces: objects that may show a face stay in although nobody defaced them"
    )
    cohort: str = Field(description="The cohort, as in the folder's name")
    tier: Literal["controlled"] = Field(description="Only controlled can have one")
    role: str = Field(description="Role that signs and answers for it; one that the tier requires")
    reason: str = Field(description="Why it is acceptable; printed in every bundle", min_length=1)
    expires: date = Field(description="Last day on which a release with it may be published")

    @property
    def message(self) -> bytes:
        """What is signed: the content, however the file is laid out."""
        return canonical_json(self.model_dump(mode="json"))

    @property
    def statement(self) -> str:
        """The sentence that every bundle and page of the tier carries."""
        return (
            f"Waived until {self.expires.isoformat()} by the role {self.role}: {self.waives} are "
            f"not removed from images; a face may be rebuilt from them. Reason: {self.reason}"
        )


def waiver_file(folder: Path, cohort: str, name: str) -> Path:
    """Return where a waiver stands below the folder of ``config.yaml``."""
    return folder / "waivers" / cohort / f"{name}.yaml"


def load_waiver(folder: Path, cohort: str, name: str) -> Waiver:
    """Load ``waivers/<cohort>/<name>.yaml``, signed or not."""
    shown = f"waivers/{cohort}/{name}.yaml"
    waiver = parse(Waiver, read_yaml(waiver_file(folder, cohort, name)), shown)
    if waiver.cohort != cohort:
        raise SluiceError(
            "A waiver is for another cohort", where=shown, mend="a waiver is for one cohort only"
        )
    return waiver


def waivers_of(folder: Path, release: Release, approvers: Approvers) -> list[Waiver]:
    """Load the waivers that a release names.

    Raises
    ------
    SluiceError
        If one is missing, of another cohort or tier, expired on the day of publication, or not
        signed by a key of its role.
    """
    found = []
    for name in release.waivers:
        waiver = load_waiver(folder, release.cohort, name)
        where = f"waivers/{release.cohort}/{name}.yaml"
        if waiver.tier not in release.tiers:
            raise SluiceError("A waiver is for a tier that the release does not build", where=where)
        if waiver.expires < release.published:
            raise SluiceError(
                "A waiver ends before the release is published",
                where=where,
                mend="ask its role for a new one, or leave out what it waives",
            )
        if not _is_signed(folder, waiver, name, approvers):
            raise SluiceError(
                "A waiver is not signed by a key of its role, or was changed afterwards",
                where=where,
                mend=f"let {waiver.role} sign it with `sluice waive {release.cohort}/{name}`",
            )
        found.append(waiver)
    return found


def _is_signed(folder: Path, waiver: Waiver, name: str, approvers: Approvers) -> bool:
    file = waiver_file(folder, waiver.cohort, name).with_suffix(".sig")
    if not file.is_file() or waiver.role not in approvers.required.get(waiver.tier, ()):
        return False
    signature = file.read_text(encoding="utf-8", errors="replace")
    built = {bare_key(key) for key in approvers.builders}
    keys = {bare_key(a.key) for a in approvers.approvers if waiver.role in a.roles}
    return any(is_signed(waiver.message, signature, key, WAIVER) for key in sorted(keys - built))
