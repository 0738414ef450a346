"""What released bulk expression is still good for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from sluice.files import read_json
from sluice.jobs import Job
from sluice.modalities.bulk.individual import PRODUCT, donor_scores, read_scores
from sluice.modalities.bulk.profiles import correlations, profiles, released_matrix
from sluice.modalities.bulk.settings import individual_settings
from sluice.modalities.shared.consent import people_of
from sluice.modalities.shared.groups import count_score
from sluice.modalities.shared.h5ad import open_released
from sluice.modalities.shared.plan import product_is_on
from sluice.scores import Score
from sluice.utility.findings import Table, row_correlations
from sluice.utility.measures import Released, Yardstick, utilities


def utility(job: Job) -> list[Score]:
    """Return what is left of each product that is on.

    ``gene_utility`` and ``group_utility`` have floors in the policy; the measures of
    :mod:`sluice.utility.measures` stand beside them on the review page.
    """
    found: list[Score] = []
    if product_is_on(job, "gene_matrix"):
        found += [_genes(job), *_findings(job)]
    if product_is_on(job, "group_means"):
        found.append(_groups(job))
    if product_is_on(job, PRODUCT):
        found.append(_scores(job))
    return found


def _genes(job: Job) -> Score:
    values = correlations(job)
    genes = len(job.read(job.layout.curate("bulk", "all") / "genes.parquet"))
    samples = len(job.read(job.layout.minimize(job.tier, "bulk", "all") / "samples.parquet"))
    return count_score(
        "gene_utility",
        "gene_matrix",
        float(values.mean()),
        len(values),
        "each released sample against its raw logarithms, over the released genes",
        "Mean Pearson correlation; shares of genes and samples kept are in the detail.",
        smallest=float(values.min()),
        genes_kept=len(released_matrix(job).genes) / max(genes, 1),
        samples_kept=len(values) / max(samples, 1),
    )


def _findings(job: Job) -> list[Score]:
    """Compare what half of the donors' released rows say with the other half's raw values.

    Contrasted are the policy's groups. Nothing is returned where too few donors are in them.
    """
    assert job.settings.modality is not None
    groups = individual_settings(job.settings.modality, job.tier).groups
    both = profiles(job)
    obs = released_matrix(job).obs[groups].iloc[: len(both.people)].reset_index(drop=True)
    known = obs.notna().all(axis=1).to_numpy()
    keys = pd.DataFrame({"donor": both.people, "label": obs.astype(str).agg(" · ".join, axis=1)})
    labels = keys[known].drop_duplicates().sort_values(["donor", "label"])

    def rows(values: np.ndarray, features: int) -> Table:
        """Return one row a donor and label."""
        means = pd.DataFrame(values[known]).groupby([keys[known][key] for key in keys]).mean()
        names = tuple(str(number) for number in range(features))
        return Table(means.to_numpy(), names, labels["label"].to_numpy(dtype=str))

    raw, released = rows(both.raw, both.raw.shape[1]), rows(both.released, len(both.shared))
    donors = np.unique(labels["donor"])
    released_donors = np.random.default_rng(0).permutation(donors)[: len(donors) // 2]
    inside = labels["donor"].isin(released_donors).to_numpy()
    if not (raw.rows(inside).is_testable and raw.rows(~inside).is_testable):
        return []
    parts = tuple(np.array([column]) for column in both.shared)
    scores = utilities(
        Released(released.rows(inside), parts),
        raw.rows(inside),
        Yardstick(raw.rows(~inside), {}),
        "gene_matrix",
    )
    return [replace(score, n=len(donors) - len(released_donors)) for score in scores]


def _groups(job: Job) -> Score:
    """Return the share of (group, set) means that were wanted and could be released."""
    plan = read_json(job.layout.plan(job.tier))["modalities"]["bulk"]
    kept, refused = len(plan["groups"]["kept"]), sum(plan["groups"]["refused"].values())
    return count_score(
        "group_utility",
        "group_means",
        kept / max(kept + refused, 1),
        plan["counts"]["donors"],
        "groups above the floor against all groups there are",
        "A count, not an estimate.",
        groups=kept,
        sets=len(plan["sets"]),
    )


def _scores(job: Job) -> Score:
    """Return how well the released scores follow those of controlled's matrix over donors."""
    path = job.layout.data("controlled", "bulk", "all") / "expression.h5ad"
    job.note_input(path)
    matrix, shown = open_released(path), read_scores(job)
    people = people_of(job, job.tier, "bulk")
    keys = pd.DataFrame({"donor": matrix.obs["donor_id"].map(people)})
    keys = keys.assign(row=range(len(keys))).dropna()
    genes = job.read(job.layout.minimize(job.tier, "bulk", "all") / "genes.parquet")["gene_id"]
    whole = donor_scores(matrix, keys, genes, list(shown.columns)).loc[shown.index]
    values = row_correlations(whole.to_numpy().T, shown.to_numpy().T)
    return count_score(
        "score_utility",
        PRODUCT,
        float(values.mean()),
        len(shown),
        "each set's released scores against unrounded ones of controlled's matrix, over donors",
        "Mean Pearson correlation; a set that rounding makes constant counts as 0.",
        smallest=float(values.min()),
        sets=shown.shape[1],
    )
