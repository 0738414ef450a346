"""A field's role against what the policy does with it: some pairs may never meet."""

from __future__ import annotations

from sluice.config.cohort import Cohort, Column
from sluice.config.policy import FieldRule, Policy
from sluice.errors import SluiceError

#: A date that is kept in these tiers would leave as it was written.
_INDIVIDUAL = ("controlled", "registered")


def refuse_open_fields(cohort: Cohort, policy: Policy, tiers: list[str]) -> None:
    """Refuse a policy that would release a direct identifier, free text or a raw date.

    Raises
    ------
    SluiceError
        Naming tier and field.
    """
    for tier in tiers:
        for modality, rules in policy.tiers[tier].modalities.items():
            if modality not in cohort.modalities:
                continue
            for source in cohort.modalities[modality].sources:
                for column in source.columns.values():
                    name = f"{source.table}.{column.field}"
                    rule = rules.fields.get(name) if column.field else None
                    if rule and (fault := _fault(column, rule, tier)):
                        raise SluiceError(
                            fault,
                            where=f"tier {tier}, field {name}",
                            mend="change the rule in the policy, or the role in the cohort file",
                        )


def _fault(column: Column, rule: FieldRule, tier: str) -> str:
    if column.role == "direct":
        return "A direct identifier may not be released under any rule"
    if column.role == "free_text" and rule.rule != "text":
        return "Free text may only be released by rule text, which keeps allow-listed words"
    if column.type == "date" and rule.rule == "keep" and tier in _INDIVIDUAL:
        return "A date may not be released as it is"
    if rule.rule in ("shift_date", "interval") and column.type != "date":
        return f"Rule {rule.rule} needs a column of type date"
    return ""
