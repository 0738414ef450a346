"""TERMS.md: what the recipient may do, with Data Use Ontology codes."""

from __future__ import annotations

import csv

from sluice.config import Config
from sluice.errors import SluiceError
from sluice.release.markdown import render
from sluice.release.policy import tier_policy
from sluice.resources import resource


def duo_terms(codes: list[str]) -> list[dict[str, str]]:
    """Return code, shorthand, label and definition of Data Use Ontology codes, in their order.

    Parameters
    ----------
    codes
        Spelled ``DUO:0000042`` or ``DUO_0000042``.

    Raises
    ------
    SluiceError
        If a code is not in the shipped edition.
    """
    with resource("duo", "codes.tsv").open(encoding="utf-8", newline="") as handle:
        known = {row["code"]: row for row in csv.DictReader(handle, delimiter="\t")}
    spelled = [code.replace("_", ":") for code in codes]
    for code in spelled:
        if code not in known:
            raise SluiceError(
                "A Data Use Ontology code is unknown",
                where="the cohort's consent codes, `duo`",
                mend="use a code that resources/duo/codes.tsv lists, such as DUO:0000042",
            )
    return [known[code] for code in spelled]


def write_terms(config: Config, tier: str) -> str:
    """Return the text of TERMS.md."""
    settings = config.settings("bundle", tier)
    rules = tier_policy(config, tier)
    return render(
        "TERMS.md.j2",
        release=f"{settings.cohort}/{settings.version}/{tier}",
        title=config.release.title,
        tier=tier,
        access=rules.access,
        terms=settings.terms,
        statements=rules.statements,
        duo=duo_terms(settings.duo or []),
        facility=config.site.facility,
        contact=config.site.contact,
        demo=config.site.demo,
    )
