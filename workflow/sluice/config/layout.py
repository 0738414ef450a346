"""Every path of the contract, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Paths of one release.

    Parameters
    ----------
    raw, work, vault, store
        Roots from ``config.yaml``.
    cohort, version
        The release.
    """

    raw: Path
    work: Path
    vault: Path
    store: Path
    cohort: str
    version: str

    @property
    def raw_cohort(self) -> Path:
        """Folder of the cohort's raw files."""
        return self.raw / self.cohort

    @property
    def base(self) -> Path:
        """``W``: the release's work folder."""
        return self.work / self.cohort / self.version

    @property
    def vault_cohort(self) -> Path:
        """``V``: the cohort's vault."""
        return self.vault / self.cohort

    @property
    def vault_release(self) -> Path:
        """What the vault keeps for this release."""
        return self.vault_cohort / self.version

    @property
    def listing(self) -> Path:
        """Digest of the raw tree's listing: the only thing that Snakemake knows of raw."""
        return self.base / "listing.json"

    def log(self, stage: str, *piece: str) -> Path:
        """Log of one job."""
        return self.base / "logs" / stage / (".".join(piece or ("all",)) + ".log")

    def intake(self, modality: str) -> Path:
        """Folder of inventory and lists."""
        return self.base / "intake" / modality

    def part_list(self, modality: str, part: str) -> Path:
        """The files of one part: where a rerun stops."""
        return self.intake(modality) / f"{part}.list.parquet"

    @property
    def consent(self) -> Path:
        """Folder of the consent table as of the cut date."""
        return self.base / "intake" / "consent"

    def manifest(self, modality: str) -> Path:
        """Vault: every raw file."""
        return self.vault_release / "manifest" / f"{modality}.parquet"

    def people(self, modality: str) -> Path:
        """Vault: direct identifiers found in one modality."""
        return self.vault_release / "people" / f"{modality}.parquet"

    def crosswalk(self, tier: str, modality: str, part: str) -> Path:
        """Vault: old to new identifiers."""
        return self.vault_release / "crosswalk" / tier / f"{modality}.{part}.parquet"

    def groups(self, tier: str, modality: str) -> Path:
        """Vault: who is in which group of the candidate."""
        return self.vault_release / "groups" / tier / f"{modality}.parquet"

    def published_groups(self, tier: str, modality: str) -> Path:
        """Vault: who is in which group that was published. Never changed again."""
        return self.vault_release / "published" / tier / f"{modality}.parquet"

    def published_lineage(self, tier: str) -> Path:
        """Vault: which versions a published one was compared with."""
        return self.vault_release / "published" / tier / "lineage.json"

    def classes(self, tier: str) -> Path:
        """Vault: in which class each participant of the candidate is."""
        return self.vault_release / "classes" / f"{tier}.parquet"

    def published_classes(self, tier: str) -> Path:
        """Vault: in which class each participant was published. Never changed again."""
        return self.vault_release / "published" / tier / "classes.parquet"

    def masks(self, tier: str, part: str) -> Path:
        """Vault: boxes of pixels that were blanked, for whoever reviews them."""
        return self.vault_release / "masks" / tier / f"imaging.{part}.parquet"

    @property
    def ledger(self) -> Path:
        """Vault: the cohort's ledger."""
        return self.vault_cohort / "ledger.sqlite"

    def curate(self, modality: str, part: str) -> Path:
        """Folder of curated tables."""
        return self.base / "curate" / modality / part

    def tier(self, tier: str) -> Path:
        """Folder of one tier."""
        return self.base / tier

    def minimize(self, tier: str, modality: str, part: str) -> Path:
        """Folder of minimized tables."""
        return self.tier(tier) / "minimize" / modality / part

    def facts(self, tier: str, modality: str) -> Path:
        """What an attacker may know of one modality."""
        return self.tier(tier) / "facts" / f"{modality}.parquet"

    def plan(self, tier: str) -> Path:
        """The tier's plan."""
        return self.tier(tier) / "plan.json"

    def plan_people(self, tier: str) -> Path:
        """Who is kept, and in which class."""
        return self.tier(tier) / "plan_people.parquet"

    def data(self, tier: str, modality: str, part: str) -> Path:
        """Folder of released formats (public: modality ``products``)."""
        return self.tier(tier) / "data" / modality / part

    def score(self, tier: str, modality: str) -> Path:
        """Folder of scenario files; ``joint`` holds those over all modalities."""
        return self.tier(tier) / "score" / modality

    def utility(self, tier: str, modality: str) -> Path:
        """Folder of utility files."""
        return self.tier(tier) / "utility" / modality

    def gates(self, tier: str) -> Path:
        """Verdicts."""
        return self.tier(tier) / "gates.json"

    def review(self, tier: str) -> Path:
        """Folder of the review page."""
        return self.tier(tier) / "review"

    def datadocs(self, tier: str) -> Path:
        """Folder of Great Expectations' pages."""
        return self.tier(tier) / "datadocs"

    def candidate(self, tier: str) -> Path:
        """Folder of the candidate bundle."""
        return self.tier(tier) / "candidate"

    def candidate_digest(self, tier: str) -> Path:
        """Digest and file list of the candidate."""
        return self.tier(tier) / "candidate.json"

    def seal(self, tier: str) -> Path:
        """Result of the last scan."""
        return self.tier(tier) / "seal.json"

    def approvals(self, tier: str) -> Path:
        """Folder of signatures."""
        return self.tier(tier) / "approvals"

    def published(self, tier: str) -> Path:
        """The tier in the store."""
        return self.store / self.cohort / self.version / tier

    @staticmethod
    def index(folder: Path) -> Path:
        """The rule's output beside a folder: its list of files."""
        return folder.with_name(folder.name + ".index.json")

    @staticmethod
    def record(path: Path) -> Path:
        """The internal record beside an output (folder or file)."""
        return path.with_name(path.name.removesuffix(".json") + ".record.json")


def part_names(parts: int) -> list[str]:
    """Return ``["all"]`` for one part, else ``["p00of04", …]``."""
    return ["all"] if parts == 1 else [f"p{n:02d}of{parts:02d}" for n in range(parts)]
