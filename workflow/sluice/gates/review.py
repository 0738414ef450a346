"""The review page: the one page that a privacy officer reads before signing or refusing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from sluice.config import Config
from sluice.config.policy import FieldRule, TierPolicy
from sluice.files import read_json, replacing_folder, sha256_json
from sluice.files.tables import read_table
from sluice.gates.assessment import assessment
from sluice.gates.evidence import Evidence, read_evidence
from sluice.gates.judge import PASSING, Gate, sentence
from sluice.modalities.shared.rules import level_names
from sluice.release.pages import number, spoken, write_page
from sluice.release.plots import Bar, bounds_plot, histogram


def write_review(config: Config, tier: str) -> None:
    """Write ``review/index.html`` of a tier from its plan, scores and ``gates.json``.

    The page is restricted: it holds exact counts and every measured number. It is written whatever
    the verdict, and says first what failed and how to mend it.

    Raises
    ------
    SluiceError
        If the tier was not judged yet.
    """
    layout, rules = config.layout, config.policy.tiers[tier]
    gates, plan = read_json(layout.gates(tier)), read_json(layout.plan(tier))
    evidence = read_evidence(layout, tier, config.modalities)
    with replacing_folder(layout.review(tier)) as folder:
        write_page(
            folder / "index.html",
            "review.html",
            demo=config.site.demo,
            address=f"{layout.cohort}/{layout.version}/{tier}",
            release_title=config.release.title,
            tier_title=rules.title,
            policy_digest=policy_digest(config),
            gates=gates,
            tiles=_tiles(gates, plan),
            broken=_broken(gates),
            products=_products(gates, rules),
            plots=_plots(gates, evidence),
            attacks=[e for e in evidence if e.kind == "scenario"],
            utilities=[e for e in evidence if e.kind == "utility"],
            people=_people(config, tier, plan),
            assessed=assessment(rules, plan, gates["gates"], evidence, exact=True),
            statements=rules.statements,
            untested=_untested(config, gates, evidence),
            rules=_field_rules(rules),
            modalities=sorted(rules.modalities.items()),
        )


def policy_digest(config: Config) -> str:
    """Return the first twelve digits of the policy's SHA-256: which policy a page speaks of."""
    return sha256_json(config.policy.model_dump(mode="json", by_alias=True))[:12]


def judged_plot(
    gates: Sequence[Gate], evidence: Sequence[Evidence], kind: str, *, name: str
) -> Markup | None:
    """Draw the gates of one kind whose numbers lie between 0 and 1; ``None`` without any.

    ``evidence`` tells what guessing reaches; ``name`` sets it apart from the page's other pictures.
    """
    chance = {found.digest: found.score.chance for found in evidence}
    bars = [
        Bar(
            label=_short(f"{spoken(g['gate'])} · {spoken(g['product'])}"),
            estimate=g["measured"],
            bound=g["bound"],
            limit=g["limit"] if _drawable(g["limit"]) else None,
            chance=chance.get(g["evidence"]) if kind == "scenario" else None,
            ok=g["verdict"] in PASSING,
        )
        for g in gates
        if g["kind"] == kind and _drawable(g["measured"]) and _drawable(g["bound"])
    ]
    if not bars:
        return None
    attack = kind == "scenario"
    return bounds_plot(
        bars,
        name=name,
        title=f"{'Risk' if attack else 'Utility'} of {len(bars)} gates with bounds and limits; "
        "the table holds the same numbers",
        axis="risk (lower is better)" if attack else "utility (higher is better)",
    )


def _short(label: str, most: int = 40) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"


def _drawable(value: float | None) -> bool:
    return value is not None and 0 <= value <= 1


