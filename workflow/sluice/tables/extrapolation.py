"""How many people of a population are alone, from a sample's fields: the recommended estimate.

A vine copula (:mod:`sluice.tables.copula`) is fitted to the sample. A person with a record of
probability p is alone among N with probability (1 − p)^(N − 1) (Rocher, Hendrickx and de Montjoye
2019), so that the mean of it over records drawn from the vine is the population's uniqueness.

Two readings of the vine bound what it lacks. As it is, it knows dependences of few columns only, so
that it spreads people too thin and finds too many alone. Told how many are alone in the sample
itself, by a factor on all probabilities, it is right at n people but corrects rare records as if
they were common ones, and finds too few. The estimate is the geometric mean of the two, each
weighted by how far it has to reach. The interval is a parametric bootstrap's (samples drawn from
the vine, fitted anew), widened by what the readings disagree about and by how far estimates were
from the truth on populations that were looked at while this was built.
"""

from __future__ import annotations

import numpy as np

from sluice.tables.copula import MOST_VALUES, Vine, fit
from sluice.tables.population import Estimate
from sluice.tables.ladders import text
from sluice.tables.streaming import Classes

FEWEST = 20
"""Records of a sample that anything is estimated from."""

_MOST = 4_000  # records that a vine is fitted to
_DRAWN = 8_000
_ROUNDS = 15
_MANY = 15  # a column of fewer different numbers is taken for categories
_SPREAD = 0.15  # standard deviation of the logarithm that the method itself has
_QUANTILE = 1.96
