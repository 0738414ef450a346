"""What publishing keeps of a release's groups and classes, for the gates of every later one."""

from __future__ import annotations

import shutil

from sluice.config import Config
from sluice.errors import SluiceError
from sluice.files import read_json, replacing_file, sha256_file
from sluice.files.tables import read_table, write_table
from sluice.identity.lineage import INDIVIDUAL, keep_lineage, lineage_digest
from sluice.ledger.chain import Ledger


def keep_groups(config: Config, tier: str) -> None:
    """Keep who is in the groups and classes that are about to be published.

    And what they were compared with. Groups of products that a gate dropped are never shown and
    are left out; classes stay, for every other table of a tier shows who is in it.
    """
    layout = config.layout
    layout.published_lineage(tier).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    keep_lineage(layout, tier)
    released = set(read_json(layout.candidate_digest(tier))["products"])
    for modality in config.modalities:
        made = layout.groups(tier, modality)
        if not made.is_file():
            continue
        table = read_table(made)
        shown = table[table["product"].isin(released)]
        if len(shown):
            write_table(layout.published_groups(tier, modality), shown)
    if layout.classes(tier).is_file():
        with replacing_file(layout.published_classes(tier)) as temporary:
            shutil.copyfile(layout.classes(tier), temporary)


def kept_groups(config: Config, tier: str) -> dict[str, str]:
    """Return the digests of what was kept: of groups by modality, and of ``classes``."""
    files = {m: config.layout.published_groups(tier, m) for m in config.modalities}
    classes = config.layout.published_classes(tier)
    files[classes.stem] = classes
    return {name: sha256_file(file) for name, file in files.items() if file.is_file()}


def refuse_another_lineage(config: Config, tier: str) -> None:
    """Refuse a candidate that was compared with other releases than are out by now.

    Raises
    ------
    SluiceError
        If the vault lost or changed what an earlier publication kept, or another release was
        published after the candidate was scored.
    """
    layout = config.layout
    with Ledger.open(layout.ledger) as ledger:
        rows = [row.body for row in ledger.rows("publish")]
    for body in rows:
        told = body["tier"]
        if body["cohort"] != layout.cohort or not (told == tier or {told, tier} <= {*INDIVIDUAL}):
            continue
        for name, digest in body.get("groups", {}).items():
            if told != tier and name != layout.published_classes(told).stem:
                continue
            own = layout.published_groups(told, name).relative_to(layout.vault_release)
            file = layout.vault_cohort / body["version"] / own
            if not file.is_file() or sha256_file(file) != digest:
                raise SluiceError(
                    "The vault no longer holds who was in the groups of a published release",
                    where=f"release {body['version']}, tier {told}, {name}",
                    mend="restore the vault's folder from its backup, then run again",
                )
    now = lineage_digest(layout, tier)
    for modality in (*config.modalities, "joint"):
        for path in sorted(layout.score(tier, modality).glob("*.json")):
            if read_json(path)["detail"].get("lineage", now) != now:
                raise SluiceError(
                    "Another release was published since this one was scored",
                    where=f"tier {tier}, modality {modality}",
                    mend="run `sluice run` again: it is compared with that one too",
                )
