"""Verdicts: every requirement of every product against the policy's limits, failing closed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.config import Config, Settings
from sluice.config.policy import Limit, Product
from sluice.files import read_json
from sluice.gates.evidence import TIER, Evidence, read_evidence
from sluice.gates.expectations import Contract, check_contracts
from sluice.tables.risk import reachable

Gate = dict[str, Any]
PASSING = ("pass", "waived")
_LEFT = "products_left"


def judge(config: Config, tier: str) -> dict[str, Any]:
    """Judge a tier and return its ``gates.json``.

    Reads the plan, every score and utility file and the released tables; writes the pages of
    Great Expectations (``datadocs``) on the way.

    Raises
    ------
    SluiceError
        If a file of an earlier stage is missing or damaged. A failed gate is a verdict, no error.
    """
    plan = read_json(config.layout.plan(tier))
    return verdicts(
        tier,
        config.settings("validate", tier),
        plan,
        read_evidence(config.layout, tier, config.modalities),
        check_contracts(config, tier, plan),
    )


def verdicts(
    tier: str,
    settings: Settings,
    plan: Mapping[str, Any],
    evidence: Sequence[Evidence],
    contracts: Sequence[Contract],
) -> dict[str, Any]:
    """Judge what was found: the part of :func:`judge` that reads no file.

    A product is released when it is on in the plan and each of its gates passes. A gate that does
    not pass drops the product (``on_fail: drop``) or stops the tier (``on_fail: stop``, and every
    gate of the tier itself). A tier without any product left is stopped too.
    """
    bench = _Bench(settings, plan, evidence)
    products = settings.products or {}
    gates = bench.plan_gates()
    for name, product in sorted(products.items()):
        gates += bench.product_gates(name, product)
    known = {TIER, *products}
    gates += [bench.contract_gate(c) for c in contracts if c.product in known]
    gates += bench.stray_gates({gate["evidence"] for gate in gates})
    gates = [_settled(gate, products) for gate in gates]
    outcome = {name: bench.outcome(name, gates) for name in sorted(products)}
    if not any(product["status"] == "released" for product in outcome.values()):
        gates.append(_nothing_left(settings))
    stopped = any(gate["verdict"] not in PASSING and _stops(gate, products) for gate in gates)
    return {
        "tier": tier,
        "cohort": settings.cohort,
        "version": settings.version,
        "policy": settings.policy,
        "edition": settings.edition,
        "verdict": "fail" if stopped else "pass",
        "gates": sorted(gates, key=lambda g: (g["product"], g["kind"], g["gate"], g["evidence"])),
        "products": outcome,
    }


def sentence(gate: Gate) -> str:
    """Return one gate's finding and mend as a sentence, for refusals, status and review page."""
    name, product = gate["gate"].replace("_", " "), gate["product"].replace("_", " ")
    what = f"{name} of {product}" if gate["product"] != TIER else name
    return f"{what[0].upper()}{what[1:]}: {_finding(gate)}" + (
        f"; {gate['mend']}." if gate["verdict"] not in PASSING and gate["mend"] else "."
    )


@dataclass(frozen=True)
class _Bench:
    """What one tier is judged by."""

    settings: Settings
    plan: Mapping[str, Any]
    evidence: Sequence[Evidence]

    def plan_gates(self) -> list[Gate]:
        """Judge the plan's own promise: no class of kept people is smaller than k."""
        rules, people = self.settings.people, self.plan.get("people")
        if rules is None or not people or not people.get("kept"):
            return []
        return [
            _row(
                "class_size",
                "plan",
                TIER,
                measured=people["smallest"],
                bound=people["smallest"],
                n=people["kept"],
                limit=rules.k,
                limit_key="people.k",
                direction="min",
                verdict="pass" if people["smallest"] >= rules.k else "fail",
                reason=rules.reason,
                owner=rules.owner,
                mend="run the stage deidentify again; the plan must not keep a smaller class",
            )
        ]

    def product_gates(self, name: str, product: Product) -> list[Gate]:
        """Return a row for each requirement; for a product that is off, with the plan's reason."""
        off = self.off(name)
        if off is not None:
            return [
                _row(
                    required,
                    "scenario" if product.requires else "plan",
                    name,
                    reason=off,
                    owner=product.owner,
                    mend=f"change the policy's product {name}, or what the reason names",
                    verdict="dropped",
                )
                for required in product.requires or ["offered"]
            ]
        gates = []
        for required in product.requires:
            scores = [e for e in self.evidence if _answers(e, required, name)]
            gates += [self.score_gate(e, name) for e in scores] or [
                self.did_not_run(required, name, product)
            ]
        return gates

    def off(self, name: str) -> str | None:
        """Return why the plan does not offer a product, or nothing if it does."""
        planned = self.plan["products"].get(name)
        if planned is None:
            return "The plan says nothing about this product"
        return None if planned["status"] == "on" else planned["reason"]

    def did_not_run(self, required: str, name: str, product: Product) -> Gate:
        """Return the failed row of a requirement without a score."""
        why = (self.settings.unavailable or {}).get(required)
        return _row(
            required,
            "scenario",
            name,
            reason=f"It did not run: {why}" if why else "It did not run, and a missing score fails",
            owner=product.owner,
            mend="run the stage score again, or take the product out of the tier",
        )

    def score_gate(self, found: Evidence, name: str) -> Gate:
        """Judge one score by the limit that it names (else the one named like the score)."""
        score, limits = found.score, self.settings.limits or {}
        key = score.limit_key or (score.name if score.name in limits else None)
        limit = limits.get(key) if key else None
        product = (self.settings.products or {}).get(name)
        direction = "min" if limit is not None and limit.min is not None else "max"
        row = _row(
            score.name,
            found.kind,
            name,
            measured=score.estimate,
            bound=score.lower if direction == "min" else score.upper,
            n=score.n,
            limit=None if limit is None else limit.min if direction == "min" else limit.max,
            limit_key=key,
            direction=direction,
            evidence=found.digest,
            owner=limit.owner if limit else product.owner if product else "",
        )
        return row | _decision(row, found, limit)

    def contract_gate(self, contract: Contract) -> Gate:
        """Judge one table's contract: no expectation may fail."""
        product = (self.settings.products or {}).get(contract.product)
        return _row(
            f"contract_{contract.suite}",
            "contract",
            contract.product,
            measured=len(contract.failed),
            bound=len(contract.failed),
            n=contract.checked,
            limit=0,
            verdict="fail" if contract.failed else "pass",
            reason="; ".join(contract.failed) or contract.about,
            owner=product.owner if product else "",
            mend="open the Data Docs page of this table and correct the rule of the named column",
            evidence=contract.digest,
        )

    def stray_gates(self, judged: set[str]) -> list[Gate]:
        """Judge every score that names a limit although no product requires it.

        The largest bound over all attacks decides, asked for or not.
        """
        rows = []
        for found in self.evidence:
            name = found.score.product
            offered = name == TIER or (
                name in (self.settings.products or {}) and self.off(name) is None
            )
            if found.score.limit_key and found.digest not in judged and offered:
                rows.append(self.score_gate(found, name))
        return rows

    def outcome(self, name: str, gates: Iterable[Gate]) -> dict[str, str]:
        """Return what becomes of a product."""
        if (off := self.off(name)) is not None:
            return {"status": "off", "reason": off}
        broken = [g for g in gates if g["product"] == name and g["verdict"] not in PASSING]
        if broken:
            return {"status": "dropped", "reason": " ".join(sentence(gate) for gate in broken)}
        return {"status": "released", "reason": ""}


