"""Attacks on released bulk expression."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from sluice.attacks.differencing import CONTROL_DONORS
from sluice.attacks.relink import relink
from sluice.attacks.traits import infer_traits
from sluice.expression.aggregate import Floors, effective_dimension
from sluice.jobs import Job
from sluice.modalities.bulk.profiles import Profiles, profiles
from sluice.modalities.bulk.settings import individual_settings
from sluice.modalities.shared.groups import (
    averaged,
    floor_faults,
    floor_score,
    log_rows,
    set_scores,
    smallest_set,
)
from sluice.modalities.shared.h5ad import ReleasedMatrix, open_released
from sluice.modalities.shared.lineage import GroupValues, lineage_scores
from sluice.modalities.shared.means import DonorGroup, mean_scores
from sluice.modalities.shared.plan import kept_subjects, product_is_on, read_plan
from sluice.scores import Score

_FEWEST_REPLICATES = 5


def scenarios(job: Job) -> list[Score]:
    """Return the scores of every product of the tier that is on; one that is off needs none."""
    found: list[Score] = []
    if product_is_on(job, "gene_matrix"):
        both = profiles(job)
        found += [*_sex(job, both), _relink(both)]
    if product_is_on(job, "group_means"):
        found += _means(job)
    return found


def _sex(job: Job, both: Profiles) -> list[Score]:
    """Read sex from donors' profiles; without known labels of two kinds it cannot run."""
    path = job.layout.curate("clinical", "all") / "people.parquet"
    people = job.read(path) if path.is_file() else pd.DataFrame(columns=["subject"])
    if "sex" not in people:
        return []
    donors, raw = both.by_donor(both.raw)
    _, released = both.by_donor(both.released)
    sex = people.set_index("subject")["sex"].reindex(donors)
    known = sex.notna().to_numpy()
    if sex[known].nunique() != 2:
        return []
    labels = sex[known].to_numpy(dtype=str)
    name = "sex_inference"
    return [
        infer_traits(raw[known], released[known], {"sex": labels}, name, "gene_matrix", name=name)
    ]


def _relink(both: Profiles) -> Score:
    """Link donors: from their second sample where enough have one, else from a noisy copy.

    Everybody's first sample is what was released to link to.
    """
    table = pd.DataFrame({"subject": both.people, "row": range(len(both.people))})
    turn = table.groupby("subject").cumcount()
    first, second = table[turn == 0]["row"].to_numpy(), table[turn == 1]["row"].to_numpy()
    own = both.raw_of_released
    if len(second) >= _FEWEST_REPLICATES:
        known, people = own[second], both.people[second]
        knows = "a named profile of each donor from another sample of the same donor"
    else:
        noise = np.random.default_rng(0).normal(size=own[first].shape)
        known, people = own[first] + own[first].std(axis=0) * noise, both.people[first]
        knows = "a named profile of each donor with noise of one gene SD (no second samples)"
    place = {subject: number for number, subject in enumerate(both.people[first])}
    truth = np.array([place[subject] for subject in people])
    score = relink(
        known, both.released[first], truth, "donor_relink", "gene_matrix", raw=own[first]
    )
    return replace(score, name="donor_relink", attacker_knows=knows)


def _means(job: Job) -> list[Score]:
    """Count floors anew; in a tier that judges them, attack the means themselves too."""
    assert job.settings.modality is not None
    settings = individual_settings(job.settings.modality, job.tier)
    plan = read_plan(job)["modalities"]["bulk"]
    table = job.read(job.layout.data(job.tier, "bulk", "all") / "group_means.parquet")
    matrix, keys = _behind(job)
    by = list(plan["groups"]["by"])
    faults = floor_faults(table, keys, by, Floors(settings.min_donors))
    donors, groups = keys["donor"].nunique(), table[by].drop_duplicates()
    found = [floor_score(faults, donors, len(groups), "group_means")]
    genes = job.read(job.layout.minimize(job.tier, "bulk", "all") / "genes.parquet")["gene_id"]
    rows, every = keys["row"].to_numpy(), range(len(matrix.genes))
    released = set_scores(matrix.source, rows, sorted(genes), plan["sets"])
    told = averaged(keys, released, by, groups, plan["sets"])
    numbers = {(g.measure, g.group): effective_dimension(g.values, settings.decimals) for g in told}
    control = _control(matrix, keys, by, groups, told)
    judged = lineage_scores(
        job, "group_means", settings.min_donors, settings.decimals, numbers, *control
    )
    if job.settings.source != "controlled":
        return [*found, *(score for score in judged if score.name == "differencing")]
    raw = np.vstack(list(log_rows(matrix.source, rows, every)))
    groups_of = [_group(keys, by, label, released, raw) for label in plan["groups"]["kept"]]
    told_of_donor = len(plan["sets"]) * len(groups_of)
    smallest = smallest_set(plan["sets"], genes)
    attacked = mean_scores(
        job, groups_of, told_of_donor, smallest, settings.decimals, "group_means"
    )
    return [*found, *attacked, *judged]


def _control(
    matrix: ReleasedMatrix,
    keys: pd.DataFrame,
    by: list[str],
    groups: pd.DataFrame,
    told: list[GroupValues],
) -> tuple[np.ndarray, np.ndarray]:
    """Return donors x all genes, and x sets, of some donors of the largest group."""
    place = max(range(len(told)), key=lambda number: len(told[number].donors))
    some = told[place].donors[:CONTROL_DONORS]
    mine = keys[keys["donor"].isin(some)].reset_index(drop=True)
    every = range(len(matrix.genes))
    raw = np.vstack(list(log_rows(matrix.source, mine["row"].to_numpy(), every)))
    of_group = averaged(mine, raw, by, groups.iloc[[place]], matrix.genes)[0]
    return of_group.values, told[place].values[: len(some)]


def _behind(job: Job) -> tuple[ReleasedMatrix, pd.DataFrame]:
    """Return controlled's matrix and the tier's rows of it: ``donor``, groups, ``row``."""
    path = job.layout.data("controlled", "bulk", "all") / "expression.h5ad"
    job.note_input(path)
    matrix = open_released(path)
    keys = matrix.obs.rename(columns={"person": "donor"}).reset_index(drop=True)
    keys["row"] = range(len(keys))
    if job.settings.source == "controlled":
        keys = keys[keys["donor"].isin(kept_subjects(job))]
    return matrix, keys.reset_index(drop=True)


def _group(
    keys: pd.DataFrame, by: list[str], label: list[str], released: np.ndarray, raw: np.ndarray
) -> DonorGroup:
    """Return what stands behind one group's mean, and all others' like it for the attacks.

    A member's profile is the mean of the samples in the group, an outsider's of all samples.
    """
    inside = (keys[by].astype(str) == label).all(axis=1).to_numpy()
    members = set(keys.loc[inside, "donor"])
    used = inside | ~keys["donor"].isin(members).to_numpy()
    donor = keys.loc[used, "donor"].to_numpy()
    tables = [pd.DataFrame(v[used]).groupby(donor, sort=True).mean() for v in (released, raw)]
    names = [str(name) for name in tables[0].index]
    return DonorGroup(names, tables[0].to_numpy(), tables[1].to_numpy(), len(members))
