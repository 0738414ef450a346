"""The gate `genotype_linking`: what an adaptive attacker links at genome scale.

A hit is a donor whose own genotypes are ranked above those of everybody who is not behind the
same released row: all other donors for an individual row, all who are not in the group for a mean.
So a donor cannot hide behind a better ranked member of his own group, chance is one in the number
of outsiders, and the donor is the unit in both cases (docs/decisions/0014).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from sluice.attacks.genotypes import bayes, profile
from sluice.attacks.genotypes.eqtl import ADAPTIVE_P
from sluice.attacks.genotypes.genome import Genome, Reference, copies_of, emulate, halves
from sluice.attacks.genotypes.matrix import FACTORS
from sluice.attacks.genotypes.normalise import prepared
from sluice.attacks.genotypes.products import Product, every_gene
from sluice.errors import SluiceError
from sluice.scores import Score
from sluice.tables.risk import lower_bound, upper_bound

#: Share of donors that the attack must surely link on raw (lower bound), or its result is not
#: evidence: five times what the policy allows.
WORKS_FROM = 0.25
#: Genes of a genome: what looks safe on one chromosome is not (POLICY.md, decision 1).
GENES_NEEDED = 20_000
#: Donors of a reference below which nothing is learned from half of it.
FEWEST_DONORS = 40

# Draws of a noisy release of the panel: what the attacker can do as often as he likes.
_DRAWS = 2

ProductOf = Callable[[Genome], Product]


@dataclass
class _Tally:
    """What an attack found by method, both halves together.

    ``donors`` were tried, each against ``outsiders`` others. ``named`` counts the rows whose best
    candidate of all is behind them, of ``rows``; guessing would name ``by_luck``.
    """

    hits: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    donors: int = 0
    outsiders: int = 0
    rows: int = 0
    by_luck: float = 0.0

    def add(self, found: dict[str, np.ndarray], group: int) -> None:
        """Count one half: released rows x candidates by method."""
        donors = next(iter(found.values())).shape[1]
        rows = list(_groups(donors, group))
        for method, scores in found.items():
            self.hits[method] += int(linked(scores, group).sum())
            best = scores.argmax(axis=1)
            self.named[method] += sum(best[row] in members for row, members in enumerate(rows))
        self.donors += donors
        self.outsiders = donors - max(len(members) for members in rows)
        self.rows += len(rows)
        self.by_luck += sum(len(members) for members in rows) / donors


def linked(scores: np.ndarray, group: int = 1) -> np.ndarray:
    """Tell for each donor whether his genotypes outrank those of all who are not behind his row.

    Parameters
    ----------
    scores
        Released rows x donors. A row is a donor, or the mean of the next group of at least
        ``group`` donors in order.
    """
    donors = scores.shape[1]
    found = np.zeros(donors, dtype=bool)
    for row, members in enumerate(_groups(donors, group)):
        outside = np.delete(scores[row], members)
        found[members] = scores[row, members] > outside.max()
    return found


def genotype_linking(
    reference: Reference,
    products: Sequence[ProductOf],
    limit_key: str = "genotype_linking",
    *,
    copies: int | None = None,
    seed: int = 0,
    genes_needed: int = GENES_NEEDED,
) -> list[Score]:
    """Judge products by an attacker who knows their transformation, on a reference cohort.

    Half of the donors are the attacker's panel and the other half released, then the other way
    round, so that every donor is tried once.

    Parameters
    ----------
    products
        Each made for an emulated genome, whose genes it names.
    copies
        How many donor-permuted copies of the reference make the genome; unless told, as many as
        give :data:`~sluice.attacks.genotypes.genome.GENES` genes, one for a whole transcriptome.
    genes_needed
        On a genome of fewer genes nothing that is found is evidence.

    Raises
    ------
    SluiceError
        If the reference is too small, its numbers are not finite, or its tables do not match.
    """
    copies = copies or copies_of(reference.expression.shape[1])
    _check(reference)
    found: dict[int, tuple[str, _Tally, _Tally]] = {}
    first = halves(len(reference.expression), seed)
    for turn, (panel, target) in enumerate((first, first[::-1])):
        genome = emulate(reference, panel, target, copies, 2 * seed + turn)
        controls: dict[int, dict[str, np.ndarray]] = {}
        for number, make in enumerate(products):
            product = make(genome)
            if 2 * product.group > len(target):
                raise _too_small(f"a group of {product.group}")
            random = np.random.default_rng([seed, turn, number])
            if product.group not in controls:
                raw = every_gene(genome, product.group)
                controls[product.group] = dict(_attack(genome, raw, random))
            _, tally, control = found.setdefault(number, (product.name, _Tally(), _Tally()))
            tally.add(dict(_attack(genome, product, random)), product.group)
            control.add(controls[product.group], product.group)
    genes = copies * reference.expression.shape[1]
    whole = genes >= genes_needed
    note = (
        f"Top-1 among all who are not behind the row, on {copies} donor-permuted copies of the "
        f"reference ({genes} genes); strongest method, Clopper-Pearson bounds. Gene sets are drawn "
        "from these genes; rounding earns no credit."
    )
    return [_score(*parts, limit_key, note, genes, whole) for parts in found.values()]


def _attack(
    genome: Genome, product: Product, random: np.random.Generator
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each method's scores, released rows x candidates."""
    released = product.transform(genome.target.expression, random)
    draws = [
        product.transform(genome.panel.expression, random)
        for _ in range(_DRAWS if product.noisy else 1)
    ]
    expected = product.transform(genome.target.predicted, None)
    rows = released if product.group == 1 else _means(released, product.group)
    yield "predicted profile", profile.scores(np.vstack(draws), rows, expected, product.group)
    if product.genes is not None and product.group == 1:
        told = genome.p[product.genes] < ADAPTIVE_P
        blocks, genes = genome.copy[product.genes], product.genes[told]
        panel = np.vstack([prepared(draw, FACTORS, blocks)[:, told] for draw in draws])
        model = bayes.fit(panel, np.tile(genome.panel.genotypes[:, genes], (len(draws), 1)))
        target = prepared(released, FACTORS, blocks)[:, told]
        yield "naive Bayes", bayes.scores(model, target, genome.target.genotypes[:, genes])


