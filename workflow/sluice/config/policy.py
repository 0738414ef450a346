"""``policies/<policy>.yaml``: what each tier may hold, and what must be true of it."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from sluice.config.loader import Model
from sluice.config.release import Tier

Level = int | float | str

#: What adapters tell the plan of a person besides released fields, ``has_<modality>`` and
#: ``<modality>_samples``.
ATTRIBUTES = (
    *("visits", "follow_up", "events", "missing", "singlecell_kind"),
    *("studies", "objects", "image_modality", "region", "device"),
)
#: Stands in ``knows`` for all that a tier shows of a person.
EVERYTHING = "everything"


class FieldRule(Model):
    """What happens to one curated field. A field without a rule is dropped."""

    rule: Literal[
        "keep",
        "age",
        "zip3",
        "country",
        "number",
        "code",
        "map",
        "ordered",
        "tree",
        "mask",
        "shift_date",
        "interval",
        "text",
    ] = Field(
        description="keep: as it is; age, zip3, country, number, code, map, ordered, tree, mask: "
        "generalise to a level; "
        "shift_date: the participant's one shift; interval: days since own index date; "
        "text: allow-listed tokens only"
    )
    as_: str | None = Field(default=None, alias="as", description="Released name, if another")
    levels: list[Level] = Field(
        default_factory=list, description="Generalisation levels, finest first; `*` removes all"
    )
    top: int | None = Field(default=None, description="Top-coding (age; interval in days)")
    bin: int | None = Field(default=None, description="Width of bins (interval, in days)")
    allow: list[str] = Field(default_factory=list, description="text: permitted tokens")
    map: dict[str, list[str]] = Field(
        default_factory=dict, description="map: value to its coarser values, one a level"
    )
    order: list[str] = Field(
        default_factory=list, description="ordered: the values; levels are group sizes"
    )
    parent: dict[str, str] = Field(
        default_factory=dict, description="tree: code to the code above it"
    )
    system: str | None = Field(
        default=None, description="events.code: rows of every other code system are dropped"
    )
    need: str = Field(description="Why the recipient needs it (minimization)")

    @property
    def options(self) -> dict[str, Any]:
        """What :mod:`sluice.tables.hierarchies` takes as options, as far as it is written."""
        written = self.model_dump(include={"levels", "top", "map", "order", "parent"})
        return {name: value for name, value in written.items() if value not in (None, [], {})}


class Recoding(Model):
    """How the generalisation node is found (POLICY.md, decision 12)."""

    mode: Literal["search", "frozen"]
    node: dict[str, int] = Field(default_factory=dict, description="frozen: level by released name")
    weights: dict[str, float] = Field(
        default_factory=dict, description="search: loss weight; local: cost of a cell"
    )
    reason: str = Field(
        default="", description="frozen: why the node is coarser than that of an earlier release"
    )
    local: Literal["none", "suppress", "recode"] = Field(
        default="none",
        description="controlled only, before whole people are suppressed: single cells are removed "
        "(suppress), or made coarser where that is enough (recode)",
    )
    local_fields: list[str] = Field(
        default_factory=list,
        description="local: released fields of `people` whose cells may change; not those that "
        "another table, image or expression shows too",
    )

    @model_validator(mode="after")
    def _node(self) -> Recoding:
        if (self.mode == "frozen") != bool(self.node):
            raise ValueError("a node exactly when the mode is frozen")
        if (self.local != "none") != bool(self.local_fields):
            raise ValueError("local_fields exactly when local is suppress or recode")
        return self


def attacker_score(name: str) -> str:
    """Return what the score, the requirement and the limit of an attacker are called."""
    return f"attacker_{name}"


class Attacker(Model):
    """Somebody who knows these things of a participant; the release is attacked as by them."""

    knows: list[str] | Literal["everything"] = Field(
        description="Released fields and attributes, or everything that the tier shows"
    )
    judged_by: Literal["highest", "mean"] = Field(
        default="highest",
        description="What limits.attacker_<name> judges: the highest risk of a person, or the "
        "mean, which is the share of people that the attacker names right",
    )
    product: str = Field(
        default="clinical_table", description="The product that shows what this attacker uses"
    )
    reason: str

    @field_validator("knows")
    @classmethod
    def _something(cls, value: list[str] | str) -> list[str] | str:
        if not value:
            raise ValueError("at least one thing that the attacker knows")
        return value


class People(Model):
    """Class models for individual-level tiers; suppression is per participant."""

    k: int = Field(ge=2)
    l_diversity: int = Field(ge=1)
    dominant_share: float = Field(gt=0, le=1)
    dominant_margin: float = Field(ge=0, le=1)
    t_closeness: float = Field(gt=0, le=1)
    max_suppression: float = Field(ge=0, le=1)
    quasi: list[str] = Field(
        description="Released fields and attributes that the classes hold for, whoever knows them"
    )
    attackers: dict[str, Attacker] = Field(
        default_factory=dict, description="Who knows what; each is tried against limits.attacker_*"
    )
    sensitive: list[str] = Field(default_factory=list)
    recoding: Recoding
    reason: str
    owner: str

    @model_validator(mode="after")
    def _node_of_quasi(self) -> People:
        if not set(self.recoding.node) <= set(self.quasi):
            raise ValueError("a frozen node over names in quasi")
        if not set(self.recoding.local_fields) <= set(self.quasi):
            raise ValueError("local_fields over names in quasi")
        return self

    @property
    def named(self) -> set[str]:
        """Everything that classes, attackers and sensitive rules name."""
        known = [a.knows for a in self.attackers.values() if a.knows != EVERYTHING]
        return {*self.quasi, *self.sensitive}.union(*known)

    def tells(self, attribute: str) -> bool:
        """Return whether somebody in the tier may know this of a person."""
        everything = any(a.knows == EVERYTHING for a in self.attackers.values())
        return everything or attribute in self.named


class ModalityPolicy(Model):
    """One modality in one tier: the fields that travel, and the adapter's settings."""

    fields: dict[str, FieldRule] = Field(default_factory=dict, description="`table.field`: rule")
    settings: dict[str, Any] = Field(
        default_factory=dict, description="Checked by the adapter's own model"
    )
    reason: str
    owner: str


