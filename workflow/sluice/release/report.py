"""The report inside a bundle: what was attacked, what it cost, and what nobody tested."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from sluice.config import Config
from sluice.config.policy import Product, TierPolicy
from sluice.files import read_json
from sluice.files.tables import read_table
from sluice.gates.assessment import assessment
from sluice.gates.evidence import Evidence, read_evidence
from sluice.gates.judge import PASSING, Gate
from sluice.gates.review import judged_plot, level_of_each
from sluice.release.pages import rounded, write_page
from sluice.release.series import COUNTED, effective_k, told_people
from sluice.tables.hierarchies import ALL

_FACTS = ["mechanism", "epsilon", "delta", "scale"]
_WITHHELD = "It did not meet a requirement of the policy; the facility can tell you more."


def write_report(config: Config, tier: str, path: Path) -> None:
    """Write a tier's report for recipients.

    Individual tiers: risk and utility with bounds to two decimals (rounded to the unfavourable
    side), counts rounded by the tier's rule, no positive controls, no notes of the adapters.
    Public: facts of the policy and of the mechanisms only. Nothing that was measured, no count of
    people, no reason that depends on the data (POLICY.md, decision 6).

    Raises
    ------
    SluiceError
        If the tier was not judged yet.
    """
    rules = config.policy.tiers[tier]
    gates = read_json(config.layout.gates(tier))
    released = [n for n, product in gates["products"].items() if product["status"] == "released"]
    common = {
        "demo": config.site.demo,
        "address": f"{config.layout.cohort}/{config.layout.version}/{tier}",
        "title": config.release.title,
        "cohort_title": config.cohort.title,
        "published": config.release.published.isoformat(),
        "facility": config.site.facility,
        "policy": f"{config.policy.policy} {config.policy.edition}",
        "tier": rules,
        "statements": rules.statements,
        "products": {n: rules.products[n] for n in sorted(released)},
    }
    if tier == "public":
        answers = [_answer(config, name, rules.products[name]) for name in sorted(released)]
        write_page(path, "report_public.html", answers=answers, budget=rules.budget, **common)
        return
    step = rules.count_rounding
    judged = [
        _told(gate, step) for gate in gates["gates"] if gate["product"] in (*released, "tier")
    ]
    evidence = read_evidence(config.layout, tier, config.modalities)
    write_page(
        path,
        "report.html",
        people=_people(config, tier),
        assessed=assessment(
            rules, read_json(config.layout.plan(tier)), judged, evidence, exact=False
        ),
        levels=_levels(config, tier),
        withheld=_withheld(config, rules, gates),
        risk=_rows(judged, evidence, "scenario", rules.count_rounding),
        utility=_rows(judged, evidence, "utility", rules.count_rounding),
        risk_plot=judged_plot(judged, evidence, "scenario", name="report-scenario"),
        utility_plot=judged_plot(judged, evidence, "utility", name="report-utility"),
        contracts=sum(gate["kind"] == "contract" for gate in judged),
        **common,
    )


def _told(gate: Gate, step: int) -> Gate:
    """Round what was measured to two decimals: the estimate to the nearest, the bound outwards.

    Counts of people by the tier's rule.
    """
    if gate["gate"] in COUNTED and gate["bound"] is not None:
        people = told_people(gate, step)
        return gate | {"measured": people, "bound": people}
    outwards = math.ceil if gate["direction"] == "max" else math.floor
    measured, bound = gate["measured"], gate["bound"]
    return gate | {
        "measured": None if measured is None else round(measured, 2),
        "bound": None if bound is None else outwards(round(bound * 100, 6)) / 100,
    }


def _rows(
    gates: list[Gate], evidence: list[Evidence], kind: str, step: int
) -> list[dict[str, Any]]:
    by_digest = {found.digest: found for found in evidence}
    return [
        gate
        | {
            "knows": by_digest[gate["evidence"]].score.attacker_knows,
            "chance": by_digest[gate["evidence"]].score.chance,
            "people": rounded(gate["n"], step),
        }
        for gate in gates
        if gate["kind"] == kind and gate["verdict"] in PASSING and gate["evidence"] in by_digest
    ]


def _people(config: Config, tier: str) -> dict[str, str] | None:
    """Return the rounded counts of people, and k, which is the policy's."""
    rules = config.policy.tiers[tier]
    people = read_json(config.layout.plan(tier)).get("people")
    if rules.people is None or not people:
        return None
    step = rules.count_rounding
    return {
        "kept": rounded(people["kept"], step),
        "suppressed": rounded(people["suppressed"], step),
        "k": str(rules.people.k),
        "joint": str(effective_k(config, tier) or ""),
        "reason": rules.people.reason,
    }


def _levels(config: Config, tier: str) -> list[tuple[str, str]]:
    """Return what each recoded field has become: the node, which may be known (decision 12)."""
    node = read_json(config.layout.plan(tier))["recoding"].get("node") or {}
    found = level_of_each(config.policy.tiers[tier], node)
    words = {ALL: "not told", "value": "as it is"}
    return [(field, words.get(name, f"level {name}")) for field, _, name in found if name]


def _withheld(
    config: Config, rules: TierPolicy, gates: dict[str, Any]
) -> list[tuple[Product, str]]:
    """Return the products that stay behind; a reason only where the policy alone gives it."""
    missing = config.policy.unavailable
    rows = []
    for name, product in sorted(rules.products.items()):
        if gates["products"][name]["status"] == "released":
            continue
        reasons = [missing[required] for required in product.requires if required in missing]
        if not product.enabled:
            reasons = [product.reason]
        rows.append((product, "; ".join(reasons) or _WITHHELD))
    return rows


def _answer(config: Config, name: str, product: Product) -> dict[str, Any]:
    """Return a public product's mechanism, cost and noise, which the policy fixes."""
    path = config.layout.data("public", "products", "all") / f"{name}.parquet"
    table = read_table(path)
    known = [column for column in _FACTS if column in table]
    facts = table[known].drop_duplicates().sort_values(known) if known else table.iloc[:0]
    return {
        "product": product,
        "source": product.settings.get("from"),
        "facts": [row | {"error": _error(row)} for row in facts.to_dict("records")],
    }


def _error(row: Mapping[Hashable, Any]) -> float:
    """Return the standard error that noise adds to one number: σ, or √2 · b for Laplace."""
    scale = float(row["scale"])
    return scale * math.sqrt(2) if row["mechanism"] == "laplace" else scale
