#!/usr/bin/env python
"""Print the tables of thresholds.md, computed by the functions that judge a release."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sluice.dp.planner import predict_error
from sluice.dp.plans import CountsPlan, MeansPlan
from sluice.tables.risk import reachable, upper_bound

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


def main() -> None:
    """Print every table."""
    print(
        "\n\n".join(
            [
                classes(),
                smallest(),
                hits(),
                errors("Counts, one table of 10 cells", "one"),
                errors("Counts, three tables of 10, 6 and 15 cells", "three"),
                errors("Means of 10 features, clipped at 3 SD each, δ = 1e-7", "means"),
            ]
        )
    )


if __name__ == "__main__":
    main()
