"""The sweep: many settings, the risk and the utility of each, and the one to recommend.

Donors are dealt into two halves, alike in their labels. Every setting is tried on the first half
and one is chosen there; it is judged on the second half, of which nothing was used before. In
either half a third of the donors stay out of the trial releases: their raw values are the
yardstick of utility and the attacker's sample of the population.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sluice.config.sweep import Setting, Sweep, check_attacks
from sluice.errors import SluiceError
from sluice.scores import Score
from sluice.utility.candidates import make_candidate
from sluice.utility.findings import Table
from sluice.utility.measures import Yardstick, utilities
from sluice.utility.risks import RISKS

#: Share of a half's donors whose raw values are the yardstick.
_YARDSTICK = 1 / 3

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Trial:
    """One setting on one half of the donors.

    Parameters
    ----------
    setting
        What was done.
    rows, columns
        Size of what would leave; 0 where nothing is left.
    risks
        One score for each attack that applies to it.
    utilities
        One score for each measure that is defined for it.
    limits
        Of the attacks, by name.
    measure
        The utility that settings are chosen by.
    """

    setting: Setting
    rows: int
    columns: int
    risks: tuple[Score, ...]
    utilities: tuple[Score, ...]
    limits: Mapping[str, float]
    measure: str

    @property
    def deciding(self) -> Score | None:
        """The attack whose upper bound takes most of its limit."""
        return max(self.risks, key=self.share_of_limit, default=None)

    @property
    def risk(self) -> float | None:
        """The largest upper bound of all attacks as a multiple of its limit: 1 is the limit."""
        return self.share_of_limit(self.deciding) if self.deciding else None

    @property
    def utility(self) -> Score | None:
        """The score that settings are chosen by."""
        return next((score for score in self.utilities if score.name == self.measure), None)

    @property
    def verdict(self) -> str:
        """``pass``, ``fail``, ``not_attacked``, ``no_evidence`` or ``empty``; only one passes.

        ``no_evidence``: an attack that fails on the raw values says nothing by failing here.
        """
        if not self.columns:
            return "empty"
        if self.risk is None:
            return "not_attacked"
        if self.risk > 1:
            return "fail"
        proven = all(score.evidence["works"] for score in self.risks if score.evidence)
        return "pass" if proven else "no_evidence"

    def share_of_limit(self, score: Score) -> float:
        """Return an attack's upper bound as a multiple of its limit."""
        return score.upper / self.limits[score.name]

    def is_worth(self, least: float) -> bool:
        """Tell whether it passes, and its utility is above the floor with its lower bound."""
        return self.verdict == "pass" and self.utility is not None and self.utility.lower > least


@dataclass(frozen=True)
class Result:
    """What a sweep found.

    Parameters
    ----------
    trials
        Every setting on the first half, in the order of the file.
    chosen
        The recommended one of them, or ``None`` where none passes and is useful.
    judged
        The recommended setting on the second half.
    plan
        What was asked for.
    left_out
        Settings that ask for more gene sets than there are.
    donors
        For each half: all its donors, and those of them who were released.
    """

    trials: tuple[Trial, ...]
    chosen: Trial | None
    judged: Trial | None
    plan: Sweep
    left_out: int
    donors: tuple[tuple[int, int], tuple[int, int]]

    @property
    def holds(self) -> bool:
        """Tell whether the recommendation passes and is useful on donors not used to choose."""
        return self.judged is not None and self.judged.is_worth(self.plan.min_utility)


def sweep(
    plan: Sweep,
    raw: Table,
    sets: Mapping[str, np.ndarray],
    *,
    hidden: np.ndarray | None = None,
    progress: Progress | None = None,
) -> Result:
    """Try every setting of a plan and recommend the least distortion that passes.

    Parameters
    ----------
    raw
        Donors x genes, logarithms, with labels; one row a donor.
    sets
        Gene sets: name -> numbers of genes.
    hidden
        A trait of each donor that must not be told, of two values; "" where unknown.

    Raises
    ------
    SluiceError
        If there are too few donors or labels, or the plan asks for what is not there.
    """
    check_attacks(plan, list(RISKS))
    settings = [s for s in plan.expanded if (s.sets or 0) <= len(sets)]
    if not sets and (plan.measure == "gene_sets" or len(settings) < len(plan.expanded)):
        raise SluiceError(
            f"No gene set has {plan.min_genes} genes in the matrix",
            where="gene sets",
            mend="give sets of its genes with --sets, or lower min_genes",
        )
    first, second = _halves(plan, raw, sets, hidden)
    trials = []
    for number, setting in enumerate(settings, start=1):
        trials.append(_try(setting, first, plan))
        if progress:
            progress(number, len(settings))
    chosen = choose(trials, plan.min_utility)
    judged = _try(chosen.setting, second, plan) if chosen else None
    left_out = len(plan.expanded) - len(settings)
    return Result(tuple(trials), chosen, judged, plan, left_out, (first.size, second.size))


def choose(trials: Sequence[Trial], least: float) -> Trial | None:
    """Return the trial that passes with the largest lower bound of utility; the first of equals."""
    worth = [trial for trial in trials if trial.is_worth(least)]
    return max(worth, key=lambda trial: trial.utility.lower if trial.utility else -1, default=None)


@dataclass(frozen=True)
class _Half:
    """Half of the donors: those of the trial releases, and those who stay out."""

    raw: Table
    yardstick: Yardstick
    hidden: np.ndarray | None
    seed: int

    @property
    def size(self) -> tuple[int, int]:
        released = len(self.raw.values)
        return released + len(self.yardstick.raw.values), released


def _halves(
    plan: Sweep, raw: Table, sets: Mapping[str, np.ndarray], hidden: np.ndarray | None
) -> tuple[_Half, _Half]:
    """Deal the donors, alike in their labels: to choose on, to judge on."""
    second = deal(raw.labels, 1 / 2, [plan.seed, 0])
    made = []
    for number, rows in enumerate((np.flatnonzero(~second), np.flatnonzero(second))):
        out = deal(raw.labels[rows], _YARDSTICK, [plan.seed, 1, number])
        made.append(
            _Half(
                raw.rows(rows[~out]),
                Yardstick(raw.rows(rows[out]), sets, plan.seed),
                None if hidden is None else hidden[rows[~out]],
                2 * plan.seed + number,
            )
        )
    return made[0], made[1]


def deal(labels: np.ndarray, share: float, seed: list[int]) -> np.ndarray:
    """Return a mask of that share of each label's rows, at random."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        mask[members[: round(len(members) * share)]] = True
    return mask


def _try(setting: Setting, half: _Half, plan: Sweep) -> Trial:
    """Make the trial release, attack it, measure what is left of its use."""
    candidate = make_candidate(
        setting,
        half.raw,
        half.yardstick.raw,
        half.yardstick.sets,
        seed=half.seed,
        hidden=half.hidden,
    )
    if candidate is None:
        return Trial(setting, 0, 0, (), (), plan.limits, plan.measure)
    tried = (RISKS[name](candidate, name) for name in sorted(plan.limits))
    rows, columns = candidate.released.table.values.shape
    return Trial(
        setting,
        rows,
        columns,
        tuple(score for score in tried if score is not None),
        tuple(utilities(candidate.released, half.raw, half.yardstick, setting.product)),
        plan.limits,
        plan.measure,
    )
