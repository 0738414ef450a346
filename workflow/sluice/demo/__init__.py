"""The demo cohort: invented people with every kind of raw file, and a list of what is hidden."""

from sluice.demo.canaries import Canaries, Canary
from sluice.demo.cohort import make_cohort

__all__ = ["Canaries", "Canary", "make_cohort"]
