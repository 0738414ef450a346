"""What an answer will be worth, told before any budget is spent.

Everything here comes from the policy. The number of participants is the policy's expectation,
never the cohort's: a refusal must not tell how many there are.
"""

from __future__ import annotations

import math

from sluice.config.policy import Budget
from sluice.dp.plans import CountsPlan, MeansPlan
from sluice.ledger.spends import Noise

Plan = MeansPlan | CountsPlan


def noise_sd(noise: Noise) -> float:
    """Return the standard deviation of the noise on one coordinate."""
    if noise.mechanism == "gaussian":
        return noise.scale
    decay = math.exp(-1 / noise.scale)
    return math.sqrt(2 * decay) / (1 - decay)


def predict_error(plan: Plan, people: int) -> float:
    """Return the standard error that the noise adds, in SD units of what is asked.

    Means: of one feature in one of equal groups of n people, whose mean lies one public SD from
    the public centre (the noisy count in the denominator moves it by that much):
    σ/n · √(1 + 1/c²), by the delta method for a ratio.

    Counts: of the share of one cell in a table of m equal cells, over the SD √(p(1 − p)) of being
    in it, p = 1/m, in the table where that is largest.

    Sampling error is not in it: this is the price of privacy alone.
    """
    sd = noise_sd(plan.noise)
    if isinstance(plan, MeansPlan):
        members = people / len(plan.labels)
        return sd / members * math.hypot(1, 1 / plan.count_weight)
    most = max(len(plan.cells(table)) for table in plan.tables)
    share = 1 / max(most, 2)
    return sd / people / math.sqrt(share * (1 - share))


def refusal(plan: Plan, budget: Budget) -> str | None:
    """Return why this question is not worth asking, in one sentence, or None.

    Judged on the policy's ``expected_people``, ``min_people_for_means`` and
    ``max_predicted_se``; spends nothing.
    """
    people = budget.expected_people
    if isinstance(plan, MeansPlan) and people < budget.min_people_for_means:
        return (
            f"{plan.query}: {people} expected participants are too few for means "
            f"({budget.min_people_for_means} needed); offer counts only."
        )
    error = predict_error(plan, people)
    if error > budget.max_predicted_se:
        return (
            f"{plan.query}: the predicted standard error is {error:.2f} SD, more than "
            f"{budget.max_predicted_se:.2f}; ask fewer or coarser questions, or give it more of "
            "the budget."
        )
    return None
