"""What the policy offers, and what every ``apply`` needs of the tier's plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sluice.files import read_json
from sluice.jobs import Job
from sluice.tables.local import Level, on_places, removed

REMOVED = -1
"""Level of a cell that local suppression removes."""

LEVEL = "level."
"""And the field's name: a column of ``plan_people.parquet``, see :data:`REMOVED`."""


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


def cell_levels(job: Job, tier: str, field: str) -> pd.Series | None:
    """Return the level of a field's cells, by subject; ``None`` where all have the node's.

    See :data:`REMOVED`.
    """
    local = read_json(job.layout.plan(tier))["recoding"].get("local", {"fields": {}})
    if field not in local["fields"]:
        return None
    return job.read(job.layout.plan_people(tier)).set_index("subject")[LEVEL + field]


def cell_columns(levels: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the columns of the plan's table that :func:`cell_levels` reads."""
    return {LEVEL + str(name): column.to_numpy() for name, column in levels.items()}


def on_cells(values: pd.Series, ladder: Mapping[int, Level], levels: pd.Series) -> pd.Series:
    """Return a column, subjects as index, with each cell on its own level."""
    places = levels.reindex(values.index).to_numpy()
    return on_places(values, {**ladder, REMOVED: removed}, places)


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
