"""Public products: one question each, measured through the ledger and laid out as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sluice.config.policy import Budget
from sluice.dp.accounting import within
from sluice.dp.mechanisms import Steps, add_noise
from sluice.dp.planner import Plan
from sluice.dp.plans import ALL, PARTICIPANTS, CountsPlan, MeansPlan
from sluice.dp.preprocess import (
    clip,
    codes,
    contributions_digest,
    require_one_row,
    snap,
    stacked_sums,
)
from sluice.errors import SluiceError
from sluice.ledger.chain import Ledger
from sluice.ledger.spends import Answer, SpendRequest, carry_forward, measure


@dataclass(frozen=True)
class Account:
    """Who pays: the ledger, the policy's budget, and the release that asks.

    Parameters
    ----------
    reissue
        Whether the release replaces one after a withdrawal, and may use the reserve.
    carry_from
        The earlier release whose answer is kept, by query, because the release file says so.
    """

    ledger: Ledger
    budget: Budget
    cohort: str
    release: str
    reissue: bool = False
    carry_from: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """A public table and the sealed answer behind it."""

    frame: pd.DataFrame
    answer: Answer


def measure_counts(
    account: Account, plan: CountsPlan, table: pd.DataFrame, *, rounding: int
) -> Measured:
    """Count participants in every cell of every table of the plan.

    Parameters
    ----------
    table
        One row a participant (the index names it), one column a field, values in the domain.
    rounding
        Released counts are rounded to this and never negative: post-processing, costs nothing.

    Returns
    -------
    Measured
        The frame has one column a field (``(all)`` where a table sums over it), then ``value``,
        ``mechanism``, ``epsilon`` and ``delta`` of the whole question, and ``scale`` of the noise.

    Raises
    ------
    SluiceError
        If a participant has two rows, a value is outside its domain, or the ledger refuses.
    """

    def contributions() -> Steps:
        return cell_codes(plan, table)

    def draw(cells: Steps) -> NDArray[np.float64]:
        return add_noise(count_vector(plan, cells), plan.noise, plan.grid)

    answer = _ask(account, plan, contributions, draw)
    return Measured(_counts_frame(plan, answer, rounding), answer)


def measure_means(
    account: Account, plan: MeansPlan, matrix: pd.DataFrame, groups: pd.Series
) -> Measured:
    """Average a bounded vector in each group.

    Parameters
    ----------
    matrix
        n × d, one row a participant (the index names it), columns = the plan's features, in
        public units.
    groups
        The group of each participant, same index, values among the plan's labels.

    Returns
    -------
    Measured
        The frame has the group column, ``feature`` (``(participants)`` for the noisy count),
        ``value`` and the columns of :func:`measure_counts`. A mean is noisy sum over noisy count
        (at least 1), kept within ±B, which no true mean can pass.

    Raises
    ------
    SluiceError
        If a participant has two rows, a number is missing, a label is unknown, or the ledger
        refuses.
    """

    def contributions() -> Steps:
        if list(matrix.columns) != list(plan.features) or not matrix.index.equals(groups.index):
            raise SluiceError(
                "The matrix does not hold the plan's features and the groups' participants",
                where=plan.query,
            )
        require_one_row(matrix.index)
        labels = codes(groups, plan.labels)
        return np.column_stack([labels, bounded_rows(plan, matrix.to_numpy(np.float64))])

    def draw(rows: Steps) -> NDArray[np.float64]:
        return add_noise(means_vector(plan, rows[:, 1:], rows[:, 0]), plan.noise, plan.grid)

    answer = _ask(account, plan, contributions, draw)
    return Measured(_means_frame(plan, answer), answer)


def cell_codes(plan: CountsPlan, table: pd.DataFrame) -> Steps:
    """Return n × tables: the cell of each participant in each table."""
    require_one_row(table.index)
    position = {name: codes(table[name], plan.domain[name]) for name in plan.fields}
    columns = []
    for names in plan.tables:
        cell = np.zeros(len(table), dtype=np.int64)
        for name in names:
            cell = cell * len(plan.domain[name]) + position[name]
        columns.append(cell)
    return np.column_stack(columns)


def count_vector(plan: CountsPlan, cells: Steps) -> Steps:
    """Return the exact counts of all tables, one after the other, in steps of the plan's grid."""
    step = round(1 / plan.grid)
    counts = [
        np.bincount(cells[:, number], minlength=len(plan.cells(names))) * step
        for number, names in enumerate(plan.tables)
    ]
    return np.concatenate(counts).astype(np.int64)


def bounded_rows(plan: MeansPlan, rows: NDArray[np.float64]) -> Steps:
    """Return each participant's vector, clipped to B and snapped to the plan's grid."""
    return snap(clip(rows, plan.clip_bound), plan.grid)


def means_vector(plan: MeansPlan, rows: Steps, groups: NDArray[np.int64]) -> Steps:
    """Return the exact stacked sums and weighted counts, in steps of the plan's grid."""
    weight = int(plan.count_weight / plan.grid)
    return stacked_sums(rows, groups, len(plan.labels), weight)


def _ask(
    account: Account,
    plan: Plan,
    contributions: Callable[[], Steps],
    draw: Callable[[Steps], NDArray[np.float64]],
) -> Answer:
    earlier = account.carry_from.get(plan.query)
    if earlier is not None:
        # The data are not even looked at: a carried answer says nothing new about them.
        return carry_forward(account.ledger, _request(account, plan, ""), earlier)
    rows = contributions()
    request = _request(account, plan, contributions_digest(rows))
    return measure(account.ledger, request, lambda: draw(rows).tolist(), within(account.budget))


def _request(account: Account, plan: Plan, data_digest: str) -> SpendRequest:
    return SpendRequest(
        cohort=account.cohort,
        release=account.release,
        query=plan.query,
        method=plan.digest,
        noise=plan.noise,
        epsilon=plan.epsilon,
        delta=_delta(plan),
        data_digest=data_digest,
        reissue=account.reissue,
    )


def _delta(plan: Plan) -> float:
    """Laplace noise is ε-DP: its δ is zero whatever the plan would allow."""
    return 0.0 if plan.noise.mechanism == "laplace" else plan.delta


def _counts_frame(plan: CountsPlan, answer: Answer, rounding: int) -> pd.DataFrame:
    values = np.maximum(np.round(np.array(answer.values) / rounding), 0).astype(np.int64) * rounding
    rows: list[dict[str, Any]] = []
    for names in plan.tables:
        for cell in plan.cells(names):
            rows.append({**dict.fromkeys(plan.fields, ALL), **dict(zip(names, cell, strict=True))})
    return _with_noise(pd.DataFrame(rows).assign(value=values), plan)


def _means_frame(plan: MeansPlan, answer: Answer) -> pd.DataFrame:
    blocks = np.array(answer.values).reshape(len(plan.labels), -1)
    people = blocks[:, -1:] / plan.count_weight
    means = np.clip(blocks[:, :-1] / np.maximum(people, 1), -plan.clip_bound, plan.clip_bound)
    values = np.hstack([np.round(means, 4), np.maximum(np.round(people), 0)])
    names = [*plan.features, PARTICIPANTS]
    frame = pd.DataFrame(
        {
            plan.group: np.repeat(plan.labels, len(names)),
            "feature": names * len(plan.labels),
            "value": values.ravel() + 0.0,  # no negative zero
        }
    )
    return _with_noise(frame, plan)


def _with_noise(frame: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    return frame.assign(
        mechanism=plan.noise.mechanism,
        epsilon=plan.epsilon,
        delta=_delta(plan),
        scale=plan.noise.scale,
    )
