"""transformations.json: the released view of the internal records."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sluice.config import Config
from sluice.release.policy import tier_policy
from sluice.release.series import effective_k


def released_view(
    config: Config,
    tier: str,
    digests: dict[str, str],
    records: list[dict[str, Any]],
    products: dict[str, dict[str, str]],
    rules: list[str],
) -> dict[str, Any]:
    """Return what may be told of how a tier was made.

    Digests of code, policy and lock; names of rules; counts rounded as the policy says, and only
    of steps that belong to this tier. Never an input's digest, a path, a time or a host. For the
    public tier no count and no list of what happened to occur in the data: its rule names are
    those of the dictionary.

    Parameters
    ----------
    digests
        ``code``, ``policy``, ``lock``.
    records
        Internal records of the stages, in any order.
    products
        Title, modality and status by name.
    rules
        Rule names in the dictionary.
    """
    settings = config.settings("bundle", tier)
    rounding = tier_policy(config, tier).count_rounding
    view: dict[str, Any] = {
        "release": f"{settings.cohort}/{settings.version}/{tier}",
        "policy": settings.policy,
        "edition": settings.edition,
        "digests": {name: digests[name] for name in ("code", "policy", "lock")},
        "products": products,
        "rules": sorted(set(rules)),
        "steps": _steps(records, tier, rounding),
    }
    if tier != "public":
        view["count_rounding"] = rounding
        if (k := effective_k(config, tier)) is not None:
            view["effective_joint_k"] = k
    return view


def _steps(records: list[dict[str, Any]], tier: str, rounding: int) -> list[dict[str, Any]]:
    """Sum the parts of each step; keep what may be told."""
    steps: dict[tuple[str, str, str], dict[str, Any]] = {}
    counts: dict[tuple[str, str, str], Counter[str]] = {}
    for record in records:
        if record["tier"] not in ("", tier):
            continue
        place = (record["stage"], record["tier"], record["modality"])
        steps[place] = {
            "stage": record["stage"],
            "modality": record["modality"],
            "code": record["code"],
            "policy": record["settings"],
        }
        counts.setdefault(place, Counter()).update(record["counts"])
    for place, step in steps.items():
        if tier != "public" and place[1] == tier:
            step["counts"] = {
                rule: rounding * round(n / rounding) for rule, n in sorted(counts[place].items())
            }
    return [steps[place] for place in sorted(steps)]
