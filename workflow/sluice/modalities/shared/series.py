"""In which class each participant was, release after release: kept in the vault, planned with.

The plan writes the classes of its candidate, ``sluice publish`` keeps them for good
(:mod:`sluice.identity.lineage` says where), and the plan and the scenarios of a later release read
all of them. The rules are :mod:`sluice.tables.sequential`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sluice.config.policy import FieldRule
from sluice.files.tables import read_metadata, read_table, write_table
from sluice.jobs import Job
from sluice.knowledge import MISSING
from sluice.modalities.shared.consent import people_of
from sluice.modalities.shared.plan import LEVEL, REMOVED
from sluice.tables.sequential import Step, Told

_KEY = "sluice_classes"
_VALUE = "value."
#: Name of the level of a cell that is removed.
GONE = "removed"


@dataclass(frozen=True)
class Record:
    """What the vault holds of one release's classes.

    Parameters
    ----------
    told
        Who was in which class, and who was suppressed.
    steps
        How each quasi-identifier was recoded.
    k
        Fewest people in a class.
    values
        Subjects x sensitive fields: keyed digests.
    cells
        Subjects x fields whose cells were changed one by one: names of levels.
    """

    told: Told
    steps: Mapping[str, Step]
    k: int
    values: pd.DataFrame
    cells: pd.DataFrame


def steps_of(
    node: Mapping[str, int], rules: Mapping[str, FieldRule], names: Mapping[str, Sequence[str]]
) -> dict[str, Step]:
    """Return how a node recodes each of its fields."""
    steps = {}
    for field, place in node.items():
        rule = rules.get(field)
        options = {} if rule is None else rule.options
        plain = {name: value for name, value in options.items() if name != "levels"}
        steps[field] = Step("value" if rule is None else rule.rule, plain, names[field], place)
    return steps


def value_digests(job: Job, values: pd.DataFrame) -> pd.DataFrame:
    """Return keyed digests of sensitive values, so that releases can be compared without them."""
    out = {}
    for name, column in values.items():
        key = job.vault.key("classes", str(name))
        told = {
            value: hmac.new(key, str(value).encode(), hashlib.sha256).hexdigest()[:16]
            for value in column.fillna(MISSING).unique()
        }
        out[name] = column.fillna(MISSING).map(told)
    return pd.DataFrame(out, index=values.index)


def subjects_of(job: Job) -> dict[str, str]:
    """Return the subject behind each person of controlled: registered's own subjects."""
    behind: dict[str, str] = {}
    for modality in job.config.modalities:
        people = people_of(job, "controlled", modality)
        behind |= {person: subject for subject, person in people.items()}
    return behind


def write_classes(
    job: Job, people: pd.DataFrame, recoding: Mapping[str, Any], values: pd.DataFrame
) -> None:
    """Write to the vault in which class of the candidate each participant is (stage ``plan``).

    Parameters
    ----------
    people, recoding
        As the plan holds them.
    values
        Subjects x facts, the sensitive ones among them.
    """
    people = people.set_index("subject")
    status = np.select([people["kept"], people["held"]], ["kept", "held"], "suppressed")
    table = pd.DataFrame({"status": status, "class_id": people["class_id"]}, index=people.index)
    table = table.join(value_digests(job, values[recoding["sensitive"]]).add_prefix(_VALUE))
    for name in recoding.get("local", {"fields": {}})["fields"]:
        names = {**dict(enumerate(recoding["levels"][name])), REMOVED: GONE}
        table[LEVEL + name] = people[LEVEL + name].map(names)
    if job.settings.source == "controlled":
        table = table.rename(index=subjects_of(job))
    told = {"k": recoding["k"], "steps": recoding["steps"]}
    write_table(
        job.vault.place(job.layout.classes(job.tier)),
        table.sort_index().reset_index(names="subject"),
        {_KEY: json.dumps(told, sort_keys=True)},
    )


def read_record(tier: str, version: str, path: Path) -> Record:
    """Read the classes of one release."""
    table = read_table(path).set_index("subject")
    told = json.loads(read_metadata(path)[_KEY])
    kept = table[table["status"] == "kept"]
    suppressed = frozenset(table.index[table["status"] == "suppressed"])
    return Record(
        told=Told(tier, version, kept["class_id"], suppressed),
        steps={name: Step(**step) for name, step in told["steps"].items()},
        k=told["k"],
        values=_columns(kept, _VALUE),
        cells=_columns(kept, LEVEL),
    )


def _columns(table: pd.DataFrame, prefix: str) -> pd.DataFrame:
    named = [name for name in table.columns if name.startswith(prefix)]
    return table[named].rename(columns=lambda name: name.removeprefix(prefix))
