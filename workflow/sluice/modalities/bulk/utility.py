"""What released bulk expression is still good for."""

from __future__ import annotations

from sluice.files import read_json
from sluice.jobs import Job
from sluice.modalities.bulk.profiles import correlations, released_matrix
from sluice.modalities.shared.groups import count_score
from sluice.modalities.shared.plan import product_is_on
from sluice.scores import Score


def utility(job: Job) -> list[Score]:
    """Return ``gene_utility`` and ``group_utility`` of the products that are on."""
    found: list[Score] = []
    if product_is_on(job, "gene_matrix"):
        found.append(_genes(job))
    if product_is_on(job, "group_means"):
        found.append(_groups(job))
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
