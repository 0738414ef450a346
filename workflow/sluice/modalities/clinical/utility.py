"""What the clinical tables are still good for."""

from __future__ import annotations

import pandas as pd

from sluice.files import read_json
from sluice.jobs import Job
from sluice.modalities.shared.consent import truth_of
from sluice.scores import Score
from sluice.tables.hierarchies import ALL


def utility(job: Job) -> list[Score]:
    """Return the share of information in the quasi-identifiers that the release keeps.

    For each field the normalised mutual information between raw and released values, averaged
    over fields; each suppressed participant counts as nothing kept.
    """
    plan = read_json(job.layout.plan(job.tier))
    source = "controlled" if job.settings.source == "controlled" else job.tier
    facts = job.read(job.layout.facts(source, "clinical"))
    truth = truth_of(job, "clinical")
    people = job.read(job.layout.data(job.tier, "clinical", "all") / "people.parquet")
    people = people.set_index("person")
    kept = len(people) / max(plan["people"]["candidates"], 1)
    by_field: dict[str, float] = {}
    for name in sorted(set(plan["recoding"]["quasi"]) & set(people.columns)):
        raw = facts[facts["attribute"] == name].set_index("subject")["value"]
        raw = raw.reindex(sorted(truth))
        shown = people[name].reindex([truth[s] for s in raw.index])
        by_field[name] = kept_information(raw, shown)
    share = kept * sum(by_field.values()) / max(len(by_field), 1)
    return [
        Score(
            name="table_utility",
            product="clinical_table",
            attacker_knows="released against raw quasi-identifiers, field by field",
            estimate=share,
            lower=share,
            upper=share,
            n=len(people),
            limit_key="table_utility",
            note="Mean share of each field's entropy that the released field still tells.",
            detail={"fields": by_field, "people_kept": kept},
        )
    ]


def kept_information(raw: pd.Series, released: pd.Series) -> float:
    """Return the mutual information of two labelings over the entropy of the first, in [0, 1].

    A field with one value has nothing to lose: 1.
    """
    from sklearn.metrics import mutual_info_score

    before = raw.fillna("").astype(str).to_numpy()
    after = released.astype(object).fillna(ALL).astype(str).to_numpy()
    entropy = mutual_info_score(before, before)
    return float(mutual_info_score(before, after) / entropy) if entropy > 0 else 1.0
