"""The folder that studies are fetched into.

A name tells nothing: it is derived from the object's UID with a random key that never leaves the
folder. The same object has the same name in every run, and a file bears its name only when it is
whole. So what is there is what need not be asked for again, and no list of it can go stale.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sluice.dicom.pacs.archive import Instance
from sluice.errors import SluiceError
from sluice.files import replacing_file, write_json
from sluice.identity import refuse_git_tree, refuse_shared
from sluice.identity.pseudonyms import derive

STATE, STUDIES = "pull-state.json", "studies"


class Landing:
    """What has been fetched into a folder.

    Parameters
    ----------
    folder
        Made by :meth:`opened`.
    key
        32 bytes that the names are derived with.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self.folder, self._key = folder, key

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator[Landing]:
        """Open the folder for this process alone; make it, mode 0700, if it is missing.

        Raises
        ------
        SluiceError
            If it lies inside a git tree, can be read by others, holds anything else, or another
            process fetches into it.
        """
        refuse_git_tree(folder, "destination", mend="choose a folder outside of it")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_shared(folder, "destination")
        state = folder / STATE
        if not state.exists() and any(p.name != ".lock" for p in folder.iterdir()):
            raise SluiceError("The destination holds other files", mend="name a new folder")
        try:
            with FileLock(folder / ".lock", timeout=0, mode=0o600):
                yield cls(folder, _key(state))
        except Timeout:
            raise SluiceError(
                "Another command fetches into the destination", mend="wait until it has ended"
            ) from None

    def path(self, instance: Instance) -> Path:
        """Return where an object lies, or will lie."""
        name = self._name("instance", instance.uid)
        return self.study(instance.study) / self._name("series", instance.series) / f"{name}.dcm"

    def study(self, uid: str) -> Path:
        """Return the folder of a study."""
        return self.folder / STUDIES / self._name("study", uid)

    def lacking(self, instances: Iterable[Instance]) -> list[Instance]:
        """Return those that are not there."""
        return [instance for instance in instances if not self.path(instance).exists()]

    def keep(self, instance: Instance, content: bytes) -> None:
        """Write an object, whole or not at all."""
        with replacing_file(self.path(instance)) as temporary:
            temporary.write_bytes(content)

    def count(self) -> int:
        """Return how many objects there are, of all studies ever fetched into the folder."""
        return sum(1 for _ in (self.folder / STUDIES).glob("*/*/*.dcm"))

    def sweep(self) -> None:
        """Remove what a killed run left half written."""
        for leftover in (self.folder / STUDIES).glob("*/*/.*"):
            leftover.unlink()

    def _name(self, kind: str, uid: str) -> str:
        return derive(self._key, kind, uid).hex()[:20]


def _key(state: Path) -> bytes:
    if not state.exists():
        write_json(state, {"key": secrets.token_hex(32)})
        state.chmod(0o600)
    refuse_shared(state, "destination's state")
    try:
        return bytes.fromhex(json.loads(state.read_bytes())["key"])
    except (ValueError, KeyError, TypeError):
        raise SluiceError(
            "The destination's state is damaged", where=STATE, mend="fetch into a new folder"
        ) from None
