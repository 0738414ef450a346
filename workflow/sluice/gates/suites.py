"""Contracts of released tables: suites kept as JSON, filled with what the policy allows.

``resources/expectations/<tier>_<table>.json`` holds one suite:

============ =====================================================================================
key          meaning
============ =====================================================================================
about        what the contract promises, one sentence
modality     folder below the tier's data (``products`` for public)
file         which released files it judges (``people.parquet``, ``**/*.dcm``)
frame        what of it is judged: ``table``; of h5ad ``obs``, ``var``, ``slots``; ``headers``
columns      columns that must be there
fields       tables of the policy whose fields are allowed beside them
open         whether any other column is allowed too
expectations expectations as Great Expectations writes them; as a column ``$each`` means every
             column, ``$text`` every text column, ``$date`` every column of dates; another value
             ``$settings.x`` or ``$budget.x`` is the policy's
============ =====================================================================================

Each field of the policy adds an expectation of its own: the labels that its rule can produce; each
field of a public product the categories of its domain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from functools import partial
from typing import Any

import pandas as pd

from sluice.config.loader import Model
from sluice.config.policy import FieldRule, TierPolicy
from sluice.resources import resource
from sluice.tables.hierarchies import ALL, KINDS, levels

_CODES = {
    "full": r"^[A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?$",
    "category": r"^[A-Z]\d[0-9A-Z]$",
    "chapter": r"^[IVX]+$",
}
_OLDEST = 130

Expectation = dict[str, Any]


class Suite(Model):
    """One file of ``resources/expectations``."""

    name: str
    about: str
    modality: str
    file: str
    frame: str
    columns: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    open: bool = False
    expectations: list[Expectation]


def load_suites(tier: str) -> list[Suite]:
    """Return a tier's suites, sorted by name."""
    files = sorted(resource("expectations").glob(f"{tier}_*.json"))
    return [Suite(name=file.stem, **json.loads(file.read_text(encoding="utf-8"))) for file in files]


def suites_for(suites: Sequence[Suite], modality: str, file: str) -> list[Suite]:
    """Return the suites that judge a released file: those of the longest pattern that fits."""
    fitting = [s for s in suites if s.modality == modality and fnmatch(file, s.file)]
    longest = max((len(s.file) for s in fitting), default=0)
    return [s for s in fitting if len(s.file) == longest]


def filled(
    suite: Suite, rules: TierPolicy, plan: Mapping[str, Any], frame: pd.DataFrame, product: str
) -> list[Expectation]:
    """Return the expectations that ``frame`` is judged by.

    Only names and types of columns are taken from the frame; everything else is the suite's or
    the policy's.
    """
    present = [str(name) for name in frame.columns]
    fields = {k: rule for k, rule in _released_fields(suite, rules).items() if k in present}
    domains = {k: d for k, d in _domains(rules, product).items() if k in present}
    columns = [name for column in suite.columns for name in _names(column, suite, rules)]
    found = [_columns(columns, [*fields, *domains], suite.open)]
    groups = {
        "$each": present,
        "$text": [name for name in present if _is_text(frame[name])],
        "$date": [name for name in present if pd.api.types.is_datetime64_any_dtype(frame[name])],
    }
    for expectation in suite.expectations:
        kwargs = {k: _policy_value(v, suite, rules) for k, v in expectation["kwargs"].items()}
        column = kwargs.get("column")
        for name in groups.get(str(column), [column]):
            one = kwargs if column is None else kwargs | {"column": name}
            found.append({"type": expectation["type"], "kwargs": one})
    node = (plan.get("recoding") or {}).get("node") or {}
    for name, rule in fields.items():
        found += _of_rule(name, rule, node.get(name, 0))
    for name, categories in domains.items():
        found.append(_expect("values_to_be_in_set", name, value_set=[*categories, "(all)"]))
    return sorted(found, key=partial(json.dumps, sort_keys=True))


def _columns(required: Sequence[str], allowed: Sequence[str], is_open: bool) -> Expectation:
    """Expect the required columns and, unless the suite is open, none but them and the allowed."""
    names = sorted({*required, *([] if is_open else allowed)})
    return {
        "type": "expect_table_columns_to_match_set",
        "kwargs": {"column_set": names, "exact_match": not is_open},
    }


def _released_fields(suite: Suite, rules: TierPolicy) -> dict[str, FieldRule]:
    """Return released name → rule of the policy's fields of the suite's tables."""
    policy = rules.modalities.get(suite.modality)
    fields = sorted(policy.fields.items()) if policy else []
    named = [(*field.partition("."), rule) for field, rule in fields]
    return {rule.as_ or name: rule for table, _, name, rule in named if table in suite.fields}


def _domains(rules: TierPolicy, product: str) -> dict[str, list[str]]:
    """Return the categories that a public product fixes, or those of the product it is from."""
    settings = rules.products[product].settings
    if "from" in settings:
        return _domains(rules, settings["from"])
    return dict(settings.get("domains", {}))


def _names(column: str, suite: Suite, rules: TierPolicy) -> list[str]:
    value = _policy_value(column, suite, rules)
    return [value] if isinstance(value, str) else list(value)


def _policy_value(value: Any, suite: Suite, rules: TierPolicy) -> Any:
    """Return a value, or what the policy says where it is ``$settings.x`` or ``$budget.x``."""
    place, _, key = value.partition(".") if isinstance(value, str) else ("", "", "")
    if place == "$budget":
        return getattr(rules.budget, key)
    if place == "$settings":
        return rules.modalities[suite.modality].settings[key]
    return value


def _of_rule(name: str, rule: FieldRule, place: int) -> list[Expectation]:
    """Return what the values of one field must look like, on its level of the plan or coarser."""
    if rule.rule in ("age", "map", "ordered", "tree"):
        labels = _labels(rule, place)
        return [_expect("values_to_be_in_set", name, value_set=labels)]
    if rule.rule == "code":
        names = [level for level in _levels(rule)[place:] if level != ALL]
        patterns = [_CODES[level] for level in names] + [r"^\*$"]
        return [_expect("values_to_match_regex", name, regex="|".join(patterns))]
    if rule.rule == "zip3":
        return [_expect("values_to_match_regex", name, regex=r"^(?:\d{3}|\*)$")]
    if rule.rule == "interval" and rule.bin and rule.top is not None:
        days = sorted({*range(0, rule.top + 1, rule.bin), rule.top})
        return [_expect("values_to_be_in_set", name, value_set=days)]
    if rule.rule == "country":
        return [_expect("values_to_not_match_regex", name, regex=r"\d")]
    return []


def _labels(rule: FieldRule, place: int) -> list[str]:
    """Return every label that a rule can produce from ``place`` upwards: a fact of the policy."""
    names = _levels(rule)
    listed = {*rule.map, *rule.order, *rule.parent, *rule.parent.values()}
    leaves: Sequence[object] = range(_OLDEST + 1) if rule.rule == "age" else sorted(listed)
    found = {ALL}
    for level in names[place:-1]:
        label = KINDS[rule.rule].labeller(level, rule.options)
        found |= {str(label(leaf)) for leaf in leaves}
    return sorted(found)


def _levels(rule: FieldRule) -> list[str]:
    return levels(rule.rule, rule.options)


def _expect(kind: str, column: str, **kwargs: Any) -> Expectation:
    return {"type": f"expect_column_{kind}", "kwargs": {"column": column, **kwargs}}


def _is_text(values: pd.Series) -> bool:
    return bool(pd.api.types.is_string_dtype(values.dtype) or values.dtype == object)
