"""`sluice attack genotype-linking`: who in a gallery of genotypes is behind each profile."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy import stats

from sluice.attacks.genotypes.donors import all_present, apart, read_donors
from sluice.attacks.genotypes.eqtl import ADAPTIVE_P, NAIVE_P, WINDOW
from sluice.attacks.genotypes.expression import Expression, read_expression
from sluice.attacks.genotypes.extremity import gaps
from sluice.attacks.genotypes.genome import GENES, copies_of, halves
from sluice.attacks.genotypes.matrix import (
    FACTORS,
    METHODS,
    Linked,
    Material,
    at_genome_scale,
    hits,
    link_matrix,
)
from sluice.attacks.genotypes.variants import read_genotypes, shared_variants, sites
from sluice.errors import SluiceError
from sluice.files import write_json
from sluice.scores import Score
from sluice.tables.risk import lower_bound, upper_bound

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SEED = 0


@click.command()
@click.option("--panel-expression", type=_FILE, required=True,
              help="Expression of the donors that the attacker learns from.")  # fmt: skip
@click.option("--panel-genotypes", type=_FILE, required=True,
              help="Their genotypes: VCF, or a table of dosages.")  # fmt: skip
@click.option("--panel-donors", type=_FILE, required=True,
              help="Their names, one a line; a second is the name in the genotypes.")  # fmt: skip
@click.option("--target-expression", type=_FILE, required=True,
              help="The released profiles that are attacked.")  # fmt: skip
@click.option("--gallery-genotypes", type=_FILE, required=True,
              help="Genotypes of the candidates: all in it but the panel's donors.")  # fmt: skip
@click.option("--target-donors", type=_FILE, required=True,
              help="Who is attacked, one a line; a second is the name in the gallery.")  # fmt: skip
@click.option("--json", "out", type=click.Path(path_type=Path), required=True,
              help="JSON file for what was found; it names nobody.")  # fmt: skip
@click.option("--method", "methods", type=click.Choice(list(METHODS)), multiple=True,
              help="Attack to run, again for another; all unless told.")  # fmt: skip
@click.option("--p", type=click.FloatRange(0, 1, min_open=True), default=NAIVE_P, show_default=True,
              help="Greatest p-value of a variant that is used.")  # fmt: skip
@click.option("--factors", type=click.IntRange(0), default=FACTORS, show_default=True,
              help="Hidden factors removed from expression.")  # fmt: skip
@click.option("--copies", type=click.IntRange(1),
              help="Donor-permuted copies that make a genome; unless told, as many as give "
              f"{GENES} genes.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=_SEED, show_default=True,
              help="Of the permutations.")  # fmt: skip
def genotype_linking(
    panel_expression: Path,
    panel_genotypes: Path,
    panel_donors: Path,
    target_expression: Path,
    gallery_genotypes: Path,
    target_donors: Path,
    out: Path,
    methods: tuple[str, ...],
    p: float,
    factors: int,
    copies: int | None,
    seed: int,
) -> None:
    """Link expression profiles to genotypes, as published attacks do.

    Expression is a BED of QTLtools, a table (genes or donors as rows) or h5ad; genotypes are a VCF
    or a table of dosages. Each attack is also tried inside the panel, whose one half is attacked
    with the other: an attack that fails there is no evidence.
    """
    start = time.perf_counter()
    material, truth = _read(
        panel_expression, panel_genotypes, panel_donors,
        target_expression, gallery_genotypes, target_donors,
    )  # fmt: skip
    genes = material.panel.shape[1]
    copies = copies or copies_of(genes)
    _say(f"read {genes} genes and {len(material.gallery)} variants", start)
    linked = link_matrix(material, methods or list(METHODS), factors=factors, p=p)
    _say(f"attacked {len(material.target)} donors", start)
    control = _control(material, [found.method for found in linked], factors, p)
    _say("attacked one half of the panel with the other", start)
    records = [
        {
            **_score(found, truth, control, copies, seed).to_json(),
            "seconds": round(found.seconds, 3),
        }
        for found in linked
    ]
    settings = {"p": p, "p_every_gene": max(p, ADAPTIVE_P), "window": WINDOW, "factors": factors,
                "copies": copies, "seed": seed, "genes": genes, "variants": len(material.gallery),
                "panel": len(material.panel), "candidates": material.gallery.shape[1],
                "positions": material.gene_sites is not None}  # fmt: skip
    write_json(out, {"attacks": records, "settings": settings})
    for record in records:
        _summary(record)


def _read(
    panel_expression: Path,
    panel_genotypes: Path,
    panel_donors: Path,
    target_expression: Path,
    gallery_genotypes: Path,
    target_donors: Path,
) -> tuple[Material, np.ndarray]:
    """Return what the attacker works on, and each target's column in the gallery."""
    panel = read_donors(panel_donors, "--panel-donors")
    target = read_donors(target_donors, "--target-donors")
    (panel_e, panel_g), (target_e, target_g) = zip(*panel, strict=True), zip(*target, strict=True)
    apart(panel_g, target_g)
    known = read_expression(panel_expression, panel_e)
    released = (
        known
        if target_expression.samefile(panel_expression)
        else read_expression(target_expression, target_e)
    )
    one = read_genotypes(panel_genotypes)
    two = one if gallery_genotypes.samefile(panel_genotypes) else read_genotypes(gallery_genotypes)
    for names, there, role, file in (
        (panel_e, known.donors, "--panel-donors", "panel's expression"),
        (panel_g, one.donors, "--panel-donors", "panel's genotypes"),
        (target_e, released.donors, "--target-donors", "released expression"),
        (target_g, two.donors, "--target-donors", "gallery's genotypes"),
    ):
        all_present(names, there, role, file)
    candidates = [name for name in two.donors if name not in set(panel_g)]
    if len(candidates) < 2:
        raise SluiceError("The gallery holds one candidate only", where="--gallery-genotypes",
                          mend="give genotypes of others too")  # fmt: skip
    one, two = shared_variants(one, two)
    genes, chromosomes, starts = _shared_genes(known, released)
    gene_sites, variant_sites = sites(one, chromosomes, starts)
    material = Material(
        known.of(panel_e, genes),
        released.of(target_e, genes),
        one.of(panel_g),
        two.of(candidates),
        gene_sites,
        variant_sites,
    )
    column = {name: number for number, name in enumerate(candidates)}
    return material, np.array([column[name] for name in target_g])


