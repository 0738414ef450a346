"""What each stage may see of the configuration. Its digest decides what reruns."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import Field

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
from sluice.config.site import Site
from sluice.config.waivers import Waiver
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
    waived: list[str] | None = None
    modalities: dict[str, ModalityPolicy] | None = None
    below: dict[str, ModalityPolicy] | None = None
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
    site: dict[str, str] | None = Field(
        default=None, description="What pages and terms say of the facility"
    )

    @property
    def digest(self) -> str:
        """SHA-256 of the sections, the rule's ``policy=`` parameter."""
        return sha256_json(self.model_dump(mode="json", by_alias=True))


def settings_for(
    stage: Stage,
    cohort: Cohort,
    policy: Policy,
    release: Release,
    site: Site,
    waivers: list[Waiver],
    tier: str | None = None,
    modality: str | None = None,
) -> Settings:
    """Cut out the sections that ``stage`` may see.

    Raises
    ------
    SluiceError
        If the policy has no such tier, or the tier says nothing about the modality.
    """
    values: dict[str, Any] = {"cohort": cohort.cohort, "project": cohort.project}
    if stage in ("intake", "consent", "curate"):
        return Settings(**values, **_of_raw(stage, cohort, release, modality))
    rules = _tier(policy, tier)
    own = {m: p for m, p in rules.modalities.items() if m in cohort.modalities}
    if stage in ("minimize", "facts", "apply"):
        values |= {
            "source": rules.source,
            "modality": _modality(rules, tier, modality),
            "reference_date": cohort.reference_date,
            "products": {n: p for n, p in rules.products.items() if p.modality == modality},
        }
        if stage == "minimize":
            values |= {"waived": sorted({w.waives for w in waivers if w.tier == tier})}
        if stage == "facts":
            values |= {"people": rules.people, "defined_by": cohort.defined_by}
        if stage == "apply":
            values |= {"linkage": rules.linkage}
            values |= {"version": release.version} if rules.linkage == "release" else {}
    elif stage == "plan":
        values |= {
            "source": rules.source,
            "defined_by": cohort.defined_by,
            "people": rules.people,
            "products": rules.products,
            "budget": rules.budget,
            "modalities": own,
            "unavailable": policy.unavailable,
            "policy": policy.policy,
            "edition": policy.edition,
        }
    elif stage == "dp_measure":
        values |= {
            "reference_date": cohort.reference_date,
            "version": release.version,
            "budget": rules.budget,
            "products": rules.products,
            "modalities": own,
            "release": release.model_copy(update={"changes": [], "title": ""}),
        }
    elif stage == "score":
        joint = modality == "joint"
        below = policy.tiers[rules.source].modalities if rules.source != "curated" else {}
        values |= {
            "source": rules.source,
            "waived": sorted({w.waives for w in waivers if w.tier in (tier, rules.source)}),
            "modality": None if joint else _modality(rules, tier, modality),
            "modalities": own if joint else None,
            "below": below if joint else None,
            "products": {
                n: p for n, p in rules.products.items() if joint or p.modality == modality
            },
            "attack_inputs": cohort.attack_inputs,
            "budget": rules.budget if joint else None,
            "reference_date": cohort.reference_date,
        }
    elif stage == "validate":
        values |= {
            "version": release.version,
            "policy": policy.policy,
            "edition": policy.edition,
            "products": rules.products,
            "limits": rules.limits,
            "people": rules.people,
            "unavailable": policy.unavailable,
            "tier": rules,
            "site": _shown(site),
            "release": release,
        }
    else:
        values |= {
            "version": release.version,
            "site": _shown(site),
            "release": release,
            "tier": rules,
            "products": rules.products,
            "budget": rules.budget,
            "policy": policy.policy,
            "edition": policy.edition,
            "terms": policy.terms,
            "title": cohort.title,
            "description": cohort.description,
            "unavailable": policy.unavailable,
            "duo": sorted(
                {d for c in cohort.consent.codes.values() if tier in c.tiers for d in c.duo}
            ),
        }
    return Settings(**values)


def _shown(site: Site) -> dict[str, str]:
    return {"facility": site.facility, "contact": site.contact, "demo": str(site.demo)}


def _of_raw(stage: Stage, cohort: Cohort, release: Release, modality: str | None) -> dict[str, Any]:
    """Return what the stages before any tier may see."""
    values: dict[str, Any] = {"calendar": cohort.calendar, "aliases": cohort.aliases}
    if stage == "consent":
        return values | {"cut_date": release.cut_date, "consent": cohort.consent}
    values |= {"raw": cohort.modalities.get(str(modality))}
    if stage == "intake":
        return values | {"attack_inputs": cohort.attack_inputs, "consent": cohort.consent}
    return values | {"genome": cohort.genome}


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