def _plots(gates: dict[str, Any], evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    return [
        {"title": title, "svg": judged_plot(gates["gates"], evidence, kind, name=f"review-{kind}")}
        for kind, title in (("scenario", "Residual risk"), ("utility", "Utility kept"))
    ]


def closest_to_limit(gates: Sequence[Gate]) -> Gate | None:
    """Return the attack whose bound takes most of its limit; limits of 1 only ask for printing."""
    judged = [
        g
        for g in gates
        if g["kind"] == "scenario" and g["direction"] == "max" and g["bound"] is not None
        if 0 < (g["limit"] or 0) < 1
    ]
    return max(judged, key=lambda g: g["bound"] / g["limit"], default=None)


def _tiles(gates: dict[str, Any], plan: dict[str, Any]) -> list[dict[str, str]]:
    states = Counter(product["status"] for product in gates["products"].values())
    verdicts = Counter(gate["verdict"] for gate in gates["gates"])
    held = len(gates["gates"]) - sum(verdicts[v] for v in PASSING)
    tiles = [
        _tile(
            "Products released",
            f"{states['released']} of {len(gates['products'])}",
            f"{states['dropped']} dropped, {states['off']} not offered",
        ),
        _tile("Gates", f"{len(gates['gates']) - held} pass", f"{held} do not"),
    ]
    if worst := closest_to_limit(gates["gates"]):
        tiles.append(
            _tile(
                "Closest to its limit",
                f"{number(worst['bound'])} of {number(worst['limit'])}",
                spoken(worst["gate"]),
            )
        )
    if people := plan.get("people"):
        tiles.append(
            _tile(
                "People kept", number(people["kept"]), f"{number(people['suppressed'])} suppressed"
            )
        )
        tiles.append(
            _tile(
                "Smallest class", number(people["smallest"]), f"{number(people['classes'])} classes"
            )
        )
    return tiles


def _tile(label: str, value: str, note: str = "") -> dict[str, str]:
    return {"label": label, "value": value, "note": note}


def _broken(gates: dict[str, Any]) -> list[dict[str, str]]:
    """Return what did not pass: first what stops the tier."""
    rows = [g for g in gates["gates"] if g["verdict"] not in PASSING]
    rows = [g for g in rows if gates["products"].get(g["product"], {}).get("status") != "off"]
    rows.sort(key=lambda g: (g["verdict"] != "fail", g["product"], g["gate"]))
    return [{"verdict": g["verdict"], "sentence": sentence(g)} for g in rows]


def _products(gates: dict[str, Any], rules: TierPolicy) -> list[dict[str, str]]:
    return [
        {
            "name": name,
            "title": product.title,
            "modality": product.modality,
            "status": gates["products"][name]["status"],
            "why": gates["products"][name]["reason"] or product.reason,
            "on_fail": product.on_fail,
            "owner": product.owner,
        }
        for name, product in sorted(rules.products.items())
    ]


def _people(config: Config, tier: str, plan: dict[str, Any]) -> dict[str, Any] | None:
    rules = config.policy.tiers[tier]
    people, recoding = plan.get("people"), plan.get("recoding") or {}
    if rules.people is None or not people:
        return None
    kept = read_table(config.layout.plan_people(tier), ["kept", "class_id"])
    sizes = kept.loc[kept["kept"].astype(bool), "class_id"].value_counts().tolist()
    share = people["suppressed"] / people["candidates"] if people["candidates"] else None
    k = rules.people.k
    return {
        **{name: people[name] for name in ("candidates", "kept", "suppressed", "classes")},
        "held_back": people.get("held_back", 0),
        "why_coarser": recoding.get("reason", ""),
        "smallest": people["smallest"],
        "share": None if share is None else number(100 * share),
        "permitted": number(100 * rules.people.max_suppression),
        "k": k,
        "mode": recoding.get("mode", "none"),
        "loss": recoding.get("loss"),
        "cells": [
            (field, changed["removed"], changed["coarser"])
            for field, changed in sorted(recoding.get("local", {"fields": {}})["fields"].items())
        ],
        "node": level_of_each(rules, recoding.get("node") or {}),
        "reason": rules.people.reason,
        "plot": sizes
        and histogram(
            sizes, k, name="review-classes", title=f"Kept people by size of their class; k is {k}"
        ),
    }


def level_of_each(rules: TierPolicy, node: dict[str, int]) -> list[tuple[str, int, str]]:
    """Return field, level and the level's name, where a rule of the policy gives it one."""
    named = {
        rule.as_ or field.partition(".")[2]: rule
        for policy in rules.modalities.values()
        for field, rule in policy.fields.items()
    }
    rows = []
    for field, place in sorted(node.items()):
        names = level_names(named[field]) if field in named else []
        rows.append((field, place, names[place] if place < len(names) else ""))
    return rows


def _untested(
    config: Config, gates: dict[str, Any], evidence: Sequence[Evidence]
) -> list[tuple[str, str]]:
    run = {found.score.name for found in evidence}
    scenarios = [
        (name, reason)
        for name, reason in sorted(config.policy.unavailable.items())
        if name not in run
    ]
    products = [
        (f"{name} (product)", product["reason"])
        for name, product in sorted(gates["products"].items())
        if product["status"] == "off"
    ]
    return scenarios + products


def _field_rules(rules: TierPolicy) -> list[dict[str, str]]:
    return [
        {
            "modality": modality,
            "field": field,
            "name": rule.as_ or field.partition(".")[2],
            "rule": _rule_in_words(rule),
            "need": rule.need,
        }
        for modality, policy in sorted(rules.modalities.items())
        for field, rule in sorted(policy.fields.items())
    ]


def _rule_in_words(rule: FieldRule) -> str:
    parts = [spoken(rule.rule)]
    if rule.levels:
        parts.append("levels " + " → ".join(map(str, rule.levels)))
    if rule.bin is not None:
        parts.append(f"bins of {rule.bin}")
    if rule.top is not None:
        parts.append(f"top {rule.top}")
    if rule.allow:
        parts.append(f"{len(rule.allow)} allowed words")
    return ", ".join(parts)
