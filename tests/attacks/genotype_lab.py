"""A small cohort whose expression follows planted variants, and the files that hold it."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sluice.attacks.genotypes.genome import Reference
from sluice.attacks.genotypes.matrix import Material

VARIANTS_A_GENE = 4
APART = 5_000_000


@dataclass(frozen=True)
class Cohort:
    """Donors x genes and variants x donors; the first variant of each gene drives it."""

    donors: list[str]
    expression: np.ndarray
    dosages: np.ndarray
    gene_sites: np.ndarray
    variant_sites: np.ndarray

    def reference(self) -> Reference:
        return Reference(self.expression, self.dosages, self.gene_sites, self.variant_sites)

    def material(self, panel: np.ndarray, target: np.ndarray) -> Material:
        return Material(
            self.expression[panel],
            self.expression[target],
            self.dosages[:, panel],
            self.dosages[:, target],
            self.gene_sites,
            self.variant_sites,
        )

    def write(self, folder: Path) -> dict[str, Path]:
        """Write BED, VCF and lists of donors (first half: panel); return them by option."""
        half = len(self.donors) // 2
        files = {name: folder / name for name in ("e.bed", "g.vcf.gz", "panel.txt", "target.txt")}
        self.write_bed(files["e.bed"])
        files["g.vcf.gz"].write_bytes(gzip.compress(self.vcf().encode()))
        files["panel.txt"].write_text("\n".join(self.donors[:half]) + "\n")
        files["target.txt"].write_text("\n".join(self.donors[half:]) + "\n")
        return {
            "--panel-expression": files["e.bed"],
            "--target-expression": files["e.bed"],
            "--panel-genotypes": files["g.vcf.gz"],
            "--gallery-genotypes": files["g.vcf.gz"],
            "--panel-donors": files["panel.txt"],
            "--target-donors": files["target.txt"],
        }

    def write_bed(self, path: Path) -> None:
        genes = len(self.gene_sites)
        facts = pd.DataFrame(
            {
                "#chr": "chr1",
                "start": self.gene_sites[:, 1] - 1,
                "end": self.gene_sites[:, 1],
                "gene": [f"G{i}" for i in range(genes)],
                "length": 1000,
                "strand": "+",
            }
        )
        values = pd.DataFrame(self.expression.T, columns=self.donors)
        pd.concat([facts, values], axis=1).to_csv(path, sep="\t", index=False)

    def vcf(self) -> str:
        calls = {0: "0|0", 1: "0|1", 2: "1|1", -1: ".|."}
        head = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
        lines = ["##fileformat=VCFv4.2", "\t".join([*head, *self.donors])]
        for (_, position), row in zip(self.variant_sites, self.dosages, strict=True):
            facts = ["chr1", str(position), ".", "A", "C", ".", "PASS", ".", "GT"]
            lines.append("\t".join([*facts, *(calls[int(d)] for d in row)]))
        return "\n".join(lines) + "\n"

    def dosage_table(self) -> pd.DataFrame:
        facts = pd.DataFrame(
            {
                "variant_id": [f"v{i}" for i in range(len(self.dosages))],
                "chromosome": "1",
                "position": self.variant_sites[:, 1],
                "ref": "A",
                "alt": "C",
            }
        )
        return pd.concat([facts, pd.DataFrame(self.dosages, columns=self.donors)], axis=1)


def planted(donors: int = 120, genes: int = 40, effect: float = 1.0, seed: int = 5) -> Cohort:
    """Make a cohort in which each gene's first variant moves it by ``effect`` SD an allele."""
    random = np.random.default_rng(seed)
    shares = random.uniform(0.2, 0.8, (genes * VARIANTS_A_GENE, 1))
    dosages = random.binomial(2, shares, (len(shares), donors)).astype(np.int8)
    driven = effect * dosages[::VARIANTS_A_GENE].T + random.normal(size=(donors, genes))
    starts = APART * (1 + np.arange(genes))
    places = (starts[:, None] + 10_000 * np.arange(VARIANTS_A_GENE)).ravel()
    return Cohort(
        [f"D{i:03}" for i in range(donors)],
        5 + 0.3 * driven,
        dosages,
        np.column_stack([np.zeros(genes, dtype=int), starts]),
        np.column_stack([np.zeros(len(places), dtype=int), places]),
    )
