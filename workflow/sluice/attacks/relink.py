"""Re-linking: the same donors in two sets of expression profiles.

The attacker holds named profiles of the donors from another pipeline, release or half of the cells.
He standardises each set alone (which removes the pipelines' difference), whitens both by their
joint principal components, and names for each donor the nearest released row, or the best
one-to-one assignment. Every number of components is tried and the strongest attacker counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from sluice.errors import SluiceError
from sluice.expression.aggregate import pseudobulk
from sluice.expression.profiles import Profiles
from sluice.expression.singlecell import CellSource
from sluice.scores import Score
from sluice.tables.risk import lower_bound, upper_bound

#: Share of donors that the attack must find on raw, or its result is not evidence.
WORKS_FROM = 0.5

_COMPONENTS = (5, 10, 20, 40, 80)


def relink(
    known: np.ndarray,
    released: np.ndarray,
    truth: np.ndarray,
    limit_key: str,
    product: str,
    *,
    raw: np.ndarray | None = None,
    known_raw: np.ndarray | None = None,
) -> Score:
    """Link named profiles to released ones.

    Parameters
    ----------
    known
        The attacker's profiles: donors x features, one row a donor.
    released
        People x features, the same features: values, or whatever the attacker makes of ``known``
        by the release's own transformation.
    truth
        For each row of ``known`` its row in ``released``, or -1 for a donor who is not in it.
    raw
        The rows of ``released`` before the defence; leave it out where ``released`` is raw.
    known_raw
        ``known`` before the attacker put it through the transformation, features as ``raw``;
        leave it out where the release's features are raw's.

    Raises
    ------
    SluiceError
        If shapes do not match, or nobody is in both.
    """
    targets = np.flatnonzero(truth >= 0)
    before = known if known_raw is None else known_raw
    sound = known.shape[1] == released.shape[1] and len(truth) == len(known) and len(targets)
    sound = sound and truth.max() < len(released) and len(before) == len(known)
    if raw is not None:
        sound = sound and raw.shape == (len(released), before.shape[1])
    if not sound:
        raise SluiceError(
            "Re-linking needs the same features in both sets and at least one donor in both",
            where="known, released, truth",
        )
    found = _attack(known, released, truth)
    control = found if raw is None else _attack(before, raw, truth)
    best = max(sorted(found), key=lambda name: found[name])
    hits, raw_rate = found[best], max(control.values()) / len(targets)
    return Score(
        name="relink",
        product=product,
        attacker_knows="a named profile of each donor from another pipeline or other cells",
        estimate=hits / len(targets),
        lower=lower_bound(hits, len(targets)),
        upper=upper_bound(hits, len(targets)),
        n=len(targets),
        chance=1 / len(released),
        limit_key=limit_key,
        evidence={"raw": raw_rate, "works": raw_rate >= WORKS_FROM},
        note="Top-1 share of donors, strongest of nearest neighbour and one-to-one assignment "
        "over several whitenings; Clopper-Pearson bounds.",
        detail={
            "proportion": True,
            "strongest": best,
            "top1": {k: v / len(targets) for k, v in sorted(found.items())},
        },
    )


def relink_profiles(
    known: Profiles, released: Profiles, partner: Mapping[str, str] | None = None
) -> Score:
    """Link two files of expression: other pipelines, tiers or releases of the same donors.

    Parameters
    ----------
    known, released
        Profiles of any scale; their logarithms of the genes that both hold are compared.
    partner
        Sample of ``known`` -> its donor's sample in ``released``; without it, the same names.

    Raises
    ------
    SluiceError
        If no gene is in both, or nobody is known to be.
    """
    shared = set(released.genes)
    genes = [gene for gene in known.genes if gene in shared]
    if not genes:
        raise SluiceError(
            "The two files have no gene in common",
            where="known and released profiles",
            mend="if rows are samples, say so",
        )
    place = {name: number for number, name in enumerate(released.samples)}
    partners = known.samples if partner is None else [partner.get(n, "") for n in known.samples]
    truth = np.array([place.get(name, -1) for name in partners])
    if (truth < 0).all():
        raise SluiceError(
            "No donor of the first file is known to be in the second, so hits cannot be counted",
            where="names of samples",
            mend="give a table of pairs",
        )
    a, b = (profiles.logarithms().columns(genes) for profiles in (known, released))
    score = relink(a, b, truth, "donor_relink", "profiles")
    detail = {**score.detail, "genes": len(genes), "released": len(released.samples)}
    return replace(score, name="donor_relink", detail=detail)


def half_split(
    source: CellSource, cells: pd.DataFrame, *, floor: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (one half's profiles, the other's, truth) for :func:`relink`.

    ``cells`` holds ``row`` and ``donor``. Each donor's cells are dealt out in turn by row; donors
    need ``floor`` cells in each half.
    """
    dealt = cells.sort_values("row", kind="stable").copy()
    dealt["half"] = dealt.groupby("donor").cumcount() % 2
    bulk = pseudobulk(source, dealt, ["donor", "half"], floor=floor, log=True)
    keys = bulk.keys[bulk.keys.duplicated("donor", keep=False)]
    halves = [bulk.values[keys.index[keys["half"] == half]] for half in (0, 1)]
    return halves[0], halves[1], np.arange(len(halves[0]))


def _attack(known: np.ndarray, released: np.ndarray, truth: np.ndarray) -> dict[str, int]:
    """Return how many donors each attacker finds.

    The released rows are shuffled first, so that an attacker who breaks ties by order gains
    nothing from two tables that happen to be in the same one.
    """
    order = np.random.default_rng(0).permutation(len(released))
    place = np.argsort(order)
    target = np.where(truth >= 0, place[truth], -1)
    hits = {}
    for name, similarity in _similarities(known, released[order]).items():
        hits[f"{name}, nearest"] = int((similarity.argmax(axis=1) == target).sum())
        rows, columns = linear_sum_assignment(similarity, maximize=True)
        hits[f"{name}, one-to-one"] = int((columns == target[rows]).sum())
    return hits


def _similarities(known: np.ndarray, released: np.ndarray) -> dict[str, np.ndarray]:
    """Return known x released cosine similarities, whitened by several numbers of components."""
    varied = (np.ptp(known, axis=0) > 0) & (np.ptp(released, axis=0) > 0)
    if not varied.any():
        return {"none": np.zeros((len(known), len(released)))}
    a, b = _standard(known[:, varied]), _standard(released[:, varied])
    left, singular, _ = np.linalg.svd(np.vstack([a, b]), full_matrices=False)
    rank = int((singular > singular[0] * 1e-8).sum())
    out = {"no whitening": _unit(a) @ _unit(b).T, "correlation": _centred(a) @ _centred(b).T}
    for k in sorted({min(k, rank) for k in (*_COMPONENTS, rank)}):
        white = left[:, :k]
        out[f"{k} components"] = _unit(white[: len(a)]) @ _unit(white[len(a) :]).T
    return out


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean(axis=0)) / values.std(axis=0)


def _centred(values: np.ndarray) -> np.ndarray:
    """Take out each row's level, such as depth of sequencing."""
    return _unit(values - values.mean(axis=1, keepdims=True))


def _unit(values: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 0)
