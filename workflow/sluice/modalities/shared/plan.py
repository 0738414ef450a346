"""What the policy offers, and what every ``apply`` needs of the tier's plan."""

from __future__ import annotations

from typing import Any

from sluice.files import read_json
from sluice.jobs import Job


def read_plan(job: Job) -> dict[str, Any]:
    """Return the tier's plan."""
    job.note_input(job.layout.plan(job.tier))
    plan: dict[str, Any] = read_json(job.layout.plan(job.tier))
    return plan


def kept_subjects(job: Job) -> set[str]:
    """Return the subjects whom the plan keeps, in all modalities alike."""
    people = job.read(job.layout.plan_people(job.tier))
    return set(people.loc[people["kept"], "subject"])


def node_level(job: Job, field: str) -> int:
    """Return the level of a released field in the plan's node; 0 for fields outside it."""
    return int(read_plan(job)["recoding"]["node"].get(field, 0))


def product_is_on(job: Job, product: str) -> bool:
    """Return whether the plan has switched a product on."""
    state = read_plan(job)["products"].get(product, {"status": "off"})
    return bool(state["status"] == "on")


def is_offered(job: Job, product: str) -> bool:
    """Return whether the policy, as far as the stage sees it, offers a product."""
    products, unavailable = job.settings.products or {}, job.settings.unavailable or {}
    if product not in products or not products[product].enabled:
        return False
    return not any(required in unavailable for required in products[product].requires)
