"""Re-linking, traits and membership on the public data sets: what raw tells, what a release does.

Data sets lie beside the repository (``SLUICE_SHARED``); without them the subject says so.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sluice.attacks.group_traits import infer_group_traits
from sluice.attacks.membership import regrouped_membership
from sluice.attacks.relink import relink_profiles
from sluice.attacks.synthetic import Rows, SyntheticRelease, class_gaussian, synthetic_membership
from sluice.attacks.traits import read_binary
from sluice.expression.aggregate import set_means
from sluice.expression.genes import excluded, gene_sets, to_ensembl
from sluice.expression.profiles import Profiles, read_profiles

_FAMOUS = ("RPS4Y1", "DDX3Y", "UTY", "KDM5D", "EIF1AY", "XIST")
_REGISTERED = ("HLA", "KIR", "IG", "TCR", "chrX", "chrY")
_GROUP, _DECIMALS = 20, 2


def measure() -> dict[str, Any]:
    """Return what each attack reaches on raw, and under ``inference`` what is behind it.

    ``relink`` is the share of donors found in another pipeline, ``sex_auroc`` the area for sex in
    all genes, ``membership`` the mean area over 30 exact means of 20 donors.
    """
    root = Path(os.environ.get("SLUICE_SHARED", Path(__file__).parents[3] / "shared"))
    folder = root / "data/expression"
    if not folder.is_dir():
        return {"skipped": "no shared data: set SLUICE_SHARED to the folder that holds data/"}
    geuvadis = folder / "geuvadis_qtltools/genes.50percent.chr22.bed.gz"
    lymphoblasts = read_profiles(geuvadis, "geuvadis").logarithms()
    tuscans = read_profiles(folder / "humangender/counts.csv.gz", "humangender").logarithms()
    labels = pd.read_csv(folder / "humangender/coldata.csv", index_col=0)
    sex = labels.loc[tuscans.samples, "group"].to_numpy(dtype=str)
    parts = {
        "relink": lambda: _relink(lymphoblasts, tuscans),
        "sex_auroc": lambda: _sex(tuscans, sex),
        "membership": lambda: _membership(lymphoblasts, tuscans, folder / "all128"),
    }
    found = {}
    for name, part in parts.items():
        started = time.perf_counter()
        found[name] = {**part(), "seconds": time.perf_counter() - started}
    return {
        "relink": found["relink"]["top1"],
        "sex_auroc": found["sex_auroc"]["raw"]["estimate"],
        "membership": found["membership"]["whitened"],
        "inference": found,
    }


def _relink(one: Profiles, other: Profiles) -> dict[str, Any]:
    score = relink_profiles(one, other)
    genes = score.detail["genes"]
    return {"top1": score.estimate, "lower": score.lower, "donors": score.n, "genes": genes}


def _sex(tuscans: Profiles, sex: np.ndarray) -> dict[str, Any]:
    male = sex == "Male"
    famous = np.isin(tuscans.genes, to_ensembl(_FAMOUS)[0])
    judged = {
        "raw": tuscans.values,
        "without_famous_six": tuscans.values[:, ~famous],
        "without_chrX_chrY": tuscans.values[:, ~excluded(tuscans.genes, ("chrX", "chrY"))],
    }
    found = {}
    for name, values in judged.items():
        best = max(read_binary(values, male).values(), key=lambda auc: auc.upper)
        found[name] = best.to_json()
    for name, values in (("raw_means_of_20", tuscans.values), ("set_means_of_20", _sets(tuscans))):
        labels = {"sex": sex}
        score = infer_group_traits(
            values, tuscans.values, labels, _GROUP, _DECIMALS, "traits", name, rounds=10
        )
        found[name] = {k: getattr(score, k) for k in ("estimate", "lower", "upper")}
    return found


def _sets(profiles: Profiles) -> np.ndarray:
    """Return donors x sets as the registered tier has them before the mean."""
    kept = ~excluded(profiles.genes, _REGISTERED)
    genes = [gene for gene, free in zip(profiles.genes, kept, strict=True) if free]
    return set_means(profiles.values[:, kept], genes, gene_sets(), min_genes=50)[0]


def _membership(lymphoblasts: Profiles, tuscans: Profiles, leukaemia: Path) -> dict[str, Any]:
    raw = regrouped_membership(
        lymphoblasts.values, lymphoblasts.values, _GROUP, None, "membership", "raw"
    )
    areas = raw.detail["auc"]
    found: dict[str, Any] = {
        family: max(area for name, area in areas.items() if name.startswith(family))
        for family in ("independent", "whitened")
    }
    found["tpr_at_1_percent_fpr"] = raw.detail["tpr_at_1_percent_fpr"]
    # As many sets as the rule of effective dimension allows a group of 20: two.
    sets = _sets(tuscans)[:, : _GROUP // 10]
    registered = regrouped_membership(
        sets, tuscans.values, _GROUP, _DECIMALS, "membership", "group_means"
    )
    found["registered_upper"] = registered.upper
    return {**found, "synthetic_subspace": _synthetic(leukaemia)}


def _synthetic(folder: Path) -> float:
    profiles = read_profiles(folder / "exprs.csv.gz", "all128", "genes")
    labels = pd.read_csv(folder / "pdata.csv", dtype=str)["BT"].str[0].to_numpy(dtype=str)
    order = np.random.default_rng(0).permutation(len(labels))
    parts = [Rows(profiles.values[p], labels[p]) for p in np.array_split(order, 3)]
    release = SyntheticRelease(class_gaussian(parts[0], 2 * len(parts[0].kind), 1), *parts)
    score = synthetic_membership(release, "synthetic_membership", "naive")
    return float(score.detail["auc"]["subspace"])
