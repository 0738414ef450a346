"""Spending privacy budget: seal the answer, never the noise (POLICY.md, decision 4).

A question is drawn once. Its answer is sealed in the ledger and replayed from there. The spend is
committed **before** the draw, so that a process that dies in between has spent: what it drew may
have been seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sluice.errors import SluiceError
from sluice.files import sha256_json
from sluice.ledger.chain import Ledger, Row

_NEW_VERSION = "make a new version"


@dataclass(frozen=True)
class Noise:
    """What was added to every coordinate of an answer, and how far one participant moves it.

    Parameters
    ----------
    mechanism
        ``gaussian`` (``scale`` = standard deviation, ``sensitivity`` = L2 norm of the change) or
        ``laplace`` (integer noise P(k) ∝ exp(−|k|/scale); ``sensitivity`` = change of one
        coordinate).
    scale, sensitivity
        In the units of the answer before post-processing.
    coordinates
        ``laplace``: how many coordinates one participant changes. ``gaussian``: always 1, as the
        norm says it all.
    """

    mechanism: str
    scale: float
    sensitivity: float
    coordinates: int = 1


@dataclass(frozen=True)
class SpendRequest:
    """One question put to a cohort.

    Parameters
    ----------
    cohort, release, query
        Whom, in which version, and the product's name.
    method
        Digest of mechanism and preprocessing: every public setting that shapes the answer.
    noise
        What will be drawn; the accountant trusts this and nothing else.
    epsilon, delta
        What the question claims to cost on its own.
    data_digest
        Digest of the bounded contributions. Stays in the vault.
    reissue
        Whether the release replaces one after a withdrawal, and may use the reserve.
    """

    cohort: str
    release: str
    query: str
    method: str
    noise: Noise
    epsilon: float
    delta: float
    data_digest: str
    reissue: bool = False

    def key(self, release: str | None = None) -> str:
        """Return the digest that names this question, or the same question in another release."""
        return sha256_json(
            {
                "cohort": self.cohort,
                "release": release or self.release,
                "query": self.query,
                "method": self.method,
                "noise": asdict(self.noise),
                "budget": [self.epsilon, self.delta],
            }
        )


@dataclass(frozen=True)
class Answer:
    """A sealed answer: the values as drawn, the release that drew them, and the seal's digest."""

    values: tuple[float, ...]
    origin: str
    seal: str


Admit = Callable[[Sequence[SpendRequest], SpendRequest], None]
"""Raises SluiceError if the new spend may not follow the cohort's earlier ones."""


def spends(ledger: Ledger, cohort: str) -> list[SpendRequest]:
    """Return everything that was ever reserved for a cohort, sealed or not."""
    bodies = [row.body for row in ledger.rows("reserve")]
    return [_request(body["request"]) for body in bodies if body["request"]["cohort"] == cohort]


def measure(
    ledger: Ledger,
    request: SpendRequest,
    draw: Callable[[], Sequence[float]],
    admit: Admit,
) -> Answer:
    """Return the sealed answer, drawing it only if there is none.

    Parameters
    ----------
    draw
        Adds the noise; called at most once, and only after the spend is committed.
    admit
        The budget's rule, asked inside the reserving transaction.

    Raises
    ------
    SluiceError
        If the data changed since this release was measured, the release carries an earlier
        answer, the budget does not allow it, or the ledger was altered.
    """
    with ledger.alone():
        ledger.verify()
        sealed = _sealed(ledger, request)
        if sealed is not None:
            return sealed
        attempt = _reserve(ledger, request, admit)
        values = [float(value) for value in draw()]
        return _seal(ledger, request, attempt, values)


def carry_forward(ledger: Ledger, request: SpendRequest, earlier: str) -> Answer:
    """Return an earlier release's sealed answer as this release's own; spends nothing.

    Whether the data are the same is never looked at: that an answer was carried must say nothing
    about the cohort.

    Raises
    ------
    SluiceError
        If the earlier release has no answer to the same question by the same method, or this
        release was measured already.
    """
    key = request.key()
    with ledger.alone():
        ledger.verify()
        with ledger.transaction():
            origin = _origin(ledger, request.key(earlier))
            if origin is None:
                raise SluiceError(
                    "There is no earlier answer to carry forward",
                    where=f"{request.query} of {earlier}",
                    mend="keep its method and budget as they were, or measure it anew",
                )
            if _attempts(ledger, key):
                raise SluiceError(
                    "This release already measured what it says it carries forward",
                    where=request.query,
                    mend=_NEW_VERSION,
                )
            carried = ledger.find(f"carry:{key}")
            if carried is None:
                ledger.append("carry", {"key": key, "seal": origin.hash}, key=f"carry:{key}")
            elif carried.body["seal"] != origin.hash:
                raise SluiceError(
                    "This release already carries another answer",
                    where=request.query,
                    mend=_NEW_VERSION,
                )
    return _answer(origin.body)


def _sealed(ledger: Ledger, request: SpendRequest) -> Answer | None:
    """Return the answer of this very release, refusing one that was drawn from other data."""
    key = request.key()
    if ledger.find(f"carry:{key}") is not None:
        raise SluiceError(
            "This release carries an earlier answer", where=request.query, mend=_NEW_VERSION
        )
    attempts = _attempts(ledger, key)
    if any(row.body["request"]["data_digest"] != request.data_digest for row in attempts):
        raise SluiceError(
            "The data changed since this release was measured",
            where=request.query,
            mend=_NEW_VERSION,
        )
    row = ledger.find(f"seal:{key}")
    return None if row is None else _answer(row.body)


def _reserve(ledger: Ledger, request: SpendRequest, admit: Admit) -> int:
    """Commit the spend. An attempt that was reserved but never sealed stays spent."""
    key = request.key()
    with ledger.transaction():
        attempt = len(_attempts(ledger, key)) + 1
        admit(spends(ledger, request.cohort), request)
        body = {"key": key, "attempt": attempt, "request": asdict(request)}
        ledger.append("reserve", body, key=f"reserve:{key}:{attempt}")
    return attempt


def _seal(ledger: Ledger, request: SpendRequest, attempt: int, values: Sequence[float]) -> Answer:
    if not all(math.isfinite(value) for value in values):
        raise SluiceError("A drawn answer is not finite", where=request.query)
    key = request.key()
    body = {"key": key, "attempt": attempt, "release": request.release, "values": list(values)}
    ledger.append("seal", body, key=f"seal:{key}")
    return _answer(body)


def _attempts(ledger: Ledger, key: str) -> list[Row]:
    return [row for row in ledger.rows("reserve") if row.body["key"] == key]


def _origin(ledger: Ledger, key: str) -> Row | None:
    """Return the seal behind a key, which may itself have been carried forward."""
    carried = ledger.find(f"carry:{key}")
    if carried is None:
        return ledger.find(f"seal:{key}")
    return next(row for row in ledger.rows("seal") if row.hash == carried.body["seal"])


def _answer(body: dict[str, Any]) -> Answer:
    """Read a seal's body. Its digest leaves out time and place in the chain."""
    return Answer(tuple(body["values"]), body["release"], sha256_json(body))


def _request(record: dict[str, Any]) -> SpendRequest:
    return SpendRequest(**{**record, "noise": Noise(**record["noise"])})
