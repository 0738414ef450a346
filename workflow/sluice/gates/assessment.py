"""The risk assessment of a tier's individual records, in the order that EMA and Health Canada ask.

Initial risk, threshold with its reason, transformations, residual risk, utility (EMA/90915/2016 on
Policy 0070; Health Canada, Public Release of Clinical Information, 2019). The board reads exact
numbers; a bundle's report says them to two decimals, risks rounded up, without what the search saw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sluice.config.policy import EVERYTHING, TierPolicy, attacker_score
from sluice.gates.evidence import Evidence
from sluice.gates.judge import Gate
from sluice.release.pages import spoken
from sluice.release.risk_plots import field_plot, front_plot
from sluice.scores import Score

_MEASURES = (
    ("highest", "Highest risk of a person", "prosecutor"),
    ("mean", "Mean risk: share of people named right by whoever matches all", "marketer"),
    ("unique", "Share of people who are alone", "joint_uniqueness"),
    ("over", "Share of people above .09", None),
)


def assessment(
    rules: TierPolicy,
    plan: Mapping[str, Any],
    gates: Sequence[Gate],
    evidence: Sequence[Evidence],
    *,
    exact: bool,
) -> dict[str, Any] | None:
    """Return what the page's section shows; ``None`` for a tier without classes or scores.

    Parameters
    ----------
    exact
        For the board; else rounded.
    """
    scores = {found.score.name: found.score for found in evidence if found.kind == "scenario"}
    whole = scores.get("prosecutor")
    if rules.people is None or whole is None or "initial" not in whole.detail:
        return None
    verdicts = {gate["gate"]: gate["verdict"] for gate in gates}
    say = _exactly if exact else _upwards
    return {
        "rows": [
            {
                "what": words,
                "initial": say(whole.detail["initial"][measure]),
                "residual": say(whole.detail[measure]),
                "limit": _limit(rules, key),
                "reason": rules.limits[key].reason if key in rules.limits else "",
                "verdict": verdicts.get(key or ""),
            }
            for measure, words, key in _MEASURES
        ],
        "attackers": [
            _attacker(rules, name, scores[attacker_score(name)], verdicts, say)
            for name in rules.people.attackers
            if attacker_score(name) in scores
        ],
        "k": rules.people.k,
        "reason": rules.people.reason,
        "most": _most(rules),
        "untold": [spoken(name) for name in plan["recoding"].get("untold", [])],
        **(_for_the_board(rules, plan, whole) if exact else {}),
    }


def _attacker(
    rules: TierPolicy,
    name: str,
    score: Score,
    verdicts: Mapping[str, str],
    say: Any,
) -> dict[str, Any]:
    assert rules.people is not None
    who, key = rules.people.attackers[name], attacker_score(name)
    known = "everything that the tier shows" if who.knows == EVERYTHING else None
    return {
        "name": spoken(name),
        "knows": known or ", ".join(map(spoken, score.detail["knows"])) or "nothing that is shown",
        "reason": who.reason,
        "judged_by": who.judged_by,
        "initial": say(score.detail["initial"][who.judged_by]),
        "highest": say(score.detail["highest"]),
        "mean": say(score.detail["mean"]),
        "limit": rules.limits[key].max,
        "verdict": verdicts.get(key),
    }


def _for_the_board(rules: TierPolicy, plan: Mapping[str, Any], whole: Score) -> dict[str, Any]:
    """Return what each field costs and what another k would: not for a bundle (decision 12)."""
    assert rules.people is not None
    now = whole.detail["mean"]
    without = whole.detail["without"]
    costs = sorted(without.items(), key=lambda cost: (cost[1]["mean"], cost[0]))
    dear = {name: risk for name, risk in costs if now - risk["mean"] > 1e-9}
    steps = plan["recoding"].get("front", [])
    k = rules.people.k
    return {
        "fields": [
            {"name": spoken(name), "adds": now - risk["mean"], **risk}
            for name, risk in dear.items()
        ],
        "free": [spoken(name) for name in sorted(without) if name not in dear],
        "field_plot": field_plot(
            {name: risk["mean"] for name, risk in dear.items()},
            now,
            _limit(rules, "marketer"),
            name="review-fields",
            title=f"Mean risk without each of {len(dear)} fields; with all it is {now:.3f}",
        )
        if dear
        else None,
        "front": steps,
        "front_plot": front_plot(
            [(step["k"], step["highest"], step["loss"]) for step in steps],
            k,
            _limit(rules, "prosecutor"),
            name="review-front",
            title=f"Largest risk against what is kept for {len(steps)} values of k; the policy's "
            f"is {k}",
        )
        if steps
        else None,
    }


def _most(rules: TierPolicy) -> list[tuple[str, Any]]:
    """Return how much of a person a tier holds at most, as its settings say."""
    return [
        (f"{spoken(modality)} {spoken(key.removeprefix('max_'))}", value)
        for modality, policy in sorted(rules.modalities.items())
        for key, value in sorted(policy.settings.items())
        if key.startswith("max_") and isinstance(value, int)
    ]


def _limit(rules: TierPolicy, key: str | None) -> float | None:
    limit = rules.limits.get(key or "")
    return None if limit is None else limit.max


def _exactly(value: float) -> float:
    return value


def _upwards(value: float) -> float:
    """Round a risk up to two decimals."""
    return math.ceil(round(value * 100, 6)) / 100