class Limit(Model):
    """The number that a score must not pass: ``max`` judges its upper bound, ``min`` its lower."""

    max: float | None = None
    min: float | None = None
    reason: str
    owner: str
    mend: str = Field(description="What to do when it fails")

    @model_validator(mode="after")
    def _one(self) -> Limit:
        if (self.max is None) == (self.min is None):
            raise ValueError("either max or min")
        return self


class Product(Model):
    """One thing that a tier offers; gates judge it by every scenario that it requires."""

    modality: str
    title: str
    enabled: bool = True
    aggregate: bool = Field(
        default=False, description="Numbers about groups only: it shows nothing of one person"
    )
    requires: list[str] = Field(default_factory=list, description="Scenarios; a missing one fails")
    on_fail: Literal["drop", "stop"] = "drop"
    settings: dict[str, Any] = Field(default_factory=dict)
    reason: str
    owner: str


class Budget(Model):
    """Differential privacy, for one participant over all modalities and versions."""

    lifetime_epsilon: float = Field(gt=0)
    lifetime_delta: float = Field(gt=0, lt=1)
    release_epsilon: float = Field(gt=0)
    release_delta: float = Field(gt=0, lt=1)
    reserve_share: float = Field(ge=0, lt=1)
    shares: dict[str, float] = Field(description="Share of a release's budget by modality")
    max_predicted_se: float = Field(gt=0, description="In SD units; more is refused")
    min_people_for_means: int = Field(ge=1)
    expected_people: int = Field(ge=1, description="Used to predict errors; never the true n")
    reason: str
    owner: str

    @model_validator(mode="after")
    def _shares(self) -> Budget:
        if min(self.shares.values(), default=0) < 0 or sum(self.shares.values()) > 1 + 1e-9:
            raise ValueError("shares from 0 that add up to at most 1")
        return self


