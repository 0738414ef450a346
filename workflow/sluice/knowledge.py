"""What an attacker may know of each person: one table a tier, over all modalities.

An attribute is a released field, a count, what is missing, or whether somebody has data of a
modality at all. The policy says which of them the classes hold for (``people.quasi``) and who knows
which (``people.attackers``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from sluice.jobs import Job
from sluice.modalities.shared.plan import is_offered

MISSING = "(missing)"
#: Quasi-identifier of those whose expression is told donor by donor: all that a link to it tells.
LINKED = "linked_by_expression"
#: Modalities whose values find the same person again (decision 0017).
_LINKING = ("bulk", "singlecell")


def everybody(facts: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return every subject of whom anything is known, sorted."""
    return sorted(set().union(*(set(table["subject"]) for table in facts.values())))


def joint_table(facts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row a subject and one column an attribute.

    ``has_<modality>`` is added for each modality. An attribute of several modalities (the tissue of
    bulk and of single-cell samples) holds what all of them tell.
    """
    subjects = everybody(facts)
    rows = pd.concat(facts.values()).dropna(subset=["value"])
    named = sorted({str(name) for table in facts.values() for name in table["attribute"]})
    rows = rows.drop_duplicates(["subject", "attribute", "value"])
    rows = rows.sort_values(["subject", "attribute", "value"])
    told = rows.groupby(["attribute", "subject"])["value"].agg(" | ".join)
    columns = {
        name: told.xs(name).reindex(subjects) if name in told.index else None for name in named
    }
    for modality, table in facts.items():
        present = pd.Series(subjects, index=subjects).isin(set(table["subject"]))
        columns[f"has_{modality}"] = present.map({True: "yes", False: "no"})
    return pd.DataFrame(columns, index=pd.Index(subjects, name="subject"), dtype=object)


def linked_facts(facts: Mapping[str, pd.DataFrame], donors: Iterable[str]) -> pd.Series:
    """Return, by subject, what a perfect link of a donor's expression tells in one text.

    All facts of all modalities of expression, so also that there are any, of ``donors`` only:
    values join (POLICY.md, decision 2), and what they join to is a quasi-identifier (decision 14).
    """
    rows = pd.concat([facts[modality] for modality in _LINKING if modality in facts])
    rows = rows[rows["subject"].isin(set(donors))].sort_values(["subject", "attribute"])
    told = rows["attribute"] + ": " + rows["value"].fillna(MISSING)
    return told.groupby(rows["subject"]).agg("; ".join)


def untold(job: Job, facts: Mapping[str, pd.DataFrame]) -> set[str]:
    """Return the attributes that nothing of the tier shows, whoever knows them.

    A modality of which the tier offers no product with rows of single people tells nothing of a
    person: neither what their samples or images are nor that there are any.
    """
    products = job.settings.products or {}
    shown = {
        product.modality
        for name, product in products.items()
        if is_offered(job, name) and not product.aggregate
    }
    names = attributes(facts)
    told = set().union(*(names[modality] for modality in names if modality in shown))
    return set().union(*names.values()) - told


def attributes(facts: Mapping[str, pd.DataFrame]) -> dict[str, set[str]]:
    """Return the attributes that each modality tells, whether there is any among them."""
    return {
        modality: {f"has_{modality}", *map(str, table["attribute"].unique())}
        for modality, table in facts.items()
    }


def by_modality(facts: Mapping[str, pd.DataFrame]) -> dict[str, set[str]]:
    """Return the attributes of each modality but the clinical one, under a name for readers."""
    named = attributes(facts)
    return {f"all of {modality}": named[modality] for modality in named if modality != "clinical"}