def _shared_genes(
    known: Expression, released: Expression
) -> tuple[list[str], list[str], np.ndarray]:
    """Return the genes in both, in the panel's order, and their places."""
    there = set(released.genes)
    rows = [number for number, gene in enumerate(known.genes) if gene in there]
    if not rows:
        raise SluiceError(
            "The panel's and the released expression share no gene",
            where="--panel-expression, --target-expression",
            mend="give both with the same kind of gene ids",
        )
    places = known if any(known.chromosomes) or not any(released.chromosomes) else released
    number = {gene: i for i, gene in enumerate(places.genes)}
    genes = [known.genes[row] for row in rows]
    at = [number[gene] for gene in genes]
    return genes, [places.chromosomes[i] for i in at], places.starts[at]


def _control(
    material: Material, methods: list[str], factors: int, p: float
) -> dict[str, tuple[float, bool]]:
    """Return what each method reaches inside the panel, and whether that is above chance."""
    learn, test = halves(len(material.panel), _SEED)
    inside = Material(
        material.panel[learn],
        material.panel[test],
        material.panel_dosages[:, learn],
        material.panel_dosages[:, test],
        material.gene_sites,
        material.variant_sites,
    )
    try:
        linked = link_matrix(inside, methods, factors=factors, p=p)
    except SluiceError:
        return dict.fromkeys(methods, (0.0, False))
    truth = np.arange(len(test))
    counts = {found.method: int(hits(found.scores, truth).sum()) for found in linked}
    return {
        name: (count / len(test), lower_bound(count, len(test)) > 1 / len(test))
        for name, count in counts.items()
    }


def _score(
    found: Linked,
    truth: np.ndarray,
    control: dict[str, tuple[float, bool]],
    copies: int,
    seed: int,
) -> Score:
    n, candidates = len(truth), found.scores.shape[1]
    named = hits(found.scores, truth)
    count = int(named.sum())
    gap = gaps(found.scores)
    raw, works = control[found.method]
    detail: dict[str, Any] = {
        "genes": found.genes,
        "surest_quarter": float(named[gap >= np.quantile(gap, 0.75)].mean()),
        "multiple_of_chance": round(count / n * candidates, 3),
        "p_value": float(f"{stats.binom.sf(count - 1, n, 1 / candidates):.3g}"),
    }
    if copies > 1:
        scores = at_genome_scale(found.scores, truth, copies, seed)
        whole = int(hits(scores, np.arange(n)).sum())
        detail["genome_scale"] = {
            "copies": copies,
            "estimate": whole / n,
            "lower": lower_bound(whole, n),
            "upper": upper_bound(whole, n),
            "chance": 1 / n,
        }
    return Score(
        name=found.method,
        product="matrix",
        attacker_knows="expression and genotypes of a panel of other donors, and the genotypes of "
        "all candidates",
        estimate=count / n,
        lower=lower_bound(count, n),
        upper=upper_bound(count, n),
        n=n,
        chance=1 / candidates,
        evidence={"raw": raw, "works": works},
        note="Top-1 share of donors as the files are; genome_scale sums the scores over copies "
        "whose donors are permuted. surest_quarter: where best and second candidate lie "
        "furthest apart. Evidence: one half of the panel attacked with the other.",
        detail=detail,
    )


def _say(what: str, start: float) -> None:
    click.echo(f"{what} ({time.perf_counter() - start:.1f} s)", err=True)


def _summary(record: dict[str, Any]) -> None:
    detail = record["detail"]
    line = (
        f"{record['name']}: {record['estimate']:.1%} of {record['n']} donors linked, at most "
        f"{record['upper']:.1%}; {detail['multiple_of_chance']:.1f} times chance"
    )
    if "genome_scale" in detail:
        line += f"; {detail['genome_scale']['estimate']:.1%} at genome scale"
    if not record["evidence"]["works"]:
        line += "; no evidence: it fails inside the panel too"
    click.echo(line)
