"""Models that compare a class with the whole table: t by three distances, β, δ, presence.

All take the counts of one sensitive column in the classes (:class:`sluice.tables.models
.Contingency`) and return one number a class. Sources: Li, Li and Venkatasubramanian 2007
(t-closeness and its three earth mover's distances); Cao and Karras 2012 (β-likeness); Brickell and
Shmatikov 2008 (δ-disclosure privacy); Nergiz, Atzori and Clifton 2007 (δ-presence); Sweeney 2002
and El Emam and Dankar 2008 (k-map).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sluice.errors import SluiceError
from sluice.tables.models import Contingency

_CELLS = 4_000_000  # shares held at once
_ROUNDING = 1e-12


def ordered_distance(table: Contingency, order: Sequence[int] | np.ndarray) -> np.ndarray:
    """Earth mover's distance over an order of the values, shape (C,).

    The ground distance of two values is the difference of their places over (values − 1).

    Parameters
    ----------
    order
        Codes of the values from the first to the last: every code that occurs, and no other.

    Raises
    ------
    SluiceError
        If a value has no place in the order, such as a missing one.
    """
    order = np.asarray(order, dtype=np.int64)
    if not np.array_equal(np.sort(order), np.unique(table.values)):
        raise SluiceError(
            "An ordered distance needs a place in the order for every value",
            where="sensitive column",
            mend="use the equal distance, or give missing values a place in the order",
        )
    if len(order) < 2:
        return np.zeros(len(table.sizes))
    return _by_class(
        table, lambda gap: np.abs(np.cumsum(gap[:, order], axis=1)).sum(axis=1) / (len(order) - 1)
    )


def hierarchical_distance(table: Contingency, labels: Sequence[np.ndarray]) -> np.ndarray:
    """Earth mover's distance over a tree of the values, shape (C,).

    Two values are as far apart as the level of their first common label is high, over the number of
    levels.

    Parameters
    ----------
    labels
        From the level above the values to the top: the number of each code's label, shape
        (radix,). Each level is a function of the one before; at the top all have one label.

    Raises
    ------
    SluiceError
        If the top has several labels: values under different ones would have no distance.
    """
    height = len(labels)
    if not height or len(np.unique(np.asarray(labels[-1])[np.unique(table.values)])) > 1:
        raise SluiceError(
            "A hierarchical distance needs one label for all values at the top",
            where="sensitive column",
            mend="close the hierarchy with `*`",
        )

    def cost(gap: np.ndarray) -> np.ndarray:
        """Mass that must pass each node, times what a step up and down there costs."""
        total = np.zeros(len(gap))
        children, of_code = gap, np.arange(table.radix)
        for level, label in enumerate(labels, 1):
            _, above = np.unique(label, return_inverse=True)
            # Which node of this level each node of the level below hangs on.
            parent = np.zeros(children.shape[1], dtype=np.int64)
            parent[of_code] = above
            member = np.zeros((len(parent), int(above.max()) + 1))
            member[np.arange(len(parent)), parent] = 1
            surplus, want = np.maximum(children, 0) @ member, np.maximum(-children, 0) @ member
            total += np.minimum(surplus, want).sum(axis=1) * level / height
            children, of_code = children @ member, above
        return total

    return _by_class(table, cost)


def _by_class(table: Contingency, cost: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply ``cost`` to each class's shares less the table's, some classes at a time."""
    reference, shares = table.reference(), table.shares
    out = np.zeros(len(table.sizes))
    order = np.argsort(table.classes, kind="stable")
    classes, values, shares = table.classes[order], table.values[order], shares[order]
    step = max(1, _CELLS // table.radix)
    for start in range(0, len(out), step):
        stop = min(start + step, len(out))
        here = slice(*np.searchsorted(classes, [start, stop]))
        gap = np.tile(-reference, (stop - start, 1))
        gap[classes[here] - start, values[here]] += shares[here]
        out[start:stop] = cost(gap)
    return out


def likeness(table: Contingency) -> np.ndarray:
    """Basic β of each class, shape (C,): largest gain (q − p) / p of a value's share q over its p.

    A value that is rarer in the class than in the table gains nothing.
    """
    return np.maximum(_largest(table, _gains(table)), 0)


def enhanced_likeness(table: Contingency) -> np.ndarray:
    """Enhanced β of each class, shape (C,): as :func:`likeness`, where no gain is above −ln p.

    Infinite where one is: then no β makes the class satisfy the model, whose bound on a gain is
    min(β, −ln p).
    """
    gains = _gains(table)
    over = gains > -np.log(table.reference()[table.values]) + _ROUNDING
    return np.maximum(_largest(table, np.where(over, np.inf, gains)), 0)


def disclosure(table: Contingency) -> np.ndarray:
    """δ of each class, shape (C,): largest |ln(q / p)| over the values that occur in it.

    The model asks that every value occurs in every class; a value that does not would make δ
    infinite nearly everywhere, so that it is left out, as pyCANON does.
    """
    return _largest(table, np.abs(np.log1p(_gains(table))))


def _gains(table: Contingency) -> np.ndarray:
    reference = table.reference()[table.values]
    return (table.shares - reference) / reference


def _largest(table: Contingency, numbers: np.ndarray) -> np.ndarray:
    found = np.full(len(table.sizes), -np.inf)
    np.maximum.at(found, table.classes, numbers)
    return found


def presence(sizes: np.ndarray, population: np.ndarray) -> tuple[float, float]:
    """δ-presence: least and largest share of a population's class that is in the table.

    Whoever knows that a person is in the population believes with this probability that the person
    is in the table too. A class that is smaller there than here counts with its size here.

    Parameters
    ----------
    sizes, population
        Records of each class here and in the population, both shape (classes,), over every class
        of either.
    """
    found = sizes / np.maximum(sizes, population)
    return float(found.min()), float(found.max())


def k_map(sizes: np.ndarray, population: np.ndarray) -> int:
    """Return the smallest class of the population that has somebody in the table.

    Parameters as for :func:`presence`.
    """
    return int(np.maximum(sizes, population)[sizes > 0].min())
