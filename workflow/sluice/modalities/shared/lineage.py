"""Who is in which published group, release after release: kept in the vault, judged together.

``apply`` writes the groups of a candidate beside its crosswalk, ``sluice publish`` keeps what was
published for good (:mod:`sluice.identity.lineage` says where), and the scenarios of a later release
read all of it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sluice.attacks.differencing import Statement, differencing, numbers_per_donor
from sluice.errors import SluiceError
from sluice.files.tables import read_table, write_table
from sluice.identity import Pseudonyms
from sluice.identity.lineage import lineage_digest, published_groups
from sluice.jobs import Job
from sluice.modalities.shared.consent import people_of
from sluice.scores import Score

_COLUMNS = ["product", "measure", "group", "donor", "content", "features"]


@dataclass(frozen=True)
class GroupValues:
    """What is averaged in one group, or told of each: donors x features.

    ``donors`` are as controlled names them.
    """

    measure: str
    group: str
    donors: Sequence[str]
    values: np.ndarray
    features: Sequence[str]


def subjects_behind(job: Job, maps: Pseudonyms, subjects: pd.Series) -> dict[str, str]:
    """Return controlled's pseudonyms with the subject behind each (stage ``apply``).

    The subject stays the same where pseudonyms change with every release.
    """
    if job.settings.source == "controlled":
        return {person: s for s, person in people_of(job, "controlled", job.modality).items()}
    return {maps.person(subject): subject for subject in subjects.unique()}


def write_groups(
    job: Job,
    told: Mapping[str, Sequence[GroupValues]],
    subjects: Mapping[str, str],
    decimals: int,
) -> None:
    """Write to the vault who is in which group of a candidate, and a keyed digest of the values.

    ``told`` is product -> its groups.
    """
    key = job.vault.key("groups", job.modality)
    parts = [pd.DataFrame(columns=_COLUMNS, dtype=object)]
    for product, group in ((name, group) for name, groups in told.items() for group in groups):
        rounded = np.round(group.values, decimals + 2) + 0.0  # no negative zero
        contents = [
            hmac.new(key, row.tobytes(), hashlib.sha256).hexdigest()[:32] for row in rounded
        ]
        part = pd.DataFrame({"donor": [subjects[d] for d in group.donors], "content": contents})
        words = {"measure": group.measure, "group": group.group}
        parts.append(part.assign(product=product, **words, features="\n".join(group.features)))
    table = pd.concat(parts, ignore_index=True)[_COLUMNS].astype(object)
    write_table(
        job.vault.place(job.layout.groups(job.tier, job.modality)),
        table.sort_values(_COLUMNS).reset_index(drop=True),
    )


def lineage(job: Job, product: str, numbers: Mapping[tuple[str, str], int]) -> list[Statement]:
    """Return what all published releases of the tier and this candidate tell of groups.

    ``numbers`` are the independent numbers of the candidate's groups, by measure and group; of an
    earlier release every number counts.

    Raises
    ------
    SluiceError
        If the candidate's groups are not recorded.
    """
    path = job.layout.groups(job.tier, job.modality)
    if not path.is_file():
        raise SluiceError(
            "The vault does not say who is in the candidate's groups",
            where=f"tier {job.tier}, modality {job.modality}",
            mend="run the stage deidentify again",
        )
    told = []
    for version, file in {
        **published_groups(job.layout, job.tier, job.modality),
        job.layout.version: path,
    }.items():
        job.note_input(file)
        table = read_table(file)
        told += _statements(version, table[table["product"] == product])
    return [
        replace(s, numbers=numbers.get((s.measure, s.group)))
        if s.release == job.layout.version
        else s
        for s in told
    ]


def _statements(version: str, table: pd.DataFrame) -> list[Statement]:
    return [
        Statement(
            release=version,
            measure=str(measure),
            group=str(group),
            members=dict(zip(rows["donor"], rows["content"], strict=True)),
            features=frozenset(str(features).split("\n")),
        )
        for (measure, group, features), rows in table.groupby(
            ["measure", "group", "features"], sort=True
        )
    ]


def lineage_scores(
    job: Job,
    product: str,
    floor: int,
    decimals: int,
    numbers: Mapping[tuple[str, str], int],
    raw: np.ndarray,
    released: np.ndarray,
) -> list[Score]:
    """Return ``differencing`` and ``effective_dimension`` over the whole lineage.

    Parameters
    ----------
    numbers
        Independent numbers of the candidate, by measure and group.
    raw, released
        Donors of one of its groups x all genes, and x what is averaged.
    """
    told = lineage(job, product, numbers)
    score = differencing(told, job.layout.version, floor, product, raw, released, decimals)
    seen = {"lineage": lineage_digest(job.layout, job.tier)}
    return [
        replace(score, detail={**score.detail, **seen}),
        _dimension(told, product),
    ]


def numbers_told(told: Sequence[Statement], version: str) -> int:
    """Return how many numbers the lineage tells of one donor of ``version``: whose are the most.

    For rows that are a donor's own. The same number of the same values told again adds nothing.
    """
    numbers: dict[str, set[tuple[str, str]]] = defaultdict(set)
    mine: set[str] = set()
    for statement in told:
        mine |= set(statement.members) if statement.release == version else set()
        for donor, content in statement.members.items():
            numbers[donor] |= {(feature, content) for feature in statement.features}
    return max((len(numbers[donor]) for donor in mine), default=0)


def _dimension(told: Sequence[Statement], product: str) -> Score:
    value, donors = numbers_per_donor(told)
    return Score(
        name="effective_dimension",
        product=product,
        attacker_knows="the numbers of every release of the tier and how many donors are behind",
        estimate=value,
        lower=value,
        upper=value,
        n=donors,
        limit_key="effective_dimension",
        note="Independent numbers a donor over all releases; of the donor with the most.",
        detail={"releases": len({statement.release for statement in told})},
    )
