"""One job of one stage: where it reads and writes, what it may see, what it records."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path

import pandas as pd

from sluice.code import adapters_of, code_digest, lock_digest
from sluice.config import Config, Layout, Settings, Stage
from sluice.errors import SluiceError
from sluice.files import folder_index, replacing_folder, sha256_file, write_json
from sluice.files.tables import content_digest, read_table, write_table
from sluice.identity import Pseudonyms, Vault

_RECORDED = ("anndata", "h5py", "numpy", "opendp", "pandas", "pyarrow", "pydicom", "scanpy")
_SCRIPTS = {"consent": "intake", "facts": "deidentify_facts", "plan": "deidentify_plan"}
_SCRIPTS["apply"] = "deidentify_apply"


@dataclass
class Job:
    """What a stage's function is given.

    Parameters
    ----------
    config
        The release's configuration; stages use ``settings``, which is cut out of it.
    stage, tier, modality, part
        Which piece of the work this is.
    """

    config: Config
    stage: Stage
    tier: str = ""
    modality: str = ""
    part: str = "all"
    counts: Counter[str] = field(default_factory=Counter)
    contents: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        """Every path."""
        return self.config.layout

    @cached_property
    def settings(self) -> Settings:
        """The sections of the configuration that this stage may see."""
        return self.config.settings(self.stage, self.tier or None, self.modality or None)

    @cached_property
    def vault(self) -> Vault:
        """The cohort's vault."""
        return Vault(self.layout.vault_cohort, self.layout.cohort)

    def pseudonyms(self) -> Pseudonyms:
        """The tier's keyed maps, in the linkage scope that the policy sets (stage ``apply``)."""
        scope = self.settings.version if self.settings.linkage == "release" else "series"
        return self.vault.pseudonyms(str(self.settings.project), self.tier, str(scope))

    def read(self, path: Path, columns: list[str] | None = None) -> pd.DataFrame:
        """Read a table and record its digest as an input."""
        self.note_input(path)
        return read_table(path, columns)

    def write(self, path: Path, table: pd.DataFrame) -> None:
        """Write a released table; its file says which release and tier it belongs to."""
        release = self.config.release
        address = f"{release.cohort}/{release.version}/{self.tier}"
        write_table(path, table, {"sluice_release": address})

    def note_input(self, path: Path) -> None:
        """Record a file of the work folder or the vault as an input."""
        for root, label in ((self.layout.base, "work"), (self.layout.vault_cohort, "vault")):
            if path.is_relative_to(root) and path.is_file():
                self.inputs[f"{label}/{path.relative_to(root).as_posix()}"] = sha256_file(path)

    def note_reference(self, name: str, path: Path) -> None:
        """Record a file of the facility's reference cohort as an input, by its role."""
        self.inputs[f"reference/{name}"] = sha256_file(path)

    @contextmanager
    def writing(self, folder: Path) -> Iterator[Path]:
        """Give an empty folder to fill; then swap it in and write its index and record."""
        index_file = Layout.index(folder)
        with replacing_folder(folder) as out:
            yield out
            index_file.unlink(missing_ok=True)
        index = folder_index(folder)
        for file in index["files"]:
            if file["path"].endswith(".parquet"):
                file["content"] = content_digest(folder / file["path"])
            elif file["path"] in self.contents:
                file["content"] = self.contents[file["path"]]
        write_json(index_file, index)
        self.write_record(folder, {f["path"]: f["sha256"] for f in index["files"]})

    def write_record(self, path: Path, outputs: dict[str, str]) -> None:
        """Write the internal record beside ``path``: digests and counts, never a value."""
        script = _SCRIPTS.get(self.stage, self.stage)
        record = {
            "stage": self.stage,
            "tier": self.tier,
            "modality": self.modality,
            "part": self.part,
            "code": code_digest(
                script, *adapters_of(script, self.modality, self.config.modalities)
            ),
            "settings": self.settings.digest,
            "lock": lock_digest(),
            "inputs": self.inputs,
            "outputs": outputs,
            "versions": {name: metadata.version(name) for name in _RECORDED}
            | {"python": ".".join(map(str, sys.version_info[:2]))},
            "counts": dict(self.counts),
        }
        write_json(Layout.record(path), record)


def job_from_arguments(stage: Stage, description: str, *wanted: str) -> Job:
    """Parse a script's arguments into a job.

    Parameters
    ----------
    stage
        The stage whose settings the job may see.
    description
        The script's docstring.
    wanted
        Which of ``tier``, ``modality`` and ``part`` the script takes.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("config/config.yaml"))
    parser.add_argument("--release", required=True, help="COHORT/VERSION")
    for name in wanted:
        parser.add_argument(f"--{name}", required=name != "part", default="all")
    arguments = parser.parse_args()
    config = Config.load(arguments.config, arguments.release)
    piece = {name: getattr(arguments, name) for name in wanted}
    _known(piece.get("tier"), config.tiers, "tier")
    if piece.get("modality") != "joint":
        _known(piece.get("modality"), [*config.modalities, "consent"], "modality")
        if piece.get("modality") in config.modalities:
            _known(piece.get("part"), [*config.parts(piece["modality"]), "all"], "part")
    return Job(config, stage, **piece)


def _known(value: str | None, allowed: list[str], what: str) -> None:
    if value is not None and value not in allowed:
        raise SluiceError(
            f"The release has no such {what}", mend=f"choose one of: {', '.join(allowed)}"
        )
