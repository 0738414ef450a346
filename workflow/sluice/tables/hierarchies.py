"""Generalise a column to a level of its ladder.

Kinds and their options (the keys of a policy's field rule):

========= ================================================ ========================================
kind      levels, finest first (all end in ``*``)          options
========= ================================================ ========================================
age       widths in years, e.g. ``45-49``, ``90+``         ``levels``, ``top`` (one, or one a level)
zip3      ``zip3``; areas of ≤20,000 people are ``000``    —
country   ``country`` as written, ``subregion``,           ``levels``; ``country`` alone by default
          ``region`` of the United Nations' M49
date      ``day``, ``month``, ``quarter``, ``year``        ``levels``
number    steps, rounded half up one after the other       ``levels``, ``bottom``, ``top``
code      ICD-10 ``full``, ``category``, ``chapter``       ``levels``
map       ``value``, ``level1``, … as the policy lists     ``map``, ``levels``
ordered   values in a group, e.g. ``low to middle``        ``order``, ``levels``
tree      ``depth3``, ``depth2``, ``depth1``: steps from   ``parent``, ``levels``
          the root at which the tree is cut
mask      trailing characters that go, e.g. ``123**``      ``levels``
========= ================================================ ========================================

A missing value stays missing on every level but ``*``, where nothing is told apart. ``*`` as an
input stays ``*``.

Dates have no level "relative": a day since a person's own first date is not a function of a day,
month or year alone, so no level could lie above or below it. It is a rule of its own in the policy
(``interval``), with bins and a cap.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.tables import ladders, vocabularies
from sluice.tables.ladders import ALL, Kind, Labeller, Options

__all__ = ["ALL", "KINDS", "generalise", "ladder", "levels"]

KINDS: dict[str, Kind] = {**ladders.KINDS, **vocabularies.KINDS}
"""Every kind by its name."""


def levels(kind: str, options: Options) -> list[str]:
    """Return the level names of a kind, from finest to ``*``.

    Raises
    ------
    SluiceError
        If the kind is unknown, or the options do not make nested levels.
    """
    return _kind(kind).levels(options)


def generalise(values: pd.Series, kind: str, level: int | str, options: Options) -> pd.Series:
    """Return the column on a level of its ladder.

    Parameters
    ----------
    values
        Raw values, or labels of a finer level.
    kind, options
        See the module's table.
    level
        Place in :func:`levels` (int) or name (str).

    Returns
    -------
    pandas.Series
        Same index and name. Text (dtype object, ``None`` where missing), but float64 for a
        ``number`` below ``*``.

    Raises
    ------
    SluiceError
        With the row's ordinal, where a value does not fit: not in the map, not an age, or already
        coarser than the level.
    """
    name = _level_name(kind, level, options)
    if name == ALL:
        return pd.Series(ALL, index=values.index, name=values.name, dtype=object)
    labels = _labels(values, kind, _kind(kind).labeller(name, options))
    if kind == "number" and ALL not in labels:
        return pd.Series(labels, index=values.index, name=values.name, dtype="float64")
    return pd.Series(labels, index=values.index, name=values.name, dtype=object)


def ladder(kind: str, options: Options) -> list[Callable[[pd.Series], pd.Series]]:
    """Return one function a level, finest first: what :func:`sluice.tables.recode.search` takes."""
    return [
        partial(generalise, kind=kind, level=place, options=options)
        for place in range(len(levels(kind, options)))
    ]


def _labels(values: pd.Series, kind: str, labeller: Labeller) -> np.ndarray:
    """Label each distinct value once; missing stays ``None``."""
    codes, uniques = pd.factorize(values)
    labels = np.empty(len(uniques) + 1, dtype=object)
    for code, value in enumerate(uniques):
        labels[code] = ALL if isinstance(value, str) and value == ALL else labeller(value)
        if labels[code] is None:
            raise SluiceError(
                "A value does not fit the field's generalisation",
                where=f"column {values.name}, rule {kind}, row {int(np.argmax(codes == code)) + 1}",
                mend="correct the source, or add the value to the policy's rule",
            )
    labels[-1] = None
    return labels[codes]


def _kind(kind: str) -> Kind:
    if kind not in KINDS:
        raise SluiceError(
            "A generalisation is not known",
            where=f"rule {kind}",
            mend=f"use one of {', '.join(sorted(KINDS))}",
        )
    return KINDS[kind]


def _level_name(kind: str, level: int | str, options: Options) -> str:
    names = levels(kind, options)
    if isinstance(level, str) and level in names:
        return level
    if isinstance(level, int) and 0 <= level < len(names):
        return names[level]
    raise SluiceError(
        "A generalisation has no such level",
        where=f"rule {kind}, level {level}",
        mend=f"use 0 to {len(names) - 1}, or one of {', '.join(names)}",
    )
