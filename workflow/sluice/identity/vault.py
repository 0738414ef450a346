"""The vault: the only home of keys, direct identifiers and crosswalks."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from pathlib import Path

from sluice.errors import SluiceError
from sluice.identity.pseudonyms import Pseudonyms, derive, subject_id

_MEND = "run `chmod 700` on the folder and `chmod 600` on the file"


def refuse_git_tree(folder: Path, role: str, mend: str = "") -> None:
    """Refuse a restricted folder inside a git tree: it would be committed one day."""
    real = folder.resolve()
    for parent in (folder, *folder.parents, real, *real.parents):
        if (parent / ".git").exists():
            raise SluiceError(
                f"The {role} lies inside a git tree",
                mend=mend or f"choose another folder for `{role}` in config.yaml",
            )


def refuse_shared(path: Path, role: str) -> None:
    """Refuse a file or folder that is a link, another user's, or open to others."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise SluiceError(f"The {role} is a symbolic link", mend="name the real place")
    if status.st_uid != os.getuid():
        raise SluiceError(f"The {role} belongs to another user", mend="run as its owner")
    if status.st_mode & 0o077:
        raise SluiceError(f"The {role} can be read by others", mend=_MEND)


class Vault:
    """One cohort's vault.

    Parameters
    ----------
    folder
        ``<vault>/<cohort>``. Made with mode 0700 if it is missing, with a line saying so.
    cohort
        Name of the cohort, part of every key's derivation.

    Raises
    ------
    SluiceError
        If the folder or the key can be read by others, or lies inside a git tree.
    """

    def __init__(self, folder: Path, cohort: str) -> None:
        self.folder, self.cohort = folder, cohort
        refuse_git_tree(folder, "vault")
        for place in (folder.parent, folder, folder / "keys"):
            if not os.path.lexists(place):
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
                if place == folder:
                    print(
                        "A new vault was made: back it up before the first release.",
                        file=sys.stderr,
                    )
            refuse_shared(place, "vault")
        self._master = self._load_master(folder / "keys" / "master.key")

    @staticmethod
    def _load_master(path: Path) -> bytes:
        if not path.exists():
            # Linking a finished file makes two first jobs agree on one key.
            fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as out:
                out.write(secrets.token_bytes(32))
                out.flush()
                os.fsync(handle)
            try:
                os.link(fresh, path)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        refuse_shared(path, "master key")
        key = path.read_bytes()
        if len(key) != 32:
            raise SluiceError(
                "The master key is not 32 bytes long", mend="restore it from the backup"
            )
        return key

    def key(self, *purpose: str) -> bytes:
        """Return the key for one purpose of this cohort."""
        return derive(self._master, self.cohort, *purpose)

    def subject(self, participant: str) -> str:
        """Return the internal key of a participant."""
        return subject_id(self.key("subject"), participant)

    def pseudonyms(self, project: str, tier: str, scope: str) -> Pseudonyms:
        """Return a tier's keyed maps. ``scope`` is ``series`` or the release's version."""
        place = (project, tier, scope)
        return Pseudonyms(
            people=self.key("person", *place),
            items=self.key("item", *place),
            uids=self.key("uid", *place),
            shifts=self.key("shift", *place),
        )

    def place(self, path: Path) -> Path:
        """Return the path of a file to write below the vault; its folder is made if missing."""
        if not path.is_relative_to(self.folder):
            raise SluiceError("A vault table may only lie in the vault")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path
