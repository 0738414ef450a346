"""A face stays in only while a signed waiver says so."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from tests.release.world import World

from sluice.config import Config
from sluice.errors import SluiceError
from sluice.governance import waivers
from sluice.governance.waivers import expired, sign_waiver
from sluice.ledger.chain import Ledger
from sluice.modalities.imaging.selection import exclusions
from sluice.modalities.imaging.settings import ImagingSettings

ROLE = "privacy-officer"
TEXT = """
waives: faces
cohort: world
tier: controlled
role: {role}
reason: The study measures faces; recipients signed not to rebuild one
expires: {expires}
"""


@pytest.fixture
def folder(world: World) -> Path:
    """The configuration of a release that names a waiver nobody has signed yet."""
    folder = world.config.file.parent
    release = folder / "releases/world/v1.yaml"
    release.write_text(release.read_text() + "waivers: [faces]\n")
    write(folder)
    return folder


def write(folder: Path, role: str = ROLE, expires: str = "2099-12-31") -> None:
    (folder / "waivers/world").mkdir(parents=True, exist_ok=True)
    file = folder / "waivers/world/faces.yaml"
    file.write_text(TEXT.format(role=role, expires=expires))


def load(folder: Path) -> Config:
    return Config.load(folder / "config.yaml", "world/v1")


def test_a_signed_waiver_holds_and_is_told_in_every_bundle(folder: Path, world: World) -> None:
    with pytest.raises(SluiceError, match="not signed by a key of its role"):
        load(folder)
    assert sign_waiver(folder / "config.yaml", "world/faces", world.key(ROLE)) == ROLE
    config = load(folder)
    assert config.settings("minimize", "controlled", "imaging").waived == ["faces"]
    told = config.policy.tiers["controlled"].statements[-1]
    assert "Waived until 2099-12-31 by the role privacy-officer" in told
    with Ledger.open(config.layout.ledger) as ledger:
        assert len(ledger.rows("waiver")) == 1


def test_a_waiver_that_was_changed_afterwards_is_refused(folder: Path, world: World) -> None:
    sign_waiver(folder / "config.yaml", "world/faces", world.key(ROLE))
    write(folder, expires="2100-12-31")
    with pytest.raises(SluiceError, match="or was changed afterwards"):
        load(folder)


def test_only_the_named_role_can_sign(folder: Path, world: World) -> None:
    for key, why in {"stranger": "may not sign", "data-manager": "may not sign",
                     "builder": "belongs to a builder"}.items():  # fmt: skip
        with pytest.raises(SluiceError, match=why):
            sign_waiver(folder / "config.yaml", "world/faces", world.key(key))
    write(folder, role="passer-by")
    with pytest.raises(SluiceError, match="asks for no such role"):
        sign_waiver(folder / "config.yaml", "world/faces", world.key(ROLE))


def test_a_waiver_ends(folder: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, expires="2026-03-30")  # the release is published a day later
    sign_waiver(folder / "config.yaml", "world/faces", world.key(ROLE))
    with pytest.raises(SluiceError, match="ends before the release is published"):
        load(folder)
    write(folder, expires="2026-03-31")
    sign_waiver(folder / "config.yaml", "world/faces", world.key(ROLE))
    config = load(folder)

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Later:
            return cls(2026, 4, 1)

    monkeypatch.setattr(waivers, "datetime", Later)
    assert expired(config, "controlled") == [
        "the waiver of faces by role privacy-officer has run out"
    ]
    assert expired(config, "public") == []


def test_a_waiver_opens_controlled_and_never_registered() -> None:
    facts = {"kind": "mr", "original": "True", "burned_in": "NO", "region": "head", "face": "True",
             "rows": "64", "columns": "64", "frames": "1", "overlay_in_pixels": "False",
             "Modality": "MR"}  # fmt: skip
    headers = pd.DataFrame([facts], index=["one"])
    controlled = ImagingSettings(
        sop_classes=["MR"], regions="any", original_primary=False, burned_in=["NO"], faces="deface"
    )
    registered = controlled.model_copy(update={"faces": "exclude"})
    assert exclusions(headers, controlled).tolist() == ["face_needs_defacing"]
    assert exclusions(headers, controlled, ["faces"]).tolist() == [None]
    assert exclusions(headers, registered, ["faces"]).tolist() == ["face"]
