"""Raw and released profiles of the same people, for attacks and utility."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sluice.errors import SluiceError
from sluice.expression.matrix import open_matrix
from sluice.expression.profiles import Profiles as WholeProfiles
from sluice.jobs import Job
from sluice.modalities.shared.groups import log_rows, log_values
from sluice.modalities.shared.h5ad import ReleasedMatrix, open_released, read_crosswalk
from sluice.utility.findings import row_correlations

#: Attacks run on at most so many samples (the first by pseudonym): some grow with the square.
MOST_SAMPLES = 1500


@dataclass(frozen=True)
class Profiles:
    """Logarithms, samples x genes, the same samples in the same order.

    ``people`` is the subject of each row; ``raw`` holds all curated genes, ``shared`` their
    columns that were released.
    """

    people: np.ndarray
    raw: np.ndarray
    shared: np.ndarray
    released: np.ndarray

    @property
    def raw_of_released(self) -> np.ndarray:
        """Raw values of the released genes alone."""
        return self.raw[:, self.shared]

    def by_donor(self, values: np.ndarray) -> tuple[list[str], np.ndarray]:
        """Return donors and their mean rows, one each."""
        means = pd.DataFrame(values).groupby(self.people, sort=True).mean()
        return means.index.tolist(), means.to_numpy()


def released_matrix(job: Job) -> ReleasedMatrix:
    """Open the tier's released matrix."""
    path = job.layout.data(job.tier, "bulk", "all") / "expression.h5ad"
    job.note_input(path)
    return open_released(path)


def profiles(job: Job) -> Profiles:
    """Read raw and released profiles, matched through the vault's crosswalk."""
    matrix = released_matrix(job)
    pairs = list(_blocks(job, matrix, MOST_SAMPLES))
    links = read_crosswalk(job, job.tier, "sample").set_index("new").loc[matrix.obs.index]
    raw = np.vstack([raw for raw, _, _ in pairs])
    released = np.vstack([values for _, values, _ in pairs])
    return Profiles(links["subject"].to_numpy()[: len(raw)], raw, pairs[0][2], released)


def minimized_profiles(job: Job) -> tuple[pd.DataFrame, WholeProfiles]:
    """Return a tier's minimized samples, and the logarithms of their permitted genes.

    Raises
    ------
    SluiceError
        If the cohort was not minimized for this tier yet, or the tier does not start from the
        curated matrix.
    """
    folder = job.layout.minimize(job.tier, "bulk", "all")
    if not (folder / "samples.parquet").is_file() or job.settings.source == "controlled":
        raise SluiceError(
            "The tier has no minimized matrix",
            where=f"tier {job.tier}, modality bulk",
            mend="run the release first, and name a tier that starts from curated data",
        )
    samples, genes = (job.read(folder / f"{name}.parquet") for name in ("samples", "genes"))
    with open_matrix(job.layout.curate("bulk", "all") / "matrix.h5") as curated:
        row = {name: number for number, name in enumerate(curated.samples)}
        column = {gene: number for number, gene in enumerate(curated.genes)}
        raw = log_values(curated.read([row[s] for s in samples["sample_id"]]), curated.value_kind)
    values = raw[:, [column[gene] for gene in genes["gene_id"]]]
    names = samples["sample_id"].tolist()
    return samples, WholeProfiles(names, genes["gene_id"].tolist(), values, "log")


def correlations(job: Job) -> np.ndarray:
    """Return each released sample's Pearson correlation with its raw logarithms."""
    matrix = released_matrix(job)
    found = [
        row_correlations(raw[:, shared], values)
        for raw, values, shared in _blocks(job, matrix, len(matrix.obs))
    ]
    return np.concatenate(found)


def _blocks(
    job: Job, matrix: ReleasedMatrix, most: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (raw of all genes, released, columns of raw that were released) block by block."""
    names = matrix.obs.index[:most]
    links = read_crosswalk(job, job.tier, "sample").set_index("new")["original"]
    path = job.layout.curate("bulk", "all") / "matrix.h5"
    job.note_input(path)
    with open_matrix(path) as curated:
        row = {name: number for number, name in enumerate(curated.samples)}
        column = {gene: number for number, gene in enumerate(curated.genes)}
        rows = [row[original] for original in links.loc[names]]
        shared = np.array([column[gene] for gene in matrix.genes])
        start = 0
        for values in log_rows(matrix.source, np.arange(len(names)), range(len(matrix.genes))):
            raw = curated.read(rows[start : start + len(values)])
            start += len(values)
            yield log_values(raw, curated.value_kind), values, shared
