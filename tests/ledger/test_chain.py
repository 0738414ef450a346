"""The ledger only grows, and tells when it was touched."""

import multiprocessing
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.errors import SluiceError
from sluice.ledger.chain import GENESIS, Head, Ledger

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def filled(path: Path) -> Path:
    with Ledger.open(path) as ledger:
        for number in range(5):
            ledger.append("approval", {"number": number})
    return path


def _tamper(path: Path, statement: str) -> None:
    """Do what someone with the file and a SQLite shell can do: drop the guards first."""
    with sqlite3.connect(path) as database:
        for trigger in ("rows_never_change", "rows_never_go", "rows_only_follow"):
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute(statement)
    database.close()


def test_rows_come_back_as_they_were_appended(path: Path) -> None:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    with Ledger.open(path) as ledger:
        digest = ledger.append("approval", {"b": 1, "a": [0.1]}, when=when)
        ledger.append("publish", {})
    with Ledger.open(path) as ledger:
        (row,) = ledger.rows("approval")
        assert (row.seq, row.body, row.prev, row.hash) == (1, {"a": [0.1], "b": 1}, GENESIS, digest)
        assert row.time == "2026-01-02T03:04:05+00:00"
        assert [other.kind for other in ledger.rows()] == ["approval", "publish"]
        assert ledger.rows()[1].prev == digest
        ledger.verify()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rows SET body = '{}' WHERE seq = 2",
        "DELETE FROM rows WHERE seq = 5",
        "INSERT OR REPLACE INTO rows SELECT seq, kind, key, time, '{}', prev, hash "
        "FROM rows WHERE seq = 5",
        "INSERT OR REPLACE INTO rows SELECT 6, kind, key, time, body, prev, hash "
        "FROM rows WHERE seq = 5",
        "INSERT INTO rows VALUES (9, 'approval', NULL, '', '{}', '', 'x')",
    ],
)
def test_sqlite_itself_refuses_to_change_a_row(filled: Path, statement: str) -> None:
    database = sqlite3.connect(filled)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute(statement)
    database.close()
    with Ledger.open(filled) as ledger:
        ledger.verify()
        assert len(ledger.rows()) == 5


@pytest.mark.parametrize(
    ("statement", "ordinal"),
    [
        ("UPDATE rows SET body = '{\"number\":7}' WHERE seq = 3", 3),
        ("UPDATE rows SET time = '2000' WHERE seq = 1", 1),
        ("UPDATE rows SET key = 'free' WHERE seq = 4", 4),
        ("UPDATE rows SET body = x'00' WHERE seq = 4", 4),
        ("DELETE FROM rows WHERE seq = 2", 2),
        ("INSERT INTO rows VALUES (6, 'approval', NULL, '', '{}', '', 'x')", 6),
    ],
)
def test_a_row_changed_behind_the_guards_is_named(
    filled: Path, statement: str, ordinal: int
) -> None:
    _tamper(filled, statement)
    with Ledger.open(filled) as ledger, pytest.raises(SluiceError, match=rf"\(row {ordinal}\)"):
        ledger.verify()


def test_a_tail_cut_off_shows_only_against_a_head_kept_elsewhere(filled: Path) -> None:
    with Ledger.open(filled) as ledger:
        head = ledger.head()
        ledger.append("publish", {})
        ledger.verify(head)
    _tamper(filled, "DELETE FROM rows WHERE seq > 3")
    with Ledger.open(filled) as ledger:
        ledger.verify()
        with pytest.raises(SluiceError, match=r"end is missing.*row 4"):
            ledger.verify(head)
        with pytest.raises(SluiceError, match="row 2"):
            ledger.verify(Head(2, "0" * 64))


def test_an_event_with_a_key_happens_once(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append("publish", {}, key="bundle")
        with pytest.raises(SluiceError, match="already holds"):
            ledger.append("publish", {}, key="bundle")
        found = ledger.find("bundle")
        assert found is not None
        assert found.seq == 1
        assert ledger.find("other") is None


def test_a_transaction_that_fails_leaves_nothing(path: Path) -> None:
    with Ledger.open(path) as ledger:
        with pytest.raises(ZeroDivisionError), ledger.transaction():
            ledger.append("publish", {})
            raise ZeroDivisionError
        assert ledger.rows() == []
        ledger.append("publish", {})


def test_the_file_is_private_and_must_stay_so(path: Path) -> None:
    Ledger.open(path).close()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(SluiceError, match="read by others"):
        Ledger.open(path)


def test_what_is_no_ledger_is_refused_in_a_sentence(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"no database at all, but long enough to be looked at " * 20)
    path.chmod(0o600)
    with pytest.raises(SluiceError, match="cannot be opened"):
        Ledger.open(path)
    with pytest.raises(SluiceError, match="no vault"):
        Ledger.open(tmp_path / "nowhere" / "ledger.sqlite")
    (tmp_path / "link.sqlite").symlink_to(path)
    with pytest.raises(SluiceError, match="symbolic link"):
        Ledger.open(tmp_path / "link.sqlite")


def _append_ten(path: Path) -> None:
    with Ledger.open(path) as ledger:
        for _ in range(10):
            ledger.append("delivery", {})


def test_eight_writers_at_once_make_one_chain(path: Path) -> None:
    writers = [FORK.Process(target=_append_ten, args=(path,)) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 8
    with Ledger.open(path) as ledger:
        ledger.verify()
        assert len(ledger.rows("delivery")) == 80


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(bodies=st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=4))
def test_any_json_survives_and_verifies(path: Path, bodies: list[dict]) -> None:
    with Ledger.open(path) as ledger:
        before = len(ledger.rows())
        for body in bodies:
            ledger.append("incident", body)
        assert [row.body for row in ledger.rows()[before:]] == bodies
        ledger.verify()
