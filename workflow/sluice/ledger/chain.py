"""An append-only, hash-chained table in SQLite.

Each row's hash covers the hash before it, so that a row can be neither changed, removed from the
middle nor slipped in without every later hash telling. What a chain alone cannot show is a tail
cut off, or a whole file replaced: for that, :meth:`Ledger.head` is kept elsewhere and handed back
to :meth:`Ledger.verify`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock

from sluice.errors import SluiceError
from sluice.files import canonical_json

GENESIS = "0" * 64
_WAIT_SECONDS = 120.0
_RESTORE = "stop publishing and restore the ledger from the vault's backup"

# The insert trigger keeps `INSERT OR REPLACE` out, which deletes without firing a delete trigger.
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS rows (
        seq INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        key TEXT UNIQUE,
        time TEXT NOT NULL,
        body TEXT NOT NULL,
        prev TEXT NOT NULL,
        hash TEXT NOT NULL UNIQUE
    )""",
    """CREATE TRIGGER IF NOT EXISTS rows_never_change BEFORE UPDATE ON rows
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER IF NOT EXISTS rows_never_go BEFORE DELETE ON rows
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER IF NOT EXISTS rows_only_follow BEFORE INSERT ON rows
       WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM rows)
         OR EXISTS (SELECT 1 FROM rows WHERE key = NEW.key OR hash = NEW.hash)
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
)


@dataclass(frozen=True)
class Row:
    """One row: ordinal from 1, kind, unique key if any, time (UTC), body, and its two hashes."""

    seq: int
    kind: str
    key: str | None
    time: str
    body: dict[str, Any]
    prev: str
    hash: str


@dataclass(frozen=True)
class Head:
    """How far the chain has come: ordinal and hash of its last row (0 and zeros when empty)."""

    seq: int
    hash: str


class Ledger:
    """The ledger of one vault. Open one for each process; close it, or use it as a context.

    Parameters
    ----------
    path
        ``ledger.sqlite`` in the vault.
    database
        Connection in autocommit mode: transactions are ours.
    """

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path, self._database = path, database

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """Open the ledger; make an empty one with mode 0600 if there is none.

        Raises
        ------
        SluiceError
            If the file can be read by others, is a link, or is no ledger.
        """
        _make_private(path)
        database = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
        try:
            # EXTRA also syncs the folder, so that a committed spend survives a loss of power.
            database.execute("PRAGMA synchronous = EXTRA")
            database.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                database.execute(statement)
            database.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            database.close()
            raise SluiceError("The ledger cannot be opened", mend=_RESTORE) from error
        return cls(path, database)

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold what only one process at a time may do; a process that dies lets go."""
        lock = self.path.with_name(f"{self.path.name}.lock")
        with FileLock(lock, mode=0o600):
            yield

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Read and append as one step: all of it happens, or nothing.

        The write lock is taken at the start (``BEGIN IMMEDIATE``): with a lock taken only at the
        first write, two processes could both read a budget and then both spend it.
        """
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def append(
        self,
        kind: str,
        body: Mapping[str, Any],
        *,
        key: str | None = None,
        when: datetime | None = None,
    ) -> str:
        """Append one row, inside the open transaction or in one of its own; return its hash.

        Parameters
        ----------
        kind
            Lower-case word: ``reserve``, ``seal``, ``approval``, ``publish`` and so on.
        body
            Plain JSON types.
        key
            What may happen only once. A second row with the same key is refused.
        when
            Aware time of the event; now by default.

        Raises
        ------
        SluiceError
            If the key is taken.
        """
        if not self._database.in_transaction:
            with self.transaction():
                return self._append(kind, body, key, when)
        return self._append(kind, body, key, when)

    def _append(
        self, kind: str, body: Mapping[str, Any], key: str | None, when: datetime | None
    ) -> str:
        if not re.fullmatch(r"[a-z][a-z_]*", kind):
            raise ValueError("a kind is a lower-case word")
        if key is not None and self.find(key) is not None:
            raise SluiceError(
                "The ledger already holds this event", where=kind, mend="it may happen only once"
            )
        moment = (when or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")
        text = canonical_json(dict(body)).decode()
        head = self.head()
        digest = _row_hash(head.seq + 1, kind, key, moment, text, head.hash)
        self._database.execute(
            "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)",
            (head.seq + 1, kind, key, moment, text, head.hash, digest),
        )
        return digest

    def find(self, key: str) -> Row | None:
        """Return the row with this key, if there is one."""
        found = self._database.execute("SELECT * FROM rows WHERE key = ?", (key,)).fetchone()
        return None if found is None else _row(found)

    def rows(self, kind: str | None = None) -> list[Row]:
        """Return the rows of one kind, or all of them, in order."""
        found = self._database.execute(
            "SELECT * FROM rows WHERE ?1 IS NULL OR kind = ?1 ORDER BY seq", (kind,)
        )
        return [_row(values) for values in found]

    def head(self) -> Head:
        """Return ordinal and hash of the last row."""
        last = self._database.execute(
            "SELECT seq, hash FROM rows ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        return Head(0, GENESIS) if last is None else Head(*last)

    def verify(self, anchor: Head | None = None) -> None:
        """Check every row against the chain, and the chain against a head kept elsewhere.

        Raises
        ------
        SluiceError
            Naming the ordinal of the first row that does not follow from the one before it.
        """
        before, ordinal = GENESIS, 0
        try:
            for values in self._database.execute("SELECT * FROM rows ORDER BY seq"):
                ordinal += 1
                seq, kind, key, time, text, prev, digest = values
                text_only = all(isinstance(part, str) for part in (kind, key or "", time, text))
                sound = seq == ordinal and prev == before and text_only
                if not sound or digest != _row_hash(seq, kind, key, time, text, prev):
                    raise _broken(ordinal)
                if anchor is not None and anchor.seq == ordinal and anchor.hash != digest:
                    raise _broken(ordinal)
                before = digest
        except sqlite3.DatabaseError as error:
            raise _broken(ordinal + 1) from error
        if anchor is not None and anchor.seq > ordinal:
            raise SluiceError(
                "The ledger's end is missing", where=f"row {ordinal + 1}", mend=_RESTORE
            )


def _broken(ordinal: int) -> SluiceError:
    return SluiceError("The ledger was altered", where=f"row {ordinal}", mend=_RESTORE)


def _row(values: tuple[Any, ...]) -> Row:
    seq, kind, key, time, text, prev, digest = values
    return Row(seq, kind, key, time, json.loads(text), prev, digest)


def _row_hash(seq: int, kind: str, key: str | None, time: str, text: str, prev: str) -> str:
    """Return sha256(previous hash + canonical JSON of all that the row says), in hex."""
    said = canonical_json([seq, kind, key, time, text])
    return hashlib.sha256(prev.encode() + said).hexdigest()


def _make_private(path: Path) -> None:
    if path.is_symlink():
        raise SluiceError("The ledger is a symbolic link", mend="name the real place")
    if not path.parent.is_dir():
        raise SluiceError("There is no vault to hold the ledger", mend="run `sluice run` once")
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    if path.stat().st_mode & 0o077:
        raise SluiceError(
            "The ledger can be read by others", mend="run `chmod 600` on ledger.sqlite"
        )
