"""The bulk part of a tier's plan: groups above the floor, gene sets, files."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor
from typing import Any

import pandas as pd

from sluice.errors import SluiceError
from sluice.expression.aggregate import Floors
from sluice.jobs import Job
from sluice.modalities.bulk.individual import FILE, PRODUCT, planned_sets
from sluice.modalities.bulk.settings import BulkSettings, individual_settings
from sluice.modalities.shared.genes import measured_sets
from sluice.modalities.shared.groups import planned_groups
from sluice.modalities.shared.plan import is_offered
from sluice.modalities.shared.rules import GENERALISING, ladder

FILES = {
    "gene_matrix": ["expression.h5ad"],
    "group_means": ["group_means.parquet"],
    PRODUCT: [FILE],
}


def propose(job: Job, facts: pd.DataFrame, node: Mapping[str, int]) -> dict[str, Any]:
    """Decide which groups and gene sets may leave, from the people whom the plan keeps.

    ``facts`` holds the kept subjects only; ``node`` is the level of each recoded field. The public
    tier decides nothing from data.
    """
    if job.tier == "public":
        return {"files": {}, "refused": {}}
    assert job.settings.modalities is not None and job.settings.products is not None
    policy = job.settings.modalities["bulk"]
    settings = individual_settings(policy, job.tier)
    folder = job.layout.minimize(job.tier, "bulk", "all")
    samples = job.read(folder / "samples.parquet")
    samples = samples[samples["subject"].isin(set(facts["subject"]))].reset_index(drop=True)
    genes = job.read(folder / "genes.parquet")["gene_id"].tolist()
    keys = group_keys(job, samples, settings, node)
    found = planned_groups(keys, settings.groups, Floors(settings.min_donors))
    groups = [list(map(str, row)) for row in found.table.itertuples(index=False)]
    sizes = keys.groupby(settings.groups)["donor"].nunique() if len(keys) else pd.Series([0])
    enough = sizes[sizes >= settings.min_donors]
    sets = measured_sets(genes, settings.min_genes)
    if settings.dimension_share is not None:
        # Decision 9: the first of the fixed sets, in their public order.
        sets = sets[: floor(settings.dimension_share * (enough.min() if len(enough) else 0))]
    refused = {}
    if samples.empty or not genes:
        refused["gene_matrix"] = "no sample or no gene may leave"
    derived = job.settings.source == "controlled"
    if not derived and ("gene_matrix" in refused or not is_offered(job, "gene_matrix")):
        refused["group_means"] = "it is computed from the released matrix, which is off"
    elif not groups or not sets:
        refused["group_means"] = (
            f"no group of {settings.min_donors} donors, inside and outside, or no gene set"
        )
    donors, told = int(samples["subject"].nunique()), []
    if not derived:
        refused[PRODUCT] = "a tier that starts from curated data may release the matrix itself"
    elif is_offered(job, PRODUCT):
        told = planned_sets(job, genes, donors, settings)
        if not told:
            refused[PRODUCT] = "too few donors for any score of each, or no set of enough genes"
    return {
        "files": {name: files for name, files in FILES.items() if name in job.settings.products},
        "refused": {n: reason for n, reason in refused.items() if n in job.settings.products},
        "groups": {"by": settings.groups, "kept": groups, "refused": dict(found.refused)},
        "sets": sets,
        "score_sets": told,
        "counts": {
            "donors": donors,
            "samples": len(samples),
            "genes": len(genes),
        },
    }


def group_keys(
    job: Job, samples: pd.DataFrame, settings: BulkSettings, node: Mapping[str, int]
) -> pd.DataFrame:
    """Return ``donor`` and the group columns, with the values that they will be released with.

    Raises
    ------
    SluiceError
        If a group is no released field of the samples.
    """
    assert job.settings.modalities is not None
    rules = {
        rule.as_ or field.partition(".")[2]: (field.partition(".")[2], rule)
        for field, rule in job.settings.modalities["bulk"].fields.items()
        if field.startswith("samples.")
    }
    keys = pd.DataFrame({"donor": samples["subject"]})
    for name in settings.groups:
        if name not in rules:
            raise SluiceError(
                "A group of bulk samples is no field that the policy releases",
                where=f"tier {job.tier}, group {name}",
                mend="add it under `fields:` as samples.<name>, or take it out of `groups`",
            )
        column, rule = rules[name]
        values = samples[column] if column in samples else pd.Series(dtype=object)
        level = node.get(name, 0)
        keys[name] = ladder(rule)[level](values) if rule.rule in GENERALISING or level else values
    return keys