def _groups(donors: int, size: int) -> Iterator[np.ndarray]:
    """Yield disjoint groups of at least ``size`` donors, as equal as can be."""
    yield from np.array_split(np.arange(donors), max(1, donors // size))


def _means(values: np.ndarray, size: int) -> np.ndarray:
    return np.vstack([values[members].mean(axis=0) for members in _groups(len(values), size)])


def _score(
    product: str,
    tally: _Tally,
    control: _Tally,
    limit_key: str,
    note: str,
    genes: int,
    whole: bool,
) -> Score:
    best, hits = max(sorted(tally.hits.items()), key=lambda item: item[1])
    raw = max(control.hits.values())
    return Score(
        name="genotype_linking",
        product=product,
        attacker_knows="everybody's genotypes, the transformation and its noise, and a reference "
        "of other donors put through it",
        estimate=hits / tally.donors,
        lower=lower_bound(hits, tally.donors),
        upper=upper_bound(hits, tally.donors),
        n=tally.donors,
        chance=1 / (tally.outsiders + 1),
        limit_key=limit_key,
        evidence={
            "raw": raw / control.donors,
            "works": lower_bound(raw, control.donors) >= WORKS_FROM and whole,
        },
        note=note,
        detail={
            "genes": genes,
            "strongest": best,
            "top1": {name: count / tally.donors for name, count in sorted(tally.hits.items())},
            "best_candidate_is_behind_the_row": {
                "share": tally.named[best] / tally.rows,
                "chance": tally.by_luck / tally.rows,
                "rows": tally.rows,
            },
        },
    )


def _check(reference: Reference) -> None:
    donors, genes = reference.expression.shape
    if reference.dosages.shape != (len(reference.variant_sites), donors) or not genes:
        raise SluiceError(
            "A reference needs the same donors in expression and genotypes, and a place a variant",
            where="genotype linking",
            mend="align its tables",
        )
    if not np.isfinite(reference.expression).all():
        raise SluiceError(
            "The reference's expression holds missing or infinite numbers",
            where="genotype linking",
            mend="fill or drop them at source",
        )
    if donors < FEWEST_DONORS:
        raise _too_small("one half of the donors")


def _too_small(what: str) -> SluiceError:
    return SluiceError(
        f"The reference has too few donors to learn from, or to hide, {what}",
        where="genotype linking",
        mend=f"give a reference of at least {FEWEST_DONORS} donors and four times a group",
    )