class TierPolicy(Model):
    """Everything that one tier may hold."""

    title: str
    source: Literal["curated", "controlled"] = Field(
        description="registered is computed from controlled's candidate, never from raw"
    )
    linkage: Literal["series", "release"] = Field(description="Scope in which pseudonyms agree")
    access: str = Field(description="Who may have it, one sentence")
    statements: list[str] = Field(min_length=1, description="Honest sentences for every bundle")
    count_rounding: int = Field(default=1, ge=1, description="Released counts are rounded to this")
    people: People | None = None
    budget: Budget | None = None
    modalities: dict[str, ModalityPolicy]
    products: dict[str, Product]
    limits: dict[str, Limit]

    @model_validator(mode="after")
    def _attributes_exist(self) -> TierPolicy:
        """A quasi-identifier under a wrong name would go unprotected without a word."""
        known = set(ATTRIBUTES)
        for modality, policy in self.modalities.items():
            known |= {f"has_{modality}", f"{modality}_samples"}
            known |= {rule.as_ or f.partition(".")[2] for f, rule in policy.fields.items()}
        named = self.people.named if self.people else set()
        if unknown := named - known:
            raise ValueError(
                f"in people, released fields of this tier or has_<modality>, not {min(unknown)}"
            )
        return self

    @model_validator(mode="after")
    def _attackers_are_judged(self) -> TierPolicy:
        """An attacker without a limit, or whom no product requires, would judge nothing."""
        for name, attacker in (self.people.attackers if self.people else {}).items():
            product = self.products.get(attacker.product)
            if product is None or attacker_score(name) not in product.requires:
                raise ValueError(
                    f"{attacker_score(name)} among what the product {attacker.product} requires"
                )
            if attacker_score(name) not in self.limits:
                raise ValueError(f"a limit {attacker_score(name)} for the attacker {name}")
        return self

    @model_validator(mode="after")
    def _cells_of_people(self) -> TierPolicy:
        """A cell that is removed from one table must not stand in another."""
        tables: dict[str, set[str]] = {}
        for modality, policy in self.modalities.items():
            for field, rule in policy.fields.items():
                table, _, column = field.partition(".")
                tables.setdefault(rule.as_ or column, set()).add(f"{modality} {table}")
        local = self.people.recoding.local_fields if self.people else []
        if odd := [name for name in local if tables.get(name) != {"clinical people"}]:
            raise ValueError(
                f"in local_fields, names that only the clinical table people has, not {odd[0]}"
            )
        return self


class Policy(Model):
    """One policy. ``extends`` takes another one and changes what is written; null removes a key."""

    policy: str
    edition: str
    extends: str | None = None
    owner: str
    reason: str
    terms: list[str] = Field(min_length=1, description="Data-use terms common to all tiers")
    tiers: dict[str, TierPolicy] = Field(description="public, registered, controlled")
    unavailable: dict[str, str] = Field(
        default_factory=dict,
        description="Scenarios that this version of Sluice cannot run yet, with the reason; "
        "a product that requires one is off",
    )

    @model_validator(mode="after")
    def _known_tiers(self) -> Policy:
        if not set(self.tiers) <= set(get_args(Tier)):
            raise ValueError(f"tiers among {', '.join(get_args(Tier))}")
        for name, rules in self.tiers.items():
            if (rules.source == "controlled") != (name == "registered"):
                raise ValueError("source: controlled for registered, curated for the others")
            if name != "controlled" and rules.people and rules.people.recoding.local != "none":
                raise ValueError("local recoding in controlled only (decision 12)")
        return self
