"""A discrete vine copula: margins, and how each column depends on up to three others.

The probability of a record is the product over its columns of

    p_0(x_j) · Π_t c_t(x_j, x_a(t) | x_a(1) … x_a(t−1)),

the margin times pair copula densities, each given the partners before it (Bedford and Cooke 2002;
Panagiotelis, Czado and Joe 2012 for discrete columns). A density is not parametric but shrunk: with
n_c records of the sample in the context of the first t partners and n_x of them having x_j,

    p_t(x_j) = (n_x + α p_{t−1}(x_j)) / (n_c + α),      c_t = p_t / p_{t−1}

so that a context that was never seen says nothing, and one that was seen often says what it shows
(the predictive rule of a hierarchical Dirichlet prior). Partners and α are those under which the
sample's own records, each left out in turn, are likeliest.

Margins have mass where the sample has none: columns of whole numbers are smoothed over the numbers
between, by the kernel under which left-out records are likeliest; other columns get as many unseen
values, with as much mass, as Chao 1984 and Good 1953 estimate from the values seen once and twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_WEIGHTS = np.exp(np.linspace(np.log(0.05), np.log(5000), 24))
_WIDTHS = (0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 20)
_MIXES = (0.0, 0.5, 0.8, 0.95, 1.0)
_PARTNERS = 3
_GAIN = 2.0  # log likelihood that a further partner must bring
_TINY = 1e-12

MOST_VALUES = 30_000
"""Different values of a column; four of them make a key of 64 bits."""


@dataclass(frozen=True)
class _Step:
    """One pair copula of a column: the context that it adds, and how much the sample weighs."""

    partners: tuple[int, ...]
    weight: float


@dataclass(frozen=True)
class Vine:
    """A fitted vine.

    Parameters
    ----------
    rows
        The sample, codes from 0, shape (records, columns).
    margins
        Probability of each code, by column.
    order
        Columns in the order in which a record is made up.
    steps
        By column.
    """

    rows: np.ndarray
    margins: tuple[np.ndarray, ...]
    order: tuple[int, ...]
    steps: tuple[tuple[_Step, ...], ...]

    def density(self, records: np.ndarray) -> np.ndarray:
        """Return the probability of each record, shape (records,)."""
        found = np.ones(len(records))
        for j in self.order:
            p = self.margins[j][records[:, j]]
            for step in self.steps[j]:
                context, asked = (self._keys(x, step.partners) for x in (self.rows, records))
                radix = len(self.margins[j])
                seen = _count(context, asked)
                alike = _count(context * radix + self.rows[:, j], asked * radix + records[:, j])
                p = (alike + step.weight * p) / (seen + step.weight)
            found *= p
        return found

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw records, shape (count, columns).

        A column is copied from a record of the sample in the same context, or, the more likely the
        fewer there are, left as drawn in the context before.
        """
        out = np.zeros((count, len(self.margins)), dtype=np.int64)
        for j in self.order:
            drawn = rng.choice(len(self.margins[j]), count, p=self.margins[j])
            for step in self.steps[j]:
                context, asked = (self._keys(x, step.partners) for x in (self.rows, out))
                order = np.argsort(context, kind="stable")
                first = np.searchsorted(context[order], asked, side="left")
                seen = np.searchsorted(context[order], asked, side="right") - first
                copied = rng.random(count) < seen / (seen + step.weight)
                pick = first + (rng.random(count) * seen).astype(np.int64)
                giver = order[np.minimum(pick, len(order) - 1)]
                drawn = np.where(copied, self.rows[giver, j], drawn)
            out[:, j] = drawn
        return out

    def _keys(self, records: np.ndarray, columns: Sequence[int]) -> np.ndarray:
        return _keys(records, columns, [len(margin) for margin in self.margins])


