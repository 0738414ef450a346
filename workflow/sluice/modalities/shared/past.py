"""What earlier releases allow of the next one: the plan's and the scenarios' view of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sluice.attacks.sequential import Held
from sluice.config.policy import People
from sluice.errors import SluiceError
from sluice.identity.lineage import published_classes
from sluice.jobs import Job
from sluice.modalities.shared.plan import REMOVED
from sluice.modalities.shared.series import GONE, Record, read_record, subjects_of, value_digests
from sluice.tables.models import Rules
from sluice.tables.sequential import Step, everybody, is_finer
from sluice.tables.staying import Lineage, protect


def read_past(job: Job) -> Past:
    """Read what published releases, and the tier that the candidate starts from, tell of people.

    Raises
    ------
    SluiceError
        If the vault does not say who is in controlled's candidate.
    """
    files = published_classes(job.layout, job.tier)
    if derived := job.settings.source == "controlled":
        own = job.layout.classes("controlled")
        if not own.is_file():
            raise SluiceError(
                "The vault does not say in which classes controlled's people are",
                where=f"tier {job.tier}",
                mend="run the stage deidentify of controlled again",
            )
        files = {**files, ("controlled", job.layout.version): own}
    for path in files.values():
        job.note_input(path)
    records = [read_record(tier, version, path) for (tier, version), path in files.items()]
    return Past(
        own=[record for record in records if record.told.tier == job.tier],
        beside=[record for record in records if record.told.tier != job.tier],
        version=job.layout.version,
        derived=derived,
    )


@dataclass(frozen=True)
class Past:
    """The releases that a candidate comes after.

    Parameters
    ----------
    own
        Of its tier, by version.
    beside
        Of the other individual-level tier; where the candidate is computed from it (``derived``),
        that tier's candidate is among them.
    version
        The candidate's.
    """

    own: Sequence[Record]
    beside: Sequence[Record]
    version: str
    derived: bool

    def lineage(self, k: int) -> Lineage:
        """Return what the rules look at; ``k`` is the tier's own."""
        below = [record.k for record in self.beside if record.told.version == self.version]
        return Lineage(
            [record.told for record in self.own],
            [record.told for record in self.beside],
            richer=self.derived,
            least=max(below, default=1) if self.derived else k,
        )

    def held(self, now: pd.DataFrame) -> Held:
        """Return what a scenario compares with; ``now`` are the candidate's sensitive digests."""
        gone = self.values[~self.values.index.isin(now.index)].reindex(columns=now.columns)
        lineage = self.lineage(1)
        steps = [record.steps for record in self.own]
        return Held(lineage.own, lineage.beside, self.derived, pd.concat([now, gone]), steps)

    @cached_property
    def suppressed(self) -> frozenset[str]:
        """Who was suppressed once and stays out of the tier."""
        return frozenset().union(*(record.told.suppressed for record in self.own))

    @cached_property
    def values(self) -> pd.DataFrame:
        """Keyed digests of the sensitive values that the tier's last release told, by subject."""
        tables = [record.values for record in self.own]
        every = pd.concat(tables) if tables else pd.DataFrame()
        return every[~every.index.duplicated(keep="last")]

    @cached_property
    def changed_cells(self) -> frozenset[str]:
        """Fields of which a release of the tier changed single cells."""
        return frozenset(str(name) for record in self.own for name in record.cells)

    def subjects(self, job: Job, names: pd.Index) -> pd.Index:
        """Return the subject behind each of the people whom the tier's plan names."""
        behind = subjects_of(job) if self.derived else {}
        return pd.Index([behind.get(name, name) for name in names], dtype=object)

    def staying(
        self, job: Job, shown: pd.Series, sensitive: pd.DataFrame, rules: Rules
    ) -> tuple[np.ndarray, np.ndarray]:
        """Tell which of those whom the classes let in may be in the candidate, and who waits.

        Parameters
        ----------
        shown
            Subject → class.
        sensitive
            Subjects x sensitive fields, of all candidates.

        Returns
        -------
        tuple of numpy.ndarray
            bool, shape (people shown,) both. Who neither stays nor waits goes for good.
        """
        lineage = self.lineage(rules.k)
        if not lineage:
            return np.ones(len(shown), dtype=bool), np.zeros(len(shown), dtype=bool)
        now = value_digests(job, sensitive)
        gone = self.values[~self.values.index.isin(now.index)].reindex(columns=now.columns)
        stays = protect(shown, lineage, rules, pd.concat([now, gone])).to_numpy()
        return stays, ~stays & ~shown.index.isin(everybody(lineage.own))

    def no_finer(
        self, field: str, names: Sequence[str], levels: Mapping[int, Any]
    ) -> dict[int, Any]:
        """Return the levels (by place) that are no finer than a field was published, if any is."""
        steps = [record.steps[field] for record in self.own if field in record.steps]
        coarsest = max((list(names).index(s.name) for s in steps if s.name in names), default=0)
        return {place: level for place, level in levels.items() if place >= coarsest}

    def refuse_finer(
        self, tier: str, steps: Mapping[str, Step], released: Mapping[str, Any], policy: People
    ) -> None:
        """Refuse a recoding that shows more of a field than a release before it did.

        Parameters
        ----------
        steps
            How the candidate recodes its quasi-identifiers.
        released
            By name, every field that it releases.

        Raises
        ------
        SluiceError
            If a field is finer, is no quasi-identifier any more, or is coarser without a reason.
        """
        for record in self.own:
            for field, before in sorted(record.steps.items()):
                where = f"tier {tier}, field {field}, published in {record.told.version}"
                now = steps.get(field)
                if now is None and field in released:
                    raise SluiceError(
                        "A quasi-identifier of an earlier release is no longer one",
                        where=where,
                        mend=f"name {field} in people.quasi, or release it no more",
                    )
                if now is not None and is_finer(now, before):
                    raise SluiceError(
                        "A field would be finer than an earlier release has it",
                        where=where,
                        mend=f"keep its rule, and freeze the level {before.name} or a coarser one",
                    )
                if field in self.changed_cells - set(policy.recoding.local_fields):
                    raise SluiceError(
                        "Cells that an earlier release removed would be shown",
                        where=where,
                        mend="keep the field in recoding.local_fields",
                    )
                if now is not None and now.name != before.name and not policy.recoding.reason:
                    raise SluiceError(
                        "The recoding of a series is coarser than before, and nothing says why",
                        where=where,
                        mend="write `reason:` beside the node in people.recoding",
                    )

    def coarsest(
        self, cells: pd.DataFrame, subjects: pd.Index, names: Mapping[str, Sequence[str]]
    ) -> pd.DataFrame:
        """Return the levels of cells, none finer than a release before it had it.

        Parameters
        ----------
        cells
            People x fields: places of levels, ``REMOVED`` for none.
        subjects
            The subject of each row.
        """
        out = cells.copy()
        for record in self.own:
            for name in set(map(str, record.cells)) & set(map(str, cells)):
                before = {level: place for place, level in enumerate(names[name])}
                then = record.cells[name].reindex(subjects).map({**before, GONE: REMOVED})
                rank = len(names[name])
                old = then.fillna(0).replace(REMOVED, rank).to_numpy(dtype=int)
                new = out[name].replace(REMOVED, rank).to_numpy(dtype=int)
                both = np.maximum(old, new)
                out[name] = np.where(both == rank, REMOVED, both)
        return out
