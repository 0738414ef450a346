"""The bulk files: counts that carry sex, illness, donor and genotype, as real ones do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sluice.demo.canaries import Canaries, Canary, in_columns
from sluice.demo.genes import Genes
from sluice.demo.people import Participant, Staff
from sluice.demo.words import Words

_GENOTYPED = 200
_FACTORS = 4


@dataclass(frozen=True)
class _Sample:
    """One bulk sample."""

    sample_id: str
    donor: int
    row: dict[str, str]
    depth: float
    batch: int


def write_bulk(
    raw: Path,
    people: list[Participant],
    genes: Genes,
    staff: Staff,
    words: Words,
    rng: np.random.Generator,
) -> Canaries:
    """Write ``bulk/`` below ``raw``: counts, samples and, for attacks, dosages."""
    (raw / "bulk").mkdir()
    donors = [p for p in people if p.in_bulk]
    samples = _draw_samples(donors, staff, words, rng)
    targets = np.sort(rng.choice(np.flatnonzero(genes.plain), size=_GENOTYPED, replace=False))
    dosages = rng.binomial(2, rng.uniform(0.2, 0.5, _GENOTYPED), size=(len(donors), _GENOTYPED))
    counts = _draw_counts(donors, samples, genes, targets, dosages, rng)
    ids = [s.sample_id for s in samples]
    table = pd.DataFrame(counts, columns=ids)
    table.insert(0, "gene_id", genes.table["ensembl_id"])
    table.to_csv(raw / "bulk/counts.tsv", sep="\t", index=False, lineterminator="\n")
    described = pd.DataFrame([s.row for s in samples])
    described.to_csv(raw / "bulk/samples.csv", index=False, lineterminator="\n")
    _write_dosages(raw / "bulk/genotypes.tsv", donors, genes, targets, dosages)
    kinds = {"sample_id": "sample_id", "donor_id": "donor_id", "collected_on": "event_date"}
    operators = [word for o in staff.operators for word in (o.family, o.given)]
    return [
        *(Canary("sample_id", i, "bulk/counts.tsv:header") for i in ids),
        *in_columns(described, "bulk/samples.csv", kinds),
        *(Canary("operator", word, "bulk/samples.csv:operator") for word in operators),
        *(Canary("donor_id", p.donor_id, "bulk/genotypes.tsv:header") for p in donors),
    ]


def _draw_samples(
    donors: list[Participant], staff: Staff, words: Words, rng: np.random.Generator
) -> list[_Sample]:
    """Give each donor a sample at the first visit, every ninth a second one at the last."""
    plan = [(i, 0) for i in range(len(donors))] + [(i, -1) for i in range(0, len(donors), 9)]
    samples = []
    for donor, visit in plan:
        person, batch = donors[donor], int(rng.integers(1, 4))
        sample_id = words.code("SMP")
        row = {
            "sample_id": sample_id,
            "donor_id": person.donor_id,
            "collected_on": person.visits[visit].day.isoformat(),
            # Whose cells were sorted gave these cells; the others gave blood as it is.
            "tissue": "PBMC" if person.in_cells else "whole blood",
            "rin": f"{rng.uniform(6.5, 9.8):.1f}",
            "batch": f"B{batch}",
            "operator": staff.operators[int(rng.integers(len(staff.operators)))].plain,
        }
        samples.append(_Sample(sample_id, donor, row, float(rng.lognormal(0, 0.25)), batch))
    return [samples[i] for i in rng.permutation(len(samples))]


def _draw_counts(
    donors: list[Participant],
    samples: list[_Sample],
    genes: Genes,
    targets: np.ndarray,
    dosages: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw genes × samples counts from a gamma-Poisson (negative binomial) model.

    The log mean of a gene in a donor is its base plus sex, illness, a few hidden donor factors
    and, at the target genes, a step for each copy of an allele.
    """
    n_genes, n_donors = len(genes.table), len(donors)
    base = rng.normal(4.0, 1.4, n_genes)
    base[targets] = rng.uniform(4.0, 6.5, len(targets))
    log_mean = np.repeat(base[:, None], n_donors, axis=1)
    loadings = rng.normal(0, 0.15, (n_genes, _FACTORS)) * (rng.random((n_genes, _FACTORS)) < 0.5)
    log_mean += loadings @ rng.normal(size=(_FACTORS, n_donors))
    log_mean += rng.normal(0, 0.08, (n_genes, n_donors))
    inflammation = np.array([p.inflammation for p in donors])
    interferon = np.array([p.interferon for p in donors])
    log_mean += np.outer(genes.inflamed * rng.uniform(0.1, 0.35, n_genes), inflammation)
    log_mean += np.outer(genes.interferon * rng.uniform(0.2, 0.5, n_genes), interferon)
    steps = rng.choice([-1.0, 1.0], len(targets)) * rng.uniform(0.35, 0.8, len(targets))
    log_mean[targets] += steps[:, None] * (dosages.T - dosages.mean(axis=0)[:, None])
    log_mean += _sex_effect(genes, np.array([p.sex == "M" for p in donors]), rng)
    columns = np.array([s.donor for s in samples])
    depth = np.array([s.depth for s in samples])
    batch = rng.normal(0, 0.06, (n_genes, 3))[:, [s.batch - 1 for s in samples]]
    mean = np.exp(log_mean[:, columns] + batch) * depth
    dispersion = 0.02 + 0.6 / np.exp(base) + rng.gamma(2.0, 0.02, n_genes)
    shape = 1 / dispersion[:, None]
    return rng.poisson(rng.gamma(shape, mean / shape))


def _sex_effect(genes: Genes, male: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return genes × donors log effects: Y genes off in women, XIST off in men, some X shifted."""
    chromosome, symbol = genes.table["chromosome"].to_numpy(), genes.table["symbol"].to_numpy()
    effect = np.zeros((len(chromosome), len(male)))
    effect[np.ix_(chromosome == "Y", ~male)] = -9.0
    effect[np.ix_(symbol == "XIST", male)] = -9.0
    escaping = (chromosome == "X") & (rng.random(len(chromosome)) < 0.3)
    effect[np.ix_(escaping, ~male)] = 0.35
    return effect


def _write_dosages(
    path: Path, donors: list[Participant], genes: Genes, targets: np.ndarray, dosages: np.ndarray
) -> None:
    """Write variants × donors allele dosages, each variant near the gene that it moves."""
    near = genes.table.iloc[targets]
    table = pd.DataFrame(dosages.T, columns=[p.donor_id for p in donors])
    table.insert(0, "variant_id", [f"var{i:05d}" for i in range(1, len(targets) + 1)])
    table.insert(1, "gene_id", near["ensembl_id"].to_numpy())
    table.insert(2, "chromosome", near["chromosome"].to_numpy())
    table.insert(3, "position", near["start"].to_numpy() + 1000)
    table.to_csv(path, sep="\t", index=False, lineterminator="\n")