def fit(rows: np.ndarray, whole: Sequence[bool]) -> Vine:
    """Fit a vine to a sample.

    Parameters
    ----------
    rows
        Codes from 0, shape (records, columns); of a column of whole numbers, the numbers less a
        constant.
    whole
        Which columns hold whole numbers.
    """
    margins = [
        _smoothed(rows[:, j]) if whole[j] else _with_unseen(rows[:, j])
        for j in range(rows.shape[1])
    ]
    radix = [len(margin) for margin in margins]
    entropy = [-(margin * np.log(np.maximum(margin, _TINY))).sum() for margin in margins]
    order = [int(j) for j in np.argsort(entropy, kind="stable")[::-1]]
    steps: list[tuple[_Step, ...]] = [()] * len(margins)
    for place, j in enumerate(order):
        steps[j] = _partners(rows, margins[j], j, order[:place], radix)
    return Vine(rows, tuple(margins), tuple(order), tuple(steps))


def _partners(
    rows: np.ndarray, margin: np.ndarray, column: int, earlier: list[int], radix: list[int]
) -> tuple[_Step, ...]:
    """Choose the partners of a column one after the other, as long as left-out records gain."""
    chosen: list[_Step] = []
    before = np.maximum(margin[rows[:, column]], _TINY)
    taken: tuple[int, ...] = ()
    while len(taken) < _PARTNERS:
        best: tuple[float, int, float, np.ndarray] | None = None
        for partner in earlier:
            if partner in taken:
                continue
            context = _keys(rows, (*taken, partner), radix)
            seen, alike = _own(context), _own(context * radix[column] + rows[:, column])
            if seen.max() < 2:
                continue
            left_out = (alike[:, None] - 1 + _WEIGHTS * before[:, None]) / (
                seen[:, None] - 1 + _WEIGHTS
            )
            likelihood = np.log(left_out).sum(axis=0)
            at = int(likelihood.argmax())
            gain = float(likelihood[at] - np.log(before).sum())
            if gain > (best[0] if best else _GAIN):
                best = gain, partner, float(_WEIGHTS[at]), left_out[:, at]
        if best is None:
            break
        taken = (*taken, best[1])
        chosen.append(_Step(taken, best[2]))
        before = best[3]
    return tuple(chosen)


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Margin of whole numbers from 0: the counts mixed with their own kernel density."""
    counts = np.bincount(values).astype(float)
    n, reach = len(values), len(counts)
    best: tuple[float, np.ndarray] = -np.inf, counts / n
    for width in _WIDTHS:
        kernel = np.exp(-0.5 * (np.arange(1 - reach, reach) / width) ** 2)
        kernel /= kernel.sum()
        spread = np.convolve(counts, kernel)[reach - 1 : 2 * reach - 1]
        for mix in _MIXES:
            own = (1 - mix) + mix * kernel[reach - 1]
            left_out = ((1 - mix) * counts + mix * spread - own) / (n - 1) if n > 1 else counts
            likelihood = float((counts * np.log(np.maximum(left_out, _TINY))).sum())
            if likelihood > best[0]:
                best = likelihood, (1 - mix) * counts / n + mix * spread / spread.sum()
    margin = np.maximum(best[1], 0.2 / n / reach)
    return margin / margin.sum()


def _with_unseen(values: np.ndarray) -> np.ndarray:
    """Margin of categories, those that the sample has not seen at the end."""
    counts, n = np.bincount(values), len(values)
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    unseen = min(round(once * (once - 1) / (2 * (twice + 1))), MOST_VALUES - len(counts))
    shares = counts / n
    if unseen <= 0:
        return shares
    # What the seen values give up falls with their count (Chao and Shen 2003).
    gives = shares * (1 - shares) ** n
    shares = shares - min(once / n / gives.sum(), 0.9) * gives
    return np.append(shares, np.full(unseen, (1 - shares.sum()) / unseen))


def _keys(records: np.ndarray, columns: Sequence[int], radix: Sequence[int]) -> np.ndarray:
    keys = np.zeros(len(records), dtype=np.int64)
    for column in columns:
        keys = keys * radix[column] + records[:, column]
    return keys


def _own(keys: np.ndarray) -> np.ndarray:
    """How many records have each record's key."""
    _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return counts[place]


def _count(keys: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """How many of ``keys`` equal each that is asked for."""
    found, counts = np.unique(keys, return_counts=True)
    place = np.minimum(np.searchsorted(found, asked), len(found) - 1)
    return np.where(found[place] == asked, counts[place], 0)