def _row(
    gate: str,
    kind: str,
    product: str,
    *,
    measured: float | None = None,
    bound: float | None = None,
    n: int | None = None,
    limit: float | None = None,
    limit_key: str | None = None,
    direction: str = "max",
    verdict: str = "fail",
    mend: str = "",
    reason: str = "",
    owner: str = "",
    evidence: str = "",
) -> Gate:
    return dict(locals())


def _answers(found: Evidence, required: str, product: str) -> bool:
    return found.score.name == required and found.score.product in (product, TIER)


def _decision(row: Gate, found: Evidence, limit: Limit | None) -> Gate:
    """Return verdict, reason and mend of a score."""
    if not found.worked_on_raw:
        return {
            "verdict": "fail",
            "measured": None,
            "bound": None,
            "reason": "Not evidence: the attack did not succeed on the raw data either",
            "mend": "give the attack what it needs, or take the product out of the tier",
        }
    if limit is None and row["limit_key"]:
        return {
            "verdict": "fail",
            "reason": "The policy has no limit of the name that the score asks for",
            "mend": f"add {row['limit_key']} under the tier's `limits:`",
        }
    if limit is None:
        return {
            "verdict": "waived",
            "reason": "Measured and printed; the policy leaves the decision to those who sign",
            "mend": "",
        }
    verdict = "pass" if _keeps(row) else "fail"
    if found.score.detail.get("proportion") is True and row["direction"] == "max":
        # Even no hit at all could not show it: a bound that says otherwise is not one.
        verdict = verdict if reachable(row["limit"], row["n"]) else "too_few"
    return {"verdict": verdict, "reason": limit.reason, "mend": limit.mend}


def _keeps(row: Gate) -> bool:
    """Tell whether the bound keeps to the limit; a bound that is not a number does not."""
    if math.isnan(row["bound"]):
        return False
    return (
        row["bound"] >= row["limit"] if row["direction"] == "min" else row["bound"] <= row["limit"]
    )


def _stops(gate: Gate, products: Mapping[str, Product]) -> bool:
    """Tell whether a gate that does not pass stops the tier: unless its product may be dropped."""
    if gate["product"] == TIER:
        return True
    return products[gate["product"]].on_fail == "stop" and gate["verdict"] != "dropped"


def _settled(gate: Gate, products: Mapping[str, Product]) -> Gate:
    """A failed gate of a product that may be dropped has the verdict ``dropped``."""
    drops = gate["verdict"] == "fail" and not _stops(gate, products)
    return gate | {"verdict": "dropped"} if drops else gate


def _nothing_left(settings: Settings) -> Gate:
    return _row(
        _LEFT,
        "plan",
        TIER,
        measured=0,
        bound=0,
        limit=1,
        direction="min",
        reason="No product of this tier can be released",
        owner=settings.people.owner if settings.people else "",
        mend="mend what the products' gates name, or take the tier out of the release file",
    )


def _finding(gate: Gate) -> str:
    if gate["limit"] is None or gate["bound"] is None or gate["gate"] == _LEFT:
        return f"{gate['reason'][:1].lower()}{gate['reason'][1:]}"
    side = "upper" if gate["direction"] == "max" else "lower"
    numbers = f"{side} bound {gate['bound']:.4g}, limit {gate['limit']:.4g}"
    numbers += "" if gate["n"] is None else f", n={gate['n']}"
    if gate["kind"] == "contract":
        return gate["reason"] if gate["measured"] else "every expectation holds"
    if gate["verdict"] == "too_few":
        return f"too few people to show it even with no hit ({numbers})"
    if gate["verdict"] in PASSING:
        return f"keeps to the limit ({numbers})"
    return f"does not keep to the limit ({numbers})"
