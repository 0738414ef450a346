"""An answer is drawn once, sealed and replayed; what may have been drawn is spent."""

import multiprocessing
import os
import secrets
import signal
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sluice.errors import SluiceError
from sluice.ledger.chain import Ledger
from sluice.ledger.spends import (
    Answer,
    Noise,
    SpendRequest,
    carry_forward,
    measure,
    spends,
)

FORK = multiprocessing.get_context("fork")
REQUEST = SpendRequest(
    cohort="demo",
    release="2026.1",
    query="sex",
    method="m",
    noise=Noise("gaussian", 4.0, 1.0),
    epsilon=1.0,
    delta=1e-6,
    data_digest="d",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def _anything(past: Sequence[SpendRequest], request: SpendRequest) -> None:
    """Admit every spend."""


def _at_most_three(past: Sequence[SpendRequest], request: SpendRequest) -> None:
    if len(past) >= 3:
        raise SluiceError("spent")


def _draw() -> list[float]:
    return [float(secrets.randbelow(10**9)), 0.1]


def _measure(path: Path, request: SpendRequest = REQUEST, admit=_anything, draw=_draw) -> Answer:
    with Ledger.open(path) as ledger:
        return measure(ledger, request, draw, admit)


def _kinds(path: Path) -> list[str]:
    with Ledger.open(path) as ledger:
        ledger.verify()
        return [row.kind for row in ledger.rows()]


def test_the_same_question_is_replayed_and_spends_nothing(path: Path) -> None:
    first = _measure(path)
    assert _measure(path) == first
    assert _kinds(path) == ["reserve", "seal"]


def test_two_draws_would_have_differed(path: Path) -> None:
    """Without the seal the answer could be averaged: this is what replaying defends."""
    assert _draw() != _draw()
    other = replace(REQUEST, release="2026.2")
    assert _measure(path).values != _measure(path, other).values


def test_changed_data_in_the_same_release_are_refused_before_any_draw(path: Path) -> None:
    _measure(path)
    with pytest.raises(SluiceError, match=r"data changed.*new version"):
        _measure(path, replace(REQUEST, data_digest="e"), draw=pytest.fail)
    assert _kinds(path) == ["reserve", "seal"]


def test_a_new_version_draws_afresh_even_from_equal_data(path: Path) -> None:
    _measure(path)
    _measure(path, replace(REQUEST, release="2026.2"))
    with Ledger.open(path) as ledger:
        assert [spend.release for spend in spends(ledger, "demo")] == ["2026.1", "2026.2"]
        assert spends(ledger, "another") == []


@pytest.mark.parametrize(
    "change",
    [
        {"query": "age"},
        {"method": "n"},
        {"epsilon": 0.5},
        {"noise": Noise("gaussian", 8.0, 1.0)},
        {"cohort": "other"},
    ],
)
def test_each_part_of_the_key_makes_another_question(path: Path, change: dict) -> None:
    _measure(path)
    _measure(path, replace(REQUEST, **change))
    assert _kinds(path).count("reserve") == 2


def test_a_refused_spend_draws_nothing_and_leaves_no_row(path: Path) -> None:
    def never(past: Sequence[SpendRequest], request: SpendRequest) -> None:
        raise SluiceError("spent")

    with pytest.raises(SluiceError, match="spent"):
        _measure(path, admit=never, draw=pytest.fail)
    assert _kinds(path) == []


def test_a_draw_that_fails_has_spent(path: Path) -> None:
    def broken() -> list[float]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        _measure(path, draw=broken)
    with pytest.raises(SluiceError, match="not finite"):
        _measure(path, draw=lambda: [float("nan")])
    _measure(path)
    assert _kinds(path) == ["reserve", "reserve", "reserve", "seal"]


def test_an_altered_ledger_stops_every_draw(path: Path) -> None:
    _measure(path)
    with sqlite3.connect(path) as database:
        database.execute("DROP TRIGGER rows_never_go")
        database.execute("DELETE FROM rows WHERE seq = 1")
    database.close()
    with pytest.raises(SluiceError, match="altered"):
        _measure(path, replace(REQUEST, query="age"), draw=pytest.fail)


def test_an_earlier_answer_is_carried_forward_through_any_number_of_releases(path: Path) -> None:
    first = _measure(path)
    second, third = replace(REQUEST, release="2026.2"), replace(REQUEST, release="2026.3")
    with Ledger.open(path) as ledger:
        assert carry_forward(ledger, second, "2026.1") == first
        assert carry_forward(ledger, replace(third, data_digest="e"), "2026.2") == first
        assert carry_forward(ledger, third, "2026.2") == first
    assert _kinds(path) == ["reserve", "seal", "carry", "carry"]


def test_carrying_forward_refuses_what_does_not_fit(path: Path) -> None:
    _measure(path)
    second = replace(REQUEST, release="2026.2")
    with Ledger.open(path) as ledger:
        with pytest.raises(SluiceError, match="no earlier answer"):
            carry_forward(ledger, second, "2025.1")
        with pytest.raises(SluiceError, match="no earlier answer"):
            carry_forward(ledger, replace(second, method="n"), "2026.1")
        with pytest.raises(SluiceError, match="already measured"):
            carry_forward(ledger, REQUEST, "2026.1")
        carry_forward(ledger, second, "2026.1")
    with pytest.raises(SluiceError, match="carries an earlier answer"):
        _measure(path, second, draw=pytest.fail)


def _ask(path: Path, query: str) -> None:
    try:
        _measure(path, replace(REQUEST, query=query), _at_most_three)
    except SluiceError:
        os._exit(3)
    os._exit(0)


def _run_eight(path: Path, queries: list[str]) -> list[int | None]:
    processes = [FORK.Process(target=_ask, args=(path, query)) for query in queries]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def test_eight_processes_at_once_never_overspend(path: Path) -> None:
    codes = _run_eight(path, [f"q{number}" for number in range(8)])
    assert sorted(map(str, codes)) == ["0"] * 3 + ["3"] * 5
    assert _kinds(path) == ["reserve", "seal"] * 3


def test_eight_processes_with_one_question_spend_once(path: Path) -> None:
    assert _run_eight(path, ["q"] * 8) == [0] * 8
    assert _kinds(path) == ["reserve", "seal"]


class DyingLedger(Ledger):
    """Kills its process between writing a row and committing it."""

    last_words = ""

    def _append(self, kind, body, key, when):
        digest = super()._append(kind, body, key, when)
        if kind == self.last_words:
            os.kill(os.getpid(), signal.SIGKILL)
        return digest


def _die_at(path: Path, step: str, query: str = REQUEST.query, allow=_anything) -> None:
    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def admit(past: Sequence[SpendRequest], request: SpendRequest) -> None:
        allow(past, request)
        if step == "admit":
            die()

    def draw() -> list[float]:
        if step == "before the draw":
            die()
        values = _draw()
        path.with_name(f"seen {query}").write_text(repr(values))
        if step == "after the draw":
            die()
        return values

    DyingLedger.last_words = step
    try:
        with DyingLedger.open(path) as ledger:
            measure(ledger, replace(REQUEST, query=query), draw, admit)
    except SluiceError:
        os._exit(3)
    die()


@pytest.mark.parametrize(
    ("step", "left"),
    [
        ("admit", []),
        ("reserve", []),
        ("before the draw", ["reserve"]),
        ("after the draw", ["reserve"]),
        ("seal", ["reserve"]),
        ("the end", ["reserve", "seal"]),
    ],
)
def test_a_process_killed_at_any_step_loses_no_spend(
    path: Path, step: str, left: list[str]
) -> None:
    process = FORK.Process(target=_die_at, args=(path, step))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert _kinds(path) == left
    seen = path.with_name("seen sex").exists()
    assert not seen or "reserve" in left

    answer = _measure(path)
    sealed_before = "seal" in left
    assert _kinds(path) == (left if sealed_before else [*left, "reserve", "seal"])
    assert _measure(path) == answer
    if sealed_before:
        assert repr(list(answer.values)) == path.with_name("seen sex").read_text()


STEPS = ("admit", "reserve", "before the draw", "after the draw", "seal", "the end")


@pytest.mark.parametrize("turn", range(4))
def test_eight_processes_killed_at_every_step_neither_overspend_nor_lose_a_draw(
    path: Path, turn: int
) -> None:
    """Eight at once, each killed at another step; then all of them again, unharmed."""
    queries = [f"q{number}" for number in range(8)]
    steps = [STEPS[(number + turn) % len(STEPS)] for number in range(8)]
    processes = [
        FORK.Process(target=_die_at, args=(path, step, query, _at_most_three))
        for step, query in zip(steps, queries, strict=True)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert {process.exitcode for process in processes} <= {3, -signal.SIGKILL}
    with Ledger.open(path) as ledger:
        ledger.verify()
        spent = {spend.query for spend in spends(ledger, "demo")}
        sealed = {row.body["key"]: row.body["values"] for row in ledger.rows("seal")}
    seen = {file.name.removeprefix("seen ") for file in path.parent.glob("seen *")}
    assert seen <= spent, "whatever was drawn is spent"
    assert len(spent) == 3, "the killed spent too, and nobody more than the budget"

    codes = _run_eight(path, queries)
    with Ledger.open(path) as ledger:
        ledger.verify()
        assert len(spends(ledger, "demo")) == 3
        again = {row.body["key"]: row.body["values"] for row in ledger.rows("seal")}
    assert again == sealed, "what was sealed is replayed, what was lost is not drawn again"
    assert codes.count(0) == len(sealed)


def test_the_lock_beside_the_ledger_is_private_too(path: Path) -> None:
    _measure(path)
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes["ledger.sqlite"] == 0o600
    assert set(modes.values()) == {0o600}
