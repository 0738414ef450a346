#!/usr/bin/env python
"""Print the tables of thresholds.md, computed by the functions that judge a release.

With ``--write``, put them into the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from sluice.config import Config, load_policy
from sluice.dp.planner import predict_error
from sluice.dp.plans import CountsPlan, MeansPlan
from sluice.jobs import Job
from sluice.public import questions
from sluice.resources import shipped
from sluice.tables.risk import reachable, upper_bound

PAGE = Path(__file__).with_name("thresholds.md")
MARK = "<!-- from here on written by docs/thresholds.py --write -->\n"

PEOPLE = (30, 60, 100, 200, 300, 500, 1000, 5000)
LIMITS = (0.2, 0.09, 0.05, 0.01)
EPSILONS = (0.1, 0.3, 0.5, 1.0)
AGE = ("0-19", "20-39", "40-59", "60-79", "80+")
DOMAIN = {"age": AGE, "sex": ("female", "male"), "smoking": ("never", "former", "current")}
ONE_TABLE = (("age", "sex"),)
THREE_TABLES = (("age", "sex"), ("sex", "smoking"), ("age", "smoking"))
DELTA = 1e-7


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table under its title."""
    lines = [f"**{title}**", "", _line(head), "|" + "---|" * len(head)]
    return "\n".join([*lines, *(_line(row) for row in rows)])


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def classes() -> str:
    """Most classes that N people can form, and most people who may be suppressed."""
    rows = [(n, n // 5, n // 12, n // 20, int(n * 0.1 + 1e-9)) for n in PEOPLE]
    head = ("N", "classes at k=5", "classes at k=12", "groups of 20 donors", "10 % suppressed")
    return table("At most", head, rows)


def hits() -> str:
    """Most hits that pass each limit among N people, and the bound without any hit."""
    rows = [(n, f"{upper_bound(0, n):.3f}", *(_most(n, limit) for limit in LIMITS)) for n in PEOPLE]
    head = ("N", "bound at 0 hits", *(f"limit {limit:g}" for limit in LIMITS))
    return table("Most hits that pass (– : not even none)", head, rows)


def _most(n: int, limit: float) -> str:
    passing = [h for h in range(n + 1) if upper_bound(h, n) <= limit]
    return str(max(passing)) if passing else "–"


def smallest() -> str:
    """Fewest people with whom each limit can pass at all."""
    rows = [(limit, next(n for n in range(1, 10_000) if reachable(limit, n))) for limit in LIMITS]
    return table("Fewest people", ("limit", "N"), [(f"{limit:g}", n) for limit, n in rows])


def errors(title: str, question: str) -> str:
    """Predicted standard error, in SD units, of one question by people and epsilon."""
    rows = [
        (n, *(f"{predict_error(_plan(question, epsilon), n):.3f}" for epsilon in EPSILONS))
        for n in PEOPLE
    ]
    return table(title, ("N", *(f"ε={epsilon:g}" for epsilon in EPSILONS)), rows)


def _plan(question: str, epsilon: float) -> CountsPlan | MeansPlan:
    if question == "means":
        clip = 3.0 * 10**0.5
        features = tuple(f"feature_{n + 1:02d}" for n in range(10))
        return MeansPlan("q", features, "group", ("all",), clip, clip**0.5, epsilon, DELTA)
    tables = ONE_TABLE if question == "one" else THREE_TABLES
    return CountsPlan("q", DOMAIN, tables, epsilon, DELTA, "laplace")


def asked() -> str:
    """What the default policy asks, and the fewest expected people with whom it is worth asking."""
    folder = shipped() / "config"
    config = Config.load(folder / "config.yaml", "demo/2026q1")
    config = replace(config, policy=load_policy(folder, "default"))
    budget = config.policy.tiers["public"].budget
    assert budget is not None
    rows = []
    for name, plan in sorted(questions(Job(config, "plan", "public")).items()):
        enough = (n for n in range(1, 100_000) if predict_error(plan, n) <= budget.max_predicted_se)
        error = predict_error(plan, budget.expected_people)
        rows.append((name, plan.noise.mechanism, f"{plan.epsilon:g}", f"{error:.2f}", next(enough)))
    at = f"error at N={budget.expected_people}, in SD"
    head = ("question", "noise", "ε", at, f"N for ≤ {budget.max_predicted_se:g} SD")
    return table("The default policy's public questions", head, rows)


def tables() -> str:
    """Return every table."""
    found = [
        classes(),
        smallest(),
        hits(),
        asked(),
        errors("Counts, one table of 10 cells: error in SD", "one"),
        errors("Counts, three tables of 10, 6 and 15 cells: error in SD", "three"),
        errors("Means of 10 features, clipped at 3 SD each, δ = 1e-7: error in SD", "means"),
    ]
    return "\n\n".join(found) + "\n"


def main() -> None:
    """Print the tables, or write them to the end of the page."""
    if "--write" in sys.argv[1:]:
        text = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
        PAGE.write_text(f"{text}{MARK}\n{tables()}", encoding="utf-8")
    else:
        print(tables(), end="")


if __name__ == "__main__":
    main()
