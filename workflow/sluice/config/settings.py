"""What each stage may see of the configuration. Its digest decides what reruns."""

from __future__ import annotations

from datetime import date
from typing import Literal

from sluice.config.cohort import Alias, Calendar, Cohort, CohortModality, Consent
from sluice.config.loader import Model
from sluice.config.policy import (
    Budget,
    Limit,
    ModalityPolicy,
    People,
    Policy,
    Product,
    TierPolicy,
)
from sluice.config.release import Release
from sluice.errors import SluiceError
from sluice.files import sha256_json

Stage = Literal[
    "intake",
    "consent",
    "curate",
    "minimize",
    "facts",
    "plan",
    "apply",
    "dp_measure",
    "score",
    "validate",
    "bundle",
]
STAGES: tuple[Stage, ...] = Stage.__args__  # type: ignore[attr-defined]


class Settings(Model):
    """The sections that one stage may see; everything else is absent, not merely unread."""

    cohort: str | None = None
    project: str | None = None
    version: str | None = None
    supersedes: str | None = None
    cut_date: date | None = None
    reference_date: date | None = None
    calendar: Calendar | None = None
    aliases: list[Alias] | None = None
    consent: Consent | None = None
    attack_inputs: list[str] | None = None
    defined_by: list[str] | None = None
    genome: str | None = None
    raw: CohortModality | None = None
    source: Literal["curated", "controlled"] | None = None
    linkage: Literal["series", "release"] | None = None
    modality: ModalityPolicy | None = None
    modalities: dict[str, ModalityPolicy] | None = None
    people: People | None = None
    products: dict[str, Product] | None = None
    limits: dict[str, Limit] | None = None
    unavailable: dict[str, str] | None = None
    budget: Budget | None = None
    release: Release | None = None
    tier: TierPolicy | None = None
    policy: str | None = None
    edition: str | None = None
    terms: list[str] | None = None
    title: str | None = None
    description: str | None = None
    duo: list[str] | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the sections, the rule's ``policy=`` parameter."""
        return sha256_json(self.model_dump(mode="json", by_alias=True))


def settings_for(
    stage: Stage,
    cohort: Cohort,
    policy: Policy,
    release: Release,
    tier: str | None = None,
    modality: str | None = None,
) -> Settings:
    """Cut out the sections that ``stage`` may see.

    Raises
    ------
    SluiceError
        If the policy has no such tier, or the tier says nothing about the modality.
    """
    who = {"cohort": cohort.cohort, "project": cohort.project}
    raw = {"raw": cohort.modalities[modality]} if modality in cohort.modalities else {}
    if stage == "intake":
        return Settings(
            **who,
            **raw,
            calendar=cohort.calendar,
            aliases=cohort.aliases,
            attack_inputs=cohort.attack_inputs,
            consent=cohort.consent,
        )
    if stage == "consent":
        return Settings(
            **who,
            cut_date=release.cut_date,
            aliases=cohort.aliases,
            consent=cohort.consent,
            calendar=cohort.calendar,
        )
    if stage == "curate":
        return Settings(
            **who, **raw, calendar=cohort.calendar, aliases=cohort.aliases, genome=cohort.genome
        )
    rules = _tier(policy, tier)
    if stage in ("minimize", "facts", "apply"):
        scope = {"linkage": rules.linkage} if stage == "apply" else {}
        version = (
            {"version": release.version} if stage == "apply" and rules.linkage == "release" else {}
        )
        return Settings(
            **who,
            **scope,
            **version,
            source=rules.source,
            modality=_modality(rules, tier, modality),
            reference_date=cohort.reference_date,
            products={n: p for n, p in rules.products.items() if p.modality == modality},
            people=rules.people if stage == "facts" else None,
            budget=rules.budget if stage == "minimize" else None,
        )
    if stage == "plan":
        return Settings(
            **who,
            source=rules.source,
            defined_by=cohort.defined_by,
            people=rules.people,
            products=rules.products,
            modalities={m: p for m, p in rules.modalities.items() if m in cohort.modalities},
            unavailable=policy.unavailable,
        )
    if stage == "dp_measure":
        return Settings(
            **who,
            version=release.version,
            supersedes=release.supersedes,
            budget=rules.budget,
            products=rules.products,
            modalities={m: p for m, p in rules.modalities.items() if m in cohort.modalities},
            unavailable=policy.unavailable,
            release=release.model_copy(update={"changes": [], "title": ""}),
        )
    if stage == "score":
        return Settings(
            **who,
            source=rules.source,
            defined_by=cohort.defined_by,
            people=rules.people,
            modality=None if modality == "joint" else _modality(rules, tier, modality),
            products={
                n: p for n, p in rules.products.items() if modality in ("joint", p.modality)
            },
            attack_inputs=cohort.attack_inputs,
            budget=rules.budget,
        )
    if stage == "validate":
        return Settings(
            **who,
            version=release.version,
            policy=policy.policy,
            edition=policy.edition,
            products=rules.products,
            limits=rules.limits,
            people=rules.people,
            unavailable=policy.unavailable,
            tier=rules,
        )
    return Settings(
        **who,
        version=release.version,
        release=release,
        tier=rules,
        policy=policy.policy,
        edition=policy.edition,
        terms=policy.terms,
        title=cohort.title,
        description=cohort.description,
        unavailable=policy.unavailable,
        duo=sorted(
            {d for code in cohort.consent.codes.values() if tier in code.tiers for d in code.duo}
        ),
    )


def _tier(policy: Policy, tier: str | None) -> TierPolicy:
    for name, rules in policy.tiers.items():
        if name == tier:
            return rules
    raise SluiceError(
        "The policy has no such tier",
        where=f"policy {policy.policy}, tier {tier}",
        mend=f"it has: {', '.join(policy.tiers)}",
    )


def _modality(rules: TierPolicy, tier: str | None, modality: str | None) -> ModalityPolicy:
    if modality not in rules.modalities:
        raise SluiceError(
            "The policy says nothing about a modality of the cohort",
            where=f"tier {tier}, modality {modality}",
            mend="add it under `modalities:`, with `fields: {}` if nothing of it may travel",
        )
    return rules.modalities[modality]
