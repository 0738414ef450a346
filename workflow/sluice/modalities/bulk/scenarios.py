"""Attacks on released bulk expression."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from sluice.attacks.differencing import CONTROL_DONORS
from sluice.attacks.relink import relink
from sluice.attacks.traits import infer_traits
from sluice.expression.aggregate import Floors, effective_dimension, set_means
from sluice.identity.lineage import lineage_digest
from sluice.jobs import Job
from sluice.modalities.bulk.individual import PRODUCT, by_donor, donor_scores, read_scores
from sluice.modalities.bulk.profiles import MOST_SAMPLES, Profiles, profiles
from sluice.modalities.bulk.settings import individual_settings
from sluice.modalities.shared.consent import people_of
from sluice.modalities.shared.groups import (
    averaged,
    chosen_sets,
    floor_faults,
    floor_score,
    log_rows,
    set_scores,
    smallest_set,
)
from sluice.modalities.shared.h5ad import ReleasedMatrix, open_released
from sluice.modalities.shared.lineage import GroupValues, lineage, lineage_scores, numbers_told
from sluice.modalities.shared.means import DonorGroup, hidden_traits, linking, mean_scores
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
    if product_is_on(job, PRODUCT):
        found += _individual(job)
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
    keys = matrix.obs.rename(columns={"donor_id": "donor"}).reset_index(drop=True)
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


def _individual(job: Job) -> list[Score]:
    """Re-link the released scores, read hidden traits from them, count and link their numbers."""
    matrix, keys = _behind(job)
    keys = keys[keys["donor"].isin(sorted(keys["donor"].unique())[:MOST_SAMPLES])]
    keys = keys.reset_index(drop=True)
    genes = job.read(job.layout.minimize(job.tier, "bulk", "all") / "genes.parquet")["gene_id"]
    shown, people = read_scores(job), people_of(job, job.tier, "bulk")
    sets = list(shown.columns)
    every = range(len(matrix.genes))
    samples = np.vstack(list(log_rows(matrix.source, keys["row"].to_numpy(), every)))
    raw = by_donor(pd.DataFrame(samples, columns=matrix.genes), keys)
    whole = donor_scores(matrix, keys, genes, sets).to_numpy()
    released = shown.loc[[people[donor] for donor in raw.index]].to_numpy()
    numbers = numbers_told(lineage(job, PRODUCT, {}), job.layout.version)
    found = [
        _other_sample(samples, keys, raw, sorted(genes), sets, released),
        _other_tier(whole, released),
        hidden_traits(job, list(raw.index), released, raw.to_numpy(), PRODUCT),
        _dimension(job, numbers, len(shown)),
        linking(job, 1, numbers, smallest_set(sets, genes), PRODUCT),
    ]
    return [score for score in found if score is not None]


def _other_sample(
    samples: np.ndarray,
    keys: pd.DataFrame,
    raw: pd.DataFrame,
    genes: list[str],
    sets: list[str],
    released: np.ndarray,
) -> Score:
    """Link the scores by one sample of each donor: the second where enough have one, else noisy.

    ``samples`` are rows of ``keys`` x all genes, ``raw`` their means by donor.
    """
    second = (keys.groupby("donor").cumcount() == 1).to_numpy()
    if second.sum() >= _FEWEST_REPLICATES:
        known, donors = samples[second], pd.Index(keys.loc[second, "donor"])
        knows = "a named profile of each donor: one of the samples that the scores average"
    else:
        noise = np.random.default_rng(0).normal(size=raw.shape)
        known, donors = raw.to_numpy() + raw.std(ddof=0).to_numpy() * noise, raw.index
        knows = "a named profile of each donor with noise of one gene SD (no second samples)"
    own = known[:, raw.columns.get_indexer(pd.Index(genes))]
    score = relink(
        set_means(own, genes, chosen_sets(sets), min_genes=1)[0],
        released,
        raw.index.get_indexer(donors),
        "donor_relink",
        PRODUCT,
        raw=raw.to_numpy(),
        known_raw=known,
    )
    return replace(score, name="donor_relink", attacker_knows=knows)


def _other_tier(whole: np.ndarray, released: np.ndarray) -> Score:
    """Link the scores by controlled's own rows, of which they are a function."""
    truth = np.arange(len(released))
    score = relink(whole, released, truth, "tier_relink", PRODUCT, raw=whole)
    knows = "controlled's rows of the same people, and how scores are computed from them"
    return replace(score, name="tier_relink", attacker_knows=knows)


def _dimension(job: Job, numbers: int, donors: int) -> Score:
    """Return ``effective_dimension``: numbers told of one donor over donors (decision 9)."""
    value = numbers / donors
    return Score(
        name="effective_dimension",
        product=PRODUCT,
        attacker_knows="the scores of every release of the tier and how many donors have them",
        estimate=value,
        lower=value,
        upper=value,
        n=donors,
        limit_key="effective_dimension",
        note="Numbers told of the donor of whom most are told, over the candidate's donors.",
        detail={"numbers": numbers, "lineage": lineage_digest(job.layout, job.tier)},
    )
