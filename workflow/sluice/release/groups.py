"""What publishing keeps of a release's groups, for the differencing gate of every later one."""

from __future__ import annotations

from sluice.config import Config
from sluice.errors import SluiceError
from sluice.files import read_json, sha256_file
from sluice.files.tables import read_table, write_table
from sluice.identity.lineage import keep_lineage, lineage_digest
from sluice.ledger.chain import Ledger


def keep_groups(config: Config, tier: str) -> None:
    """Keep who is in the groups that are about to be published, and what they were compared with.

    Groups of products that a gate dropped are never shown and are left out.
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


def kept_groups(config: Config, tier: str) -> dict[str, str]:
    """Return the digests of what was kept, by modality."""
    files = {m: config.layout.published_groups(tier, m) for m in config.modalities}
    return {m: sha256_file(file) for m, file in files.items() if file.is_file()}


def refuse_another_lineage(config: Config, tier: str) -> None:
    """Refuse a candidate whose groups were compared with other releases than are out by now.

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
        if (body["cohort"], body["tier"]) != (layout.cohort, tier):
            continue
        for modality, digest in body.get("groups", {}).items():
            own = layout.published_groups(tier, modality).relative_to(layout.vault_release)
            file = layout.vault_cohort / body["version"] / own
            if not file.is_file() or sha256_file(file) != digest:
                raise SluiceError(
                    "The vault no longer holds who was in the groups of a published release",
                    where=f"release {body['version']}, tier {tier}, modality {modality}",
                    mend="restore the vault's folder from its backup, then run again",
                )
    now = lineage_digest(layout, tier)
    for modality in config.modalities:
        for path in sorted(layout.score(tier, modality).glob("*.json")):
            if read_json(path)["detail"].get("lineage", now) != now:
                raise SluiceError(
                    "Another release was published since this one was scored",
                    where=f"tier {tier}, modality {modality}",
                    mend="run `sluice run` again: its groups are compared with that one too",
                )
