"""Judging products: contracts, verdicts, and the page that a privacy officer reads."""

from sluice.gates.judge import judge, sentence
from sluice.gates.review import write_review

__all__ = ["judge", "sentence", "write_review"]
