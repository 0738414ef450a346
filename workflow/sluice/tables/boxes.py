"""Branch and bound over the boxes of a lattice: an optimum with its proof, or a bound of the gap.

A box is every node from ``low`` to ``high``. One look at ``high`` judges all of them: what k and
distinct l remove there, they remove on every finer node too (joining classes that satisfy them
gives one that does). So if ``high`` removes too many records, the whole box is out; if not, each of
its nodes loses at least what ``low`` would lose with only the records gone that ``high`` removes.

Boxes are taken by that bound, least first. One that stays is cut in two at the top of its costliest
field: the upper half keeps ``high`` and gets a higher bound, the lower half gets a ``high`` of its
own, which is looked at. When no open box can hold a node before the best one, that one is the
optimum. Nothing of the lattice is laid out beforehand, so its size does not matter to memory.

The idea of tagging below nodes that fail is Kohlmayer and others' (2012, Flash); bounds by the
suppressed records of a coarser node and the boxes are ours.
"""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf
from typing import NamedTuple

from sluice.tables.lattice import ClassTable, Lattice, Look, Node
from sluice.tables.models import Rules

_DIGITS = 12  # losses that agree to this many decimals are a tie


class Ranked(NamedTuple):
    """A node and its order among others: by loss, then by the sum of its levels, then by place."""

    loss: float
    levels: int
    node: Node


class Box(NamedTuple):
    """Every node from ``low`` (``least.node``) to ``high``, ordered by the least that it can hold.

    ``below`` is a node at or below ``low`` whose class table was made; ``look`` is that at
    ``high``.
    """

    least: Ranked
    high: Node
    below: Node
    look: Look


class Found(NamedTuple):
    """The best node that was found, and a lower bound of the loss of all that were not judged."""

    node: Node
    bound: float


def least_loss(lattice: Lattice, rules: Rules, allowed: int, effort: int) -> Found | None:
    """Return the node of least loss that removes at most ``allowed`` records, if there is one.

    Parameters
    ----------
    effort
        How many rows of class tables may be read (:attr:`Lattice.effort`). A search that ends
        there tries the neighbours of its best node, and returns the bound that it has reached.
    """
    return _Search(lattice, rules, allowed).run(effort)


class _Search:
    def __init__(self, lattice: Lattice, rules: Rules, allowed: int) -> None:
        self.lattice, self.rules, self.allowed = lattice, rules, allowed
        # Where nothing may be removed every rule holds on coarser nodes if it holds on a finer one.
        self.monotone = rules.without_reference() if allowed else rules
        self.best: Ranked | None = None
        self.boxes: list[Box] = []

    def run(self, effort: int) -> Found | None:
        self._open(self.lattice.bottom.node, self.lattice.top, self.lattice.bottom)
        while self.boxes and self.lattice.effort < effort:
            self._cut(heappop(self.boxes))
            if self.boxes and not self._may_hold_best(self.boxes[0].least):
                self.boxes.clear()
        if self.best is None:
            return None
        if not self.boxes:
            return Found(self.best.node, inf)
        self._improve()
        return Found(self.best.node, self.boxes[0].least.loss)

    def _open(self, low: Node, high: Node, table: ClassTable) -> None:
        """Look at a box for the first time."""
        look = self.lattice.look(table, high, self.monotone)
        if look.removed <= self.allowed:
            self._consider(high, look)
            self._keep(low, high, table, look)

    def _keep(self, low: Node, high: Node, table: ClassTable, look: Look) -> None:
        """Put a box away for later, unless it holds nothing new."""
        least = _ranked(look, low)
        if low != high and self._may_hold_best(least):
            heappush(self.boxes, Box(least, high, table.node, look))

    def _cut(self, box: Box) -> None:
        """Part a box into what has the top level of its costliest field, and the rest."""
        low, high = box.least.node, box.high
        table = self.lattice.classes(low, box.below)
        costs = [f[h] / f[i] for f, h, i in zip(box.look.factors, high, low, strict=True)]
        open_fields = [j for j in range(len(low)) if low[j] < high[j]]
        j = max(open_fields, key=lambda field: costs[field])
        self._keep(_moved(low, j, high[j]), high, table, box.look)
        self._open(low, _moved(high, j, high[j] - 1), table)

    def _may_hold_best(self, least: Ranked) -> bool:
        return self.best is None or least < self.best

    def _consider(self, node: Node, look: Look) -> None:
        """Take a node as the best one, if it is; ``look`` may hold its monotone rules only."""
        if not self._may_hold_best(_ranked(look, node)):
            return
        if self.monotone != self.rules:
            look = self.lattice.look(self.lattice.classes(node, node), node, self.rules)
            if look.removed > self.allowed or not self._may_hold_best(_ranked(look, node)):
                return
        self.best = _ranked(look, node)

    def _improve(self) -> None:
        """Go to the best neighbour of the best node, as long as there is a better one."""
        start = None
        while self.best is not None and self.best != start:
            start = self.best
            node = start.node
            below = tuple(max(i - 1, 0) for i in node)
            table = self.lattice.classes(below, below)
            for j, i in enumerate(node):
                for place in (i - 1, i + 1):
                    if 0 <= place <= self.lattice.top[j]:
                        there = _moved(node, j, place)
                        look = self.lattice.look(table, there, self.monotone)
                        if look.removed <= self.allowed:
                            self._consider(there, look)


def _ranked(look: Look, node: Node) -> Ranked:
    return Ranked(round(look.loss(node), _DIGITS), sum(node), node)


def _moved(node: Node, field: int, level: int) -> Node:
    return (*node[:field], level, *node[field + 1 :])
