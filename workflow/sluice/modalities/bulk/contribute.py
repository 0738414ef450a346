"""What each participant adds to the public bulk product: bounded scores of fixed gene sets."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from sluice.errors import SluiceError
from sluice.expression.genes import gene_sets
from sluice.expression.matrix import open_matrix
from sluice.jobs import Job
from sluice.modalities.bulk.settings import public_settings

_BLOCK = 256


def contribute(job: Job) -> dict[str, pd.DataFrame]:
    """Return one row a participant and one column a set, for ``set_means``.

    A participant with several samples adds their average.
    """
    assert job.settings.modality is not None and job.settings.products is not None
    settings = public_settings(job.settings.modality)
    product = job.settings.products["set_means"].settings
    names = list(product.get("features") or list(gene_sets())[: settings.sets])
    folder = job.layout.minimize("public", "bulk", "all")
    samples = job.read(folder / "samples.parquet").sort_values("sample_id")
    genes = set(job.read(folder / "genes.parquet")["gene_id"])
    path = job.layout.curate("bulk", "all") / "matrix.h5"
    job.note_input(path)
    with open_matrix(path) as matrix:
        row = {name: number for number, name in enumerate(matrix.samples)}
        rows = [row[name] for name in samples["sample_id"]]
        columns = [number for number, gene in enumerate(matrix.genes) if gene in genes]
        kept = [matrix.genes[number] for number in columns]
        blocks = [
            public_scores(matrix.read(rows[start : start + _BLOCK])[:, columns], kept, names)
            for start in range(0, len(rows), _BLOCK)
        ]
    scores = np.vstack([np.zeros((0, len(names))), *blocks])
    table = pd.DataFrame(scores, columns=names).groupby(samples["subject"].to_numpy(), sort=True)
    return {"set_means": table.mean().rename_axis("subject")}


def public_scores(values: np.ndarray, genes: list[str], names: list[str]) -> np.ndarray:
    """Return samples x sets in public units: nothing of the cohort sets centre or scale.

    The genes of a sample are ranked within the sample; a rank is (r − ½)/N, uniform on (0, 1). A
    set's score is the mean rank of its m genes, less ½, over √(1/12m), the SD that a mean of m
    independent uniform numbers has; m counts the set as shipped. Ranks do not depend on depth or
    on the kind of values. A set of which nothing was measured scores 0.

    Raises
    ------
    SluiceError
        If a set is not one of the shipped autosomal ones.
    """
    known = gene_sets()
    missing = [name for name in names if name not in known]
    if missing:
        raise SluiceError(
            "A public gene set is not one of the shipped autosomal sets",
            where=f"product set_means, {len(missing)} of {len(names)} features",
            mend="name sets of resources/genes/sets.gmt",
        )
    if not genes:
        return np.zeros((len(values), len(names)))
    place = {gene: number for number, gene in enumerate(genes)}
    ranks = (stats.rankdata(values, axis=1) - 0.5) / len(genes)
    scores = np.zeros((len(values), len(names)))
    for number, name in enumerate(names):
        members = [place[gene] for gene in known[name] if gene in place]
        if members:
            spread = np.sqrt(1 / (12 * len(known[name])))
            scores[:, number] = (ranks[:, members].mean(axis=1) - 0.5) / spread
    return scores
